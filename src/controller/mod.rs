//! The reconciler: for every preflight a worker that gathers, looks, decides and writes, on the replica that leads.
#![expect(clippy::disallowed_types, reason = "hands the client to the cluster room")]

mod examples;
mod foundry;
mod gathered;
mod ledger;
mod look;
mod memory;
mod news;
mod orphans;
mod pace;
mod queue;
mod schedule;
mod scribe;
#[cfg(test)]
mod tests;
mod tidy;
mod today;
mod wallet;
mod worker;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::api::{Module, PreflightValidationOCP};
use crate::cluster::{Events, JobWatches, Leadership, Notice, Schemas, Watches};
use crate::examine::Examiner;
use crate::plan::ObjectName;
use crate::plan::work::Workshop;
use crate::registry::RegistryPattern;
use crate::telemetry::Telemetry;
use foundry::Foundry;
use worker::Worker;

/// Notices that wait to be published; more are dropped, for the status says it too.
const NOTICES: usize = 1024;

/// How long to wait before a worker with a fault begins anew: it will likely meet the same fault.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(10);

/// What all workers share.
pub struct Operator {
    client: Client,
    watches: Arc<Watches>,
    schemas: Schemas,
    examiner: Examiner,
    telemetry: Arc<Telemetry>,
    notices: mpsc::Sender<(ObjectReference, Notice)>,
    clock: fn() -> Timestamp,
    settings: Settings,
    /// The work in pods, where there is any.
    foundry: Option<Foundry>,
}

/// What an administrator may set about reconciling.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The pull secret that counts for every Module, after its own.
    pub cluster_pull_secret: Option<ObjectName>,
    /// Registries whose driver toolkits may be read over plain HTTP. For a Module's image the Module itself says so.
    pub plain_toolkit_registries: Vec<RegistryPattern>,
}

/// The parts that an operator is made of.
pub struct Parts {
    /// For Secrets and statuses.
    pub client: Client,
    /// What is known of the cluster.
    pub watches: Arc<Watches>,
    /// Looks at images.
    pub examiner: Examiner,
    /// Counts.
    pub telemetry: Arc<Telemetry>,
    /// Tells people.
    pub events: Events,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// What an administrator has set.
    pub settings: Settings,
    /// What an administrator has set about work in pods, and the Jobs that are there; `None` where nothing runs in pods.
    pub work: Option<(Workshop, Arc<JobWatches>)>,
}

/// A preflight, and which one of that name.
type Identity = (String, Option<String>);

impl Operator {
    /// An operator of these parts. Must be called inside a Tokio runtime.
    pub fn new(parts: Parts) -> Arc<Self> {
        let (notices, waiting) = mpsc::channel(NOTICES);
        tokio::spawn(publish(parts.events, waiting));
        Arc::new(Self {
            schemas: Schemas::new(parts.client.clone()),
            client: parts.client,
            watches: parts.watches,
            examiner: parts.examiner,
            telemetry: parts.telemetry,
            notices,
            clock: parts.clock,
            settings: parts.settings,
            foundry: parts.work.map(|(workshop, jobs)| Foundry::new(workshop, jobs)),
        })
    }

    /// Reconciles while this replica leads, for ever. When it leads no more, every worker ends at once: no write
    /// begins after that.
    pub async fn run(self: Arc<Self>, mut leadership: Leadership) {
        loop {
            leadership.gained().await;
            self.telemetry.leads(true);
            let mut held = leadership.clone();
            tokio::select! {
                () = Arc::clone(&self).reconcile(leadership.clone()) => return,
                () = orphans::clear(&self) => return,
                () = held.lost() => {}
            }
            self.telemetry.leads(false);
        }
    }

    /// A worker for every preflight, for as long as the preflight is there.
    async fn reconcile(self: Arc<Self>, leadership: Leadership) {
        let mut changes = self.watches.changes();
        let mut workers = JoinSet::new();
        let mut of: HashMap<Identity, AbortHandle> = HashMap::new();
        loop {
            let preflights = self.watches.preflights();
            let present: HashMap<Identity, _> = preflights
                .iter()
                .map(|preflight| (identity(preflight), preflight))
                .collect();
            of.retain(|identity, worker| {
                let stays = present.contains_key(identity);
                if !stays {
                    worker.abort();
                }
                stays && !worker.is_finished()
            });
            for (identity, preflight) in present.into_iter().filter(|(_, preflight)| !is_going(preflight)) {
                let start = || workers.spawn(Worker::new(Arc::clone(&self), preflight).run(leadership.clone()));
                of.entry(identity).or_insert_with(start);
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                Some(ended) = workers.join_next() => if is_faulty(ended) {
                    sleep(PAUSE_AFTER_FAULT).await;
                },
            }
        }
    }

    /// The preflight of that name and identity, unless it is gone or going.
    fn preflight(&self, name: &str, uid: Option<&str>) -> Option<Arc<PreflightValidationOCP>> {
        let found = self.watches.preflight(name);
        found.filter(|preflight| preflight.metadata.uid.as_deref() == uid && !is_going(preflight))
    }

    fn module(&self, (namespace, name): &ObjectName) -> Option<Arc<Module>> {
        self.watches.surroundings().module(namespace, name).cloned()
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn identity(preflight: &PreflightValidationOCP) -> Identity {
    (
        preflight.metadata.name.clone().unwrap_or_default(),
        preflight.metadata.uid.clone(),
    )
}

/// Whether it is being deleted: nobody waits for its answer any more (st-45, st-50).
fn is_going(preflight: &PreflightValidationOCP) -> bool {
    preflight.metadata.deletion_timestamp.is_some()
}

fn is_faulty(ended: Result<(), tokio::task::JoinError>) -> bool {
    let fault = ended.err().filter(tokio::task::JoinError::is_panic);
    if let Some(error) = &fault {
        tracing::error!("a worker has a fault and begins anew; please report it: {error}");
    }
    fault.is_some()
}

async fn publish(events: Events, mut waiting: mpsc::Receiver<(ObjectReference, Notice)>) {
    while let Some((on, notice)) = waiting.recv().await {
        events.publish(&on, notice).await;
    }
}
