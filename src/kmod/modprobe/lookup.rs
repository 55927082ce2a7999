//! The way from the words of a command line to the files that the kernel is given, in their order
//! (kmod `libkmod/libkmod-module.c: kmod_module_probe_insert_module`, `__kmod_module_get_probe_list`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::findings::{builtin, lost, path_given, soft_missing, too_many_needs, where_to};
use super::indexes::{DepLine, Indexes, Meant};
use super::names::{file_name_to_module, normalised};
use super::options::{Command, SoftDependencies};
use crate::api::{Finding, Rule};
use crate::kmod::facts::ModuleFile;
use crate::kmod::load::Load;
use crate::kmod::staged::{Copied, Entry, Reached};
use crate::kmod::symvers::Symvers;
use crate::kmod::toolkit::InTree;

/// How deep soft dependencies may lead from one to the next: more than any real `modulesLoadingOrder`, and few
/// enough to be followed safely.
const MAX_SOFT_DEPTH: usize = 200;

/// How many dependencies are followed in all: the largest kernels have some 20,000, of all their modules together.
/// More would only keep this program busy.
pub(super) const MAX_NEEDS: usize = 100_000;

/// What modprobe would do.
#[derive(Clone, Debug, Default)]
pub struct Plan<'a> {
    /// The modules that it would hand to the kernel, in their order.
    pub steps: Vec<Step<'a>>,
    /// What it would stumble over on the way there.
    pub findings: Vec<Finding>,
}

/// One module on its way to the kernel.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// Its name, with `-` as `_`.
    pub name: String,
    /// Its file, as the index names it.
    pub path: String,
    /// What that path leads to.
    pub source: Source<'a>,
    /// Why it is loaded, and with that, whether its failure counts.
    pub role: Role,
}

/// What the path of a module leads to.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// A module file of the image.
    Image(&'a Arc<ModuleFile>),
    /// An in-tree module, in the node's own folder.
    InTree,
    /// Nothing that can be loaded; the finding says why.
    Lost(Finding),
}

/// Why a module is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It was asked for, and modprobe's answer is the kernel's.
    Asked,
    /// It was asked for through an alias that later ones share: modprobe answers for the last alone.
    AskedBeside,
    /// One that was asked for needs it: its failure is modprobe's failure.
    Needed,
    /// A soft dependency: its failure is ignored.
    Soft,
}

impl Role {
    /// Whether modprobe goes on as if nothing were wrong where the kernel refuses the module.
    pub const fn is_forgiven(self) -> bool {
        matches!(self, Self::AskedBeside | Self::Soft)
    }
}

/// What is known of the modules in a node's own folder, each where the driver toolkit tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeModules<'a> {
    /// Those that are listed.
    pub in_tree: Option<&'a InTree>,
    /// What they export: it names some that are not listed, since a distribution has them in packages of their own.
    pub symvers: Option<&'a Symvers>,
}

/// What modprobe would do with that command line in that folder.
pub fn plan<'a>(copied: Copied<'a>, command: &Command, load: &Load, node: NodeModules<'a>) -> Plan<'a> {
    let mut lookup = Lookup {
        indexes: Indexes::new(copied),
        node,
        load,
        soft: if command.soft == SoftDependencies::None {
            BTreeMap::new()
        } else {
            soft_dependencies(&load.loading_order)
        },
        asked_has_soft: command.soft != SoftDependencies::NotOfTheAsked,
        visited: BTreeSet::new(),
        required: BTreeSet::new(),
        added: BTreeMap::new(),
        needs_left: MAX_NEEDS,
        plan: Plan::default(),
    };
    let asked = if command.all {
        command.words.as_slice()
    } else {
        command.words.get(..1).unwrap_or_default()
    };
    for word in asked {
        lookup.ask(word);
    }
    lookup.plan
}

/// KMM's `softdep.conf`: each module of the loading order has the next one as its `pre` dependency.
fn soft_dependencies(order: &[String]) -> BTreeMap<String, String> {
    let pairs = order.iter().zip(order.iter().skip(1)).rev();
    pairs
        .map(|(module, pre)| (module.replace('-', "_"), pre.clone()))
        .collect()
}

