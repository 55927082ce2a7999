//! The symbols: does somebody export each that the module needs, in the version it was built for, and may it use it
//! (`kernel/module/main.c: simplify_symbols`, `resolve_symbol`, `verify_exported_symbols`)?

use std::collections::{BTreeMap, HashMap, HashSet};

use super::exporters::{Exporter, Exporters, Found};
use super::kernel::Kernel;
use super::licence;
use super::report::Report;
use super::version::{Compared, crc_mismatch};
use crate::api::{Finding, Rule, Severity};
use crate::kmod::facts::{ElfModule, Undefined};

/// How many symbols one sentence names.
const NAMED: usize = 5;

/// How a namespace begins that names the modules it is for, since Linux 6.16.
const FOR_MODULES: &str = "module:";

/// One module whose symbols are resolved.
pub(super) struct Resolution<'a, 'r> {
    /// The name by which modprobe knows it.
    pub(super) name: &'r str,
    pub(super) elf: &'a ElfModule,
    /// The versions that the kernel sees.
    pub(super) versions: Option<Compared<'a>>,
    pub(super) exporters: &'r Exporters<'a>,
    pub(super) kernel: &'r Kernel<'a>,
    /// The image's folder, for advice.
    pub(super) folder: String,
}

/// The symbols resolved so far, and what they make of the module's own standing (`struct module`).
struct Standing<'a> {
    /// The versions by name; of several records the first counts, as in `check_version`.
    crcs: HashMap<&'a str, u64>,
    /// The namespaces that it imports.
    imported: HashSet<&'a str>,
    /// Its licence in words.
    licence: String,
    /// `TAINT_PROPRIETARY_MODULE`.
    proprietary: bool,
    /// `using_gplonly_symbols`.
    uses_gpl_only: bool,
}

impl Standing<'_> {
    /// `find_symbol` with `gplok`, then `inherit_taint`.
    fn permits(&mut self, name: &str, exporter: &Exporter<'_>) -> Result<(), Finding> {
        if exporter.gpl_only && self.proprietary {
            return Err(gpl_only(name, &self.licence));
        }
        self.uses_gpl_only |= exporter.gpl_only;
        if exporter.proprietary && self.uses_gpl_only {
            return Err(proprietary(name, exporter));
        }
        self.proprietary |= exporter.proprietary;
        Ok(())
    }
}

