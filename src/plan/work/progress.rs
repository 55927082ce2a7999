//! What became of an order: a Job and its pod, as the watches know them, and what that means for the target.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Errand;
use crate::api::{Finding, ModuleStatus};
use crate::image::Digest;
use crate::plan::ObjectName;

/// A Job of ours and the last pod of it, as far as they matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkSeen {
    /// Its namespace and name.
    pub job: ObjectName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it is being deleted.
    pub going: bool,
    /// How it ended, once it has (conditions `Complete`, `Failed`).
    pub end: Option<JobEnd>,
    /// Its pod, where it has one.
    pub pod: Option<PodSeen>,
}

/// How a Job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnd {
    /// Whether it completed.
    pub complete: bool,
    /// The condition's reason, like `DeadlineExceeded`.
    pub reason: String,
    /// The condition's message.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSeen {
    /// Its name.
    pub name: String,
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub phase: String,
    /// Why it is in this phase, like `Evicted`; empty where nothing is said.
    pub reason: String,
    /// The same, for people.
    pub message: String,
    /// Why it is not scheduled (`PodScheduled` is false): its reason and message.
    pub unscheduled: Option<(String, String)>,
    /// Its containers in the order in which they run: the init containers, then the others.
    pub containers: Vec<ContainerSeen>,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSeen {
    /// Its name, which tells its [`Step`].
    pub name: String,
    /// What it does.
    pub state: ContainerState,
    /// The digest of its image, as the runtime tells it (`imageID`); empty where it does not.
    pub image_id: String,
}

/// What a container does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ContainerState {
    /// Nothing is said of it.
    #[default]
    Unknown,
    /// It does not run yet.
    Waiting {
        /// Like `ErrImagePull`.
        reason: String,
        /// For people.
        message: String,
    },
    /// It runs.
    Running,
    /// It has ended.
    Ended {
        /// Its exit code.
        exit_code: i32,
        /// Like `OOMKilled`.
        reason: String,
        /// Its termination message.
        message: String,
    },
}

/// The steps of a Job; each is a container of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Puts this program where the others find it.
    Place,
    /// Reads the driver toolkit, in the toolkit's own image.
    Toolkit,
    /// Builds.
    Build,
    /// Signs.
    Sign,
    /// Judges, and pushes.
    Judge,
}

/// What is known of the work that a target's answer may wait for.
#[derive(Clone, Debug, Default)]
pub enum Work {
    /// Nothing is done.
    #[default]
    None,
    /// It waits until others are done.
    Queued {
        /// How many are before it.
        ahead: usize,
    },
    /// The API server refused the Job, in its own words (quota, policy …).
    Refused {
        /// Why.
        why: String,
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
    /// A Job has ended.
    Ended {
        /// The Job.
        job: ObjectName,
        /// What for.
        errand: Errand,
        /// What it came to.
        ended: Ended,
    },
    /// Another process knew what a Job came to, for the same inputs, and wrote it into this row.
    Remembered(Box<ModuleStatus>),
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
