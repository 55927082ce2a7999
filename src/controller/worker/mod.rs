//! One preflight, from its first look to its last answer: gather, look, decide, write; again when something relevant
//! changes, or when a failure is due for another try.

mod evidence;
mod forge;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::sleep;
use tracing::error;

use super::Operator;
use super::examples::Question;
use super::gathered::Gathered;
use super::look::{Report, Round};
use super::memory::{Memory, Sight};
use super::pace::Pace;
use super::scribe::{Scribe, Wrote};
use super::wallet::secrets_again;
use crate::api::{FieldError, PreflightStatus, PreflightValidationOCP, PreflightValidationOCPSpec};
use crate::cluster::{Leadership, NodesAsked};
use crate::examine::Seen;
use crate::kmod::signature::Certificate;
use crate::plan::{self, KnownSecret, ObjectName, Surroundings, Tally};
use crate::telemetry::STATUSES;
use crate::validate::preflight::validate;

/// Reports that wait to be read: each is small, and a round waits where nobody reads.
const REPORTS: usize = 256;
/// How long a worker sleeps at the most; whatever it may have missed, it sees by then.
const LONGEST_SLEEP: Duration = Duration::from_mins(5);

/// How long a worker waits at its beginning until everything is known that its answers rest on. What is decided without a part of it
/// (a Dockerfile that was not read yet) would be another question, and what was known of this one forgotten.
const SETTLING: SignedDuration = SignedDuration::from_secs(20);

/// How long a change or a report waits for others of its kind.
const FLOCK: Duration = Duration::from_millis(50);

/// What is done for one preflight, by one replica.
pub(super) struct Worker {
    operator: Arc<Operator>,
    name: String,
    uid: Option<String>,
    began: Timestamp,
    memory: Memory,
    pace: Pace,
    scribe: Scribe,
    secrets: BTreeMap<ObjectName, KnownSecret>,
    certificates: BTreeMap<ObjectName, Certificate>,
    /// The Jobs that were deleted, by their UIDs, until they are gone.
    cleared: BTreeSet<String>,
    gathered: Option<Known>,
    /// Held while an answer depends on what nodes have loaded.
    nodes_asked: Option<NodesAsked>,
    /// Since when what is to be pushed for a Module waits until it is known what its nodes have loaded.
    held: BTreeMap<ObjectName, Timestamp>,
    rounds: JoinSet<()>,
    /// The targets of each round that is under way.
    underway: HashMap<Id, Vec<ObjectName>>,
    /// What each round asks that looks at what is loaded today.
    asking: HashMap<Id, Vec<(ObjectName, Question)>>,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
}

/// What was gathered, and from what.
struct Known {
    around: Arc<Surroundings>,
    spec: PreflightValidationOCPSpec,
    secrets: BTreeMap<ObjectName, KnownSecret>,
    gathered: Arc<Gathered>,
}

impl Known {
    fn is_current(
        &self,
        preflight: &PreflightValidationOCP,
        around: &Arc<Surroundings>,
        secrets: &BTreeMap<ObjectName, KnownSecret>,
    ) -> bool {
        Arc::ptr_eq(&self.around, around) && self.spec == preflight.spec && self.secrets == *secrets
    }
}

/// What may change of the work in pods, where there is any.
struct WorkChanges(Option<[watch::Receiver<u64>; 2]>);

impl WorkChanges {
    fn of(operator: &Operator) -> Self {
        let foundry = operator.foundry.as_ref();
        Self(foundry.map(|foundry| [foundry.jobs.changes(), foundry.turns()]))
    }

    /// Waits until something has changed; for ever where nothing runs in pods.
    async fn changed(&mut self) {
        let ended = match &mut self.0 {
            Some([jobs, turns]) => tokio::select! {
                changed = jobs.changed() => changed.is_err(),
                changed = turns.changed() => changed.is_err(),
            },
            None => true,
        };
        if ended {
            std::future::pending::<()>().await;
        }
    }

