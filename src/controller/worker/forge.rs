//! The work in pods that one preflight orders: what its Jobs are at, which are begun, and which are of no more use.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::Worker;
use crate::api::{ModuleStatus, PreflightValidationOCP, VerificationStatus};
use crate::cluster::jobs::{self, Made};
use crate::cluster::{CallError, OwnJob};
use crate::controller::foundry::Foundry;
use crate::controller::gathered::{Case, Gathered};
use crate::controller::ledger::{Begun, outcome};
use crate::controller::news::{News, of_ended, of_refused, of_started};
use crate::controller::orphans::delete;
use crate::controller::scribe::tell;
use crate::controller::tidy::{Fate, Standing, fate, is_memory, module_of};
use crate::controller::wallet::signatures;
use crate::plan::ObjectName;
use crate::plan::work::{ATTEMPT, Ended, Errand, FINGERPRINT, Next, Order, Work};

/// When a deletion that failed is tried again.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// A Job that is wanted.
struct Wanted {
    job: ObjectName,
    /// Which case it is for.
    at: usize,
    errand: Errand,
    attempt: u32,
    /// Whether it comes after a Build that is done, whose place it has.
    follows: bool,
}

impl Worker {
    /// Sees what became of the Jobs, and begins those that are due and whose turn it is; says when to do so again.
    pub(super) async fn forge(
        &mut self,
        preflight: &PreflightValidationOCP,
        gathered: &Gathered,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let operator = Arc::clone(&self.operator);
        let (foundry, uid) = (operator.foundry.as_ref()?, self.uid.clone()?);
        let jobs = foundry.jobs.of(&uid);
        self.see(preflight, gathered, &jobs, now);
        self.note_held(gathered, now);
        let following = self.following(gathered, &jobs, now);
        let (wanted, later) = self.wanted(gathered, &jobs, now);
        let taken = foundry.take(&uid, wanted.iter().map(|one| one.job.clone()).collect(), now);
        let (mut begun, waiting): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|one| taken.contains(&one.job));
        if foundry.jobs.synced() {
            begun.extend(following);
        }
        self.begin(preflight, gathered, foundry, begun).await;
        self.line_up(gathered, waiting, &foundry.ahead(&uid));
        let (queued, running) = foundry.counts(now);
        operator.telemetry.jobs(queued, running);
        later
    }

    /// Notes since when pushes wait for what nodes have loaded.
    fn note_held(&mut self, gathered: &Gathered, now: Timestamp) {
        let before = std::mem::take(&mut self.held);
        let held = gathered
            .cases
            .iter()
            .filter(|case| gathered.is_held(case, &self.memory, now));
        let since = |name| before.get(name).copied().unwrap_or(now);
        self.held = held.map(|case| (case.name.clone(), since(&case.name))).collect();
    }

    /// Learns what became of the Jobs that are there, and tells of those that have ended.
    fn see(&mut self, preflight: &PreflightValidationOCP, gathered: &Gathered, jobs: &[OwnJob], now: Timestamp) {
        for case in &gathered.cases {
            let Some(ledger) = self.memory.ledger_mut(&case.name) else {
                continue;
            };
            ledger.learn(case.work.as_deref(), |row| case.is_made_by(row));
            let ended = ledger.see(of_case(jobs, case), now);
            for work in &ended {
                self.tell_end(preflight, case, work);
            }
            if ended.iter().any(has_pushed) {
                self.memory.image_changed(&case.name);
            }
            if !ended.is_empty() {
                let answer = gathered.answer(case, &self.memory, now);
                let is_final = answer.status == VerificationStatus::Success;
                self.memory.job_ended(&case.name, is_final, now);
            }
        }
    }

    /// Counts a Job that has ended, and tells of it, unless the status did so before this process began.
    fn tell_end(&self, preflight: &PreflightValidationOCP, case: &Case, work: &Work) {
        let Work::Ended { job, errand, ended, .. } = work else {
            return;
        };
        self.operator.telemetry.job_ended(errand.name(), outcome(ended));
        let named = format!("{}/{}", job.0, job.1);
        let rows = self.scribe.written().map_or(&[][..], |status| &status.modules);
        // A schema without room for the Job's name still has the reason, which tells it.
        let is_named = |row: &ModuleStatus| match (&row.job, &row.status_reason) {
            (Some(job), _) => *job == named,
            (None, reason) => reason.as_ref().is_some_and(|reason| reason.contains(&named)),
        };
        let is_told = |row: &&ModuleStatus| is_named(row) && row.verification_status != VerificationStatus::InProgress;
        if rows.iter().find(is_told).is_none() {
            self.tell(preflight, of_ended(&case.name, job, errand, ended));
        }
    }

    fn tell(&self, preflight: &PreflightValidationOCP, news: [News; 2]) {
        for news in news {
            tell(&self.operator, preflight, news);
        }
    }

    /// The Jobs that are to be begun and are not there yet, in the order of their Modules; and when others will be due.
    fn wanted(&self, gathered: &Gathered, jobs: &[OwnJob], now: Timestamp) -> (Vec<Wanted>, Option<Timestamp>) {
        let (mut wanted, mut later) = (Vec::new(), Vec::new());
        for (at, case) in gathered.cases.iter().enumerate() {
            let Some(ledger) = self.memory.ledger(&case.name) else {
                continue;
            };
            later.extend(ledger.wakes().filter(|moment| *moment > now));
            match gathered.next(case, &self.memory, self.held.get(&case.name).copied(), now) {
                Next::Nothing => {}
                Next::Later(moment) => later.push(moment),
                Next::Start { errand, attempt } => match (ledger.not_before(&errand), case.job(&errand, attempt)) {
                    (Some(moment), _) if now < moment => later.push(moment),
                    (_, Some(job)) if !jobs.iter().any(|own| own.work.job == job) => {
                        wanted.push(Wanted {
                            job,
                            at,
                            errand,
                            attempt,
                            follows: false,
                        });
                    }
                    _ => {}
                },
            }
        }
        (wanted, later.into_iter().min())
    }

    /// Begins these Jobs, all at once.
    async fn begin(
        &mut self,
        preflight: &PreflightValidationOCP,
        gathered: &Gathered,
        foundry: &Foundry,
        wanted: Vec<Wanted>,
    ) {
        let making = wanted.into_iter().map(|one| {
            let order = self.order(gathered, &one);
            self.make(foundry, one, order)
        });
        for (one, begun) in join_all(making).await {
            let Some(case) = gathered.cases.get(one.at) else {
                continue;
            };
            match &begun {
                Begun::Yes => self.tell(preflight, of_started(&case.name, &one.job, &one.errand)),
                Begun::Refused(why) => {
                    self.operator.telemetry.job_refused();
                    self.tell(preflight, of_refused(&case.name, &one.errand, why));
                }
                Begun::Unknown => {}
            }
            let now = (self.operator.clock)();
            if let Some(ledger) = self.memory.ledger_mut(&case.name) {
                ledger.begin(one.job, (one.errand, one.attempt), begun, now);
            }
        }
    }

    fn order(&self, gathered: &Gathered, wanted: &Wanted) -> Result<Order, Vec<String>> {
        let case = gathered.cases.get(wanted.at);
        let (case, target) = case
            .and_then(|case| Some((case, case.target()?)))
            .ok_or_else(Vec::new)?;
        let signatures = signatures(target, |name| self.certificates.get(name));
        let what = (wanted.errand.clone(), wanted.attempt);
        gathered.order(case, &self.memory, what, signatures)
    }

    /// Makes one Job; where that fails, its place is another's.
    async fn make(&self, foundry: &Foundry, wanted: Wanted, order: Result<Order, Vec<String>>) -> (Wanted, Begun) {
        let begun = match order {
            Ok(order) => begun(self.make_first(foundry, &order, wanted.follows).await),
            Err(lacks) => {
                warn!(
                    "{}/{} cannot be begun: {}",
                    wanted.job.0,
                    wanted.job.1,
                    lacks.join("; ")
                );
                Begun::Unknown
            }
        };
        if !matches!(begun, Begun::Yes) {
            foundry.give_back(&wanted.job);
        }
        (wanted, begun)
    }

    /// The Jobs whose Builds are done.
    fn following(&self, gathered: &Gathered, jobs: &[OwnJob], now: Timestamp) -> Vec<Wanted> {
        let of = |own: &OwnJob| {
            let (at, case) = gathered.cases.iter().enumerate().find(|(_, case)| is_of(own, case))?;
            let Work::Underway { errand, .. } = own.progress() else {
                return None;
            };
            let not_before = self.memory.ledger(&case.name)?.not_before(&errand);
            let attempt = own.work.labels.get(ATTEMPT)?.parse().ok()?;
            let job = case.job(&errand, attempt).filter(|job| *job == own.work.job)?;
            let is_due = not_before.is_none_or(|moment| moment <= now);
            is_due.then_some(Wanted {
                job,
                at,
                errand,
                attempt,
                follows: true,
            })
        };
        jobs.iter().filter(|own| own.wants_its_job()).filter_map(of).collect()
    }

    /// Makes the Build that comes before a Job, where there is one; else the Job.
    async fn make_first(&self, foundry: &Foundry, order: &Order, follows: bool) -> Result<Made, CallError> {
        let (client, workshop) = (&self.operator.client, foundry.workshop());
        match order.build(workshop).filter(|_| !follows) {
            Some(build) => jobs::make_build(client, build).await,
            None => jobs::make(client, &order.job(workshop)).await,
        }
    }

    /// Notes of those that wait how many are before them.
    fn line_up(&mut self, gathered: &Gathered, waiting: Vec<Wanted>, ahead: &BTreeMap<ObjectName, usize>) {
        for case in &gathered.cases {
            if let Some(ledger) = self.memory.ledger_mut(&case.name) {
                ledger.wait_no_more();
            }
        }
        for one in waiting {
            let case = gathered.cases.get(one.at);
            let ledger = case.and_then(|case| self.memory.ledger_mut(&case.name));
            if let (Some(ledger), Some(ahead)) = (ledger, ahead.get(&one.job)) {
                ledger.wait(one.errand, one.attempt, *ahead);
            }
        }
    }

    /// Deletes the Jobs that are of no more use; says when others will be. `is_written`: whether the status tells what is known.
    pub(super) async fn clear(&mut self, gathered: &Gathered, is_written: bool, now: Timestamp) -> Option<Timestamp> {
        let operator = Arc::clone(&self.operator);
        let foundry = operator.foundry.as_ref()?;
        let jobs = foundry.jobs.of(self.uid.as_deref()?);
        self.cleared.retain(|uid| jobs.iter().any(|own| own.uid == *uid));
        // As long as nobody knows, nothing that may be needed goes.
        let schema = operator.schemas.current().await;
        let remembers = schema.is_ok_and(|schema| schema.row_has("inputs") && schema.row_has("job"));
        let mut later = Vec::new();
        for own in jobs {
            if own.work.going || self.cleared.contains(&own.uid) {
                continue;
            }
            match self.fate(gathered, &own, (is_written, remembers), now) {
                Fate::Stays => {}
                Fate::StaysUntil(moment) => later.push(moment),
                Fate::Goes(why) => later.extend(self.delete(&own, why).await.map(|()| now + AGAIN)),
            }
        }
        later.into_iter().min()
    }

    /// What becomes of a Job; the pair says of the status whether it tells what is known, and whether it has room for the Job
    /// that this rests on.
    fn fate(&self, gathered: &Gathered, own: &OwnJob, (is_written, remembers): (bool, bool), now: Timestamp) -> Fate {
        let case = gathered.cases.iter().find(|case| is_of(own, case));
        let standing = case.and_then(|case| {
            case.target()?;
            let answer = gathered.answer(case, &self.memory, now);
            let ledger = self.memory.ledger(&case.name);
            let is_memory = is_memory(own, &answer, remembers);
            Some(Standing {
                work: case.work.as_deref(),
                was_verified: self.memory.was_verified(&case.name),
                is_verified: answer.status == VerificationStatus::Success,
                is_told: is_written && !is_memory && ledger.is_some_and(|ledger| ledger.has_read(&own.work.job)),
            })
        });
        let keep = self
            .operator
            .foundry
            .as_ref()
            .map(|foundry| foundry.workshop.keep_failed);
        fate(own, standing.as_ref(), keep.unwrap_or_default(), now)
    }

    /// Deletes a Job; something comes back where that is to be tried again.
    async fn delete(&mut self, own: &OwnJob, why: &str) -> Option<()> {
        let (namespace, name) = &own.work.job;
        match delete(&self.operator, own).await {
            Ok(()) => {
                info!("the Job {namespace}/{name} is deleted: {why}");
                self.cleared.insert(own.uid.clone());
                None
            }
            Err(error) => {
                warn!("the Job {namespace}/{name} could not be deleted, which will be tried again: {error}");
                Some(())
            }
        }
    }
}

