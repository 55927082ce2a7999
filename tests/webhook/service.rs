//! A server on a free port with a certificate of its own, and clients that speak as slowly, as little or as wrongly as
//! a test needs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::routing::get;
use kmm_preflight::plan::Surroundings;
use kmm_preflight::webhook::router::router;
use kmm_preflight::webhook::{Bounds, Limits, Server};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The name in the certificates.
pub(super) const HOST: &str = "webhook.test.svc";
/// For everything that must happen: far more than it takes, so that a busy machine fails no test.
pub(super) const SURELY: Duration = Duration::from_secs(30);
/// For everything that is to be over quickly.
pub(super) const SHORT: Duration = Duration::from_millis(150);
/// For everything that must not be over while a test runs.
pub(super) const LONG: Duration = Duration::from_mins(10);

/// Limits that no test runs into unless it sets one.
pub(super) fn limits() -> Limits {
    Limits {
        handshake: LONG,
        first_request: LONG,
        idle: LONG,
        drain: LONG,
        ..Limits::default()
    }
}

/// Waits for what must happen.
pub(super) async fn surely<F: Future>(what: F) -> F::Output {
    timeout(SURELY, what).await.expect("it happens in time")
}

/// A certificate that can be swapped.
#[derive(Debug)]
pub(super) struct Certificate(ArcSwap<CertifiedKey>);

impl Certificate {
    fn new() -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(certified_key())))
    }

    /// Puts another certificate in its place.
    pub(super) fn swap(&self) {
        self.0.store(Arc::new(certified_key()));
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.0.load().cert.first().unwrap().clone()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn certified_key() -> CertifiedKey {
    let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    CertifiedKey::new(vec![made.cert.der().clone()], key)
}

/// A server that runs until it is told to stop.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) certificate: Arc<Certificate>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// A server of this router.
    pub(super) async fn start(router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let certificate = Certificate::new();
        let resolver: Arc<dyn ResolvesServerCert> = certificate.clone();
        let server = Server::tls(listener, resolver, router, limits).unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async move {
            stopped.await.ok();
        }));
        Self {
            address,
            certificate,
            stop: Some(stop),
            task,
        }
    }

    /// A server of reviews, in a cluster of which nothing is known.
    pub(super) async fn webhook(limits: Limits, bounds: &Bounds) -> Self {
        Self::start(reviews(bounds), limits).await
    }

    /// Begins the end.
    pub(super) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server is gone.
    pub(super) async fn ended(self) {
        surely(self.task).await.unwrap();
    }

    /// A client of this server by HTTP/1.1 or HTTP/2, as the API server is one.
    pub(super) fn client(&self, protocol: Protocol) -> reqwest::Client {
        let trusted = reqwest::Certificate::from_der(&self.certificate.der()).unwrap();
        let builder = reqwest::Client::builder()
            .tls_certs_only([trusted])
            .no_proxy()
            .resolve(HOST, self.address);
        match protocol {
            Protocol::Http1 => builder.http1_only(),
            Protocol::Http2 => builder.http2_prior_knowledge(),
        }
        .build()
        .unwrap()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.address.port())
    }

    pub(super) async fn tcp(&self) -> TcpStream {
        surely(TcpStream::connect(self.address)).await.unwrap()
    }

    /// A connection behind its handshake, which speaks what is asked for by ALPN.
    pub(super) async fn tls(&self, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from(HOST).unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, self.tcp().await);
        surely(connecting).await.unwrap()
    }
}

/// The version of HTTP.
#[derive(Clone, Copy, Debug)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Both versions, for tests that hold for both.
pub(super) const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// Reviews in a cluster of which nothing is known.
pub(super) fn reviews(bounds: &Bounds) -> Router {
    router(Arc::new(Arc::default), Arc::new(|_| {}), bounds)
}

/// What is known of a cluster, as the router wants it.
pub(super) fn knowing(around: Surroundings) -> kmm_preflight::webhook::Knowledge {
    let around = Arc::new(around);
    Arc::new(move || Arc::clone(&around))
}

/// A room where requests wait until they are let go: `GET /wait`.
pub(super) struct WaitingRoom {
    /// How many have come in.
    pub(super) entered: Arc<AtomicUsize>,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    doorbell: Arc<Semaphore>,
    exit: Arc<Semaphore>,
}

impl WaitingRoom {
    pub(super) fn new() -> Self {
        Self {
            entered: Arc::default(),
            inside: Arc::default(),
            most: Arc::default(),
            doorbell: Arc::new(Semaphore::new(0)),
            exit: Arc::new(Semaphore::new(0)),
        }
    }

    pub(super) fn router(&self) -> Router {
        let (entered, inside, most) = (
            Arc::clone(&self.entered),
            Arc::clone(&self.inside),
            Arc::clone(&self.most),
        );
        let (doorbell, exit) = (Arc::clone(&self.doorbell), Arc::clone(&self.exit));
        let wait = async move || {
            entered.fetch_add(1, SeqCst);
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            doorbell.add_permits(1);
            exit.acquire().await.unwrap().forget();
            inside.fetch_sub(1, SeqCst);
            "done"
        };
        Router::new().route("/wait", get(wait))
    }

    /// Waits until this many more are inside.
    pub(super) async fn filled(&self, by: u32) {
        surely(self.doorbell.acquire_many(by)).await.unwrap().forget();
    }

    /// Lets this many go, now or when they come.
    pub(super) fn let_go(&self, many: usize) {
        self.exit.add_permits(many);
    }

    /// The most that were ever inside together.
    pub(super) fn most(&self) -> usize {
        self.most.load(SeqCst)
    }
}

/// An HTTP/1.1 request with a body of JSON.
pub(super) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Sends a text, all of it.
pub(super) async fn send(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    surely(async {
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    })
    .await;
}

/// Reads one answer of HTTP/1.1: its code, its headers in lower case, and its body.
pub(super) async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> (u16, String, String) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = surely(stream.read_line(&mut head)).await.unwrap();
        assert!(read > 0, "the connection ended in the middle of {head:?}");
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap_or("0").parse().unwrap()];
    surely(stream.read_exact(&mut body)).await.unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, head, String::from_utf8(body).unwrap())
}

/// Waits until the other side has closed the connection; what it still said.
pub(super) async fn closed(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset and a missing close_notify are ends, too.
    surely(stream.read_to_end(&mut rest)).await.ok();
    rest
}
