//! The same engine over files: documents in, reports out.
//!
//! [`documents`] reads what the user names with `-f`; a [`Question`] is one preflight over them; [`report`]
//! turns the answered preflights into text. Nothing here prints.

mod credentials;
pub mod documents;
mod engine;
mod question;
pub mod report;
mod signatures;

use std::fmt;
use std::sync::Arc;

use crate::api::VerificationStatus;

pub use credentials::Credentials;
pub use documents::{DocumentProblem, Documents, Source};
pub use engine::Engine;
pub use question::{Options, Overrides, Question, WrongQuestion, questions};

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
