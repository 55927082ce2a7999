//! The registry room against a registry that lies on demand, and against layouts on disk.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect")]

mod support;

#[path = "registry/blobs.rs"]
mod blobs;
#[path = "registry/credentials.rs"]
mod credentials;
#[path = "registry/failures.rs"]
mod failures;
#[path = "registry/layouts.rs"]
mod layouts;
#[path = "registry/manifests.rs"]
mod manifests;
#[path = "registry/pushing.rs"]
mod pushing;
#[path = "registry/security.rs"]
mod security;
#[path = "registry/tls.rs"]
mod tls;
#[path = "registry/written_layouts.rs"]
mod written_layouts;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use kmm_preflight::api::module::RegistryTls;
use kmm_preflight::image::{Digest, LookFailure, LookFailureKind, Reference};
use kmm_preflight::registry::{Access, Deadlines, Descriptor, Keyring, Layout, Manifest, Proxies, Settings, Sources};

use support::fake_image::{FakeImage, LAYER_PLAIN, digest_of};
use support::fake_registry::{FakeRegistry, docker_config};

/// Deadlines that a test can wait for.
fn settings() -> Settings {
    let second = Duration::from_secs(1);
    Settings {
        deadlines: Deadlines {
            connect: second,
            head: second,
            idle: second,
            blob: second * 20,
        },
        backoff: Duration::from_millis(2),
        rest: Duration::from_secs(5),
        ..Settings::default()
    }
}

fn sources() -> Sources {
    Sources::new(Vec::new(), settings()).unwrap()
}

fn with_layout(layout: Layout) -> Sources {
    Sources::new(vec![layout], settings()).unwrap()
}

fn plain() -> RegistryTls {
    RegistryTls {
        insecure: true,
        insecure_skip_tls_verify: false,
    }
}

/// Plain HTTP without credentials.
fn anonymous() -> Access {
    Access::new(Arc::new(Keyring::anonymous()), plain())
}

/// Plain HTTP with one name and password for everything at that key.
fn login(key: &str, user: &str, password: &str) -> Access {
    Access::new(
        Arc::new(keyring("secret acme/pull", &docker_config(key, user, password))),
        plain(),
    )
}

fn keyring(origin: &str, config: &str) -> Keyring {
    Keyring::from_secret_data(origin, "kubernetes.io/dockerconfigjson", config.as_bytes()).unwrap()
}

fn reference(registry: &FakeRegistry, name: &str) -> Reference {
    Reference::parse(&registry.reference(name)).unwrap()
}

fn image() -> FakeImage {
    FakeImage::new().layer(LAYER_PLAIN, layer_bytes(300_000))
}

fn layer_bytes(size: usize) -> Vec<u8> {
    (0..size).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
}

fn descriptor_of(bytes: &[u8]) -> Descriptor {
    Descriptor {
        digest: Digest::parse(&digest_of(bytes)).unwrap(),
        size: bytes.len() as u64,
        media_type: LAYER_PLAIN.to_owned(),
    }
}

fn digest_in(manifest: &Manifest) -> String {
    match manifest {
        Manifest::Fetched { digest, .. } | Manifest::Unchanged(digest) => digest.to_string(),
    }
}

/// Looks once, as everybody does who knows nothing yet.
async fn look(registry: &FakeRegistry, name: &str, access: &Access) -> Result<Manifest, LookFailure> {
    sources().manifest(&reference(registry, name), access, None).await
}

/// The failure of a look, with this kind; its message without the port that changes.
async fn failure(registry: &FakeRegistry, name: &str, access: &Access, kind: LookFailureKind) -> String {
    let failure = look(registry, name, access).await.unwrap_err();
    assert_eq!(failure.kind, kind, "{failure}");
    failure.message.replace(&registry.host(), "HOST")
}

/// A file with this text.
fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}
