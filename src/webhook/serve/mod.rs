//! A router behind a port: TLS with a certificate that may change at any time, bounds on connections and on time,
//! and an end that loses no request.
//!
//! - At most [`Limits::connections`] at a time; more wait in the kernel's backlog until one ends.
//! - A handshake, the first request, and every pause between requests have their time; then the connection ends.
//! - When the shutdown comes, nobody new is let in, idle connections end at once, requests that were begun are
//!   answered, and after [`Limits::drain`] the rest is cut off. When [`Server::run`] returns, all is over.

mod activity;
mod connection;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::FutureExt as _;
use rustls::server::ResolvesServerCert;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use connection::Connections;

/// How long to wait before asking again when the system has no connection to give (no file descriptors, no memory).
const SCARCITY_PAUSE: Duration = Duration::from_millis(200);

/// What one port gives to its clients at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. Each API server keeps a handful.
    pub connections: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// From the end of the handshake until the first request's headers are there; also for who connected just before
    /// the shutdown, and what an idle connection gets to say goodbye.
    pub first_request: Duration,
    /// Without a request. Longer than the 90 s after which Go's clients, and so the API server, close an idle
    /// connection: whoever closes from this side risks a request that is already under way.
    pub idle: Duration,
    /// For everything that is under way when the shutdown comes.
    pub drain: Duration,
    /// Requests at a time on one HTTP/2 connection.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            handshake: Duration::from_secs(5),
            first_request: Duration::from_secs(5),
            idle: Duration::from_mins(2),
            drain: Duration::from_secs(20),
            streams: 128,
        }
    }
}

/// The end of serving, in two steps.
#[derive(Clone, Debug, Default)]
pub(super) struct End {
    /// Nothing new; what was begun goes on.
    pub(super) begun: CancellationToken,
    /// Nothing at all.
    pub(super) over: CancellationToken,
}

/// A port with a router behind it.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
}

impl Server {
    /// A port that speaks TLS with the certificate that the resolver has at the moment of each handshake; without
    /// one, handshakes fail.
    ///
    /// # Errors
    /// The cryptography at hand cannot do TLS 1.2 and 1.3, which aws-lc-rs can.
    pub fn tls(
        listener: TcpListener,
        resolver: Arc<dyn ResolvesServerCert>,
        router: Router,
        limits: Limits,
    ) -> Result<Self, rustls::Error> {
        let config = tls::config(resolver)?;
        Ok(Self {
            tls: Some(TlsAcceptor::from(Arc::new(config))),
            ..Self::plain(listener, router, limits)
        })
    }

    /// A port that speaks plain HTTP/1.1, with the same bounds.
    pub fn plain(listener: TcpListener, router: Router, limits: Limits) -> Self {
        Self {
            listener,
            tls: None,
            router,
            limits,
        }
    }

    /// Serves until the shutdown comes and everything under way has ended, or was cut off.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let (end, tasks) = (End::default(), TaskTracker::new());
        let door = Door {
            listener: self.listener,
            slots: Arc::new(Semaphore::new(self.limits.connections)),
            connections: Connections::new(self.tls, self.router, self.limits, end.clone()),
            tasks: tasks.clone(),
        };
        tokio::select! {
            () = door.let_in() => {}
            () = shutdown => {}
        }
        door.let_in_who_waits();
        drop(door);
        tasks.close();
        end.begun.cancel();
        if timeout(self.limits.drain, tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = tasks.len(),
                "the time to finish is over; the rest is cut off"
            );
        }
        end.over.cancel();
        tasks.wait().await;
    }
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    connections: Connections,
    tasks: TaskTracker,
}

impl Door {
    /// Lets connections in, as long as there is room, for ever.
    async fn let_in(&self) {
        while let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await {
            match self.listener.accept().await {
                Ok((stream, peer)) => self.serve(stream, peer, slot),
                Err(error) => rest(&error).await,
            }
        }
    }

    /// Lets those in whom the kernel has accepted already: they believe that they are connected.
    fn let_in_who_waits(&self) {
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned()
            && let Some(Ok((stream, peer))) = self.listener.accept().now_or_never()
        {
            self.serve(stream, peer, slot);
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, slot: OwnedSemaphorePermit) {
        let connections = self.connections.clone();
        self.tasks.spawn(async move {
            connections.serve(stream, peer).await;
            drop(slot);
        });
    }
}

/// A client that went away while it waited concerns nobody else. Everything else concerns the whole process, and would
/// be answered the same at once: no spinning.
async fn rest(error: &io::Error) {
    if is_of_the_client(error.kind()) {
        return;
    }
    tracing::warn!("no connection can be let in, trying again: {error}");
    sleep(SCARCITY_PAUSE).await;
}

fn is_of_the_client(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        kind,
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
