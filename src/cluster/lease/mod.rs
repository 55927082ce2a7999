//! Which replica writes: leader election by a Lease.
//!
//! A leader that cannot renew stops leading `renew_deadline` after its last success began, by its own clock; another
//! candidate takes over `lease_duration` after it saw that success, at the earliest. The time between the two is what
//! a write that was begun as a leader may still take.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

mod candidate;

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::candidate::{Action, Candidate};
use super::FIELD_MANAGER;
use super::call::{CallError, optional, within};

/// How long giving up the Lease may take at shutdown; after that it expires by itself.
const RELEASE_DEADLINE: Duration = Duration::from_secs(2);
/// The longest that one call of the election may take: a renewal must have a second try before its deadline.
const TRY_DEADLINE: Duration = Duration::from_secs(4);

/// What time it is, for the Lease's fields that people read.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The Lease and its times. `renew_deadline` is shorter than `lease_duration`, and `retry_period` much shorter.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// The operator's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// Who this replica is; no other process may ever call itself so (the pod's name and something random).
    pub identity: String,
    /// How long others leave a Lease alone that does not change.
    pub lease_duration: Duration,
    /// How long a leader leads after its last successful renewal.
    pub renew_deadline: Duration,
    /// The longest pause between two tries; they are spread over its second half, so that a Lease that was given up
    /// is taken within it.
    pub retry_period: Duration,
}

