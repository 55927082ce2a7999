//! When an answer that is not final is looked for again: soon at first, then seldom, never all at once. Pure.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::SignedDuration;

use crate::image::LookFailureKind;
use crate::plan::Look;

/// A registry that did not answer is usually back soon.
const OUTAGE: Steps = Steps {
    first: SignedDuration::from_secs(10),
    longest: SignedDuration::from_mins(5),
};

/// What a person has to mend takes longer; a look costs the registry one small request.
const DEFECT: Steps = Steps {
    first: SignedDuration::from_secs(30),
    longest: SignedDuration::from_mins(10),
};

/// How long until Secrets are asked for again where nothing else is: a key may have been changed.
pub(super) const SECRETS: SignedDuration = SignedDuration::from_mins(5);
/// How much earlier they may be asked for together with others: a thousand Modules may name the same one.
pub(super) const SECRETS_TOGETHER: SignedDuration = SignedDuration::from_mins(1);

/// A pause that doubles.
struct Steps {
    first: SignedDuration,
    longest: SignedDuration,
}

impl Steps {
    fn at(&self, attempts: u32) -> SignedDuration {
        let doubled = self.first.checked_mul(1 << attempts.min(16));
        doubled.map_or(self.longest, |pause| pause.min(self.longest))
    }
}

/// How long to wait before an answer is looked for again. `attempts` counts the looks that came to such an answer
/// before this one. Pauses are drawn out by up to a quarter, so that a thousand Modules do not ask in one second.
pub(super) fn pause(look: &Look, attempts: u32, name: &str) -> SignedDuration {
    let steps = match look {
        Look::Failed { failure, .. } if failure.kind == LookFailureKind::Unreachable => OUTAGE,
        _ => DEFECT,
    };
    let pause = steps.at(attempts);
    pause + pause.saturating_mul(i32::from(dice(name, attempts))) / (4 * i32::from(u8::MAX))
}

/// A number that differs from name to name and from attempt to attempt, and is the same on every replica.
fn dice(name: &str, attempts: u32) -> u8 {
    let hash = digest(&SHA256, format!("{name}#{attempts}").as_bytes());
    hash.as_ref().first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::image::LookFailure;

    fn failed(kind: LookFailureKind) -> Look {
        Look::Failed {
            failure: LookFailure::new(kind, "why"),
            since: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn pauses_double_up_to_their_cap_and_are_drawn_out_by_a_quarter_at_most() {
        let rows = [
            (LookFailureKind::Unreachable, 0, 10),
            (LookFailureKind::Unreachable, 3, 80),
            (LookFailureKind::Unreachable, 40, 300),
            (LookFailureKind::NotFound, 0, 30),
            (LookFailureKind::Denied, 2, 120),
            (LookFailureKind::Damaged, u32::MAX, 600),
        ];
        for (kind, attempts, seconds) in rows {
            let pause = pause(&failed(kind), attempts, "drivers/nic");
            let least = SignedDuration::from_secs(seconds);
            assert!(
                least <= pause && pause <= least + least / 4,
                "{kind:?} {attempts}: {pause:?}"
            );
        }
    }

    #[test]
    fn many_modules_do_not_ask_in_the_same_moment() {
        let look = failed(LookFailureKind::NotFound);
        let mut pauses: Vec<_> = (0..200).map(|at| pause(&look, 3, &format!("drivers/{at}"))).collect();
        pauses.sort();
        pauses.dedup();
        assert!(pauses.len() > 100, "{}", pauses.len());
    }
}
