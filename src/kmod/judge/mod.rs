//! Would it load? The rules, in the order in which a node would meet them.
//!
//! [`judge`] reads like the way of a module: KMM copies the folder ([`copy`]), modprobe reads its arguments
//! ([`arguments`]) and finds files ([`super::modprobe`]), and the kernel takes each file, or not: [`file`] and
//! [`signature`], [`version`], [`symbols`], [`parameters`]. All problems of a module are told at once, though a node
//! would stop at the first.

mod algorithms;
mod arguments;
mod copy;
mod exporters;
mod file;
mod kernel;
mod licence;
mod loaded;
mod parameters;
mod report;
mod signature;
mod symbols;
#[cfg(test)]
mod tests;
mod values;
mod version;
mod ways;

pub use self::loaded::{given_loaded, unmet_dependencies};
pub use self::ways::{Ways, ways};

use self::arguments::{NodeSearch, Searched, in_node_folder};
use self::exporters::Exporters;
use self::kernel::Kernel;
use self::report::Report;
use self::symbols::Resolution;
use self::version::{Forcing, VersionsSeen};
use crate::api::{Finding, Rule, Severity};
use crate::kmod::facts::{ElfModule, ModuleFile, Packing};
use crate::kmod::load::Load;
use crate::kmod::modprobe::{self, Command, NodeModules, Role, Source, Step};
use crate::kmod::staged::{Copied, Folder, StagedFolder, StagedImage};
use crate::kmod::toolkit::ToolkitEvidence;

/// Everything that speaks for or against loading, in the order in which a node would meet it; at the end, what could
/// not be checked. It loads if nothing decides against it.
pub fn judge(staged: &StagedImage, load: &Load, toolkit: &ToolkitEvidence) -> Vec<Finding> {
    let kernel = Kernel::new(load, toolkit);
    let mut findings = copy::check(staged, load, kernel.architecture);
    findings.extend(modprobe_step(staged, load, &kernel).unwrap_or_else(|finding| vec![finding]));
    findings.extend(kernel::unchecked(&kernel, load, toolkit));
    let mut findings: Vec<Finding> = findings.into_iter().map(report::shortened).collect();
    // A thousand Modules' findings are kept; most have one or none.
    findings.shrink_to_fit();
    findings
}

/// KMM's second step.
fn modprobe_step(staged: &StagedImage, load: &Load, kernel: &Kernel<'_>) -> Result<Vec<Finding>, Finding> {
    let command = arguments::command(load)?;
    match (arguments::searched(&command, load)?, &staged.folder) {
        (Searched::Node, _) => Ok(in_node_folder(&command, load, kernel.in_tree(), NodeSearch::Told)),
        (Searched::Copy, StagedFolder::Link { target }) if load.is_node_folder(target) => {
            Ok(in_node_folder(&command, load, kernel.in_tree(), NodeSearch::Linked))
        }
        (Searched::Copy, StagedFolder::Folder(folder)) => Ok(Chain::new(&command, load, kernel).judge(folder)),
        (Searched::Copy, _) => Ok(Vec::new()),
    }
}

/// The modules that modprobe loads, one after the other.
struct Chain<'a, 'c> {
    command: &'c Command,
    load: &'c Load,
    kernel: &'c Kernel<'a>,
    exporters: Exporters<'a>,
}

impl<'a, 'c> Chain<'a, 'c> {
    fn new(command: &'c Command, load: &'c Load, kernel: &'c Kernel<'a>) -> Self {
        Self {
            command,
            load,
            kernel,
            exporters: Exporters::new(
                kernel,
                load.loaded.without(|name| is_unloaded_first(name, load, kernel)),
            ),
        }
    }

    fn judge(mut self, folder: &'a Folder) -> Vec<Finding> {
        let copied = Copied::new(self.load.copied_folder(), folder);
        let node = NodeModules {
            in_tree: self.kernel.in_tree(),
            symvers: self.kernel.symvers(),
        };
        let plan = modprobe::plan(copied, self.command, self.load, node);
        let mut findings = plan.findings;
        for step in &plan.steps {
            findings.extend(self.step(step));
        }
        if self.kernel.symvers().is_some() {
            settle_missing_dependencies(&mut findings);
        }
        findings
    }

