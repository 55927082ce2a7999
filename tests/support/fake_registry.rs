//! A registry in this process that tells the truth until it is told to lie.
//!
//! It speaks the distribution protocol over loopback, on a thread and a runtime of its own, so that it serves
//! synchronous tests of the binary as well as asynchronous ones. It records every request.

mod answers;
mod tokens;
mod wire;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use super::fake_image::{FakeImage, INDEX, MANIFEST, digest_of, index_of};

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `GET /v2/`
    Ping,
    /// `/v2/NAME/manifests/REFERENCE`
    Manifest,
    /// `/v2/NAME/blobs/DIGEST`
    Blob,
    /// `POST /v2/NAME/blobs/uploads/`: the wish to upload, or to be lent a blob.
    Upload,
    /// `PUT` to the place of an upload: the bytes.
    Send,
    /// `PUT /v2/NAME/manifests/REFERENCE`
    Publish,
    /// `DELETE /v2/NAME/manifests/REFERENCE`
    Delete,
    /// The token service.
    Token,
    /// Anything else.
    Other,
}

/// One request as the registry saw it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it was about.
    pub kind: Kind,
    /// `GET`, `HEAD`, `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Range` header.
    pub range: Option<String>,
    /// How many bytes were sent along.
    pub length: usize,
}

/// How the registry wants to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asks {
    /// Nothing: everybody reads everything.
    #[default]
    Nothing,
    /// `WWW-Authenticate: Basic`.
    Basic,
    /// `WWW-Authenticate: Bearer`, with a token service of its own.
    Bearer,
}

/// What it does instead of answering truly.
#[derive(Clone, Debug)]
pub enum Trick {
    /// This status, with these headers and this body.
    Status(u16, Vec<(String, String)>, String),
    /// A true answer, but its head comes late.
    SlowHead(Duration),
    /// No answer, ever.
    Hang,
    /// A true answer whose connection breaks after so many bytes of the body.
    CutBody(usize),
    /// A true answer that stalls after so many bytes of the body.
    StallBody(usize),
    /// A true answer with one byte of the body altered.
    AlterBody,
    /// 200 with this media type and body; a `Docker-Content-Digest` that fits it.
    Body(String, Vec<u8>),
    /// 307 to this address, with the request's path and query behind it.
    Redirect(String),
    /// A true answer that says nothing of ranges and ignores them.
    IgnoreRange,
}

impl Trick {
    /// A bare status.
    pub fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), String::new())
    }

    /// A status with the registry's error envelope.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        Self::Status(
            status,
            vec![("content-type".into(), "application/json".into())],
            body.to_string(),
        )
    }

    /// The same with one more header, where it is a status.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        match self {
            Self::Status(status, mut headers, body) => {
                headers.push((name.to_owned(), value.to_owned()));
                Self::Status(status, headers, body)
            }
            other => other,
        }
    }
}

struct Lie {
    kind: Kind,
    part: String,
    left: usize,
    trick: Trick,
}

/// A repository, and a tag or digest in it.
type Place = (String, String);

/// What the registry holds and has seen.
#[derive(Default)]
struct State {
    setup: Setup,
    manifests: Mutex<BTreeMap<Place, (String, Vec<u8>)>>,
    blobs: Mutex<BTreeMap<Place, Vec<u8>>>,
    lies: Mutex<Vec<Lie>>,
    requests: Mutex<Vec<Request>>,
    tokens: Mutex<tokens::Issued>,
    now: AtomicUsize,
    peak: AtomicUsize,
}

/// How to set the registry up; every method may be left out.
#[derive(Clone, Default)]
pub struct Setup {
    asks: Asks,
    logins: BTreeMap<String, String>,
    identities: BTreeSet<String>,
    readers: BTreeSet<String>,
    keeps_everything: bool,
    public: BTreeSet<String>,
    realm: Option<String>,
    expires_in: Option<u64>,
    denial: Option<u16>,
    tls: Option<wire::Certificate>,
}

impl Setup {
    /// How it wants to be asked.
    #[must_use]
    pub fn asks(mut self, asks: Asks) -> Self {
        self.asks = asks;
        self
    }

    /// Somebody who may read everything.
    #[must_use]
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.logins.insert(user.to_owned(), password.to_owned());
        self
    }

    /// Somebody who may read everything, and write nothing.
    #[must_use]
    pub fn reader(mut self, user: &str, password: &str) -> Self {
        self.readers.insert(user.to_owned());
        self.login(user, password)
    }

    /// Nothing can be deleted.
    #[must_use]
    pub fn keeps_everything(mut self) -> Self {
        self.keeps_everything = true;
        self
    }

    /// An identity (refresh) token that stands for somebody who may read everything.
    #[must_use]
    pub fn identity(mut self, token: &str) -> Self {
        self.identities.insert(token.to_owned());
        self
    }

    /// A repository that everybody may read.
    #[must_use]
    pub fn public(mut self, repository: &str) -> Self {
        self.public.insert(repository.to_owned());
        self
    }

    /// The realm that it names, instead of its own token service.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = Some(realm.to_owned());
        self
    }

    /// How long tokens live, in seconds; left out of the answer when not set.
    #[must_use]
    pub fn expires_in(mut self, seconds: u64) -> Self {
        self.expires_in = Some(seconds);
        self
    }

    /// The status for those who may not read (default 401).
    #[must_use]
    pub fn denial(mut self, status: u16) -> Self {
        self.denial = Some(status);
        self
    }

    /// Serves HTTPS with a fresh certificate for these names, signed by nobody but itself.
    #[must_use]
    pub fn https(mut self, names: &[&str]) -> Self {
        self.tls = Some(wire::Certificate::fresh(names));
        self
    }

    /// The same with a certificate of the kind that `openssl req -x509` makes: for an authority, which is the server.
    #[must_use]
    pub fn https_as_an_authority(mut self, names: &[&str]) -> Self {
        self.tls = Some(wire::Certificate::of_an_authority(names));
        self
    }

    /// Starts it on a free port.
    pub fn start(self) -> FakeRegistry {
        self.start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts it at this address.
    pub fn start_at(self, address: SocketAddr) -> FakeRegistry {
        FakeRegistry::with(self, address)
    }
}

