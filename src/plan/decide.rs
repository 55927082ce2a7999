//! World + what was seen + now → verdicts: the table "What decides" of the design, as one total function.
//!
//! Every subject gets exactly one verdict, whatever happened to the others. Nothing here waits, reads or prints.

use jiff::{SignedDuration, Timestamp};

use super::course::{Course, course, needs_a_node};
use super::resolve::{Resolution, Target, resolve};
use super::supplies::Supplies;
use super::surroundings::Node;
use super::verdict::Verdict;
use super::work::{LookBy, Next, Work, Works, Workshop};
use super::{looking, making, reason};
use crate::api::{Finding, Module, Severity, VerificationStatus};
use crate::image::{Digest, LookFailure};
use crate::kernel::KernelVersion;

/// How long an image may be out of reach before the verdict is a Failure. It is still looked at again after that.
pub const UNREACHABLE_PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// All that is known about one preflight, apart from its images.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The Modules, each resolved for the preflight's kernel.
    pub subjects: &'a [Subject],
    /// The ConfigMaps and Secrets that builds and signatures need.
    pub supplies: &'a Supplies,
    /// The driver toolkit of the preflight, where one is known.
    pub toolkit_image: Option<&'a str>,
    /// `spec.pushBuiltImage`.
    pub push_built_image: bool,
    /// Whether anything runs in pods, and how.
    pub pods: Pods<'a>,
}

/// Whether anything runs in pods.
#[derive(Clone, Copy, Debug)]
pub enum Pods<'a> {
    /// The question is asked over files: there are no pods.
    None,
    /// There is a cluster, in which an administrator lets nothing run in pods.
    Forbidden,
    /// This is how.
    Run(&'a Workshop),
}

impl<'a> Pods<'a> {
    /// How they run, where they do.
    pub fn workshop(self) -> Option<&'a Workshop> {
        match self {
            Self::Run(workshop) => Some(workshop),
            Self::None | Self::Forbidden => None,
        }
    }
}

/// One Module, resolved.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it comes to on the target kernel.
    pub resolution: Resolution,
}

impl Subject {
    /// A Module on the preflight's kernel.
    pub fn resolve(module: &Module, kernel: &KernelVersion) -> Self {
        let namespace = module.metadata.namespace.clone().unwrap_or_default();
        let name = module.metadata.name.clone().unwrap_or_default();
        Self {
            namespace,
            name,
            resolution: resolve(module, kernel),
        }
    }

    /// The same, where the nodes that its selector picks are known: where none of them could run that kernel, there is
    /// nothing to load. A selector that picks no node yet says nothing.
    pub fn resolve_among(module: &Module, kernel: &KernelVersion, selected: &[&Node]) -> Self {
        let mut subject = Self::resolve(module, kernel);
        let runs_it = |node: &&Node| node.architecture == kernel.architecture();
        if kernel.architecture().is_some() && !selected.is_empty() && !selected.iter().any(runs_it) {
            subject.resolution = Resolution::NothingToLoad;
        }
        subject
    }

    /// The target, where it comes to one.
    pub fn target(&self) -> Option<&Target> {
        match &self.resolution {
            Resolution::Target(target) => Some(target),
            _ => None,
        }
    }
}

/// What looking at the image of a subject came to.
#[derive(Clone, Debug)]
pub enum Look {
    /// It has not been looked at yet.
    Pending,
    /// It was read, and the rules have judged it.
    Judged {
        /// The digest that the reference named.
        digest: Digest,
        /// What the rules found, in the order in which a node would meet it.
        findings: Vec<Finding>,
    },
    /// It could not be read.
    Failed {
        /// Why.
        failure: LookFailure,
        /// Since when it has been so, without a break.
        since: Timestamp,
    },
}

/// Gives every subject its verdict where nothing runs in pods; `looks` is asked by the subject's index.
pub fn decide<'a>(world: &World<'_>, looks: impl Fn(usize) -> &'a Look, now: Timestamp) -> Vec<Verdict> {
    world
        .subjects
        .iter()
        .enumerate()
        .map(|(at, subject)| verdict(world, subject, looks(at), &Works::default(), now))
        .collect()
}

/// Whether any of these findings decides: the module does not load.
pub fn decides(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Decides)
}

/// The verdict on one subject.
pub fn verdict(world: &World<'_>, subject: &Subject, look: &Look, works: &Works, now: Timestamp) -> Verdict {
    match &subject.resolution {
        Resolution::NothingToLoad => Verdict::success(reason::NOTHING_TO_LOAD),
        Resolution::NoMapping { mappings, kernel } => Verdict::failure(reason::no_mapping(*mappings, kernel)),
        Resolution::Invalid(problems) => Verdict::failure(reason::invalid(problems)),
        Resolution::Target(target) => on_target(world, target, look, works, now).about(target),
    }
}

fn on_target(world: &World<'_>, target: &Target, look: &Look, works: &Works, now: Timestamp) -> Verdict {
    match course(world, target, look, works, now) {
        Course::Answer(verdict) => verdict,
        Course::Make(make) => making::verdict(world, target, &make, &works.make),
        Course::Look { because } => looking::verdict(target, &because, &works.look),
    }
}

/// What is to be started for a subject in a pod. Asked again once that was done, it asks for nothing twice.
pub fn next(world: &World<'_>, subject: &Subject, look: &Look, works: &Works, now: Timestamp) -> Next {
    let (Some(target), Some(_)) = (subject.target(), world.pods.workshop()) else {
        return Next::Nothing;
    };
    let course = course(world, target, look, works, now);
    let making = match &course {
        Course::Answer(verdict) if verdict.status == VerificationStatus::Success => return Next::Nothing,
        _ if matches!(works.make, Work::Underway { .. }) => return Next::Nothing,
        Course::Make(make) if making::lacks(world, target).is_empty() => making::next(make, &works.make, now),
        _ => Next::Nothing,
    };
    match making {
        Next::Nothing if needs_a_node(world, target, look, now) => looking::next(&works.look, now),
        making => making,
    }
}

impl World<'_> {
    /// How a target's image is looked at.
    pub fn look_by(&self, target: &Target) -> LookBy {
        let set = |workshop: &Workshop| target.look_by.unwrap_or(workshop.look_by);
        self.pods.workshop().map_or(LookBy::Registry, set)
    }
}
