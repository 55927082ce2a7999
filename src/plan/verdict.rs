//! The answer for one Module.

use super::reason;
use super::resolve::Target;
use super::supplies::ObjectName;
use super::work::Step;
use crate::api::{Finding, ModuleStatus, VerificationStage, VerificationStatus};
use crate::image::Digest;

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
    /// The Job that the verdict rests on, as `namespace/name`.
    pub job: Option<String>,
    /// What is being done, while something is.
    pub doing: Option<Step>,
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
            job: None,
            doing: None,
        }
    }

    pub(super) fn success(reason: impl Into<String>) -> Self {
        Self::new(VerificationStage::Done, VerificationStatus::Success, reason)
    }

    pub(super) fn failure(reason: impl Into<String>) -> Self {
        Self::new(VerificationStage::Done, VerificationStatus::Failure, reason)
    }

    pub(super) fn in_progress(reason: impl Into<String>) -> Self {
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
            job: row.job.clone(),
            doing: None,
        }
    }

    /// The verdict on a Module that cannot be read.
    pub fn unreadable(why: &str) -> Self {
        Self::failure(reason::unreadable(why))
    }

    pub(super) fn about(mut self, target: &Target) -> Self {
        self.image = Some(target.image_text.clone());
        self
    }

    pub(super) fn with(mut self, digest: Option<Digest>, findings: &[Finding]) -> Self {
        self.digest = digest;
        self.findings = findings.to_vec();
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self
    }

    pub(super) fn by_job(mut self, job: &ObjectName) -> Self {
        self.job = Some(reason::named(job));
        self
    }

    pub(super) fn doing(mut self, step: Option<Step>) -> Self {
        self.doing = step;
        self
    }
}