/// The registry; it stops when it is dropped.
pub struct FakeRegistry {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
}

impl FakeRegistry {
    /// Plain HTTP, and everybody reads everything.
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// Says how to set it up first.
    pub fn setup() -> Setup {
        Setup::default()
    }

    fn with(setup: Setup, address: SocketAddr) -> Self {
        let state = Arc::new(State {
            setup,
            ..State::default()
        });
        let (stop, stopped) = oneshot::channel();
        let address = wire::serve(address, Arc::clone(&state), stopped);
        Self {
            address,
            state,
            stop: Some(stop),
        }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT`, or `https://…`
    pub fn url(&self) -> String {
        let scheme = if self.state.setup.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// The full reference of an image here: `acme/kmod:1` → `127.0.0.1:PORT/acme/kmod:1`.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Its certificate in PEM, if it serves HTTPS.
    pub fn certificate(&self) -> String {
        self.state
            .setup
            .tls
            .as_ref()
            .map(|tls| tls.pem.clone())
            .unwrap_or_default()
    }

    /// Stores an image under a name like `acme/kmod:1`; returns its digest.
    pub fn push(&self, name: &str, image: &FakeImage) -> String {
        let (repository, _) = split(name);
        for blob in image.blobs() {
            self.put_blob(&repository, blob);
        }
        self.put_manifest(name, MANIFEST, image.manifest())
    }

    /// Stores an index of these images, and them, under a name; returns the index's digest.
    pub fn push_index(&self, name: &str, images: &[&FakeImage]) -> String {
        let (repository, _) = split(name);
        let entries: Vec<Value> = images.iter().map(|image| image.index_entry()).collect();
        for image in images {
            self.push(&format!("{repository}@{}", image.digest()), image);
        }
        self.put_manifest(name, INDEX, index_of(&entries))
    }

    /// Stores any bytes as a manifest; returns their digest.
    pub fn put_manifest(&self, name: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> String {
        let (repository, reference) = split(name);
        let bytes = bytes.into();
        let digest = digest_of(&bytes);
        let mut manifests = locked(&self.state.manifests);
        manifests.insert(
            (repository.clone(), digest.clone()),
            (media_type.to_owned(), bytes.clone()),
        );
        manifests.insert((repository, reference), (media_type.to_owned(), bytes));
        digest
    }

    /// Stores a blob; returns its digest.
    pub fn put_blob(&self, repository: &str, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        let digest = digest_of(&bytes);
        locked(&self.state.blobs).insert((repository.to_owned(), digest.clone()), bytes);
        digest
    }

    /// Whether a repository has a blob.
    pub fn has_blob(&self, repository: &str, digest: &str) -> bool {
        locked(&self.state.blobs).contains_key(&(repository.to_owned(), digest.to_owned()))
    }

    /// What stands under a name: its media type and its bytes.
    pub fn manifest(&self, name: &str) -> Option<(String, Vec<u8>)> {
        locked(&self.state.manifests).get(&split(name)).cloned()
    }

    /// The requests of that kind.
    pub fn requests_of(&self, kind: Kind) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.kind == kind);
        requests
    }

    /// Forgets a blob.
    pub fn lose_blob(&self, repository: &str, digest: &str) {
        locked(&self.state.blobs).remove(&(repository.to_owned(), digest.to_owned()));
    }

    /// Lies about every request of that kind from now on.
    pub fn lie(&self, kind: Kind, trick: Trick) {
        self.lie_about(kind, "", usize::MAX, trick);
    }

    /// Lies about the next requests of that kind, so many times.
    pub fn lie_times(&self, times: usize, kind: Kind, trick: Trick) {
        self.lie_about(kind, "", times, trick);
    }

    /// Lies about requests of that kind whose path contains `part`, so many times.
    pub fn lie_about(&self, kind: Kind, part: &str, times: usize, trick: Trick) {
        locked(&self.state.lies).push(Lie {
            kind,
            part: part.to_owned(),
            left: times,
            trick,
        });
    }

    /// Tells the truth again.
    pub fn repent(&self) {
        locked(&self.state.lies).clear();
    }

    /// Makes every token that was issued so far worthless.
    pub fn revoke_tokens(&self) {
        locked(&self.state.tokens).revoke();
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.state.requests).clone()
    }

    /// How many requests of that kind there were.
    pub fn count(&self, kind: Kind) -> usize {
        locked(&self.state.requests)
            .iter()
            .filter(|request| request.kind == kind)
            .count()
    }

    /// How many requests there were at all.
    pub fn total(&self) -> usize {
        locked(&self.state.requests).len()
    }

    /// How many requests were being answered at once, at most.
    pub fn peak(&self) -> usize {
        self.state.peak.load(Ordering::SeqCst)
    }

    /// A docker configuration file with a login for this registry.
    pub fn docker_config(&self, user: &str, password: &str) -> String {
        docker_config(&self.host(), user, password)
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// A docker configuration file with one login.
pub fn docker_config(key: &str, user: &str, password: &str) -> String {
    serde_json::json!({"auths": {key: {"username": user, "password": password}}}).to_string()
}

fn split(name: &str) -> (String, String) {
    let (repository, reference) = name
        .split_once('@')
        .or_else(|| name.rsplit_once(':'))
        .unwrap_or((name, "latest"));
    (repository.to_owned(), reference.to_owned())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