/// The Jobs of a case, the oldest first.
fn of_case<'a>(jobs: &'a [OwnJob], case: &Case) -> impl Iterator<Item = &'a OwnJob> {
    let is_its = |own: &&OwnJob| is_of(own, case) && own.work.labels.get(FINGERPRINT) == case.work.as_ref();
    let mut its: Vec<&OwnJob> = jobs.iter().filter(is_its).collect();
    its.sort_by_key(|own| own.work.created);
    its.into_iter()
}

fn is_of(own: &OwnJob, case: &Case) -> bool {
    module_of(&own.work) == Some((case.name.0.as_str(), case.name.1.as_str()))
}

/// What an answer to the making of a Job means.
fn begun(made: Result<Made, CallError>) -> Begun {
    match made {
        Ok(Made::Now | Made::Before) => Begun::Yes,
        Ok(Made::NotOurs) => Begun::Refused("a Job of that name is there that kmm-preflight did not make".to_owned()),
        Err(CallError::Unreachable(why)) => {
            warn!("a Job could not be made, which will be tried again: {why}");
            Begun::Unknown
        }
        Ok(Made::Going) | Err(CallError::Timeout(_) | CallError::Unauthorized(_)) => Begun::Unknown,
        Err(why) => Begun::Refused(why.to_string()),
    }
}

/// Whether a Job left another image in the registry than the one that was there.
const fn has_pushed(work: &Work) -> bool {
    matches!(
        work,
        Work::Ended {
            ended: Ended::Judged { pushed: true, .. },
            ..
        }
    )
}
