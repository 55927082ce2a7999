//! Deletes the Jobs of preflights that are gone. The garbage collector would do so too, but not at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use tracing::{info, warn};

use super::foundry::Foundry;
use super::news::of_abandoned;
use super::scribe::tell_of_module;
use super::tidy::module_of;
use super::{Operator, is_going};
use crate::cluster::{CallError, OwnJob, jobs, preflights};

/// The pause between two passes; changes come in flocks.
const PAUSE: Duration = Duration::from_secs(1);

/// How long what could not be deleted is left alone at first; each further time twice as long.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// How long it is left alone at the most: somebody's policy may refuse it for as long as it stands.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// The Jobs, by their UIDs, that could not be deleted: until when each is left alone, and how long it was this time.
#[derive(Debug, Default)]
struct Refused(BTreeMap<String, (Timestamp, SignedDuration)>);

impl Refused {
    fn note(&mut self, uid: &str, now: Timestamp) {
        let before = self.0.get(uid).map(|(_, pause)| *pause);
        let pause = before.map_or(FIRST_PAUSE, |pause| pause.saturating_mul(2).min(LONGEST_PAUSE));
        self.0.insert(uid.to_owned(), (now + pause, pause));
    }

    fn is_left_alone(&self, uid: &str, now: Timestamp) -> bool {
        self.0.get(uid).is_some_and(|(until, _)| now < *until)
    }

    /// Those that are there no more are forgotten.
    fn keep(&mut self, there: &BTreeSet<&str>) {
        self.0.retain(|uid, _| there.contains(uid.as_str()));
    }

    fn next(&self) -> Option<Timestamp> {
        self.0.values().map(|(until, _)| *until).min()
    }
}

/// Deletes them, for ever.
pub(super) async fn clear(operator: &Operator) {
    let Some(foundry) = &operator.foundry else {
        return std::future::pending().await;
    };
    let (mut preflights, mut jobs) = (operator.watches.changes(), foundry.jobs.changes());
    let mut refused = Refused::default();
    loop {
        pass(operator, foundry, &mut refused).await;
        sleep(PAUSE).await;
        tokio::select! {
            changed = preflights.changed() => if changed.is_err() { return },
            changed = jobs.changed() => if changed.is_err() { return },
            () = until(refused.next(), operator) => {}
        }
    }
}

async fn until(moment: Option<Timestamp>, operator: &Operator) {
    let Some(moment) = moment else {
        return std::future::pending().await;
    };
    let wait = moment.duration_since((operator.clock)());
    sleep(Duration::try_from(wait).unwrap_or_default()).await;
}

/// Deletes a Job, or the Build before it, and tells what that leaves in a registry: to clean up there would take the right to push,
/// which the operator itself never uses.
pub(super) async fn delete(operator: &Operator, own: &OwnJob) -> Result<(), CallError> {
    let client = &operator.client;
    match &own.build {
        Some(_) => jobs::delete_build(client, &own.work.job, &own.uid).await?,
        None => jobs::delete(client, &own.work.job, &own.uid).await?,
    }
    if let (Some(tag), Some((namespace, module))) = (own.leaves(), module_of(&own.work)) {
        warn!("the temporary tag {tag} is left: its build was given up");
        tell_of_module(operator, of_abandoned((namespace, module), &own.work.job, tag));
    }
    Ok(())
}

/// Deletes what can be deleted now.
async fn pass(operator: &Operator, foundry: &Foundry, refused: &mut Refused) {
    let orphans = orphans(operator, foundry);
    refused.keep(&orphans.iter().map(|own| own.uid.as_str()).collect());
    let now = (operator.clock)();
    let due = orphans.iter().filter(|own| !refused.is_left_alone(&own.uid, now));
    let due: Vec<&OwnJob> = due.collect();
    if due.is_empty() {
        return;
    }
    // The watch on Jobs may be ahead of the one on preflights.
    let here = match preflights::present(&operator.client).await {
        Ok(here) => here,
        Err(why) => {
            warn!(
                "whether the preflights of {} Jobs are gone is not known: {why}",
                due.len()
            );
            return due.iter().for_each(|own| refused.note(&own.uid, now));
        }
    };
    for own in due.into_iter().filter(|own| !here.contains(&own.preflight)) {
        let (namespace, name) = &own.work.job;
        match delete(operator, own).await {
            Ok(()) => info!("the Job {namespace}/{name} is deleted: its preflight is gone"),
            Err(why) => {
                warn!("the Job {namespace}/{name} could not be deleted, which will be tried again: {why}");
                refused.note(&own.uid, now);
            }
        }
    }
}

/// The Jobs whose preflights are gone, as far as the watches tell; none while they do not know which are there.
fn orphans(operator: &Operator, foundry: &Foundry) -> Vec<OwnJob> {
    if operator.watches.surroundings().preflights.is_none() {
        return Vec::new();
    }
    let here = operator.watches.preflights();
    let here = here.iter().filter(|preflight| !is_going(preflight));
    let here: HashSet<&str> = here.filter_map(|preflight| preflight.metadata.uid.as_deref()).collect();
    let gone = foundry.jobs.preflights();
    let gone = gone.iter().filter(|uid| !here.contains(uid.as_str()));
    let jobs = gone.flat_map(|uid| foundry.jobs.of(uid));
    jobs.filter(|own| !own.work.going).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_tried_ever_more_seldom_and_holds_up_no_other() {
        // "is-127", "is-142": upstream logs it, and goes on with the others.
        let (mut refused, mut now) = (Refused::default(), Timestamp::UNIX_EPOCH);
        let mut pauses = Vec::new();
        for _ in 0..11 {
            assert!(!refused.is_left_alone("u", now));
            refused.note("u", now);
            let next = refused.next().unwrap();
            assert!(refused.is_left_alone("u", now) && !refused.is_left_alone("v", now));
            pauses.push(next.duration_since(now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        refused.keep(&["v"].into());
        assert_eq!(refused.next(), None, "it is there no more");
    }
}