impl LeaseSettings {
    /// client-go's times: 15 s, 10 s and 2 s.
    pub fn new(namespace: String, name: String, identity: String) -> Self {
        Self {
            namespace,
            name,
            identity,
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// Whether this replica leads, for those who write.
#[derive(Clone, Debug)]
pub struct Leadership(watch::Receiver<Option<Instant>>);

impl Leadership {
    /// Leads for ever: for a process that is alone, and for tests.
    pub fn of_the_only_one() -> Self {
        const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 30);
        Self(watch::channel(Some(Instant::now() + FOR_EVER)).1)
    }

    /// Whether this replica leads at this moment. False by itself when a renewal is overdue.
    pub fn is_held(&self) -> bool {
        self.until().is_some()
    }

    /// Waits until this replica leads. Never returns if the election has ended without it.
    pub async fn gained(&mut self) {
        while !self.is_held() {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until this replica does not lead.
    pub async fn lost(&mut self) {
        while let Some(until) = self.until() {
            tokio::select! {
                () = sleep_until(until) => {}
                changed = self.0.changed() => if changed.is_err() {
                    sleep_until(until).await;
                },
            }
        }
    }

    fn until(&self) -> Option<Instant> {
        self.0.borrow().filter(|until| Instant::now() < *until)
    }
}

/// A running candidacy. Dropped, it stops without giving up the Lease, as a crash would.
pub struct Election {
    leadership: Leadership,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What the task of a candidacy has in its hands.
struct Running {
    leases: Api<Lease>,
    settings: LeaseSettings,
    clock: Clock,
    candidate: Candidate,
    /// The Lease that we wrote last, to renew it without reading it first.
    own: Option<Lease>,
    until: watch::Sender<Option<Instant>>,
}

impl Election {
    /// Starts to stand for election.
    pub fn start(client: Client, settings: LeaseSettings, clock: Clock) -> Self {
        let (until, leadership) = watch::channel(None);
        let stop = CancellationToken::new();
        let running = Running {
            leases: Api::namespaced(client, &settings.namespace),
            candidate: Candidate::new(settings.identity.clone(), settings.lease_duration),
            settings,
            clock,
            own: None,
            until,
        };
        Self {
            leadership: Leadership(leadership),
            task: tokio::spawn(running.run(stop.clone())),
            stop,
        }
    }

    /// Whether this replica leads.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Stops, and gives up the Lease if it is held. Who wrote as a leader has stopped before this is called. Takes
    /// two seconds at most.
    pub async fn release(mut self) {
        self.stop.cancel();
        if timeout(RELEASE_DEADLINE, &mut self.task).await.is_err() {
            warn!("the Lease could not be given up in time: it expires by itself");
        }
    }
}

impl Drop for Election {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Election")
            .field("leadership", &self.leadership)
            .finish_non_exhaustive()
    }
}

impl Running {
    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.turn() => {}
                () = stop.cancelled() => break,
            }
            tokio::select! {
                () = sleep(jittered(self.settings.retry_period)) => {}
                () = stop.cancelled() => {}
            }
        }
        self.give_up().await;
    }

    /// One try to take or to renew the Lease. The time at which it began counts, for others count from its end.
    async fn turn(&mut self) {
        let began = Instant::now();
        match self.take_or_renew().await {
            Ok(true) => self.leads_until(Some(began + self.settings.renew_deadline)),
            Ok(false) => self.leads_until(None),
            Err(CallError::Conflict(_) | CallError::AlreadyExists(_)) => {
                // Not ours any more, or not as we knew it: the next look will tell.
                self.own = None;
                self.leads_until(None);
            }
            Err(error) => {
                self.own = None;
                warn!(%error, lease = self.settings.name, "the Lease could not be taken or renewed");
            }
        }
    }

    async fn take_or_renew(&mut self) -> Result<bool, CallError> {
        let seen = match self.own.take() {
            Some(own) => Some(own),
            None => optional(within(self.try_deadline(), self.leases.get(&self.settings.name)).await)?,
        };
        let spec = seen.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        match self.candidate.step(spec.as_ref(), Instant::now(), (self.clock)()) {
            Action::Wait => Ok(false),
            Action::Create(spec) => self.create(spec).await.map(|()| true),
            Action::Replace(spec) => self.replace(seen.unwrap_or_default(), spec).await.map(|()| true),
        }
    }

    async fn create(&mut self, spec: LeaseSpec) -> Result<(), CallError> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.name.clone()),
                namespace: Some(self.settings.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(spec),
        };
        let created = within(self.try_deadline(), self.leases.create(&params(), &lease)).await?;
        self.own = Some(created);
        Ok(())
    }

    /// Replaces the Lease in the version that was seen: whoever was faster makes this a conflict.
    async fn replace(&mut self, seen: Lease, spec: LeaseSpec) -> Result<(), CallError> {
        let lease = Lease {
            metadata: seen.metadata,
            spec: Some(spec),
        };
        let params = params();
        let call = self.leases.replace(&self.settings.name, &params, &lease);
        let replaced = within(self.try_deadline(), call).await?;
        self.own = Some(replaced);
        Ok(())
    }

    fn leads_until(&self, until: Option<Instant>) {
        let led = self.until.borrow().is_some_and(|before| Instant::now() < before);
        match (led, until) {
            (false, Some(_)) => info!(identity = self.settings.identity, "this replica leads"),
            (true, None) => warn!(identity = self.settings.identity, "this replica leads no more"),
            _ => debug!(leads = led, "the election goes on"),
        }
        self.until.send_replace(until);
    }

    async fn give_up(mut self) {
        self.leads_until(None);
        if let Err(error) = self.release().await {
            warn!(%error, "the Lease could not be given up: it expires by itself");
        }
    }

    /// Reads the Lease anew, for the last renewal may have been interrupted on its way back.
    async fn release(&mut self) -> Result<(), CallError> {
        let seen = optional(within(self.try_deadline(), self.leases.get(&self.settings.name)).await)?;
        let spec = seen.as_ref().and_then(|lease| lease.spec.as_ref());
        match spec.and_then(|spec| self.candidate.release(spec, (self.clock)())) {
            Some(left) => self.replace(seen.unwrap_or_default(), left).await,
            None => Ok(()),
        }
    }

    fn try_deadline(&self) -> Duration {
        TRY_DEADLINE.min(self.settings.renew_deadline / 2)
    }
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// Between half of it and all of it.
fn jittered(period: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    let share = u32::try_from(random).unwrap_or_default();
    period / 2 + period / 2 * share / 1000
}
