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
use super::settings::Settings;
use super::transport::{Ask, Transport};
use super::trouble::{Remedy, Trouble};
use crate::api::module::RegistryTls;

/// How many failed attempts without an answer between them mean that the registry is down, not one image: three
/// images in a row, or the first attempts of all that were asked at once.
const DOWN_AFTER: u32 = 8;
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
    rest: Duration,
    requests: Semaphore,
    blobs: Arc<Semaphore>,
}

#[derive(Default)]
struct Health {
    failures: u32,
    down: Option<(Instant, Trouble)>,
}

impl Remote {
    pub(super) fn new(name: &str, tls: RegistryTls, settings: &Settings) -> Self {
        Self {
            name: name.to_owned(),
            tls,
            home: OnceCell::new(),
            greeted: OnceCell::new(),
            challenge: Mutex::default(),
            working: Mutex::default(),
            health: Mutex::default(),
            rest: settings.rest,
            requests: Semaphore::new(settings.concurrency.max(1)),
            blobs: Arc::new(Semaphore::new(settings.concurrency.max(1))),
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
        Arc::clone(&self.blobs).acquire_owned().await.map_err(closed)
    }

    /// Where the registry is.
    ///
    /// `insecure` means what it means to KMM's own client (go-containerregistry, `pkg/v1/remote/transport/ping.go`):
    /// HTTPS if that can be had, else plain HTTP.
    pub(super) async fn home(&self, transport: &Transport) -> Result<&Home, Trouble> {
        self.home.get_or_try_init(|| self.find_home(transport)).await
    }

    async fn find_home(&self, transport: &Transport) -> Result<Home, Trouble> {
        let home = Home::new(&self.name, false, self.tls)?;
        if !self.tls.insecure || self.ping(transport, &home).await.is_ok() {
            return Ok(home);
        }
        let plain = Home::new(&self.name, true, self.tls)?;
        self.ping(transport, &plain).await?;
        Ok(plain)
    }

    /// Asks the registry, once, how it wants to be asked.
    pub(super) async fn greet(&self, transport: &Transport) -> Result<(), Trouble> {
        let home = self.home(transport).await?;
        if self.tls.insecure {
            // It was asked already when its address was found out.
            return Ok(());
        }
        self.greeted
            .get_or_try_init(|| self.ping(transport, home))
            .await
            .copied()
    }

    async fn ping(&self, transport: &Transport, home: &Home) -> Result<(), Trouble> {
        let response = transport.send(home, Ask::get(home.url("")?)).await?;
        self.learn(home, &response);
        Ok(())
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

    /// Refused while the registry is known to be down.
    pub(super) fn check_health(&self) -> Result<(), Trouble> {
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

    /// Takes note that an attempt failed for the registry's own reasons, perhaps the last one of a request.
    pub(super) fn failed(&self, trouble: &Trouble, last: bool) {
        let mut health = locked(&self.health);
        health.failures = health.failures.saturating_add(1);
        if health.failures >= DOWN_AFTER || (last && trouble.remedy == Remedy::Reconnect) {
            health.down = Some((Instant::now() + self.rest, trouble.clone()));
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