impl<'a> Resolution<'a, '_> {
    /// Every symbol that it needs, in the order of its symbol table: earlier ones can make later ones impossible. Returns
    /// whether the module is a proprietary one to its own users: by its licence, or because it uses one (`inherit_taint`).
    pub(super) fn check(&self, report: &mut Report) -> bool {
        let mut standing = self.standing();
        let mut not_loaded: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut loaded_by_others: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for undefined in &self.elf.undefined {
            let name = undefined.name.as_str();
            match self.exporters.find(name) {
                Found::Exported(exporter) => {
                    report.extend(self.resolve(undefined, &exporter, &mut standing));
                    let owner = exporter.owner.filter(|owner| self.exporters.is_loaded_by_others(owner));
                    if let Some(owner) = owner {
                        loaded_by_others.entry(owner).or_default().push(name);
                    }
                }
                Found::Nobody if !undefined.weak => report.add(self.missing(name)),
                Found::NotLoaded(owner, exporter) if !undefined.weak => {
                    // That module may be loaded by others: then the rest counts too.
                    report.extend(self.resolve(undefined, &exporter, &mut standing));
                    not_loaded.entry(owner).or_default().push(name);
                }
                Found::Nobody | Found::NotLoaded(..) | Found::Unknown => {}
            }
        }
        report.extend(not_loaded.iter().map(|(owner, symbols)| self.unlinked(owner, symbols)));
        let by_others = loaded_by_others.iter();
        report.extend(by_others.map(|(owner, symbols)| self.loaded_by_others(owner, symbols)));
        standing.proprietary
    }

    fn standing(&self) -> Standing<'a> {
        let records = self
            .versions
            .map(|versions| versions.crcs.0.as_slice())
            .unwrap_or_default();
        Standing {
            crcs: records.iter().rev().map(|(name, crc)| (name.as_str(), *crc)).collect(),
            imported: self.elf.infos("import_ns").collect(),
            licence: licence::in_words(self.elf),
            proprietary: !licence::is_gpl_compatible(self.elf),
            uses_gpl_only: false,
        }
    }

    /// `resolve_symbol`: licence, inherited taint, version, namespace, in this order. A weak symbol may lack the
    /// first two; a wrong version or a namespace that is not imported refuses even a weak one. Where the kernel only warns of
    /// one, it looks at the next.
    fn resolve(&self, undefined: &Undefined, exporter: &Exporter<'_>, standing: &mut Standing<'_>) -> Vec<Finding> {
        let name = undefined.name.as_str();
        let mut findings = Vec::new();
        if let Err(finding) = standing.permits(name, exporter) {
            findings.extend(Some(finding).filter(|_| !undefined.weak));
        } else {
            findings.extend(self.same_version(name, exporter, &standing.crcs));
            if !findings.iter().any(|finding| finding.severity == Severity::Decides) {
                findings.extend(self.namespace_imported(name, exporter, &standing.imported));
            }
        }
        let of_symbol = findings.into_iter().map(|finding| finding.of_symbol(name));
        of_symbol.collect()
    }

    /// `check_version`.
    fn same_version(&self, name: &str, exporter: &Exporter<'_>, crcs: &HashMap<&str, u64>) -> Option<Finding> {
        let versions = self.versions.filter(|_| self.kernel.checks_versions() != Some(false))?;
        let exported = exporter.crc?;
        match crcs.get(name) {
            Some(built_for) if *built_for == u64::from(exported) => None,
            Some(built_for) => Some(crc_mismatch(name, *built_for, exported, self.kernel)),
            None => Some(versions.without(name, self.kernel)),
        }
    }

    /// `verify_namespace_is_imported`.
    fn namespace_imported(&self, name: &str, exporter: &Exporter<'_>, imported: &HashSet<&str>) -> Option<Finding> {
        let namespace = exporter.namespace?;
        if imported.contains(namespace) || (self.knows_module_namespaces() && is_for(namespace, self.elf, self.name)) {
            return None;
        }
        let what = format!("the module uses `{name}` of the symbol namespace {namespace} without importing it");
        let mend = self.import_of(namespace);
        Some(match self.kernel.option("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS") {
            Some(true) => Finding::warns(
                Rule::SymbolNamespace,
                format!(
                    "{what}; {} allows that (CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS); {mend}",
                    self.release()
                ),
            ),
            Some(false) => Finding::decides(
                Rule::SymbolNamespace,
                format!("{what}, which {} refuses; {mend}", self.release()),
            ),
            None => Finding::decides(
                Rule::SymbolNamespace,
                format!(
                    "{what}, which {} refuses (assumed: no CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS, as on RHEL); \
                     {mend}",
                    self.release()
                ),
            ),
        })
    }

    /// Since Linux 6.16. That an earlier kernel has such a namespace itself tells nothing: Debian's 6.12.107 exports
    /// `anon_inode_make_secure_inode` for `module:kvm`, and takes that for a name like any other.
    fn knows_module_namespaces(&self) -> bool {
        self.kernel.at_least(6, 16)
    }

    /// How a namespace is imported; since Linux 6.13 its name is a string (`include/linux/module.h: MODULE_IMPORT_NS`).
    fn import_of(&self, namespace: &str) -> String {
        match namespace.strip_prefix(FOR_MODULES) {
            Some(modules) if self.knows_module_namespaces() => {
                format!("it is for the modules {modules} alone, and nothing can be imported; do without the symbol")
            }
            _ if self.kernel.at_least(6, 13) => format!("add MODULE_IMPORT_NS(\"{namespace}\") to its source"),
            _ => format!("add MODULE_IMPORT_NS({namespace}) to its source"),
        }
    }

    /// `setup_modinfo`: since Linux 6.16 nobody imports a namespace that names the modules it is for (`-EPERM`).
    pub(super) fn check_imports(&self) -> Option<Finding> {
        let mut imported = self.elf.infos("import_ns");
        let named = imported.find(|namespace| namespace.starts_with(FOR_MODULES))?;
        self.knows_module_namespaces().then(|| {
            let message = format!(
                "the module imports the symbol namespace {named}, which {} refuses: such a namespace is for the modules that it \
                 names, without an import; remove that MODULE_IMPORT_NS from its source",
                self.release()
            );
            Finding::decides(Rule::SymbolNamespace, message).of_symbol(named)
        })
    }

    fn release(&self) -> &str {
        self.kernel.release
    }

    fn missing(&self, name: &str) -> Finding {
        let kernel = self.release();
        let trimmed = if self.kernel.option("TRIM_UNUSED_KSYMS") == Some(true) {
            " (it was built with CONFIG_TRIM_UNUSED_KSYMS, and exports only what its own modules use)"
        } else {
            ""
        };
        Finding::decides(
            Rule::SymbolMissing,
            format!(
                "needs the symbol `{name}`, which {kernel} does not export (no such line in the driver toolkit's \
                 Module.symvers){trimmed}, nor any module loaded before it; build the module, or a newer version of its \
                 source, against this kernel's headers"
            ),
        )
        .of_symbol(name)
    }

    fn unlinked(&self, owner: &str, symbols: &[&str]) -> Finding {
        let (kernel, folder) = (self.release(), &self.folder);
        Finding::decides(
            Rule::DependencyInTreeUnlinked,
            format!(
                "needs the in-tree module {owner} ({}), which modprobe does not load for it: the index in the image does \
                 not lead there, so it loads only where the node has {owner} loaded already; add to the Dockerfile, \
                 before depmod: RUN ln -s /lib/modules/{kernel} {folder}/host",
                listed(symbols)
            ),
        )
        .of_symbol(owner)
    }

    /// What the nodes have loaded is evidence that the kernel finds the symbols, as long as that stays so.
    fn loaded_by_others(&self, owner: &str, symbols: &[&str]) -> Finding {
        let (kernel, folder) = (self.release(), &self.folder);
        Finding::warns(
            Rule::DependencyInTreeUnlinked,
            format!(
                "needs the in-tree module {owner} ({}), which modprobe does not load for it: it loads because the nodes \
                 have {owner} loaded already, as was told; so that it loads on others, too, add to the Dockerfile, before \
                 depmod: RUN ln -s /lib/modules/{kernel} {folder}/host",
                listed(symbols)
            ),
        )
        .of_symbol(owner)
    }

    /// `verify_exported_symbols`: nothing is exported twice.
    pub(super) fn check_exports(&self, unloaded: &dyn Fn(&str) -> bool, report: &mut Report) {
        let mut elsewhere: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (export, _) in self.kernel.exports(self.elf) {
            match self.exporters.find(&export.name) {
                Found::Exported(exporter) => report.add(duplicate(&export.name, &exporter)),
                Found::NotLoaded(owner, _) if owner != self.name && !unloaded(&owner) => {
                    elsewhere.entry(owner).or_default().push(&export.name);
                }
                Found::NotLoaded(..) | Found::Nobody | Found::Unknown => {}
            }
        }
        report.extend(
            elsewhere
                .iter()
                .map(|(owner, symbols)| duplicate_elsewhere(owner, symbols)),
        );
    }
}

