//! Which Jobs are of no more use. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::plan::work::{Ended, FINGERPRINT, MODULE, Work, WorkSeen, progress};

/// What becomes of a Job that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is needed.
    Stays,
    /// It is kept for a person to look at.
    StaysUntil(Timestamp),
    /// It is of no more use, and why.
    Goes(&'static str),
}

/// How the target stands that a Job is of.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four facts, each true or not")]
pub(super) struct Standing<'a> {
    /// The fingerprint of its work; not known before its Secrets are.
    pub(super) work: Option<&'a str>,
    /// Whether another process had its final answer.
    pub(super) was_verified: bool,
    /// Whether its answer is Success.
    pub(super) is_verified: bool,
    /// Whether what the Job came to is known, and stands in the status with all it led to.
    pub(super) is_told: bool,
}

/// What becomes of a Job; `standing` is that of its target, where there is one.
pub(super) fn fate(seen: &WorkSeen, standing: Option<&Standing<'_>>, keep: SignedDuration, now: Timestamp) -> Fate {
    let Some(standing) = standing else {
        return Fate::Goes("its Module has no image for this kernel any more");
    };
    if standing.was_verified {
        return Fate::Goes("its answer was written");
    }
    match standing.work {
        None => return Fate::Stays,
        Some(work) if seen.labels.get(FINGERPRINT).is_none_or(|label| label != work) => {
            return Fate::Goes("what it was made from has changed");
        }
        Some(_) => {}
    }
    match progress(seen) {
        Work::Underway { .. } if standing.is_verified => Fate::Goes("the answer is known without it"),
        Work::Ended { ended, .. } if standing.is_told => of_ended(seen, &ended, keep, now),
        _ => Fate::Stays,
    }
}

fn of_ended(seen: &WorkSeen, ended: &Ended, keep: SignedDuration, now: Timestamp) -> Fate {
    let until = seen.end.as_ref().map(|end| end.at.saturating_add(keep));
    match until {
        _ if matches!(ended, Ended::Judged { .. }) => Fate::Goes("its answer is written"),
        // What waits for an image that does not come has told all it can.
        None => Fate::Goes("its answer is written"),
        Some(Ok(until)) if now < until => Fate::StaysUntil(until),
        Some(_) => Fate::Goes("it was kept as long as the settings say"),
    }
}

/// The Module that a Job is of: its namespace and name.
pub(super) fn module_of(seen: &WorkSeen) -> Option<(&str, &str)> {
    seen.annotations.get(MODULE)?.split_once('/')
}
