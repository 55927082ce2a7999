//! Secrets to decide about, for tests: issued by the crate's own steps, then moved in time or damaged.

use crate::content::{Content, Held};
use crate::error::Flaw;
use crate::plan::{Plan, Situation, plan};
use crate::policy::{Names, Policy};
use crate::step::carry_out;
use jiff::{SignedDuration, Timestamp};

/// When every fixture begins.
pub(crate) fn start() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

pub(crate) fn after_days(days: i64) -> Timestamp {
    start() + SignedDuration::from_hours(24 * days)
}

/// A replica's view: what it wants, what it remembers.
pub(crate) struct Replica {
    pub(crate) names: Names,
    pub(crate) policy: Policy,
}

impl Default for Replica {
    fn default() -> Self {
        Self {
            names: Names::of_service("hook", "default").unwrap(),
            policy: Policy::default(),
        }
    }
}

impl Replica {
    pub(crate) fn wanting(name: &str) -> Self {
        Self {
            names: Names::new([name]).unwrap(),
            policy: Policy::default(),
        }
    }

    pub(crate) fn at(&self, now: Timestamp, bundle_is_out: bool) -> Situation<'_> {
        Situation {
            now,
            names: &self.names,
            policy: &self.policy,
            bundle_is_out,
        }
    }

    pub(crate) fn take(&self, plan: &Plan, stored: Option<&Held>, now: Timestamp) -> Held {
        let content = carry_out(plan, stored, None, &self.at(now, true)).unwrap();
        Held::read(content.expect("a step that writes"))
    }

    /// Decides and takes steps until none is due; the words of the steps, and what stands then.
    pub(crate) fn settle(&self, mut held: Held, now: Timestamp, bundle_is_out: bool) -> (Vec<String>, Held) {
        let mut steps = Vec::new();
        for _ in 0..10 {
            let situation = self.at(now, bundle_is_out && steps.is_empty());
            let next = plan(Some(&held), None, &situation);
            match carry_out(&next, Some(&held), None, &situation).unwrap() {
                None => return (steps, held),
                Some(content) => held = Held::read(content),
            }
            steps.push(next.to_string());
        }
        panic!("does not come to rest: {steps:?}")
    }
}

/// A Secret as the first replica leaves it.
pub(crate) fn fresh() -> Held {
    Replica::default().take(&Plan::IssueAnew(Flaw::Missing), None, start())
}

/// A Secret in the middle of a rotation that began after 300 days; the serving certificate was renewed then.
pub(crate) fn rotating() -> Held {
    let replica = Replica::default();
    replica.settle(fresh(), after_days(300), false).1
}

/// `held` with one key changed.
pub(crate) fn with(held: &Held, key: &str, bytes: &[u8]) -> Held {
    let mut content = held.content.clone();
    content.set(key, bytes.to_vec());
    Held::read(content)
}

/// `held` with only some of its keys.
pub(crate) fn only(held: &Held, keys: &[&str]) -> Held {
    Held::read(Content::from_data(
        held.content.iter().filter(|(key, _)| keys.contains(key)),
    ))
}

/// Whether a client that trusts the bundle at `now` takes the serving certificate.
pub(crate) fn verifies(bundle: &Held, serving: &Held, now: Timestamp) -> bool {
    let Ok(leaf) = &serving.leaf else { return false };
    leaf.certificate.within_life(now).is_ok()
        && bundle
            .bundle
            .iter()
            .any(|ca| ca.within_life(now).is_ok() && leaf.certificate.is_signed_by(ca, &[]))
}
