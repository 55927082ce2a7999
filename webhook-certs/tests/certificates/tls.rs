//! A TLS server with the resolver under test, and a client that verifies as an API server does.

use jiff::{SignedDuration, Timestamp};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use webhook_certs::{CertificateResolver, Clock};

pub(crate) const NAME: &str = "hook.ns.svc";

/// A clock that tests move.
#[derive(Debug, Clone)]
pub(crate) struct MovedClock(Arc<AtomicI64>);

impl MovedClock {
    pub(crate) fn start() -> Self {
        Self::at("2026-11-22T12:00:00Z".parse().unwrap())
    }

    pub(crate) fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_second())))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }

    pub(crate) fn advance_days(&self, days: i64) {
        self.0
            .fetch_add(SignedDuration::from_hours(24 * days).as_secs(), Ordering::SeqCst);
    }

    pub(crate) fn reading(&self) -> Clock {
        let clock = self.clone();
        Box::new(move || clock.now())
    }
}

impl TimeProvider for MovedClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

/// A TLS server that takes its certificates from the resolver.
pub(crate) fn acceptor(resolver: CertificateResolver) -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    TlsAcceptor::from(Arc::new(config))
}

/// Serves an echo over TLS until the test ends.
pub(crate) async fn serve(resolver: CertificateResolver) -> SocketAddr {
    let acceptor = acceptor(resolver);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let (mut reading, mut writing) = split(acceptor.accept(stream).await?);
                copy(&mut reading, &mut writing).await
            });
        }
    });
    address
}

/// An open connection.
pub(crate) struct Connection(TlsStream<TcpStream>);

impl Connection {
    /// Connects as an API server would that has this `caBundle` and this clock.
    pub(crate) async fn open(address: SocketAddr, bundle: &[u8], clock: &MovedClock) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(bundle) {
            roots
                .add(authority.map_err(io::Error::other)?)
                .map_err(io::Error::other)?;
        }
        let mut config = ClientConfig::builder_with_details(Arc::new(default_provider()), Arc::new(clock.clone()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(NAME).unwrap();
        Ok(Self(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
    }

    /// The server's certificate as this connection saw it.
    pub(crate) fn peer(&self) -> CertificateDer<'static> {
        self.0
            .get_ref()
            .1
            .peer_certificates()
            .unwrap()
            .first()
            .unwrap()
            .clone()
            .into_owned()
    }

    /// Sends a word and waits for it to come back.
    pub(crate) async fn echo(&mut self) -> io::Result<()> {
        self.0.write_all(b"word").await?;
        let mut word = [0; 4];
        self.0.read_exact(&mut word).await?;
        assert_eq!(&word, b"word");
        Ok(())
    }
}