    fn mark_unchanged(&mut self) {
        self.0.iter_mut().flatten().for_each(watch::Receiver::mark_unchanged);
    }
}

/// What one pass came to.
enum Pass {
    /// Nothing to do before this moment, unless something changes.
    Until(Option<Timestamp>),
    /// The preflight is gone.
    Gone,
}

impl Worker {
    /// Nothing is known yet.
    pub(super) fn new(operator: Arc<Operator>, preflight: &PreflightValidationOCP) -> Self {
        Self {
            name: preflight.metadata.name.clone().unwrap_or_default(),
            uid: preflight.metadata.uid.clone(),
            scribe: Scribe::new(preflight, (operator.clock)()),
            began: (operator.clock)(),
            operator,
            memory: Memory::default(),
            pace: Pace::default(),
            secrets: BTreeMap::new(),
            certificates: BTreeMap::new(),
            cleared: BTreeSet::new(),
            gathered: None,
            nodes_asked: None,
            held: BTreeMap::new(),
            rounds: JoinSet::new(),
            underway: HashMap::new(),
            asking: HashMap::new(),
            reports: mpsc::channel(REPORTS),
        }
    }

    /// Works until the preflight is gone. Dropped at any moment, it leaves nothing behind that another would miss; and it is
    /// dropped when this replica leads no more, but a machine that was paused may wake here first.
    pub(super) async fn run(mut self, leadership: Leadership) {
        let mut changes = self.operator.watches.changes();
        let mut work = WorkChanges::of(&self.operator);
        while leadership.is_held()
            && let Pass::Until(moment) = self.pass().await
        {
            let wait = self.wait(moment);
            tokio::select! {
                report = self.reports.1.recv() => self.take_in_flock(report).await,
                Some(ended) = self.rounds.join_next_with_id() => self.end_round(ended),
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // Changes come in flocks (`kubectl apply` of a folder): one pass sees them all.
                    sleep(FLOCK).await;
                    changes.mark_unchanged();
                }
                () = work.changed() => {
                    sleep(FLOCK).await;
                    work.mark_unchanged();
                }
                () = sleep(wait) => {}
            }
        }
    }

    fn wait(&self, moment: Option<Timestamp>) -> Duration {
        let now = (self.operator.clock)();
        let until = moment.map(|moment| Duration::try_from(moment.duration_since(now)).unwrap_or_default());
        until.map_or(LONGEST_SLEEP, |wait| wait.min(LONGEST_SLEEP))
    }

    /// Takes in a report and those that follow at its heels: a pass looks at every Module, and reports come image by image.
    async fn take_in_flock(&mut self, report: Option<Report>) {
        let mut over = pin!(sleep(FLOCK));
        self.take_in(report);
        while self.memory.underway() > 0 {
            tokio::select! {
                report = self.reports.1.recv() => self.take_in(report),
                () = over.as_mut() => return,
            }
        }
    }

    /// Takes in a report and all that wait behind it.
    fn take_in(&mut self, report: Option<Report>) {
        let now = (self.operator.clock)();
        let mut next = report;
        while let Some(report) = next {
            match report {
                Report::Secrets(known, certificates) => {
                    // What cannot be read as a certificate any more is none, whatever was known of it.
                    self.certificates.retain(|name, _| !known.contains_key(name));
                    self.certificates.extend(certificates);
                    self.secrets.extend(known);
                }
                Report::Asked(names) => names.iter().for_each(|name| self.memory.asked(name, now)),
                Report::Seen(sights) => sights.into_iter().for_each(|sight| self.record(sight, now)),
                Report::Today(answers) => {
                    for today in answers {
                        self.memory.examples.record(today, now);
                    }
                }
            }
            next = self.reports.1.try_recv().ok();
        }
    }

    /// A round is over, in order or by a fault: what it did not report on is due again.
    fn end_round(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(fault) => {
                error!("a round of looks has a fault and is taken up again; please report it: {fault}");
                fault.id()
            }
        };
        let last = self.reports.1.try_recv().ok();
        self.take_in(last);
        let now = (self.operator.clock)();
        let names = self.underway.remove(&id).unwrap_or_default();
        self.memory.ended(&names, now);
        let asked = self.asking.remove(&id).unwrap_or_default();
        self.memory.examples.ended(&asked, now);
    }

    fn record(&mut self, sight: Sight, now: Timestamp) {
        self.operator.telemetry.inspected(outcome(&sight.seen));
        let Some(Known { gathered, .. }) = &self.gathered else {
            return;
        };
        let works = self.memory.told(&sight.name);
        let is_final = |name: &ObjectName, look: &_| gathered.is_final(name, look, &works, now);
        self.memory.record(sight, now, is_final);
    }

    /// Everything that can be done now.
    async fn pass(&mut self) -> Pass {
        let Some(preflight) = self.operator.preflight(&self.name, self.uid.as_deref()) else {
            return Pass::Gone;
        };
        self.scribe.notice(&self.operator, &preflight).await;
        let around = self.operator.watches.surroundings();
        if around.modules.is_none() {
            return Pass::Until(None);
        }
        let now = (self.operator.clock)();
        let settled = self.began + SETTLING;
        if now < settled && !self.operator.watches.synced() {
            return Pass::Until(Some(settled));
        }
        let again = match self.gather(&preflight, around) {
            Ok(gathered) => self.answer(&preflight, &gathered, now).await,
            Err(errors) => match self.refusal(&preflight, &errors, now) {
                Ok(status) => self.write(&preflight, status, now).await,
                Err(later) => Some(later),
            },
        };
        let due = [self.memory.next_due(), self.memory.examples.next_due(), again];
        Pass::Until(due.into_iter().flatten().min())
    }

    /// Looks, has Jobs work, and tells what is known; says when to do so again.
    async fn answer(
        &mut self,
        preflight: &PreflightValidationOCP,
        gathered: &Arc<Gathered>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.ask_nodes(gathered);
        let begun = self.forge(preflight, gathered, now).await;
        self.ask_nodes(gathered);
        self.ask_for_examples(gathered, now);
        self.start_rounds(gathered, now);
        self.ask_for_secrets(gathered, now);
        let written = match self.status(preflight, gathered, now) {
            Ok(status) => self.write(preflight, status, now).await,
            Err(later) => Some(later),
        };
        let cleared = self.clear(gathered, written.is_none(), now).await;
        let contested = self.scribe.contested(now).map(|(_, until)| until);
        [begun, written, cleared, contested].into_iter().flatten().min()
    }

    /// What decisions rest on, anew where something changed.
    ///
    /// # Errors
    /// The preflight itself cannot be understood: admission would have refused it.
    fn gather(
        &mut self,
        preflight: &PreflightValidationOCP,
        around: Arc<Surroundings>,
    ) -> Result<Arc<Gathered>, Vec<FieldError>> {
        if let Some(known) = &self.gathered
            && known.is_current(preflight, &around, &self.secrets)
        {
            return Ok(Arc::clone(&known.gathered));
        }
        let kernel = validate(preflight)?;
        let workshop = self
            .operator
            .foundry
            .as_ref()
            .map(|foundry| Arc::clone(&foundry.workshop));
        let gathered = Arc::new(Gathered::new(preflight, kernel, &around, &self.secrets, workshop));
        let now = (self.operator.clock)();
        self.memory.learn(gathered.inquiries(), self.scribe.written(), now);
        self.forget_secrets(&gathered);
        self.gathered = Some(Known {
            around,
            spec: preflight.spec.clone(),
            secrets: self.secrets.clone(),
            gathered: Arc::clone(&gathered),
        });
        Ok(gathered)
    }

    /// Forgets the Secrets that no target names any more.
    fn forget_secrets(&mut self, gathered: &Gathered) {
        let named = gathered.secrets();
        self.secrets.retain(|name, _| named.contains(name));
        self.certificates.retain(|name, _| named.contains(name));
    }

    /// Asks whether the Secrets of verified Modules have changed.
    fn ask_for_secrets(&mut self, gathered: &Arc<Gathered>, now: Timestamp) {
        let due = self.memory.secrets_due(now);
        if due.is_empty() {
            return;
        }
        self.memory.started(&due);
        let asked = secrets_again(
            Arc::clone(&self.operator),
            Arc::clone(gathered),
            due.clone(),
            self.reports.0.clone(),
        );
        self.underway.insert(self.rounds.spawn(asked).id(), due);
    }

    fn start_rounds(&mut self, gathered: &Arc<Gathered>, now: Timestamp) {
        let cases = gathered.cases.iter().enumerate();
        let due: Vec<usize> = cases
            .filter(|(_, case)| self.memory.is_due(&case.name, now))
            .map(|(at, _)| at)
            .collect();
        if due.is_empty() {
            return;
        }
        let names = due.iter().filter_map(|at| Some(gathered.cases.get(*at)?.name.clone()));
        let names: Vec<ObjectName> = names.collect();
        self.memory.started(&names);
        let round = Round {
            gathered: Arc::clone(gathered),
            cases: due,
        };
        let round = round.run(Arc::clone(&self.operator), self.reports.0.clone());
        self.underway.insert(self.rounds.spawn(round).id(), names);
    }

    /// The status that stands to be written, or the moment before which none may be.
    fn status(
        &self,
        preflight: &PreflightValidationOCP,
        gathered: &Gathered,
        now: Timestamp,
    ) -> Result<PreflightStatus, Timestamp> {
        self.may_write(gathered.rows(), self.memory.underway(), now)?;
        let before = self.scribe.written();
        let status = gathered.status(&self.memory, before, preflight.metadata.generation, now);
        self.measure(&status);
        Ok(match self.scribe.contested(now) {
            Some((who, _)) => plan::contested(status, before, who.to_owned(), now),
            None => status,
        })
    }

    /// A preflight that admission would have refused says so in its status.
    fn refusal(
        &self,
        preflight: &PreflightValidationOCP,
        errors: &[FieldError],
        now: Timestamp,
    ) -> Result<PreflightStatus, Timestamp> {
        self.may_write(0, 0, now)?;
        let generation = preflight.metadata.generation;
        Ok(plan::refused(self.scribe.written(), generation, errors, now))
    }

    fn may_write(&self, rows: usize, open: usize, now: Timestamp) -> Result<(), Timestamp> {
        let earliest = self.pace.next(rows, open);
        if now < earliest { Err(earliest) } else { Ok(()) }
    }

    /// Writes the status where it differs; where that fails, says when to try again.
    async fn write(
        &mut self,
        preflight: &PreflightValidationOCP,
        status: PreflightStatus,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let open = Tally::of(&status.modules).open;
        match self.scribe.write(&self.operator, preflight, status).await {
            Wrote::Nothing => None,
            Wrote::Status => {
                self.pace.wrote(now, open);
                None
            }
            Wrote::Failed(pause) => {
                self.pace.wrote(now, open.max(1));
                Some(now + pause)
            }
        }
    }

    fn measure(&self, status: &PreflightStatus) {
        let tally = Tally::of(&status.modules);
        let [success, failure, open] = STATUSES;
        let counts = [(success, tally.verified), (failure, tally.failed), (open, tally.open)];
        let waiting = self.memory.waiting((self.operator.clock)());
        self.operator.telemetry.verdicts(&self.name, counts, waiting);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let (Some(foundry), Some(uid)) = (&self.operator.foundry, &self.uid) {
            foundry.leave(uid);
        }
        self.operator.telemetry.forget(&self.name);
    }
}

/// The value of a metric's label.
fn outcome(seen: &Seen) -> &'static str {
    match seen {
        Seen::Judged { .. } => "judged",
        Seen::Failed(failure) => failure.kind.name(),
    }
}
