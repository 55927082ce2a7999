//! Admission: how long one answer takes without a network, and, with `--serve FOLDER`, the webhook itself on a free port
//! until it is killed, for `benches/webhook` to measure from outside. It leaves its port in `FOLDER/port` and its
//! certificate in `FOLDER/tls.crt` and `FOLDER/tls.key`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use divan::{Bencher, black_box};
use kmm_preflight::plan::Surroundings;
use kmm_preflight::webhook::review::answer;
use kmm_preflight::webhook::{Bounds, Endpoint, Limits, Server, router::router};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpListener;

#[path = "support/module.rs"]
mod fixture;

use fixture::module;

const CREATE: &[u8] = include_bytes!("../tests/webhook/reviews/create.json");
const UPDATE: &[u8] = include_bytes!("../tests/webhook/reviews/update.json");
const STATUS: &[u8] = include_bytes!("../tests/webhook/reviews/status.json");

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--serve") {
        None => divan::main(),
        Some(at) => serve(Path::new(arguments.get(at + 1).expect("--serve FOLDER"))),
    }
}

#[divan::bench(args = [("create", CREATE), ("update", UPDATE), ("status", STATUS)].map(Case::from))]
fn validating(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.bench(|| case.answer(Endpoint::Validate));
}

#[divan::bench(args = [("create", CREATE)].map(Case::from))]
fn mutating(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.bench(|| case.answer(Endpoint::Mutate));
}

#[divan::bench(args = [1, 100, 1_000])]
fn validating_among_modules(bencher: Bencher<'_, '_>, modules: usize) {
    let mut case = Case::from(("create", CREATE));
    case.around.modules = Some((0..modules).map(module).map(Arc::new).collect());
    bencher.bench(|| case.answer(Endpoint::Validate));
}

/// A review, by its name.
struct Case {
    name: &'static str,
    body: &'static [u8],
    around: Surroundings,
}

impl From<(&'static str, &'static [u8])> for Case {
    fn from((name, body): (&'static str, &'static [u8])) -> Self {
        let around = Surroundings::default();
        Self { name, body, around }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Case {
    fn answer(&self, endpoint: Endpoint) -> Vec<u8> {
        let answer = answer(black_box(self.body), endpoint, &self.around).expect("a review");
        answer.to_json().expect("an answer")
    }
}

/// On one thread, as in the operator.
#[tokio::main(worker_threads = 1)]
async fn serve(folder: &Path) {
    let around = Arc::new(Surroundings::default());
    let router = router(
        Arc::new(move || Arc::clone(&around)),
        Arc::new(|_| {}),
        &Bounds::default(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("a port").port();
    let resolver = Arc::new(SelfSigned(certificate(folder)));
    let server = Server::tls(listener, resolver, router, Limits::default()).expect("TLS");
    fs::write(folder.join("port"), port.to_string()).expect("a folder to write to");
    server.run(std::future::pending()).await;
}

/// A certificate for this machine, which is left for the peer.
fn certificate(folder: &Path) -> Arc<CertifiedKey> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    fs::write(folder.join("tls.crt"), made.cert.pem()).expect("a folder to write to");
    fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).expect("a folder to write to");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key to sign with");
    Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key))
}

#[derive(Debug)]
struct SelfSigned(Arc<CertifiedKey>);

impl ResolvesServerCert for SelfSigned {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