impl NodeModules<'_> {
    /// Whether a file may be there, by its path below the kernel's folder.
    fn may_have(&self, path: &str) -> bool {
        let Some(tree) = self.in_tree else { return true };
        let name = file_name_to_module(path);
        match tree.module(&name) {
            Some(module) => module.path == path,
            None => self.symvers.is_some_and(|symvers| symvers.in_tree_module(&name)),
        }
    }
}

struct Lookup<'a, 'l> {
    indexes: Indexes<'a>,
    node: NodeModules<'a>,
    load: &'l Load,
    soft: BTreeMap<String, String>,
    asked_has_soft: bool,
    visited: BTreeSet<String>,
    required: BTreeSet<String>,
    /// The steps by their modules' names.
    added: BTreeMap<String, usize>,
    needs_left: usize,
    plan: Plan<'a>,
}

impl<'a> Lookup<'a, '_> {
    /// One word of the command line (`tools/modprobe.c: insmod`).
    fn ask(&mut self, word: &str) {
        if let Some(finding) = path_given(word) {
            return self.plan.findings.push(finding);
        }
        match self.indexes.meaning(word) {
            Err(finding) => self.plan.findings.push(finding),
            Ok(Meant::Nothing) => self.plan.findings.push(self.not_found(word)),
            Ok(Meant::Builtin) => self.plan.findings.push(builtin(word)),
            Ok(Meant::Modules(names)) => {
                let last = names.len().saturating_sub(1);
                for (at, name) in names.iter().enumerate() {
                    let role = if at == last { Role::Asked } else { Role::AskedBeside };
                    self.ask_module(name, role);
                }
            }
        }
    }

    fn ask_module(&mut self, name: &str, role: Role) {
        if self.indexes.is_builtin(name) {
            return self.plan.findings.push(builtin(name));
        }
        self.probe(name, Some(role), 0);
    }

    /// A module with all that must, and all that may, be loaded before it (`__kmod_module_get_probe_list`).
    fn probe(&mut self, name: &str, asked: Option<Role>, depth: usize) {
        // One that was tried before and is asked for now is tried again, and then its failure counts.
        let is_known = !self.visited.insert(name.to_owned()) && asked != Some(Role::Asked);
        if depth > MAX_SOFT_DEPTH || is_known {
            return;
        }
        match self.indexes.dep_line(name) {
            Ok(Some(line)) => self.probe_line(name, line, asked, depth),
            Ok(None) => self.add_without_line(name, asked),
            Err(finding) => self.plan.findings.push(finding),
        }
    }

    fn probe_line(&mut self, name: &str, line: DepLine, asked: Option<Role>, depth: usize) {
        let needs = self.needs(name, &line, asked.is_some());
        if asked == Some(Role::Asked) {
            self.required.insert(name.to_owned());
        }
        if asked.is_some() {
            self.required.extend(needs.iter().map(|need| need.name.clone()));
        }
        for need in needs {
            self.fill(need, depth);
        }
        let step = self.step(line.path, name.to_owned(), asked.unwrap_or(Role::Soft));
        if asked.is_none() || self.asked_has_soft {
            self.fill(step, depth);
        } else {
            self.add(step);
        }
    }

    /// A module, after its soft dependencies (`__kmod_module_fill_softdep`).
    fn fill(&mut self, step: Step<'a>, depth: usize) {
        if let Some(pre) = self.soft.get(&step.name).cloned() {
            match self.indexes.meaning(&pre) {
                Ok(Meant::Modules(names)) => names.iter().for_each(|name| self.probe(name, None, depth + 1)),
                Ok(Meant::Builtin) => {}
                Ok(Meant::Nothing) | Err(_) => {
                    self.plan.findings.push(soft_missing(&step.name, &pre));
                }
            }
        }
        self.add(step);
    }

    /// Puts a module on the way to the kernel, once: the second time it is loaded already, or fails again, and that may count.
    fn add(&mut self, mut step: Step<'a>) {
        if step.role.is_forgiven() && self.required.contains(&step.name) {
            step.role = Role::Needed;
        }
        let known = self.added.get(&step.name).and_then(|at| self.plan.steps.get_mut(*at));
        match known {
            None => {
                self.added.insert(step.name.clone(), self.plan.steps.len());
                self.plan.steps.push(step);
            }
            Some(known) if known.role.is_forgiven() && !step.role.is_forgiven() => known.role = step.role,
            Some(_) => {}
        }
    }

    /// An alias may name a module that `modules.dep.bin` does not have.
    fn add_without_line(&mut self, name: &str, asked: Option<Role>) {
        let lost = Source::Lost(
            Finding::decides(
                Rule::ModuleNotFound,
                format!("an alias stands for the module {name}, which modules.dep.bin does not have; run depmod again"),
            )
            .of_symbol(name),
        );
        let role = asked.unwrap_or(Role::Soft);
        self.add(Step {
            name: name.to_owned(),
            path: String::new(),
            source: lost,
            role,
        });
    }

    /// What a module needs. Where the file of one need cannot be found, modprobe drops them all and goes on
    /// (`kmod_module_parse_depline`).
    fn needs(&mut self, name: &str, line: &DepLine, required: bool) -> Vec<Step<'a>> {
        let Some(left) = self.needs_left.checked_sub(line.needs.len()) else {
            self.plan.findings.push(too_many_needs(name, MAX_NEEDS));
            return Vec::new();
        };
        self.needs_left = left;
        for path in &line.needs {
            let reached = self.indexes.copied().follow(path);
            if !self.exists(&reached) {
                self.plan
                    .findings
                    .push(self.dependency_missing(name, path, &reached, required));
                return Vec::new();
            }
        }
        let step = |path: &String| self.step(path.clone(), file_name_to_module(path), Role::Soft);
        line.needs.iter().map(step).collect()
    }

    fn step(&self, path: String, name: String, role: Role) -> Step<'a> {
        let source = match self.indexes.copied().follow(&path) {
            Reached::File {
                entry: Entry::Module(file),
                ..
            } => Source::Image(file),
            Reached::Node(below) if self.node_has(&below) => Source::InTree,
            other => Source::Lost(lost(&path, &other)),
        };
        Step {
            name,
            path,
            source,
            role,
        }
    }

    /// Whether `stat` would find something there.
    fn exists(&self, reached: &Reached<'_>) -> bool {
        match reached {
            Reached::File { .. } | Reached::Folder => true,
            Reached::Node(below) => self.node_has(below),
            Reached::Nothing | Reached::Outside(_) | Reached::Loop => false,
        }
    }

    /// Whether the node will have that file in its `/lib/modules`, as far as is known: without a toolkit, any file
    /// of the target kernel's folder may be there.
    fn node_has(&self, below: &str) -> bool {
        let Some((kernel, path)) = below.split_once('/') else {
            return false;
        };
        kernel == self.load.kernel && self.node.may_have(path)
    }

    fn not_found(&self, word: &str) -> Finding {
        let folder = self.load.image_folder();
        let message = if normalised(word).is_none() {
            format!("modprobe looks up no name with unmatched brackets, such as {word}")
        } else {
            format!(
                "no module and no alias is called {word} in modules.dep.bin and modules.alias.bin of {folder}; \
                 put {word}.ko there and run depmod, or correct moduleName"
            )
        };
        Finding::decides(Rule::ModuleNotFound, message).of_symbol(word)
    }

    fn dependency_missing(&self, name: &str, path: &str, reached: &Reached<'_>, required: bool) -> Finding {
        let why = where_to(reached);
        let kernel = &self.load.kernel;
        let message = format!(
            "{name} needs {path}, {why}; modprobe then loads none of the modules that {name} needs, and their symbols are \
             missing; add the file to the image, or for an in-tree module `ln -s /lib/modules/{kernel} {}/host` before depmod",
            self.load.image_folder(),
        );
        let make = if required { Finding::decides } else { Finding::warns };
        make(Rule::DependencyMissing, message)
            .in_file(path)
            .of_symbol(file_name_to_module(path))
    }
}
