//! A step that came to nothing.

use std::io;

use crate::image::{LookFailure, LookFailureKind};
use crate::plan::work::Testimony;

/// Why a step came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What happened, to what, why, what to do next: one sentence, without secrets.
    pub message: String,
    /// The last useful lines of what a tool said, without secrets.
    pub log: Vec<String>,
    /// Whether the same inputs may come to something else another time.
    pub again: bool,
}

impl Failure {
    /// The same inputs will fail again.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            log: Vec::new(),
            again: false,
        }
    }

    /// The same inputs may come to something else another time.
    pub fn passing(message: impl Into<String>) -> Self {
        Self {
            again: true,
            ..Self::lasting(message)
        }
    }

    /// A file could not be read or written. A disk that is full may be another's another time.
    pub fn of_file(doing: &str, error: &io::Error) -> Self {
        let again = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::Interrupted
        );
        Self {
            again,
            ..Self::lasting(format!("{doing}: {error}"))
        }
    }

    /// And this besides.
    #[must_use]
    pub fn and(mut self, besides: &str) -> Self {
        self.message = format!("{}; {besides}", self.message.trim_end_matches('.'));
        self
    }

    /// With the last lines that a tool said.
    #[must_use]
    pub fn with_log(mut self, log: Vec<String>) -> Self {
        self.log = log;
        self
    }
}

impl From<LookFailure> for Failure {
    fn from(failure: LookFailure) -> Self {
        Self {
            again: failure.kind == LookFailureKind::Unreachable,
            ..Self::lasting(failure.message)
        }
    }
}

impl From<Failure> for Testimony {
    fn from(failure: Failure) -> Self {
        let Failure { message, log, again } = failure;
        Self::Failed { message, log, again }
    }
}
