//! Whether in-tree modules that an image has no way to are loaded on the nodes all the same. What is loaded today is evidence,
//! not proof: it counts, and the verdict names it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::decide::{Look, Subject, World, next, verdict};
use super::reason;
use super::resolve::{Resolution, Target, resolve};
use super::surroundings::{Node, Surroundings};
use super::verdict::Verdict;
use super::work::{Ended, Next, Work, Works};
use crate::api::{Finding, Module, VerificationStatus};
use crate::kernel::KernelVersion;
use crate::kmod::load::LoadedModules;
use crate::kmod::{Ways, given_loaded, unmet_dependencies};

/// More kernels than this at once run where an upgrade got stuck; then the past is no example.
const MOST_KERNELS: usize = 3;

/// How the images for the kernels that nodes run today come by the modules that they need: by the kernel, as far as it is known.
pub type Precedents = BTreeMap<String, Ways>;

/// Where nothing runs today that could tell anything.
pub const NO_PRECEDENTS: &Precedents = &Precedents::new();

/// On how many nodes KMM says that a Module is loaded (`status.moduleLoader`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaders {
    /// Where it is loaded (`availableNumber`).
    pub available: u32,
    /// Where it should be (`desiredNumber`).
    pub desired: u32,
}

impl Loaders {
    /// Whether it is loaded wherever it should be.
    pub const fn are_all_loaded(self) -> bool {
        self.available > 0 && self.available >= self.desired
    }
}

/// What is known of the modules that are loaded where a target will be.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// What each of its nodes has loaded, where that is known.
    nodes: Vec<Option<&'a LoadedModules>>,
    /// The kernels that its nodes run, and on how many of them KMM says that the Module is loaded.
    today: Option<(BTreeSet<&'a str>, Loaders)>,
    precedents: &'a Precedents,
    awaited: bool,
    /// Why nodes could not be asked.
    unread: Option<&'a str>,
}

impl<'a> Evidence<'a> {
    /// What is known of the nodes that a target's Module selects; `precedents` are `None` while the images of today are looked at.
    pub fn of_cluster(around: &'a Surroundings, target: &Target, precedents: Option<&'a Precedents>) -> Self {
        let loaded = around.loaded.as_ref();
        let of = |node: &Node| loaded.and_then(|loaded| loaded.get(&node.name));
        Self {
            nodes: nodes_of(around, target).into_iter().map(of).collect(),
            today: today(around, target),
            precedents: precedents.unwrap_or(NO_PRECEDENTS),
            awaited: loaded.is_none() || around.loaders.is_none() || precedents.is_none(),
            unread: around.loaded_unread.as_deref(),
        }
    }

    /// What is known of the nodes that files tell of: of all of them, for no file says which the Module selects.
    pub fn of_files(nodes: &'a [LoadedModules]) -> Self {
        Self {
            nodes: nodes.iter().map(Some).collect(),
            today: None,
            precedents: NO_PRECEDENTS,
            awaited: false,
            unread: None,
        }
    }

    /// The modules that all of its nodes are known to have loaded, and that its images of today do not load themselves.
    pub fn loaded_everywhere(&self) -> LoadedModules {
        let first = self.nodes.first().copied().flatten();
        let names = first.into_iter().flat_map(LoadedModules::names);
        LoadedModules::of(names.filter(|name| self.all_have(name) && self.its_own_doing(name).is_empty()))
    }

    /// The verdict on a subject, in the light of this.
    pub fn verdict(&self, world: &World<'_>, subject: &Subject, seen: (&Look, &Works), now: Timestamp) -> Verdict {
        let (look, works) = seen;
        if self.awaited && wants_evidence(look, works) {
            return Verdict::in_progress(reason::NODES_ARE_ASKED);
        }
        let (weighed, weighed_works) = self.weigh(subject, look, works);
        let mut verdict = verdict(world, subject, &weighed, &weighed_works, now);
        if verdict.status != VerificationStatus::Success {
            verdict.reason = [vec![verdict.reason], self.doubts(look, works)].concat().join("; ");
        }
        verdict
    }

    /// What is to be started for it in a pod, in the light of this.
    pub fn next(&self, world: &World<'_>, subject: &Subject, seen: (&Look, &Works), now: Timestamp) -> Next {
        let (look, works) = seen;
        if self.awaited && wants_evidence(look, works) {
            return Next::Nothing;
        }
        let (look, works) = self.weigh(subject, look, works);
        next(world, subject, &look, &works, now)
    }

