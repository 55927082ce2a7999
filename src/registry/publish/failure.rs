//! Why an image could not be put where it was to go, told apart by consequence.

use std::fmt;
use std::io;
use std::path::Path;

use super::super::trouble::Trouble;
use crate::image::{LookFailure, LookFailureKind};

/// Why an image could not be put where it was to go, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishFailure {
    /// What decides.
    pub kind: PublishFailureKind,
    /// One sentence: what happened, to what, why, and what to do.
    pub message: String,
}

/// Kinds of failure, each with a consequence of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishFailureKind {
    /// 401 or 403: the credentials may not push there.
    Denied,
    /// The repository does not exist, and the registry does not create it by a push.
    NoRepository,
    /// A quota, or a blob that is too large for the registry.
    NoRoom,
    /// DNS, connection, TLS, time-out, 429, 5xx: another time it may work.
    Unreachable,
    /// The registry does not take what it was sent: a digest or a manifest that it finds wrong, a tag that must not
    /// change, a registry that is read-only.
    Rejected,
    /// The administrator does not let this program ask that registry.
    OffLimits,
    /// The image to be copied could not be read.
    Source(LookFailureKind),
    /// The disk: a layout that cannot be written.
    Disk,
    /// A disk that is full: another time, or another node's, may have room.
    DiskFull,
}

impl PublishFailure {
    /// A failure of that kind.
    pub fn new(kind: PublishFailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Whether the same may work another time, with nothing changed by anybody.
    pub fn may_pass(&self) -> bool {
        matches!(
            self.kind,
            PublishFailureKind::Unreachable
                | PublishFailureKind::DiskFull
                | PublishFailureKind::Source(LookFailureKind::Unreachable)
        )
    }

    /// A trouble with the registry while that was to be pushed.
    pub(super) fn pushing(target: &str, trouble: &Trouble) -> Self {
        use PublishFailureKind::{Denied, NoRepository, NoRoom, OffLimits, Rejected, Unreachable};
        let (kind, what_next) = match trouble.kind {
            LookFailureKind::Denied => (Denied, "; give credentials that may push there"),
            LookFailureKind::NotFound => (NoRepository, "; create the repository, or check its name"),
            LookFailureKind::TooLarge => (NoRoom, "; make room there, or raise the quota"),
            LookFailureKind::OffLimits => (OffLimits, ""),
            LookFailureKind::Unreachable => (Unreachable, ""),
            _ => (Rejected, ""),
        };
        Self::new(
            kind,
            format!("{target} could not be pushed: {}{what_next}", trouble.message),
        )
    }

    /// A trouble with the disk.
    pub(crate) fn disk(path: &Path, error: &io::Error) -> Self {
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let (kind, what_next) = if is_full {
            (
                PublishFailureKind::DiskFull,
                "; make room there, or give Jobs a larger disk",
            )
        } else {
            (PublishFailureKind::Disk, "")
        };
        Self::new(
            kind,
            format!("{} cannot be written: {error}{what_next}", path.display()),
        )
    }
}

impl From<LookFailure> for PublishFailure {
    fn from(failure: LookFailure) -> Self {
        Self::new(PublishFailureKind::Source(failure.kind), failure.message)
    }
}

impl fmt::Display for PublishFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PublishFailure {}
