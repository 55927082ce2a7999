//! What an administrator may set about work in pods.

use std::fmt;

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};

/// Settings of everything that runs in pods. Its `Debug` leaves out the values of the environment: a proxy's URL may hold a
/// password.
#[derive(Clone)]
pub struct Workshop {
    /// The image of this program.
    pub image: String,
    /// The image with buildah.
    pub builder_image: String,
    /// When both are pulled, as `imagePullPolicy` has it.
    pub pull_policy: String,
    /// What builds.
    pub build_with: BuildWith,
    /// How images are looked at.
    pub look_by: LookBy,
    /// Jobs at once, over all preflights.
    pub at_once: usize,
    /// How long one Job may take.
    pub deadline: SignedDuration,
    /// How long a Job that failed is kept for a person to look at.
    pub keep_failed: SignedDuration,
    /// The service account of pods that build and sign; without it, `default`.
    pub service_account: Option<String>,
    /// Whether the builder runs privileged: for clusters on which nothing less works.
    pub privileged: bool,
    /// Whether what builds runs in a user namespace of its pod (`hostUsers: false`): for nodes that can.
    pub user_namespaces: bool,
    /// Whether the cluster chooses the user of pods in which nothing is built, as OpenShift does.
    pub assigned_users: bool,
    /// What containers may use.
    pub room: Room,
    /// Environment variables of every container, like `HTTPS_PROXY`.
    pub environment: Vec<(String, String)>,
    /// Certificates that registries are trusted by beside those of the images: DER, in Base64.
    pub trusted: Vec<String>,
}

impl Workshop {
    /// What of it decides what a Job comes to. What failed is made again where an administrator has changed it; the images'
    /// own version is no part of it: an update of the operator begins nothing anew.
    pub(super) fn stakes(&self) -> Value {
        json!({
            "builder": self.builder_image,
            "buildWith": self.build_with.name(),
            "deadline": self.deadline.as_secs(),
            "serviceAccount": self.service_account,
            "privileged": self.privileged,
            "userNamespaces": self.user_namespaces,
            "assignedUsers": self.assigned_users,
            "room": self.room,
            "environment": self.environment,
            "trusted": self.trusted,
        })
    }
}

impl fmt::Debug for Workshop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<&String> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("Workshop")
            .field("image", &self.image)
            .field("builder_image", &self.builder_image)
            .field("pull_policy", &self.pull_policy)
            .field("build_with", &self.build_with)
            .field("look_by", &self.look_by)
            .field("at_once", &self.at_once)
            .field("deadline", &self.deadline)
            .field("keep_failed", &self.keep_failed)
            .field("service_account", &self.service_account)
            .field("privileged", &self.privileged)
            .field("user_namespaces", &self.user_namespaces)
            .field("assigned_users", &self.assigned_users)
            .field("room", &self.room)
            .field("environment", &variables)
            .field("trusted", &self.trusted.len())
            .finish()
    }
}

/// What the containers of a Job may use.
#[derive(Clone, Debug, Serialize)]
pub struct Room {
    /// The builder.
    pub build: Share,
    /// Every other one.
    pub other: Share,
    /// Disk for each volume that holds an image, as a quantity like `20Gi`.
    pub disk: String,
}

/// What one container may use.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Share {
    /// What it is sure to get.
    pub requested: Amount,
    /// What it gets at the most.
    pub limit: Amount,
}

/// Quantities as Kubernetes writes them; nothing is said of what is `None`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Amount {
    /// Like `500m`.
    pub cpu: Option<String>,
    /// Like `2Gi`.
    pub memory: Option<String>,
}

impl Default for Room {
    /// A compiler wants what it can get; a judge does with 64 MiB, and is given some more.
    fn default() -> Self {
        let amount = |cpu: Option<&str>, memory: Option<&str>| Amount {
            cpu: cpu.map(str::to_owned),
            memory: memory.map(str::to_owned),
        };
        Self {
            build: Share {
                requested: amount(Some("500m"), Some("512Mi")),
                limit: Amount::default(),
            },
            other: Share {
                requested: amount(Some("50m"), Some("64Mi")),
                limit: amount(None, Some("512Mi")),
            },
            disk: "20Gi".to_owned(),
        }
    }
}

/// What builds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuildWith {
    /// A Job with buildah.
    #[default]
    Job,
    /// An OpenShift `Build`, where that API is served and the result is to be pushed; else a Job.
    OpenShift,
}

impl BuildWith {
    /// The word for it.
    const fn name(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::OpenShift => "openshift",
        }
    }
}

/// How images are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LookBy {
    /// By the registry; where it cannot be reached or refuses us, by a node's container runtime.
    #[default]
    Auto,
    /// By the registry alone.
    Registry,
    /// By a node's container runtime alone.
    Runtime,
}

impl LookBy {
    /// The words for it, as a list for a person.
    pub const WORDS: &str = "`auto`, `registry` or `runtime`";

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Registry => "registry",
            Self::Runtime => "runtime",
        }
    }

    /// What that word stands for.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Auto, Self::Registry, Self::Runtime]
            .into_iter()
            .find(|by| by.name() == word)
    }
}
