//! World + what was seen + now → verdicts: the table "What decides" of the design, as one total function.
//!
//! Every subject gets exactly one verdict, whatever happened to the others. Nothing here waits, reads or prints.

use jiff::{SignedDuration, Timestamp};

use super::reason;
use super::resolve::{Resolution, Target, resolve};
use super::supplies::Supplies;
use super::surroundings::Node;
use crate::api::{Finding, Module, ModuleStatus, Severity, VerificationStage, VerificationStatus};
use crate::image::{Digest, LookFailure, LookFailureKind};
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

/// The answer for one Module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where validation stands.
    pub stage: VerificationStage,
    /// The verdict.
    pub status: VerificationStatus,
    /// Why, and what to do next.
    pub reason: String,
    /// The reference that a node would pull.
    pub image: Option<String>,
    /// The digest that it named.
    pub digest: Option<Digest>,
    /// What the rules found: the deciding findings first, each group in a node's order.
    pub findings: Vec<Finding>,
}

/// Gives every subject its verdict; `looks` is asked by the subject's index.
pub fn decide<'a>(world: &World<'_>, looks: impl Fn(usize) -> &'a Look, now: Timestamp) -> Vec<Verdict> {
    world
        .subjects
        .iter()
        .enumerate()
        .map(|(at, subject)| verdict(world, subject, looks(at), now))
        .collect()
}

/// Whether any of these findings decides: the module does not load.
pub fn decides(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Decides)
}

/// The verdict on one subject.
pub fn verdict(world: &World<'_>, subject: &Subject, look: &Look, now: Timestamp) -> Verdict {
    match &subject.resolution {
        Resolution::NothingToLoad => Verdict::success(reason::NOTHING_TO_LOAD),
        Resolution::NoMapping { mappings, kernel } => Verdict::failure(reason::no_mapping(*mappings, kernel)),
        Resolution::Invalid(problems) => Verdict::failure(reason::invalid(problems)),
        Resolution::Target(target) => on_target(world, target, look, now).about(target),
    }
}

fn on_target(world: &World<'_>, target: &Target, look: &Look, now: Timestamp) -> Verdict {
    match look {
        Look::Pending => Verdict::in_progress(reason::PENDING),
        Look::Judged { digest, findings } => {
            judged(world, target, digest, findings).with(Some(digest.clone()), findings)
        }
        Look::Failed { failure, since } => failed(world, target, failure, now.duration_since(*since)),
    }
}

/// An image that can be pulled: KMM never rebuilds it, so only a wish to replace it leads to a build.
fn judged(world: &World<'_>, target: &Target, digest: &Digest, findings: &[Finding]) -> Verdict {
    let deciding: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Decides)
        .collect();
    let Some(first) = deciding.first() else {
        return Verdict::success(reason::loads(target, digest, findings));
    };
    let why = reason::would_not_load(first, deciding.len() - 1);
    if !target.can_be_made() {
        return Verdict::failure(why);
    }
    if !world.push_built_image {
        return Verdict::failure(format!("{why}. {}", reason::mend_by_pushing(first.rule)));
    }
    make(world, target, &format!("{why}. It would be replaced"))
}

fn failed(world: &World<'_>, target: &Target, failure: &LookFailure, lasted: SignedDuration) -> Verdict {
    let said = &failure.message;
    match failure.kind {
        LookFailureKind::NotFound if target.can_be_made() => make(world, target, said),
        LookFailureKind::NotFound => Verdict::failure(reason::does_not_exist(target, said)),
        LookFailureKind::Denied if target.can_be_made() => make(
            world,
            target,
            &format!("{said}. Whether it exists cannot be told, so nothing would be pushed"),
        ),
        LookFailureKind::Denied => Verdict::failure(reason::denied(said)),
        LookFailureKind::Damaged if target.can_be_made() => {
            make(world, target, &format!("{said}. No node could pull it"))
        }
        LookFailureKind::Damaged => Verdict::failure(reason::damaged(said)),
        LookFailureKind::NoPlatform => Verdict::failure(reason::no_platform(said)),
        LookFailureKind::TooLarge | LookFailureKind::OffLimits => Verdict::failure(reason::not_judged(said)),
        LookFailureKind::UnknownPlatform => Verdict::in_progress(reason::unknown_platform(said)),
        LookFailureKind::Unreachable if lasted >= UNREACHABLE_PATIENCE => {
            Verdict::failure(reason::unreachable_for_long(said, UNREACHABLE_PATIENCE))
        }
        LookFailureKind::Unreachable => Verdict::in_progress(reason::unreachable(said)),
    }
}

/// A target that would be built or signed: first whether that could work at all.
fn make(world: &World<'_>, target: &Target, because: &str) -> Verdict {
    let lacks = world.supplies.lacks(target, world.toolkit_image);
    if lacks.is_empty() {
        Verdict::in_progress(reason::would_be_made(target, because, world))
    } else {
        Verdict::failure(reason::cannot_be_made(because, &lacks))
    }
}

impl Verdict {
    fn new(stage: VerificationStage, status: VerificationStatus, reason: impl Into<String>) -> Self {
        Self {
            stage,
            status,
            reason: reason.into(),
            image: None,
            digest: None,
            findings: Vec::new(),
        }
    }

    fn success(reason: impl Into<String>) -> Self {
        Self::new(VerificationStage::Done, VerificationStatus::Success, reason)
    }

    fn failure(reason: impl Into<String>) -> Self {
        Self::new(VerificationStage::Done, VerificationStatus::Failure, reason)
    }

    fn in_progress(reason: impl Into<String>) -> Self {
        Self::new(VerificationStage::Image, VerificationStatus::InProgress, reason)
    }

    /// The verdict that a row of a status tells of.
    pub fn of_row(row: &ModuleStatus) -> Self {
        Self {
            stage: row.verification_stage,
            status: row.verification_status,
            reason: row.status_reason.clone().unwrap_or_default(),
            image: row.image.clone(),
            digest: row.digest.as_deref().and_then(|digest| Digest::parse(digest).ok()),
            findings: row.findings.clone(),
        }
    }

    /// The verdict on a Module that cannot be read.
    pub fn unreadable(why: &str) -> Self {
        Self::failure(reason::unreadable(why))
    }

    fn about(mut self, target: &Target) -> Self {
        self.image = Some(target.image_text.clone());
        self
    }

    fn with(mut self, digest: Option<Digest>, findings: &[Finding]) -> Self {
        self.digest = digest;
        self.findings = findings.to_vec();
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self
    }
}
