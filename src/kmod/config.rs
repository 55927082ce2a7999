//! The options of a kernel's configuration that decide whether a module loads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The options that are kept; a kernel has some ten thousand others.
const KEPT: &[&str] = &[
    "64BIT",
    "ARM64",
    "ASM_MODVERSIONS",
    "BASIC_MODVERSIONS",
    "CC_VERSION_TEXT",
    "CFI",
    "CFI_CLANG",
    "CPU_BIG_ENDIAN",
    "CPU_LITTLE_ENDIAN",
    "CRYPTO_ECDSA",
    "CRYPTO_RSA",
    "CRYPTO_SHA1",
    "CRYPTO_SHA256",
    "CRYPTO_SHA3",
    "CRYPTO_SHA512",
    "EXTENDED_MODVERSIONS",
    "GCC_PLUGIN_RANDSTRUCT",
    "KALLSYMS",
    "LIVEPATCH",
    "LOCALVERSION",
    "LTO_CLANG",
    "MITIGATION_RETPOLINE",
    "MODULES",
    "MODVERSIONS",
    "MPROFILE_KERNEL",
    "PPC64",
    "PREEMPT",
    "PREEMPTION",
    "PREEMPT_BUILD",
    "PREEMPT_RT",
    "RELOCATABLE",
    "RETPOLINE",
    "RISCV",
    "RUST",
    "S390",
    "SMP",
    "SYSTEM_TRUSTED_KEYS",
    "TRIM_UNUSED_KSYMS",
    "X86_64",
];

/// The families of options that are kept.
const KEPT_FAMILIES: &[&str] = &["MODULE_", "RANDSTRUCT", "SECURITY_LOCKDOWN_LSM", "LOCK_DOWN_"];

/// The longest value that is kept; real ones are a word, a path or the compiler's version.
const MAX_VALUE: usize = 1024;

/// The options of `include/config/auto.conf` (or `.config`) that some rule asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelConfig {
    options: BTreeMap<String, String>,
}

impl KernelConfig {
    /// Reads `auto.conf` or `.config`. An option that is not set, not there or `n` is the same: off. Of two lines
    /// for one option the last counts, as in a shell.
    pub fn parse(text: &str) -> Self {
        let mut options = BTreeMap::new();
        for (name, value) in text.lines().filter_map(option) {
            match value {
                "n" | "" => options.remove(name),
                value => options.insert(name.to_owned(), value.to_owned()),
            };
        }
        Self { options }
    }

    /// Whether an option is `y`; `name` without `CONFIG_`.
    pub fn is_on(&self, name: &str) -> bool {
        self.value(name) == Some("y")
    }

    /// The value of an option, without quotes; `name` without `CONFIG_`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// Whether it has no option that any rule asks for: it is no configuration of a kernel with modules.
    pub fn is_empty(&self) -> bool {
        self.options.is_empty()
    }

    /// The vermagic of a kernel of that release with this configuration (`include/linux/vermagic.h` and the
    /// architecture's `asm/vermagic.h`). `None` where the configuration does not tell: on an unknown architecture,
    /// and with a randomised layout of structures, whose seed is part of it.
    pub fn vermagic(&self, release: &str) -> Option<String> {
        if self.is_on("RANDSTRUCT") || self.is_on("GCC_PLUGIN_RANDSTRUCT") {
            return None;
        }
        let smp = self.word("SMP", "SMP ");
        let unload = self.word("MODULE_UNLOAD", "mod_unload ");
        let versions = self.word("MODVERSIONS", "modversions ");
        Some(format!("{release} {smp}{}{unload}{versions}{}", self.preemption_word(), self.architecture_words()?))
    }

    /// `PREEMPT_BUILD` since 5.16 and on RHEL 9; before, `PREEMPT`, which now implies it.
    fn preemption_word(&self) -> &'static str {
        if self.is_on("PREEMPT_BUILD") || self.is_on("PREEMPT") {
            "preempt "
        } else {
            self.word("PREEMPT_RT", "preempt_rt ")
        }
    }

    fn architecture_words(&self) -> Option<String> {
        if self.is_on("X86_64") || self.is_on("S390") {
            Some(String::new())
        } else if self.is_on("ARM64") {
            Some("aarch64".to_owned())
        } else if self.is_on("PPC64") {
            Some(self.word("MPROFILE_KERNEL", "mprofile-kernel ").to_owned() + self.word("RELOCATABLE", "relocatable "))
        } else if self.is_on("RISCV") {
            Some("riscv".to_owned())
        } else {
            None
        }
    }

    fn word(&self, option: &str, word: &'static str) -> &'static str {
        if self.is_on(option) { word } else { "" }
    }
}

