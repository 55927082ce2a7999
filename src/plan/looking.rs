//! How a node's look at an image stands, and when one is started.

use jiff::{SignedDuration, Timestamp};

use super::reason;
use super::resolve::Target;
use super::verdict::Verdict;
use super::work::{Ended, Errand, Next, Work};

/// How long the first pause is between two looks by a node at what would not load or is not there.
const PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// How long the first pause is after a look that came to nothing, or that the API server refused.
pub(super) const SHORT_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// How long pauses get.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// The verdict while a node is to look.
pub(super) fn verdict(target: &Target, because: &str, work: &Work) -> Verdict {
    match work {
        Work::Underway {
            job, step, hindrance, ..
        } => {
            let reason = reason::looked_at(because, job, hindrance.as_deref());
            Verdict::in_progress(reason).by_job(job).doing(*step)
        }
        Work::Queued { ahead, .. } => Verdict::in_progress(reason::look_waits(because, *ahead)),
        Work::Refused { why, .. } => Verdict::failure(reason::refused(because, &target.namespace, why)),
        Work::Ended { job, .. } => Verdict::in_progress(reason::look_again(because)).by_job(job),
        Work::None | Work::Remembered(_) => Verdict::in_progress(reason::look_wanted(because)),
    }
}

/// When a node looks: at once, then again and again, ever more seldom, for as long as there is no good answer.
pub(super) fn next(work: &Work, now: Timestamp) -> Next {
    let start = |attempt| Next::Start {
        errand: Errand::Look,
        attempt,
    };
    match work {
        Work::None | Work::Remembered(_) => start(1),
        Work::Queued { attempt, .. } => start(*attempt),
        Work::Underway { .. } => Next::Nothing,
        Work::Refused { attempt, at, .. } => after(*at + SHORT_PAUSE, now, start(*attempt)),
        Work::Ended { attempt, at, ended, .. } => {
            let first = if matches!(ended, Ended::Interrupted { .. }) {
                SHORT_PAUSE
            } else {
                PAUSE
            };
            after(*at + pause(first, *attempt), now, start(attempt.saturating_add(1)))
        }
    }
}

/// The pause after so many attempts: each twice the one before.
pub(super) fn pause(first: SignedDuration, attempt: u32) -> SignedDuration {
    let doubled = 1_i32.checked_shl(attempt.saturating_sub(1).min(16)).unwrap_or(1);
    first.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// That, once the moment has come.
pub(super) fn after(moment: Timestamp, now: Timestamp, that: Next) -> Next {
    if now < moment { Next::Later(moment) } else { that }
}
