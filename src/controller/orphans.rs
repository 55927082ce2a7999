//! Deletes the Jobs of preflights that are gone. The garbage collector would do so too, but not at once.
use std::collections::HashSet;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use super::foundry::Foundry;
use super::news::of_abandoned;
use super::scribe::tell_of_module;
use super::tidy::module_of;
use super::{Operator, is_going};
use crate::cluster::{CallError, OwnJob, jobs};

/// The pause between two passes; changes come in flocks.
const PAUSE: Duration = Duration::from_secs(1);

/// Deletes them, for ever.
pub(super) async fn clear(operator: &Operator) {
    let Some(foundry) = &operator.foundry else {
        return std::future::pending().await;
    };
    let (mut preflights, mut jobs) = (operator.watches.changes(), foundry.jobs.changes());
    loop {
        let all_went_well = pass(operator, foundry).await;
        sleep(PAUSE).await;
        if !all_went_well {
            continue;
        }
        tokio::select! {
            changed = preflights.changed() => if changed.is_err() { return },
            changed = jobs.changed() => if changed.is_err() { return },
        }
    }
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

/// Deletes what can be deleted now; whether nothing is left to be tried again.
async fn pass(operator: &Operator, foundry: &Foundry) -> bool {
    if operator.watches.surroundings().preflights.is_none() {
        // Nobody knows yet which are there.
        return true;
    }
    let here = operator.watches.preflights();
    let here: HashSet<&str> = here
        .iter()
        .filter(|preflight| !is_going(preflight))
        .filter_map(|preflight| preflight.metadata.uid.as_deref())
        .collect();
    let mut all_went_well = true;
    for gone in foundry
        .jobs
        .preflights()
        .iter()
        .filter(|uid| !here.contains(uid.as_str()))
    {
        for own in foundry.jobs.of(gone).iter().filter(|own| !own.work.going) {
            let (namespace, name) = &own.work.job;
            match delete(operator, own).await {
                Ok(()) => info!("the Job {namespace}/{name} is deleted: its preflight is gone"),
                Err(why) => {
                    warn!("the Job {namespace}/{name} could not be deleted: {why}");
                    all_went_well = false;
                }
            }
        }
    }
    all_went_well
}
