//! The keeper: looks at the Secret and the webhook configurations whenever they change and now and then anyway,
//! takes the steps that are due, and serves what it found.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use crate::content::Held;
use crate::error::PassError;
use crate::injection::{Injection, WebhookConfiguration};
use crate::pace::{BURST_OF_WRITES, Backoff, WriteBudget, jitter};
use crate::plan::{Plan, Situation, plan};
use crate::policy::{Names, Policy};
use crate::resolver::{CertificateResolver, Serving};
use crate::step::carry_out;
use crate::store::{Store, Stored};
use crate::watches::Changes;
use futures::future::join_all;
use jiff::Timestamp;
use kube::Client;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Steps and lost races that one pass goes through before it rests.
const MAX_STEPS: usize = 12;

/// After a change this long is waited for others: an upgrade changes several objects at once.
const GATHER_CHANGES: Duration = Duration::from_millis(200);

/// The present time. Taken from outside so that time can be moved in tests.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// What is kept where, and for whom.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// The DNS names to serve.
    pub names: Names,
    /// Owner of the fields that are written, for server-side apply.
    pub field_manager: String,
    /// How long certificates live.
    pub policy: Policy,
    /// The webhook configurations that get the bundle.
    pub configurations: Vec<WebhookConfiguration>,
    /// Labels of the Secret, if it is created.
    pub labels: BTreeMap<String, String>,
    /// How long a bundle must have been in the configurations before the new CA in it serves: API servers take a
    /// moment to hear of a changed configuration. Default: one minute.
    pub settle: Duration,
    /// How often everything is looked at without any change having been heard of. Default: one minute.
    pub look_every: Duration,
}

impl Settings {
    /// Settings with the default policy, no configuration and no label.
    pub fn new(
        namespace: impl Into<String>,
        secret: impl Into<String>,
        names: Names,
        field_manager: impl Into<String>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            secret: secret.into(),
            names,
            field_manager: field_manager.into(),
            policy: Policy::default(),
            configurations: Vec::new(),
            labels: BTreeMap::new(),
            settle: Duration::from_mins(1),
            look_every: Duration::from_mins(1),
        }
    }
}

/// Keeps a CA and a serving certificate in one Secret that all replicas share, and the bundle in the configurations.
///
/// # Guarantees
/// - What is served is what stands in the Secret; while the API server cannot be reached, what stood there last.
/// - Any replica can take any step; a lost race is read again. Killed between two steps, another goes on.
/// - A new CA signs what is served only after the bundle with both has been in every configuration for
///   [`Settings::settle`], as long as the old certificate can still be served.
///
/// # Caveats
/// - A Secret that somebody replaces by another valid one is obeyed at once, without overlap.
/// - Of several replicas that have never seen the Secret, the one that creates it wins.
pub struct Keeper {
    client: Client,
    settings: Settings,
    clock: Clock,
    store: Store,
    serving: Serving,
    remembered: Option<Held>,
    budget: WriteBudget,
    /// The bundle that every configuration was last seen to have, and since when.
    out: Option<(Vec<u8>, Instant)>,
}

impl Keeper {
    /// A keeper that has not looked at anything yet.
    pub fn new(client: Client, settings: Settings, clock: Clock) -> Self {
        let place = (settings.namespace.clone(), settings.secret.clone());
        let store = Store::new(
            client.clone(),
            place,
            settings.field_manager.clone(),
            settings.labels.clone(),
        );
        let (serving, budget) = (Serving::new(), WriteBudget::full(Instant::now()));
        Self {
            client,
            settings,
            clock,
            store,
            serving,
            remembered: None,
            budget,
            out: None,
        }
    }

    /// What a TLS server asks for certificates.
    pub fn resolver(&self) -> CertificateResolver {
        self.serving.resolver()
    }

    /// Keeps on until it is dropped; dropping it at any moment loses nothing.
    pub async fn run(mut self) -> Infallible {
        let mut backoff = Backoff::default();
        let mut told = None;
        // The first pass comes before the watches: until it is through, there is nothing to serve.
        let mut wait = self.pass_and_rest(&mut backoff, &mut told).await;
        let mut changes = Changes::watch(&self.client, &self.settings);
        loop {
            tokio::select! {
                () = sleep(wait) => {}
                () = changes.next() => {
                    sleep(GATHER_CHANGES).await;
                    changes.forget();
                }
            }
            wait = self.pass_and_rest(&mut backoff, &mut told).await;
        }
    }

    /// One pass, its failure told once, and how long to rest after it.
    async fn pass_and_rest(&mut self, backoff: &mut Backoff, told: &mut Option<String>) -> Duration {
        match self.pass().await {
            Ok(()) => {
                backoff.reset();
                if told.take().is_some() {
                    tracing::info!(secret = %self.store, "webhook certificates are in order again");
                }
                self.until_next_look()
            }
            Err(error) => {
                let problem = in_words(&error);
                if told.as_ref() != Some(&problem) {
                    tracing::warn!(secret = %self.store, ready = self.resolver().is_ready(), problem, "webhook certificates: will try again");
                    *told = Some(problem);
                }
                backoff.next()
            }
        }
    }

