//! What is known of the work that a target's answer may wait for.

use jiff::Timestamp;

use super::{Errand, Step};
use crate::api::{Finding, ModuleStatus};
use crate::image::{Digest, LookFailure};
use crate::plan::ObjectName;

/// What is known of the work that a target's answer may wait for: of the last Job of a kind (make, look), or of the one
/// that is to come.
///
/// While a Look is made again, what is known is still what the Look before came to: an answer does not flicker.
#[derive(Clone, Debug, Default)]
pub enum Work {
    /// Nothing is done.
    #[default]
    None,
    /// It waits until others are done.
    Queued {
        /// What for.
        errand: Errand,
        /// For which time, from 1.
        attempt: u32,
        /// How many are before it.
        ahead: usize,
    },
    /// The API server refused the Job, in its own words (quota, policy …).
    Refused {
        /// What for.
        errand: Errand,
        /// For which time, from 1.
        attempt: u32,
        /// Why.
        why: String,
        /// When.
        at: Timestamp,
    },
    /// A Job is at work.
    Underway {
        /// The Job.
        job: ObjectName,
        /// What for.
        errand: Errand,
        /// The step it is at, where one runs or waits.
        step: Option<Step>,
        /// Since when the Job exists.
        since: Timestamp,
        /// What keeps it from going on, where something does.
        hindrance: Option<String>,
    },
    /// A Job has ended, or is of no more use.
    Ended {
        /// The Job.
        job: ObjectName,
        /// What for.
        errand: Errand,
        /// For which time, from 1.
        attempt: u32,
        /// When.
        at: Timestamp,
        /// What it came to.
        ended: Ended,
    },
    /// Another process knew what a Job came to, for the same inputs, and wrote it into this row.
    Remembered(Box<ModuleStatus>),
}

/// What is known of all the work for a target.
#[derive(Clone, Debug, Default)]
pub struct Works {
    /// Of building and signing its image.
    pub make: Work,
    /// Of a node's look at it.
    pub look: Work,
}

/// What a Job came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The image was judged.
    Judged {
        /// Its digest, where it is known.
        digest: Option<Digest>,
        /// What the rules found.
        findings: Vec<Finding>,
        /// How many findings more there were.
        left_out: usize,
        /// Whether it stands under its final tag.
        pushed: bool,
        /// What its owner should know of the signatures.
        warnings: Vec<String>,
    },
    /// The node could not get at the image that it was to look at.
    Unseen(LookFailure),
    /// A step failed; the same inputs will fail again.
    Failed {
        /// Which.
        step: Option<Step>,
        /// Why, and what to do.
        why: String,
    },
    /// It came to nothing for a reason that may pass: evicted, a node lost, a registry out of reach.
    Interrupted {
        /// Why.
        why: String,
    },
}

impl Work {
    /// What is or was done, where it is known.
    pub const fn errand(&self) -> Option<&Errand> {
        match self {
            Self::Queued { errand, .. }
            | Self::Refused { errand, .. }
            | Self::Underway { errand, .. }
            | Self::Ended { errand, .. } => Some(errand),
            Self::None | Self::Remembered(_) => None,
        }
    }
}
