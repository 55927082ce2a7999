//! Why an image could not be amended.

use crate::image::{LookFailure, LookFailureKind};
use crate::registry::{PublishFailure, PublishFailureKind};

/// Why an image could not be amended.
#[derive(Debug, thiserror::Error)]
pub enum AmendFailure {
    /// The image could not be read.
    #[error("{0}")]
    Read(LookFailure),
    /// The result could not be written.
    #[error("{0}")]
    Publish(PublishFailure),
    /// The files that were named cannot be taken.
    #[error("{image}: {problem}")]
    Selection {
        /// The image.
        image: String,
        /// What is wrong.
        problem: SelectionProblem,
    },
    /// A file could not be signed.
    #[error("{image}: {path}: {problem}")]
    Signing {
        /// The image.
        image: String,
        /// The file.
        path: String,
        /// Why.
        problem: String,
    },
}

/// Why the files that were named cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionProblem {
    /// No absolute path.
    #[error("`{0}` in filesToSign is no absolute path; write it like /opt/lib/modules/${{KERNEL_FULL_VERSION}}/my.ko")]
    Relative(String),
    /// What no path has.
    #[error("{0:?} in filesToSign holds a control character or `..`; write the path as it is in the image")]
    Unwritable(String),
    /// Outside of what KMM copies.
    #[error(
        "`{entry}` in filesToSign is not below {dir_name}: KMM signs a copy of that folder alone (modprobe.dirName), so it \
         would never sign it; move the file there, or set dirName"
    )]
    Outside {
        /// The entry.
        entry: String,
        /// `dirName`.
        dir_name: String,
    },
    /// Nothing there.
    #[error("`{entry}` in filesToSign matches no file of the image; {nearest}")]
    NoMatch {
        /// The entry.
        entry: String,
        /// What comes near, in words.
        nearest: String,
    },
    /// Something there that is no file.
    #[error("`{entry}` in filesToSign matches {path}, which is {what}")]
    NoFile {
        /// The entry.
        entry: String,
        /// The path.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// Too much.
    #[error("filesToSign selects more than {0} files")]
    TooMany(usize),
}

impl AmendFailure {
    /// Whether the same may work another time, with nothing changed by anybody.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Read(failure) => failure.kind == LookFailureKind::Unreachable,
            Self::Publish(failure) => failure.may_pass(),
            Self::Selection { .. } | Self::Signing { .. } => false,
        }
    }
}

impl From<LookFailure> for AmendFailure {
    fn from(failure: LookFailure) -> Self {
        Self::Read(failure)
    }
}

impl From<PublishFailure> for AmendFailure {
    fn from(failure: PublishFailure) -> Self {
        match failure.kind {
            PublishFailureKind::Source(kind) => Self::Read(LookFailure::new(kind, failure.message)),
            _ => Self::Publish(failure),
        }
    }
}
