//! What all workers share of the work in pods: the Jobs that are there, and whose turn it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::queue::Queue;
use crate::cluster::JobWatches;
use crate::plan::ObjectName;
use crate::plan::work::{BuildWith, Workshop};

/// How much longer than its deadline a Job has a place: for its controller to see it, and to end it. One that is suspended has no
/// end at all.
const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// The Jobs of all preflights.
pub(super) struct Foundry {
    /// What an administrator has set.
    pub(super) workshop: Arc<Workshop>,
    /// The same where OpenShift's Builds are not to be had.
    without_builds: Arc<Workshop>,
    /// The Jobs that are there.
    pub(super) jobs: Arc<JobWatches>,
    queue: Mutex<Queue>,
    /// Counts what may have made it another's turn.
    turns: watch::Sender<u64>,
}

impl Foundry {
    /// Nothing is waited for yet.
    pub(super) fn new(workshop: Workshop, jobs: Arc<JobWatches>) -> Self {
        Self {
            queue: Mutex::new(Queue::new(workshop.at_once)),
            without_builds: Arc::new(Workshop {
                build_with: BuildWith::Job,
                ..workshop.clone()
            }),
            workshop: Arc::new(workshop),
            jobs,
            turns: watch::channel(0).0,
        }
    }

    /// What Jobs are made for.
    pub(super) fn workshop(&self) -> &Arc<Workshop> {
        if self.jobs.can_build() {
            &self.workshop
        } else {
            &self.without_builds
        }
    }

    /// A preflight waits for these Jobs and no others; returns those that it is to begin now. As long as it is not known which
    /// are there already, none is begun.
    pub(super) fn take(&self, preflight: &str, wanted: Vec<ObjectName>, now: Timestamp) -> Vec<ObjectName> {
        let mut queue = self.queue();
        let before = queue.len();
        queue.want(preflight, wanted);
        let taken = if self.jobs.synced() {
            queue.take(preflight, &self.unfinished(now), now)
        } else {
            Vec::new()
        };
        if queue.len() < before {
            self.turns.send_modify(|count| *count += 1);
        }
        taken
    }

    /// What was begun came to nothing.
    pub(super) fn give_back(&self, job: &ObjectName) {
        self.queue().give_back(job);
        self.turns.send_modify(|count| *count += 1);
    }

    /// A preflight waits for nothing any more.
    pub(super) fn leave(&self, preflight: &str) {
        self.queue().want(preflight, []);
        self.turns.send_modify(|count| *count += 1);
    }

    /// How many Jobs are begun before each that a preflight waits for.
    pub(super) fn ahead(&self, preflight: &str) -> BTreeMap<ObjectName, usize> {
        self.queue().ahead(preflight)
    }

    /// How many Jobs wait, and how many are at work.
    pub(super) fn counts(&self, now: Timestamp) -> (usize, usize) {
        (self.queue().len(), self.unfinished(now).len())
    }

    /// The Jobs that have places.
    fn unfinished(&self, now: Timestamp) -> BTreeSet<ObjectName> {
        let lasts = self.workshop.deadline.saturating_add(GRACE);
        self.jobs
            .unfinished(now.saturating_sub(lasts).unwrap_or(Timestamp::MIN))
    }

    /// Counts what may have made it another's turn, beside the changes of Jobs.
    pub(super) fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Foundry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foundry")
            .field("workshop", &self.workshop)
            .finish_non_exhaustive()
    }
}