    /// Looks at everything once and does what is due.
    ///
    /// # Errors
    /// If the API server cannot be reached or refuses, or others keep interfering. What is served goes on being served.
    pub async fn pass(&mut self) -> Result<(), PassError> {
        let held = self.settle_secret().await?;
        let bundle = held.content.bundle().to_vec();
        self.remembered = Some(held);
        self.inject(bundle).await
    }

    /// Reads the Secret and takes steps until none is due. Serves what it reads as soon as it has read it.
    async fn settle_secret(&mut self) -> Result<Held, PassError> {
        let mut seen = None;
        for _ in 0..MAX_STEPS {
            let stored = match seen.take() {
                Some(stored) => Some(stored),
                None => self.store.read().await?,
            };
            let situation = self.situation(stored.as_ref());
            self.serve(stored.as_ref(), situation.now);
            let held = stored.as_ref().map(|stored| &stored.held);
            let plan = plan(held, self.remembered.as_ref(), &situation);
            let content = carry_out(&plan, held, self.remembered.as_ref(), &situation)?;
            match (content, stored) {
                (None, Some(stored)) => return Ok(stored.held),
                (None, None) => {}
                (Some(content), stored) => {
                    self.spend_write(&plan)?;
                    seen = self.store.write(stored, &content).await?;
                    self.tell(&plan, seen.is_some());
                }
            }
        }
        Err(PassError::LostRaces {
            object: format!("Secret {}", self.store),
            attempts: MAX_STEPS,
        })
    }

    fn situation(&self, stored: Option<&Stored>) -> Situation<'_> {
        let bundle = stored.map(|stored| stored.held.content.bundle());
        Situation {
            now: (self.clock)(),
            names: &self.settings.names,
            policy: &self.settings.policy,
            bundle_is_out: bundle.is_some_and(|bundle| self.time_until_out(bundle) == Some(Duration::ZERO)),
        }
    }

    /// How much longer `bundle` has to stand in the configurations; `None` if it does not stand there.
    fn time_until_out(&self, bundle: &[u8]) -> Option<Duration> {
        let (_, since) = self.out.as_ref().filter(|(standing, _)| standing == bundle)?;
        Some(self.settings.settle.saturating_sub(since.elapsed()))
    }

    fn serve(&self, stored: Option<&Stored>, now: Timestamp) {
        let Some(Ok(pair)) = stored.map(|stored| stored.held.servable_at(now)) else {
            return;
        };
        if self.serving.serve(pair) {
            tracing::info!(secret = %self.store, expiry = %pair.certificate.not_after, "serving a new webhook certificate");
        }
    }

    fn spend_write(&mut self, plan: &Plan) -> Result<(), PassError> {
        if self.budget.take(Instant::now()) {
            return Ok(());
        }
        tracing::debug!(secret = %self.store, %plan, "put off");
        Err(PassError::TooManyRepairs {
            secret: self.store.to_string(),
            writes: BURST_OF_WRITES,
        })
    }

    fn tell(&self, plan: &Plan, written: bool) {
        if written {
            tracing::info!(secret = %self.store, "{plan}");
        } else {
            tracing::debug!(secret = %self.store, %plan, "another replica was faster; reading again");
        }
    }

    /// Puts the bundle, read a moment ago, into every configuration, and notes since when it stands in all of them.
    async fn inject(&mut self, bundle: Vec<u8>) -> Result<(), PassError> {
        let Settings {
            configurations,
            field_manager,
            ..
        } = &self.settings;
        let injections = configurations
            .iter()
            .map(|one| one.inject(&self.client, &bundle, field_manager));
        let injections: Result<Vec<_>, _> = join_all(injections).await.into_iter().collect();
        let applied = match injections {
            Ok(injections) => injections.contains(&Injection::Applied),
            Err(error) => {
                self.out = None;
                return Err(error);
            }
        };
        if applied {
            tracing::info!(secret = %self.store, "put the CA bundle into the webhook configurations");
        }
        if applied || self.time_until_out(&bundle).is_none() {
            self.out = Some((bundle, Instant::now()));
        }
        Ok(())
    }

    /// A while, or less if a new CA waits for its bundle to be out.
    fn until_next_look(&self) -> Duration {
        let rest = jitter(self.settings.look_every);
        let rotating = self.remembered.as_ref().filter(|held| held.next.is_some());
        let waiting = rotating.and_then(|held| self.time_until_out(held.content.bundle()));
        waiting
            .filter(|waiting| !waiting.is_zero())
            .map_or(rest, |waiting| rest.min(waiting))
    }
}

/// The error and its cause, without the parts that the client's own words add for debugging.
fn in_words(error: &PassError) -> String {
    let PassError::Api { source, .. } = error else {
        return error.to_string();
    };
    match &**source {
        kube::Error::Api(status) => format!("{error}: {}", status.message),
        other => format!("{error}: {other}"),
    }
}
