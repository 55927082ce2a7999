//! The options of a kernel's configuration that decide whether a module loads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kernel::Architecture;

/// The options that some rule asks for, without `CONFIG_`. All others are dropped: there are ten thousand.
const ASKED_FOR: [&str; 33] = [
    "ARM64",
    "ARM64_MODULE_PLTS",
    "BUILD_SALT",
    "CC_VERSION_TEXT",
    "CRYPTO_ECDSA",
    "CRYPTO_SHA1",
    "CRYPTO_SHA3",
    "CRYPTO_SHA512",
    "DYNAMIC_FTRACE",
    "GCC_PLUGIN_RANDSTRUCT",
    "KALLSYMS",
    "LIVEPATCH",
    "LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY",
    "LOCK_DOWN_KERNEL_FORCE_INTEGRITY",
    "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS",
    "MODULE_FORCE_LOAD",
    "MODULE_SIG",
    "MODULE_SIG_FORCE",
    "MODULE_UNLOAD",
    "MODVERSIONS",
    "MPROFILE_KERNEL",
    "PPC64",
    "PREEMPT",
    "PREEMPT_BUILD",
    "PREEMPT_RT",
    "RANDSTRUCT",
    "RELOCATABLE",
    "RISCV",
    "S390",
    "SMP",
    "STRICT_MODULE_RWX",
    "TRIM_UNUSED_KSYMS",
    "X86_64",
];

/// The options of `include/config/auto.conf` (or `.config`) that some rule asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelConfig {
    options: BTreeMap<String, String>,
}

impl KernelConfig {
    /// Reads `CONFIG_NAME=value` lines; all others, among them `# CONFIG_NAME is not set`, say nothing.
    pub fn parse(text: &str) -> Self {
        let options = text.lines().filter_map(|line| {
            let (name, value) = line.trim_end().strip_prefix("CONFIG_")?.split_once('=')?;
            ASKED_FOR.binary_search(&name).ok()?;
            Some((name.to_owned(), value.trim_matches('"').to_owned()))
        });
        Self {
            options: options.collect(),
        }
    }

    /// Whether it has any option that a rule asks for. One that has none is no kernel's configuration.
    pub fn is_empty(&self) -> bool {
        self.options.is_empty()
    }

    /// Whether an option is `y`; `name` without `CONFIG_`.
    pub fn is_on(&self, name: &str) -> bool {
        debug_assert!(ASKED_FOR.contains(&name), "{name} is not kept");
        self.options.get(name).is_some_and(|value| value == "y")
    }

    /// The value of an option, without quotes; `name` without `CONFIG_`.
    pub fn value(&self, name: &str) -> Option<&str> {
        debug_assert!(ASKED_FOR.contains(&name), "{name} is not kept");
        self.options.get(name).map(String::as_str)
    }

    /// The processors that the kernel is for.
    pub fn architecture(&self) -> Option<Architecture> {
        let of = [
            ("X86_64", Architecture::X86_64),
            ("ARM64", Architecture::Aarch64),
            ("PPC64", Architecture::Ppc64le),
            ("S390", Architecture::S390x),
            ("RISCV", Architecture::Riscv64),
        ];
        let is_it = |(option, _): &(&str, _)| self.is_on(option);
        of.into_iter().find(is_it).map(|(_, architecture)| architecture)
    }

    /// The kernel's own vermagic (`include/linux/vermagic.h: VERMAGIC_STRING`), with the space at its end.
    /// `None` where the configuration alone does not tell it: a randomised layout adds a hash, and each architecture may
    /// add words of its own.
    pub fn vermagic(&self, release: &str) -> Option<String> {
        if self.architecture().is_none() || self.is_on("GCC_PLUGIN_RANDSTRUCT") || self.is_on("RANDSTRUCT") {
            return None;
        }
        let words = [
            if self.is_on("SMP") { "SMP " } else { "" },
            self.preemption(),
            if self.is_on("MODULE_UNLOAD") { "mod_unload " } else { "" },
            if self.is_on("MODVERSIONS") { "modversions " } else { "" },
        ];
        Some(format!("{release} {}{}", words.concat(), self.architecture_words()))
    }

    /// `vermagic.h: MODULE_VERMAGIC_PREEMPT`. Until 5.15 `CONFIG_PREEMPT` stood where
    /// `CONFIG_PREEMPT_BUILD` stands now, which every kernel with the first has since.
    fn preemption(&self) -> &'static str {
        if self.is_on("PREEMPT_BUILD") || self.is_on("PREEMPT") {
            "preempt "
        } else if self.is_on("PREEMPT_RT") {
            "preempt_rt "
        } else {
            ""
        }
    }

    /// `arch/*/include/asm/vermagic.h: MODULE_ARCH_VERMAGIC`.
    fn architecture_words(&self) -> String {
        let mut words = String::new();
        if self.is_on("ARM64") {
            words.push_str("aarch64");
        }
        if self.is_on("PPC64") && self.is_on("MPROFILE_KERNEL") {
            words.push_str("mprofile-kernel ");
        }
        if self.is_on("PPC64") && self.is_on("RELOCATABLE") {
            words.push_str("relocatable ");
        }
        if self.is_on("RISCV") {
            words.push_str("riscv");
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_kept_are_sorted_for_the_search() {
        assert!(ASKED_FOR.is_sorted());
    }

    #[test]
    fn options_are_read_from_both_forms_of_the_file() {
        let config = KernelConfig::parse(
            "# comment\nCONFIG_SMP=y\n# CONFIG_LIVEPATCH is not set\nCONFIG_CC_VERSION_TEXT=\"gcc 14\"\nCONFIG_UNASKED=y\nCONFIG_MODVERSIONS=m\nrubbish",
        );
        assert!(config.is_on("SMP") && !config.is_on("LIVEPATCH") && !config.is_on("MODVERSIONS"));
        assert_eq!(config.value("CC_VERSION_TEXT"), Some("gcc 14"));
        assert!(KernelConfig::parse("CONFIG_UNASKED=y").is_empty());
    }

    #[test]
    fn vermagic_is_what_the_kernel_would_print() {
        let vermagic = |options: &str| {
            let text = format!("CONFIG_{}=y\n", options.replace(' ', "=y\nCONFIG_"));
            KernelConfig::parse(&text).vermagic("R")
        };
        for (options, expected) in [
            (
                "SMP MODULE_UNLOAD MODVERSIONS X86_64",
                Some("R SMP mod_unload modversions "),
            ),
            (
                "X86_64 SMP PREEMPT_BUILD MODULE_UNLOAD MODVERSIONS",
                Some("R SMP preempt mod_unload modversions "),
            ),
            (
                "X86_64 SMP PREEMPT_RT MODULE_UNLOAD MODVERSIONS",
                Some("R SMP preempt_rt mod_unload modversions "),
            ),
            (
                "SMP MODULE_UNLOAD MODVERSIONS ARM64",
                Some("R SMP mod_unload modversions aarch64"),
            ),
            (
                "SMP MODULE_UNLOAD PPC64 MPROFILE_KERNEL RELOCATABLE",
                Some("R SMP mod_unload mprofile-kernel relocatable "),
            ),
            ("X86_64 SMP GCC_PLUGIN_RANDSTRUCT", None),
        ] {
            assert_eq!(vermagic(options).as_deref(), expected, "{options}");
        }
    }
}
