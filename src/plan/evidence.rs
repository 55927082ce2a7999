//! Whether in-tree modules that an image has no way to are loaded on the nodes all the same. What is loaded today is evidence,
//! not proof: it counts, and the verdict names it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::decide::{Look, Subject, World, next, verdict};
use super::reason;
use super::resolve::Target;
use super::surroundings::{Node, Surroundings};
use super::verdict::Verdict;
use super::work::{Ended, Next, Work, Works};
use crate::api::Finding;
use crate::kmod::load::LoadedModules;
use crate::kmod::{given_loaded, unmet_dependencies};

/// More kernels than this at once run where an upgrade got stuck; then the past is no example.
const MOST_KERNELS: usize = 3;

/// What the images for the kernels that nodes run today need in the same way: kernel → in-tree modules.
pub type Precedents = BTreeMap<String, BTreeSet<String>>;

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
    /// What each of its nodes has loaded, where that is known; `None` while the answer is not there yet.
    nodes: Option<Vec<Option<&'a LoadedModules>>>,
    /// The kernels that its nodes run, where KMM says that the Module is loaded on all of them.
    today: Option<(BTreeSet<&'a str>, Loaders)>,
    precedents: Option<&'a Precedents>,
}

impl<'a> Evidence<'a> {
    /// What is known of the nodes that a target's Module selects.
    pub fn of_cluster(around: &'a Surroundings, target: &Target, precedents: Option<&'a Precedents>) -> Self {
        let nodes = nodes_of(around, target);
        let loaded = around.loaded.as_ref();
        Self {
            nodes: loaded.map(|loaded| nodes.iter().map(|node| loaded.get(&node.name)).collect()),
            today: today(around, target),
            precedents,
        }
    }

    /// What is known of the nodes that files tell of: of all of them, for no file says which the Module selects.
    pub fn of_files(nodes: &'a [LoadedModules]) -> Self {
        Self {
            nodes: Some(nodes.iter().map(Some).collect()),
            today: None,
            precedents: None,
        }
    }

    /// The modules that all of its nodes are known to have loaded.
    pub fn loaded_everywhere(&self) -> LoadedModules {
        let nodes = self.nodes.as_deref().unwrap_or_default();
        let first = nodes.first().copied().flatten();
        let names = first.into_iter().flat_map(LoadedModules::names);
        LoadedModules::of(names.filter(|name| nodes.iter().all(|node| node.is_some_and(|node| node.contains(name)))))
    }

    /// The verdict on a subject, in the light of this.
    pub fn verdict(&self, world: &World<'_>, subject: &Subject, seen: (&Look, &Works), now: Timestamp) -> Verdict {
        let (look, works) = seen;
        if self.is_awaited(look, works) {
            return Verdict::in_progress(reason::NODES_ARE_ASKED);
        }
        let (look, works) = self.weigh(look, works);
        verdict(world, subject, &look, &works, now)
    }

    /// What is to be started for it in a pod, in the light of this.
    pub fn next(&self, world: &World<'_>, subject: &Subject, seen: (&Look, &Works), now: Timestamp) -> Next {
        let (look, works) = seen;
        if self.is_awaited(look, works) {
            return Next::Nothing;
        }
        let (look, works) = self.weigh(look, works);
        next(world, subject, &look, &works, now)
    }

    /// Whether the answer waits for what the nodes have loaded.
    fn is_awaited(&self, look: &Look, works: &Works) -> bool {
        self.nodes.is_none() && wants_evidence(look, works)
    }

    /// What was seen, in the light of this.
    fn weigh<'l>(&self, look: &'l Look, works: &Works) -> (Cow<'l, Look>, Works) {
        let given = |findings: &[Finding]| given_loaded(findings, |module| self.why(module));
        let mut works = works.clone();
        for findings in [&mut works.make, &mut works.look].into_iter().filter_map(judged_by) {
            *findings = given(findings);
        }
        let look = match look {
            Look::Judged { digest, findings } if is_unmet(findings) => Cow::Owned(Look::Judged {
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

    fn discovered(&self, module: &str) -> Option<String> {
        let nodes = self.nodes.as_deref().filter(|nodes| !nodes.is_empty())?;
        let have_it = nodes
            .iter()
            .all(|node| node.is_some_and(|loaded| loaded.contains(module)));
        have_it.then(|| reason::discovered(module, nodes.len()))
    }

    fn as_today(&self, module: &str) -> Option<String> {
        let (kernels, loaders) = self.today.as_ref()?;
        let needs_it = |kernel: &&str| self.precedents?.get(*kernel)?.contains(module).then_some(());
        let all_need_it = kernels.iter().all(|kernel| needs_it(kernel).is_some());
        all_need_it.then(|| reason::loaded_today(module, kernels, loaders.available))
    }
}

/// Whether an answer depends on what nodes have loaded.
pub fn wants_evidence(look: &Look, works: &Works) -> bool {
    let of_look = matches!(look, Look::Judged { findings, .. } if is_unmet(findings));
    let of_job = |work: &Work| match work {
        Work::Ended {
            errand,
            ended: Ended::Judged { findings, .. },
            ..
        } => !errand.pushes() && is_unmet(findings),
        _ => false,
    };
    of_look || of_job(&works.make) || of_job(&works.look)
}

fn is_unmet(findings: &[Finding]) -> bool {
    unmet_dependencies(findings).next().is_some()
}

/// The kernels of today whose images may tell whether a target's Module loads as it is: where KMM says that it is
/// loaded on all of its nodes.
pub fn kernels_today<'a>(around: &'a Surroundings, target: &Target) -> BTreeSet<&'a str> {
    today(around, target).map(|(kernels, _)| kernels).unwrap_or_default()
}

fn today<'a>(around: &'a Surroundings, target: &Target) -> Option<(BTreeSet<&'a str>, Loaders)> {
    let loaders = around.loaders.get(&(target.namespace.clone(), target.name.clone()))?;
    let nodes = nodes_of(around, target);
    let kernels: BTreeSet<&str> = nodes.iter().map(|node| node.kernel.as_str()).collect();
    let tells = loaders.are_all_loaded() && (1..=MOST_KERNELS).contains(&kernels.len());
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