    fn step(&mut self, step: &Step<'a>) -> Vec<Finding> {
        let mut report = Report::new(step.path.clone(), step.role);
        match &step.source {
            Source::Image(file) => self.image_module(step, file, &mut report),
            Source::InTree => self.in_tree_module(step, &mut report),
            Source::Lost(finding) => {
                self.exporters.load_unseen();
                report.add(finding.clone());
            }
        }
        report.finish()
    }

    fn image_module(&mut self, step: &Step<'a>, file: &'a ModuleFile, report: &mut Report) {
        report.extend(self.same_name(step));
        match self.readable(file, report) {
            Some(elf) => self.elf_module(step, elf, self.forcing(file), report),
            None => self.exporters.load_unseen(),
        }
    }

    /// What the kernel reads from a file, after its signature.
    fn readable(&self, file: &'a ModuleFile, report: &mut Report) -> Option<&'a ElfModule> {
        let content = file::unpacked(file).map_err(|finding| report.add(finding)).ok()?;
        report.extend(signature::check(
            content,
            self.forcing(file),
            &self.load.signatures,
            self.kernel,
        ));
        file::elf(content, self.kernel)
            .map_err(|finding| report.add(finding))
            .ok()
    }

    const fn forcing(&self, file: &ModuleFile) -> Forcing {
        Forcing {
            force: self.command.force,
            in_the_file: !matches!(file.packing, Packing::Plain),
        }
    }

    /// What the kernel makes of a module, in its order (`kernel/module/main.c: load_module`): the first thing that decides is
    /// what it would say.
    fn elf_module(&mut self, step: &Step<'a>, elf: &'a ElfModule, forcing: Forcing, report: &mut Report) {
        let resolution = Resolution {
            name: &step.name,
            elf,
            versions: VersionsSeen::of(elf, forcing, self.kernel).compared(),
            exporters: &self.exporters,
            kernel: self.kernel,
            folder: self.load.image_folder(),
        };
        report.extend(file::struct_module(elf, self.kernel));
        report.extend(file::one_name(elf));
        report.extend(version::check(elf, forcing, self.kernel));
        report.extend(file::flaws(&elf.flaws, self.kernel));
        report.extend(version::check_exports(elf, self.kernel));
        report.extend(resolution.check_imports());
        let is_proprietary = resolution.check(report);
        report.extend(file::flaws(&elf.link_flaws, self.kernel));
        resolution.check_exports(&|name| is_unloaded_first(name, self.load, self.kernel), report);
        if matches!(step.role, Role::Asked | Role::AskedBeside) && !self.command.all {
            let given = self.command.words.get(1..).unwrap_or_default();
            report.extend(parameters::check(elf, given, self.kernel));
        }
        if !step.role.is_forgiven() || !report.decides() {
            self.exporters.load(&step.name, elf, self.kernel, is_proprietary);
        }
    }

    fn in_tree_module(&mut self, step: &Step<'a>, report: &mut Report) {
        self.exporters.load_in_tree(&step.name);
        let (name, kernel) = (&step.name, &self.load.kernel);
        let finding = if matches!(step.role, Role::Asked | Role::AskedBeside) {
            let message = format!(
                "modprobe finds the in-tree module {name} of {kernel} and loads that; the image has no other: put {name}.ko \
                         into it and run depmod again, if another is meant"
            );
            Finding::warns(Rule::ModuleInTree, message)
        } else {
            self.reached_on_the_node(name)
        };
        report.add(finding.of_symbol(name));
    }

    /// A dependency that modprobe finds through the image's link to the node's own folder.
    fn reached_on_the_node(&self, name: &str) -> Finding {
        let kernel = &self.load.kernel;
        match self.kernel.in_tree().map(|tree| tree.module(name).is_some()) {
            Some(true) => Finding::informs(
                Rule::DependencyInTree,
                format!("{name} comes from the node's own /lib/modules through a link, and {kernel} has it there"),
            ),
            Some(false) => Finding::warns(
                Rule::DependencyInTree,
                format!(
                    "{name} is to come from the node's own /lib/modules through a link; the driver toolkit's Module.symvers \
                     names it, but its list of in-tree modules does not: see that the package of {kernel} that has it is on \
                     the nodes (such as kernel-modules-extra), which was not checked"
                ),
            ),
            None => Finding::informs(
                Rule::DependencyInTree,
                format!(
                    "{name} is to come from the node's own /lib/modules through a link; whether {kernel} has it was not \
                     checked"
                ),
            ),
        }
    }

    /// A module of the same name that is loaded already makes modprobe answer success, or with `--first-time` an
    /// error (kmod `kmod_module_probe_insert_module`, `module_is_inkernel`); one that is built in, and has a folder in
    /// `/sys/module`, makes the kernel refuse ours (`kernel/module/sysfs.c: mod_sysfs_init`).
    fn same_name(&self, step: &Step<'_>) -> Option<Finding> {
        let (tree, name, kernel) = (self.kernel.in_tree()?, &step.name, &self.load.kernel);
        if tree.is_in_sysfs(name) {
            let message = format!(
                "{kernel} has a {name} built in, with parameters or a version, and refuses another module of that name (unless it \
                 has no version and all of its parameters are hidden, with permissions of 0, which no file tells); rename the \
                 module"
            );
            return Some(Finding::decides(Rule::ModuleBuiltin, message).of_symbol(name));
        }
        if tree.is_builtin(name) {
            let message = format!(
                "a module {name} is built into {kernel}, which may refuse another one of that name; rename the module"
            );
            return Some(Finding::warns(Rule::ModuleBuiltin, message).of_symbol(name));
        }
        tree.module(name)
            .filter(|_| !is_unloaded_first(name, self.load, self.kernel))?;
        let then = if self.command.first_time {
            "fails (--first-time)"
        } else {
            "answers success without loading ours"
        };
        let is_loaded = self.load.loaded.contains(name);
        let (where_loaded, make): (_, fn(Rule, String) -> Finding) = match (is_loaded, self.command.first_time) {
            (true, true) => ("nodes have that loaded already, and", Finding::decides),
            (true, false) => ("nodes have that loaded already, and", Finding::warns),
            (false, _) => ("where that is loaded already,", Finding::warns),
        };
        let message = format!(
            "{kernel} has an in-tree module {name}; {where_loaded} modprobe {then}; add {name} to inTreeModulesToRemove"
        );
        Some(make(Rule::ModuleInTree, message).of_symbol(name))
    }
}

/// Whether KMM unloads an in-tree module first: it looks for a file that begins with the very name, `-` and `_` told
/// apart (upstream `internal/worker/worker.go: LoadKmod`).
fn is_unloaded_first(name: &str, load: &Load, kernel: &Kernel<'_>) -> bool {
    let Some(module) = kernel.in_tree().and_then(|tree| tree.module(name)) else {
        return false;
    };
    let file = module.path.rsplit('/').next().unwrap_or_default();
    load.in_tree_to_remove
        .iter()
        .any(|remove| file.starts_with(&format!("{remove}.ko")))
}

/// A dependency that modprobe does not find is no failure by itself: it goes on, and the kernel misses the symbols.
/// Where all exporters are known, the symbols decide.
fn settle_missing_dependencies(findings: &mut [Finding]) {
    let misses = |f: &Finding| matches!(f.rule, Rule::SymbolMissing | Rule::DependencyInTreeUnlinked);
    if findings
        .iter()
        .any(|finding| misses(finding) && finding.severity == Severity::Decides)
    {
        return;
    }
    for finding in findings
        .iter_mut()
        .filter(|finding| finding.rule == Rule::DependencyMissing)
    {
        finding.severity = Severity::Warns;
    }
}
