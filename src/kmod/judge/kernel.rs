//! What is known of the target kernel: from its driver toolkit where there is one, and what had to be assumed.

use crate::api::{Finding, Rule};
use crate::kernel::Architecture;
use crate::kmod::config::KernelConfig;
use crate::kmod::facts::{ElfModule, Era, Export, StructModule};
use crate::kmod::load::Load;
use crate::kmod::symvers::Symvers;
use crate::kmod::toolkit::{InTree, Toolkit, ToolkitEvidence};

/// The target kernel, as far as it is known.
pub(super) struct Kernel<'a> {
    /// Its release.
    pub(super) release: &'a str,
    /// Whose it is: told by its release or by who asks, else by its configuration.
    pub(super) architecture: Option<Architecture>,
    toolkit: Option<&'a Toolkit>,
    /// Its vermagic: an in-tree module's, else worked out from its configuration.
    pub(super) vermagic: Option<String>,
}

impl<'a> Kernel<'a> {
    pub(super) fn new(load: &'a Load, evidence: &'a ToolkitEvidence) -> Self {
        let toolkit = match evidence {
            ToolkitEvidence::Found(toolkit) => Some(toolkit.as_ref()),
            _ => None,
        };
        let vermagic = toolkit.and_then(|t| {
            let computed = || t.config.as_ref().and_then(|config| config.vermagic(&load.kernel));
            t.vermagic.clone().or_else(computed)
        });
        Self {
            release: &load.kernel,
            architecture: load
                .architecture
                .or_else(|| toolkit.and_then(|toolkit| toolkit.config.as_ref()?.architecture())),
            toolkit,
            vermagic,
        }
    }

    pub(super) fn symvers(&self) -> Option<&'a Symvers> {
        self.toolkit?.symvers.as_deref()
    }

    pub(super) fn config(&self) -> Option<&'a KernelConfig> {
        self.toolkit?.config.as_deref()
    }

    pub(super) fn in_tree(&self) -> Option<&'a InTree> {
        self.toolkit?.in_tree.as_deref()
    }

    pub(super) fn this_module(&self) -> Option<StructModule> {
        self.toolkit?.this_module
    }

    /// Whether an option is on; `None` where the configuration is not known.
    pub(super) fn option(&self, name: &str) -> Option<bool> {
        self.config().map(|config| config.is_on(name))
    }

    /// Whether the kernel checks symbol versions: its configuration says so, else its vermagic, else the CRC of
    /// `module_layout`, which every kernel with `CONFIG_MODVERSIONS` has.
    pub(super) fn checks_versions(&self) -> Option<bool> {
        self.option("MODVERSIONS")
            .or_else(|| {
                self.vermagic
                    .as_ref()
                    .map(|magic| magic.split(' ').any(|word| word == "modversions"))
            })
            .or_else(|| {
                self.symvers()
                    .map(|s| s.symbol("module_layout").is_some_and(|layout| layout.crc != 0))
            })
    }

    /// Whether Debian built it, with its own patches: by the compiler that it names, and by its release as the salt of its
    /// build id (`debian/rules.real`). Others may use that compiler as well; whether they do with those patches is not known, nor
    /// is anything where there is no configuration.
    pub(super) fn is_debians(&self) -> Option<bool> {
        let config = self.config()?;
        let compiler = config.value("CC_VERSION_TEXT");
        let salt = config.value("BUILD_SALT");
        let by_its_compiler = compiler.is_some_and(|compiler| compiler.contains("Debian"));
        (!by_its_compiler || salt == Some(self.release)).then_some(by_its_compiler)
    }

    /// Whether the kernel is at least of that version; a release that cannot be read is taken as newest.
    pub(super) fn at_least(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(has_major)), Some(Ok(has_minor))) => (has_major, has_minor) >= (major, minor),
            _ => true,
        }
    }

    /// Whether it tells by a table of flags which exports are for GPL-compatible modules only, as Linux does since 7.1
    /// (`kernel/module/main.c: find_exported_symbol_in_section`): the script by which its modules are linked says so, else its
    /// release.
    pub(super) fn reads_export_flags(&self) -> bool {
        let told = self.toolkit.and_then(|toolkit| toolkit.has_export_flags);
        told.unwrap_or_else(|| self.at_least(7, 1))
    }

    /// The exports of a module that it sees, and whether each is for GPL-compatible modules only.
    pub(super) fn exports<'f>(&self, elf: &'f ElfModule) -> impl Iterator<Item = (&'f Export, bool)> + use<'f> {
        let reads_flags = self.reads_export_flags();
        let exports = elf.exports.iter();
        exports.filter_map(move |export| Some((export, export.gpl_only(reads_flags)?)))
    }

    /// How it reads a module's ELF image. Told by its release alone: what a distribution has taken over from later kernels is
    /// not known.
    pub(super) fn era(&self) -> Era {
        if self.at_least(6, 13) {
            Era::Since6_13
        } else if self.at_least(6, 4) {
            Era::Before6_13
        } else {
            Era::Before6_4
        }
    }

    /// What happens to a module that lacks something the kernel checks: with `CONFIG_MODULE_FORCE_LOAD` it loads
    /// all the same and taints the kernel, without it is refused (`kernel/module/main.c: try_to_force_load`).
    pub(super) fn unless_force_load(&self, rule: Rule, what: &str, mend: &str) -> Finding {
        match (self.option("MODULE_FORCE_LOAD"), self.toolkit) {
            (Some(true), _) => Finding::warns(
                rule,
                format!(
                    "{what}; {} has CONFIG_MODULE_FORCE_LOAD, loads it and is tainted; {mend}",
                    self.release
                ),
            ),
            (Some(false), _) => Finding::decides(
                rule,
                format!(
                    "{what}, and {} has no CONFIG_MODULE_FORCE_LOAD: it refuses the module; {mend}",
                    self.release
                ),
            ),
            (None, Some(_)) => Finding::decides(
                rule,
                format!(
                    "{what}, and {} refuses the module (assumed: no CONFIG_MODULE_FORCE_LOAD, as on RHEL; the toolkit \
                     has no kernel configuration); {mend}",
                    self.release
                ),
            ),
            (None, None) => Finding::warns(
                rule,
                format!(
                    "{what}: only kernels with CONFIG_MODULE_FORCE_LOAD load it (Debian's have it, RHEL's have not), \
                     and without a driver toolkit that was not checked; {mend}"
                ),
            ),
        }
    }
}