    /// Whether something was asked for that is not there yet.
    pub const fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// What was seen, in the light of this.
    fn weigh<'l>(&self, subject: &Subject, look: &'l Look, works: &Works) -> (Cow<'l, Look>, Works) {
        let removed = subject.target().map_or(&[][..], |target| &target.in_tree_to_remove);
        let is_removed = |module: &str| {
            removed
                .iter()
                .any(|name| name.replace('-', "_") == module.replace('-', "_"))
        };
        let why = |module: &str| self.why(module).filter(|_| !is_removed(module));
        let given = |findings: &[Finding]| given_loaded(findings, why);
        let mut works = works.clone();
        for findings in [&mut works.make, &mut works.look].into_iter().filter_map(judged_by) {
            *findings = given(findings);
        }
        let look = match look {
            Look::Judged { digest, findings } if has_gap(findings) => Cow::Owned(Look::Judged {
                digest: digest.clone(),
                findings: given(findings),
            }),
            look => Cow::Borrowed(look),
        };
        (look, works)
    }

    /// Why a module is taken to be loaded, as a clause.
    fn why(&self, module: &str) -> Option<String> {
        self.discovered(module).or_else(|| self.as_today(module))
    }

    /// What all nodes have counts, unless they may have it for no other reason than that the Module itself loads it today.
    fn discovered(&self, module: &str) -> Option<String> {
        let counts = self.all_have(module) && self.its_own_doing(module).is_empty();
        counts.then(|| reason::discovered(module, self.nodes.len()))
    }

    fn all_have(&self, module: &str) -> bool {
        let has_it = |node: Option<&LoadedModules>| node.is_some_and(|loaded| loaded.contains(module));
        !self.nodes.is_empty() && self.nodes.iter().copied().all(has_it)
    }

    /// The kernels of today whose images load a module themselves.
    fn its_own_doing(&self, module: &str) -> Vec<&str> {
        let loads_it = |(_, ways): &(&String, &Ways)| ways.itself.contains(module);
        let kernels = self.precedents.iter().filter(loads_it);
        kernels.map(|(kernel, _)| kernel.as_str()).collect()
    }

    fn as_today(&self, module: &str) -> Option<String> {
        let (kernels, loaders) = self.today.as_ref().filter(|(_, loaders)| loaders.are_all_loaded())?;
        let needs_it = |kernel: &&str| {
            let ways = self.precedents.get(*kernel);
            ways.is_some_and(|ways| ways.others.contains(module))
        };
        let all_need_it = kernels.iter().all(needs_it);
        all_need_it.then(|| reason::loaded_today(module, kernels, loaders.available))
    }

    /// Why what nodes have does not count, as sentences.
    fn doubts(&self, look: &Look, works: &Works) -> Vec<String> {
        let own = |module: &str| {
            let kernels = self.its_own_doing(module);
            let is_its_own = self.all_have(module) && !kernels.is_empty();
            is_its_own.then(|| reason::loaded_by_itself(module, &kernels))
        };
        let gaps = gaps(look, works);
        let own = gaps.iter().filter_map(|module| own(module));
        let unread = self.unread.filter(|_| !gaps.is_empty()).map(reason::nodes_unread);
        own.chain(unread).collect()
    }
}

/// Whether an answer depends on what nodes have loaded.
pub fn wants_evidence(look: &Look, works: &Works) -> bool {
    !gaps(look, works).is_empty()
}

/// The in-tree modules that an image needs and has no way to.
fn gaps<'a>(look: &'a Look, works: &'a Works) -> BTreeSet<&'a str> {
    let of_look = match look {
        Look::Judged { findings, .. } => findings.as_slice(),
        Look::Pending | Look::Failed { .. } => &[],
    };
    let of_jobs = [&works.make, &works.look].map(found_by);
    let all = of_jobs.into_iter().chain([of_look]);
    all.flat_map(unmet_dependencies).collect()
}

/// Whether an image needs in-tree modules that it has no way to.
fn has_gap(findings: &[Finding]) -> bool {
    unmet_dependencies(findings).next().is_some()
}

/// The kernels of today whose images may tell how a target's Module comes by what it needs: where KMM says that it is loaded at all.
pub fn kernels_today<'a>(around: &'a Surroundings, target: &Target) -> BTreeSet<&'a str> {
    today(around, target).map(|(kernels, _)| kernels).unwrap_or_default()
}

/// What a target's Module loads today: a target for each kernel that its nodes run, as far as that leads to one.
pub fn examples(around: &Surroundings, module: &Arc<Module>, target: &Target) -> Vec<Target> {
    let kernels = kernels_today(around, target).into_iter().map(KernelVersion::parse);
    let example = |kernel: KernelVersion| match resolve(module, &kernel) {
        Resolution::Target(target) => Some(*target),
        _ => None,
    };
    kernels.filter_map(Result::ok).filter_map(example).collect()
}

fn today<'a>(around: &'a Surroundings, target: &Target) -> Option<(BTreeSet<&'a str>, Loaders)> {
    let name = (target.namespace.clone(), target.name.clone());
    let loaders = around.loaders.as_ref()?.get(&name)?;
    let nodes = nodes_of(around, target);
    let kernels: BTreeSet<&str> = nodes.iter().map(|node| node.kernel.as_str()).collect();
    let tells = loaders.available > 0 && (1..=MOST_KERNELS).contains(&kernels.len());
    tells.then_some((kernels, *loaders))
}

/// The nodes that will run the target: those that its Module selects, of its architecture.
fn nodes_of<'a>(around: &'a Surroundings, target: &Target) -> Vec<&'a Node> {
    let nodes = around.nodes.as_deref().unwrap_or_default();
    let is_its = |node: &&Node| {
        let fits = target.architecture.is_none() || node.architecture == target.architecture;
        fits && node.is_selected_by(&target.selector)
    };
    nodes.iter().filter(is_its).collect()
}

/// What a Job found in an image that stays where it is.
fn found_by(work: &Work) -> &[Finding] {
    match work {
        Work::Ended {
            errand,
            ended: Ended::Judged { findings, .. },
            ..
        } if !errand.pushes() => findings,
        _ => &[],
    }
}

/// What a Job found in an image that stays where it is, if all of it is known. What was to be pushed was judged with what was
/// known then, and that was its end.
fn judged_by(work: &mut Work) -> Option<&mut Vec<Finding>> {
    match work {
        Work::Ended {
            errand,
            ended: Ended::Judged {
                findings, left_out: 0, ..
            },
            ..
        } if !errand.pushes() => Some(findings),
        _ => None,
    }
}
