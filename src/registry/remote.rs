//! What is known of one registry: how it wants to be asked, which login works where, whether it is down; and how
//! many may ask it at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Response;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::challenge::Challenge;
use super::credential::Fingerprint;
use super::home::Home;
use super::transport::{Ask, Transport};
use super::trouble::{Remedy, Trouble};
use crate::api::module::RegistryTls;

/// How long a registry that does not answer is not asked again: a thousand images of a dead registry must not
/// wait for a thousand time-outs.
const DOWN_MEMORY: Duration = Duration::from_secs(20);
/// How many failures without a success between them mean that the registry is down, not one image.
const DOWN_AFTER: u32 = 3;
/// How many (repository, keyring) pairs are remembered.
const REMEMBERED_CAP: usize = 8192;

/// One registry, under one TLS policy.
pub(super) struct Remote {
    name: String,
    tls: RegistryTls,
    home: OnceCell<Home>,
    greeted: OnceCell<()>,
    challenge: Mutex<Option<Challenge>>,
    working: Mutex<HashMap<(String, Fingerprint), usize>>,
    health: Mutex<Health>,
    requests: Semaphore,
    blobs: Arc<Semaphore>,
}

#[derive(Default)]
struct Health {
    failures: u32,
    down: Option<(Instant, Trouble)>,
}

impl Remote {
    pub(super) fn new(name: &str, tls: RegistryTls, concurrency: usize) -> Self {
        Self {
            name: name.to_owned(),
            tls,
            home: OnceCell::new(),
            greeted: OnceCell::new(),
            challenge: Mutex::default(),
            working: Mutex::default(),
            health: Mutex::default(),
            requests: Semaphore::new(concurrency.max(1)),
            blobs: Arc::new(Semaphore::new(concurrency.max(1))),
        }
    }

    /// Waits for a turn to ask; refused at once while the registry is known to be down.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, Trouble> {
        let turn = self.requests.acquire().await.map_err(closed)?;
        self.check_health()?;
        Ok(turn)
    }

    /// Waits for a turn to read a blob. Blobs have turns of their own, so that long ones hold up no manifest.
    pub(super) async fn blob_turn(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        Arc::clone(&self.blobs)
            .acquire_owned()
            .await
            .map_err(closed)
    }

    /// Where the registry is.
    ///
    /// `insecure` means what it means to KMM's own client (go-containerregistry, `pkg/v1/remote/transport/ping.go`):
    /// HTTPS if that can be had, else plain HTTP.
    pub(super) async fn home(&self, transport: &Transport) -> Result<&Home, Trouble> {
        self.home
            .get_or_try_init(|| self.find_home(transport))
            .await
    }

    async fn find_home(&self, transport: &Transport) -> Result<Home, Trouble> {
        let home = Home::new(&self.name, false, self.tls)?;
        if !self.tls.insecure {
            return Ok(home);
        }
        match transport.send(&home, Ask::get(home.url("")?)).await {
            Ok(response) => {
                self.learn(&home, &response);
                Ok(home)
            }
            Err(_no_tls) => Home::new(&self.name, true, self.tls),
        }
    }

    /// Asks the registry, once, how it wants to be asked.
    pub(super) async fn greet(&self, transport: &Transport) -> Result<(), Trouble> {
        let greeted = self.greeted.get_or_try_init(async || {
            let home = self.home(transport).await?;
            let response = transport.send(home, Ask::get(home.url("")?)).await?;
            self.learn(home, &response);
            Ok(())
        });
        greeted.await.copied()
    }

    /// How it wants to be asked, as far as is known.
    pub(super) fn challenge(&self) -> Option<Challenge> {
        locked(&self.challenge).clone()
    }

    /// Learns from an answer how it wants to be asked; whether that was new. Another host, to which the registry
    /// redirected us, has no say in it.
    pub(super) fn learn(&self, home: &Home, response: &Response) -> bool {
        let challenge = Challenge::in_headers(response.headers());
        let Some(challenge) = challenge.filter(|_| home.is(response.url())) else {
            return false;
        };
        let mut known = locked(&self.challenge);
        let new = known.as_ref() != Some(&challenge);
        *known = Some(challenge);
        new
    }

    /// The position of the login that worked for this repository before.
    pub(super) fn working_login(&self, repository: &str, keyring: Fingerprint) -> usize {
        locked(&self.working)
            .get(&(repository.to_owned(), keyring))
            .copied()
            .unwrap_or_default()
    }

    /// Remembers which login works for a repository.
    pub(super) fn remember_login(&self, repository: &str, keyring: Fingerprint, position: usize) {
        let mut working = locked(&self.working);
        if position == 0 {
            return;
        }
        if working.len() >= REMEMBERED_CAP {
            working.clear();
        }
        working.insert((repository.to_owned(), keyring), position);
    }

    fn check_health(&self) -> Result<(), Trouble> {
        let health = locked(&self.health);
        match &health.down {
            Some((until, trouble)) if *until > Instant::now() => Err(Trouble {
                remedy: Remedy::None,
                ..trouble.clone()
            }),
            _ => Ok(()),
        }
    }

    /// Takes note that the registry answered.
    pub(super) fn answered(&self) {
        *locked(&self.health) = Health::default();
    }

    /// Takes note that every attempt of a request failed for the registry's own reasons.
    pub(super) fn failed(&self, trouble: &Trouble) {
        let mut health = locked(&self.health);
        health.failures = health.failures.saturating_add(1);
        if trouble.remedy == Remedy::Reconnect || health.failures >= DOWN_AFTER {
            health.down = Some((Instant::now() + DOWN_MEMORY, trouble.clone()));
        }
    }
}

/// The error of a closed semaphore; ours are never closed.
fn closed(_closed: tokio::sync::AcquireError) -> Trouble {
    Trouble::unreachable("the registry is no longer asked")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
