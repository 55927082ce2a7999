//! What a candidate does with a Lease, after client-go's `tools/leaderelection`. Pure: a Lease seen and the time → an
//! action.
//!
//! A Lease of somebody else is left alone for its whole duration since *this* candidate last saw it change: clocks of
//! different machines are never compared.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

/// The longest lease of somebody else that is waited for: what stands there was written by who knows whom.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// One who would lead.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    identity: String,
    duration: Duration,
    /// The Lease as it was last seen, and when it was first seen like that.
    observed: Option<(LeaseSpec, Instant)>,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Create the Lease.
    Create(LeaseSpec),
    /// Replace the Lease, in the version that was seen.
    Replace(LeaseSpec),
    /// Somebody else holds it: look again later.
    Wait,
}

impl Candidate {
    pub(super) fn new(identity: String, duration: Duration) -> Self {
        Self {
            identity,
            duration,
            observed: None,
        }
    }

    /// What to do with the Lease that was read just now, or with its absence.
    pub(super) fn step(&mut self, seen: Option<&LeaseSpec>, now: Instant, wall: Timestamp) -> Action {
        let Some(seen) = seen else {
            self.observed = None;
            return Action::Create(self.held(None, wall));
        };
        let since = match &self.observed {
            Some((observed, since)) if observed == seen => *since,
            _ => now,
        };
        self.observed = Some((seen.clone(), since));
        if self.holds(seen) || is_free(seen) || now >= since + wait(seen, self.duration) {
            Action::Replace(self.held(Some(seen), wall))
        } else {
            Action::Wait
        }
    }

    /// The Lease as it is left behind, so that the next candidate need not wait; `None` if it is not ours.
    pub(super) fn release(&self, seen: &LeaseSpec, wall: Timestamp) -> Option<LeaseSpec> {
        self.holds(seen).then(|| LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            acquire_time: Some(MicroTime(wall)),
            renew_time: Some(MicroTime(wall)),
            ..seen.clone()
        })
    }

    fn holds(&self, lease: &LeaseSpec) -> bool {
        lease.holder_identity.as_ref() == Some(&self.identity)
    }

    /// The Lease in our hands. When it changes hands, that is counted.
    fn held(&self, seen: Option<&LeaseSpec>, wall: Timestamp) -> LeaseSpec {
        let ours = seen.filter(|lease| self.holds(lease));
        let transitions = seen.and_then(|lease| lease.lease_transitions).unwrap_or_default();
        let acquired = ours.and_then(|lease| lease.acquire_time.clone());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX)),
            acquire_time: Some(acquired.unwrap_or(MicroTime(wall))),
            renew_time: Some(MicroTime(wall)),
            lease_transitions: Some(match seen {
                Some(_) if ours.is_none() => transitions.saturating_add(1),
                _ => transitions,
            }),
            ..seen.cloned().unwrap_or_default()
        }
    }
}

fn is_free(lease: &LeaseSpec) -> bool {
    lease.holder_identity.as_deref().unwrap_or_default().is_empty()
}

