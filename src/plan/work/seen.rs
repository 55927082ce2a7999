//! A Job and its pod, as far as the watches know them and as they matter.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::plan::ObjectName;

/// A Job of ours and the last pod of it, as far as they matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkSeen {
    /// Its namespace and name.
    pub job: ObjectName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Those of its annotations that are ours.
    pub annotations: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it is being deleted.
    pub going: bool,
    /// How it ended, once it has (conditions `Complete`, `Failed`).
    pub end: Option<JobEnd>,
    /// Its pod, where it has one.
    pub pod: Option<PodSeen>,
    /// Why the cluster refuses its pods (a quota, Pod Security, a policy), where it does.
    pub refused: Option<String>,
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

impl Step {
    /// Every step, in the order in which they run.
    pub const ALL: [Self; 5] = [Self::Place, Self::Toolkit, Self::Build, Self::Sign, Self::Judge];

    /// The container's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Toolkit => "toolkit",
            Self::Build => "build",
            Self::Sign => "sign",
            Self::Judge => "judge",
        }
    }

    /// The step of a container of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }
}