/// The name and the value of an option that is kept.
fn option(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (name, value) = match line.strip_prefix("# ").and_then(|rest| rest.strip_suffix(" is not set")) {
        Some(name) => (name, "n"),
        None => line.split_once('=')?,
    };
    let name = name.strip_prefix("CONFIG_").filter(|name| is_kept(name))?;
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    (value.len() <= MAX_VALUE).then_some((name, value))
}

fn is_kept(name: &str) -> bool {
    KEPT.binary_search(&name).is_ok() || KEPT_FAMILIES.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_options_are_sorted_so_that_they_are_found() {
        assert!(KEPT.is_sorted());
    }

    #[test]
    fn lines_of_both_files_are_understood() {
        let config = KernelConfig::parse(
            "#\n# Automatically generated file; DO NOT EDIT.\n#\nCONFIG_MODULES=y\nCONFIG_MODULE_SIG_HASH=\"sha512\"\n\
             CONFIG_CC_VERSION_TEXT=\"gcc (GCC) 11.5.0 = new\"\n# CONFIG_MODULE_SIG_FORCE is not set\n\
             CONFIG_LIVEPATCH=n\nCONFIG_USB=y\n  CONFIG_SMP=y  \nCONFIG_CRYPTO_RSA=m\nCONFIG_MODVERSIONS=y\n\
             # CONFIG_MODVERSIONS is not set\nSMP=n\nnonsense\n",
        );
        let cases = [
            ("MODULES", Some("y")),
            ("MODULE_SIG_HASH", Some("sha512")),
            ("CC_VERSION_TEXT", Some("gcc (GCC) 11.5.0 = new")),
            ("MODULE_SIG_FORCE", None),
            ("LIVEPATCH", None),
            ("USB", None),
            ("SMP", Some("y")),
            ("CRYPTO_RSA", Some("m")),
            ("MODVERSIONS", None),
        ];
        for (name, expected) in cases {
            assert_eq!(config.value(name), expected, "{name}");
        }
        assert!(config.is_on("SMP") && !config.is_on("CRYPTO_RSA") && !config.is_on("MODVERSIONS"));
        assert!(KernelConfig::parse("CONFIG_USB=y").is_empty());
    }

    /// The options of real kernels, and the vermagic that their modules carry.
    #[test]
    fn vermagic_is_the_kernels_own() {
        let cases = [
            (
                "Debian 12, cloud",
                "6.1.0-50-cloud-amd64",
                "X86_64 SMP PREEMPT_BUILD MODULE_UNLOAD MODVERSIONS",
                Some("6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions "),
            ),
            (
                "a real-time kernel",
                "6.1.0-50-rt-amd64",
                "X86_64 SMP PREEMPT_RT PREEMPTION MODULE_UNLOAD MODVERSIONS",
                Some("6.1.0-50-rt-amd64 SMP preempt_rt mod_unload modversions "),
            ),
            (
                "RHEL 9 on ARM",
                "5.14.0-570.el9.aarch64",
                "ARM64 SMP PREEMPT_BUILD MODULE_UNLOAD MODVERSIONS",
                Some("5.14.0-570.el9.aarch64 SMP preempt mod_unload modversions aarch64"),
            ),
            (
                "RHEL 9 on POWER",
                "5.14.0-570.el9.ppc64le",
                "PPC64 SMP MODULE_UNLOAD MODVERSIONS MPROFILE_KERNEL RELOCATABLE",
                Some("5.14.0-570.el9.ppc64le SMP mod_unload modversions mprofile-kernel relocatable "),
            ),
            ("IBM Z", "6.12.0", "S390 SMP MODULE_UNLOAD", Some("6.12.0 SMP mod_unload ")),
            ("RISC-V", "6.12.0", "RISCV", Some("6.12.0 riscv")),
            ("5.15 and its PREEMPT", "5.15.0", "X86_64 PREEMPT", Some("5.15.0 preempt ")),
            ("a randomised layout", "6.6.0", "X86_64 SMP RANDSTRUCT", None),
            ("a randomised layout by gcc's plugin", "5.10.0", "X86_64 SMP GCC_PLUGIN_RANDSTRUCT", None),
            ("an unknown architecture", "6.6.0", "SMP", None),
        ];
        for (name, release, options, expected) in cases {
            let text: String = options.split(' ').map(|option| format!("CONFIG_{option}=y\n")).collect();
            assert_eq!(KernelConfig::parse(&text).vermagic(release).as_deref(), expected, "{name}");
        }
    }
}
