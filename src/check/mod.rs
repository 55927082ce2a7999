//! The same engine over files: documents in, reports out.
//!
//! [`documents`] reads what the user names with `-f`; a [`Question`] is one preflight over them; [`report`]
//! turns the answered preflights into text. Nothing here prints.

pub mod documents;
pub mod report;

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use crate::api::{Module, PreflightValidationOCP, VerificationStatus};
use crate::kernel::Architecture;
use crate::kmod::signature::Certificate;

pub use documents::{DocumentProblem, Documents, Source};

/// One preflight over the documents.
#[derive(Clone, Debug)]
pub struct Question {
    /// The preflight, defaulted and valid.
    pub preflight: PreflightValidationOCP,
    /// Every Module of the documents.
    pub modules: Arc<Vec<Module>>,
    /// Every Secret of the documents.
    pub secrets: Arc<Vec<Secret>>,
    /// Every ConfigMap of the documents.
    pub config_maps: Arc<Vec<ConfigMap>>,
    /// What the user knows of the nodes.
    pub options: Options,
}

/// What the user knows of the nodes and no file says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether the nodes' kernels insist on signatures.
    pub enforce_signatures: bool,
    /// The certificates that the nodes' kernels trust; empty where none is known.
    pub trusted_certificates: Vec<Certificate>,
    /// The nodes' architecture, where the kernel's name does not tell it.
    pub architecture: Option<Architecture>,
}

/// How far the work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgressEvent {
    /// So many Modules will be judged.
    Total(usize),
    /// One Module has its verdict.
    ModuleDone {
        /// The Module's namespace.
        namespace: String,
        /// The Module's name.
        name: String,
        /// The verdict.
        status: VerificationStatus,
    },
}

/// Who is told how far the work is.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(ProgressEvent) + Send + Sync>);

impl Progress {
    /// Tells that function.
    pub fn new(listener: impl Fn(ProgressEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Tells nobody.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Passes an event on.
    pub fn tell(&self, event: ProgressEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