/// How long somebody else's Lease is good, since it was seen to change.
fn wait(lease: &LeaseSpec, own: Duration) -> Duration {
    lease
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(own, Duration::from_secs)
        .min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEASE: Duration = Duration::from_secs(15);

    fn candidate(identity: &str) -> Candidate {
        Candidate::new(identity.to_owned(), LEASE)
    }

    fn wall(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn lease(holder: &str, seconds: i32, renewed: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(seconds),
            acquire_time: Some(MicroTime(wall(0))),
            renew_time: Some(MicroTime(wall(renewed))),
            lease_transitions: Some(4),
            ..LeaseSpec::default()
        }
    }

    fn acquired(action: Action) -> LeaseSpec {
        match action {
            Action::Create(spec) | Action::Replace(spec) => spec,
            Action::Wait => panic!("waits"),
        }
    }

    #[test]
    fn a_lease_is_taken_where_nobody_holds_it() {
        let start = Instant::now();
        let nobody = LeaseSpec {
            holder_identity: None,
            ..lease("", 1, 0)
        };
        for (case, seen) in [("released", lease("", 1, 0)), ("never held", nobody)] {
            let spec = acquired(candidate("a").step(Some(&seen), start, wall(7)));
            assert_eq!(spec.holder_identity.as_deref(), Some("a"), "{case}");
            assert_eq!(spec.acquire_time, Some(MicroTime(wall(7))), "{case}");
            assert_eq!(spec.lease_transitions, Some(5), "{case}");
        }
        let Action::Create(spec) = candidate("a").step(None, start, wall(7)) else {
            panic!("an absent Lease is created");
        };
        assert_eq!(spec.lease_transitions, Some(0));
        assert_eq!(spec.lease_duration_seconds, Some(15));
    }

    #[test]
    fn somebody_elses_lease_is_waited_for_by_ones_own_clock() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        // The holder's wall clock is an hour behind: that means nothing.
        let first = lease("b", 15, -3600);
        let renewed = lease("b", 15, -3590);
        let mut a = candidate("a");
        for (case, seen, at, waits) in [
            ("first seen", &first, 0, true),
            ("still the same", &first, 14, true),
            ("renewed in time", &renewed, 14, true),
            ("still good", &renewed, 28, true),
            ("expired since it was renewed", &renewed, 29, false),
        ] {
            let action = a.step(Some(seen), after(at), wall(0));
            assert_eq!(action == Action::Wait, waits, "{case}: {action:?}");
        }
    }

    #[test]
    fn ones_own_lease_is_renewed_and_keeps_its_beginning() {
        let seen = lease("a", 15, 0);
        let spec = acquired(candidate("a").step(Some(&seen), Instant::now(), wall(9)));
        assert_eq!(spec.acquire_time, Some(MicroTime(wall(0))));
        assert_eq!(spec.renew_time, Some(MicroTime(wall(9))));
        assert_eq!(spec.lease_transitions, Some(4));
    }

    #[test]
    fn a_lease_that_claims_to_hold_for_years_is_not_believed() {
        let start = Instant::now();
        let mut a = candidate("a");
        for (seconds, expires) in [(i32::MAX, 300), (-5, 15), (2, 2)] {
            let seen = lease("b", seconds, 0);
            assert_eq!(a.step(Some(&seen), start, wall(0)), Action::Wait, "{seconds}");
            let later = start + Duration::from_secs(expires);
            assert_ne!(a.step(Some(&seen), later, wall(0)), Action::Wait, "{seconds}");
        }
    }

    #[test]
    fn only_ones_own_lease_is_released() {
        let a = candidate("a");
        assert_eq!(a.release(&lease("b", 15, 0), wall(1)), None);
        let left = a.release(&lease("a", 15, 0), wall(1)).expect("released");
        assert_eq!(left.holder_identity.as_deref(), Some(""));
        assert_eq!(left.lease_duration_seconds, Some(1));
        assert_eq!(left.lease_transitions, Some(4));
        let next = candidate("b").step(Some(&left), Instant::now(), wall(2));
        assert_ne!(next, Action::Wait);
    }

    /// What happens to one candidate at one moment.
    #[derive(Clone, Debug)]
    struct Turn {
        candidate: usize,
        /// Milliseconds since the turn before.
        after: u64,
        /// How long between its reading of the Lease and its writing.
        hesitates: u64,
        /// Whether its write is heard of: it may be done, and the answer lost.
        is_answered: bool,
    }

    fn turns() -> impl Strategy<Value = Vec<Turn>> {
        let turn = (0..3_usize, 0..6_000_u64, 0..3_000_u64, any::<bool>());
        let turn = turn.prop_map(|(candidate, after, hesitates, is_answered)| Turn {
            candidate,
            after,
            hesitates,
            is_answered,
        });
        proptest::collection::vec(turn, 1..200)
    }

    proptest! {
        /// Whoever takes the Lease from another does so when the other's whole duration is over since it began to
        /// renew for the last time: it stopped leading five seconds before.
        #[test]
        fn two_never_lead_at_once(turns in turns()) {
            let mut now = Instant::now();
            let mut candidates: Vec<Candidate> = ["a", "b", "c"].into_iter().map(candidate).collect();
            let mut stored: Option<(u64, LeaseSpec)> = None;
            let mut last_led: Option<(usize, Instant)> = None;
            for (version, turn) in (1_u64..).zip(turns) {
                now += Duration::from_millis(turn.after);
                let began = now;
                let seen = stored.clone();
                let action = candidates[turn.candidate].step(seen.as_ref().map(|(_, spec)| spec), now, wall(0));
                now += Duration::from_millis(turn.hesitates);
                let spec = match action {
                    Action::Create(spec) | Action::Replace(spec) => spec,
                    Action::Wait => continue,
                };
                let spec = LeaseSpec { renew_time: Some(MicroTime(wall(i64::try_from(version).unwrap()))), ..spec };
                stored = Some((version, spec));
                if !turn.is_answered {
                    continue;
                }
                if let Some((leader, led_from)) = last_led && leader != turn.candidate {
                    prop_assert!(began >= led_from + LEASE, "{:?} after {leader} began", began - led_from);
                }
                last_led = Some((turn.candidate, began));
            }
        }
    }
}