fn gpl_only(name: &str, licence: &str) -> Finding {
    Finding::decides(
        Rule::SymbolGplOnly,
        format!(
            "uses `{name}`, which is for GPL-compatible modules only, but has {licence} or uses symbols of a proprietary \
             module; only its vendor can mend that"
        ),
    )
}

fn proprietary(name: &str, exporter: &Exporter<'_>) -> Finding {
    let owner = exporter.owner.as_deref().unwrap_or_default();
    Finding::decides(
        Rule::SymbolProprietary,
        format!(
            "uses GPL-only symbols, and `{name}` of the proprietary module {owner}: the kernel does not allow both; only \
             its vendor can mend that"
        ),
    )
}

fn duplicate(name: &str, exporter: &Exporter<'_>) -> Finding {
    let owner = exporter
        .owner
        .as_ref()
        .map_or_else(|| "the kernel".to_owned(), |owner| format!("the module {owner}"));
    Finding::decides(
        Rule::SymbolDuplicate,
        format!(
            "exports `{name}`, which {owner} exports already; the kernel refuses a second one; rename it in this file's source, \
             or leave this file out"
        ),
    )
    .of_symbol(name)
}

fn duplicate_elsewhere(owner: &str, symbols: &[&str]) -> Finding {
    Finding::warns(
        Rule::SymbolDuplicate,
        format!(
            "exports what the in-tree module {owner} exports too ({}); the kernel refuses it where {owner} is loaded; add \
             {owner} to inTreeModulesToRemove",
            listed(symbols)
        ),
    )
    .of_symbol(owner)
}

/// The first few symbols, and how many more.
fn listed(symbols: &[&str]) -> String {
    let first = symbols
        .iter()
        .take(NAMED)
        .map(|s| format!("`{s}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match symbols.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Since Linux 6.16 a namespace may name the modules it is for: `module:a,b-*` (`verify_module_namespace`).
fn is_for(namespace: &str, elf: &ElfModule, name: &str) -> bool {
    let own = elf.name.as_deref().unwrap_or(name).replace('-', "_");
    let fits = |pattern: &str| match pattern.replace('-', "_").strip_suffix('*') {
        Some(prefix) => own.starts_with(prefix),
        None => own == pattern.replace('-', "_"),
    };
    namespace
        .strip_prefix(FOR_MODULES)
        .is_some_and(|patterns| patterns.split(',').any(fits))
}