/// What could not be checked, and why: one finding where there is no toolkit, else one for each part it lacks.
///
/// A toolkit that was named and cannot be used decides: whoever named it asked for these checks, and an all-clear
/// without them would be false.
pub(super) fn unchecked(kernel: &Kernel<'_>, load: &Load, evidence: &ToolkitEvidence) -> Vec<Finding> {
    const WITHOUT: &str = "not checked: exported symbols and their CRCs, GPL-only symbols and namespaces, in-tree \
                           modules, the whole vermagic, the layout of struct module, kernel configuration";
    let target = &load.kernel;
    match evidence {
        ToolkitEvidence::NotGiven => vec![Finding::informs(
            Rule::ToolkitMissing,
            format!("no driver toolkit of {target} was named; {WITHOUT}"),
        )],
        ToolkitEvidence::Unreadable(why) => {
            let message =
                format!("the driver toolkit could not be read: {why}; name the right one in spec.dtkImage; {WITHOUT}");
            vec![Finding::decides(Rule::ToolkitMissing, message)]
        }
        ToolkitEvidence::OtherKernel { image, kernels } => {
            let of = if kernels.is_empty() {
                "no kernel at all".to_owned()
            } else {
                kernels.join(", ")
            };
            let message = format!(
                "{image} is the driver toolkit of {of}, not of {target}; name the right one in spec.dtkImage; {WITHOUT}"
            );
            vec![Finding::decides(Rule::ToolkitOtherKernel, message)]
        }
        ToolkitEvidence::Found(toolkit) => lacking(kernel, toolkit),
    }
}

/// What is taken for granted of a kernel whose configuration is not known: what RHEL's kernels have.
const ASSUMED: &str = "what it decides; assumed as on RHEL: CONFIG_MODULE_SIG without CONFIG_MODULE_SIG_FORCE, symbol \
                       versions as its vermagic says, CONFIG_LIVEPATCH, no CONFIG_MODULE_FORCE_LOAD, no \
                       CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS";

fn lacking(kernel: &Kernel<'_>, toolkit: &Toolkit) -> Vec<Finding> {
    let parts = [
        (
            toolkit.symvers.is_none(),
            "Module.symvers",
            "exported symbols, their CRCs, GPL-only symbols and namespaces",
        ),
        (toolkit.config.is_none(), "kernel configuration", ASSUMED),
        (
            toolkit.in_tree.is_none(),
            "list of in-tree modules",
            "dependencies on them, and modules of the same name",
        ),
        (
            kernel.vermagic.is_none(),
            "vermagic",
            "the module's vermagic beyond the kernel's release",
        ),
        (
            toolkit.this_module.is_none(),
            "in-tree module to compare with",
            "the layout of struct module",
        ),
    ];
    let lacks = parts.into_iter().filter(|(lacks, ..)| *lacks);
    lacks
        .map(|(_, part, checks)| {
            Finding::informs(
                Rule::NotChecked,
                format!("{} has no {part}; not checked: {checks}", toolkit.image),
            )
        })
        .collect()
}
