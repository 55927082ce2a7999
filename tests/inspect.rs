//! Inspections from end to end: over a registry that lies on demand, and over layouts on disk.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect")]

mod support;

#[path = "inspect/cached.rs"]
mod cached;
#[path = "inspect/images.rs"]
mod images;
#[path = "inspect/trouble.rs"]
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use kmm_preflight::api::module::RegistryTls;
use kmm_preflight::image::{LookFailure, LookFailureKind, Reference};
use kmm_preflight::inspect::cache::{Bounds, Cache};
use kmm_preflight::inspect::{ImageRequest, InspectedImage, Inspector, Limits, StageRequest, Stats};
use kmm_preflight::kernel::Architecture;
use kmm_preflight::kmod::staged::StagedFolder;
use kmm_preflight::registry::{Access, Deadlines, Keyring, Layout, Settings, Sources};

use support::fake_image::{FakeImage, LAYER_GZIP, LAYER_PLAIN, LAYER_ZSTD};
use support::fake_layer::FakeLayer;
use support::fake_registry::{FakeRegistry, Kind, Trick};

const KERNEL: &str = "6.1.0-18-amd64";

fn sources() -> Sources {
    let second = Duration::from_secs(1);
    let deadlines = Deadlines {
        connect: second,
        head: second,
        idle: second / 2,
        blob: second * 20,
    };
    let backoff = Duration::from_millis(2);
    let settings = Settings {
        deadlines,
        backoff,
        ..Settings::default()
    };
    Sources::new(Vec::new(), settings).unwrap()
}

/// An inspector that asks again each time.
fn inspector(cache: Cache) -> Inspector {
    let fresh = Duration::ZERO;
    Inspector::new(
        sources(),
        cache,
        Limits {
            fresh,
            ..Limits::default()
        },
    )
}

fn fresh_inspector() -> Inspector {
    inspector(Cache::in_memory())
}

fn request(registry: &FakeRegistry, name: &str) -> ImageRequest {
    let tls = RegistryTls {
        insecure: true,
        insecure_skip_tls_verify: false,
    };
    ImageRequest {
        reference: Reference::parse(&registry.reference(name)).unwrap(),
        access: Access::new(Arc::new(Keyring::anonymous()), tls),
        architecture: Some(Architecture::X86_64),
    }
}

/// The layer that images share: a shell and its tools.
fn base() -> Vec<u8> {
    let tools = FakeLayer::new().file("usr/bin/sh", b"#!").file("usr/bin/cp", b"#!");
    tools.file("usr/bin/mkdir", b"#!").link("bin", "usr/bin").gzip()
}

/// The layer with a module; each name makes another.
fn own(name: &str) -> FakeLayer {
    let folder = format!("opt/lib/modules/{KERNEL}");
    FakeLayer::new()
        .file(&format!("{folder}/extra/{name}.ko"), name.as_bytes())
        .file(&format!("{folder}/modules.dep.bin"), b"index")
}

fn image(name: &str) -> FakeImage {
    FakeImage::new()
        .layer(LAYER_GZIP, base())
        .layer(LAYER_GZIP, own(name).gzip())
}

/// The names of what KMM would copy.
fn copied(image: &InspectedImage) -> Vec<String> {
    let staged = image.stage(&StageRequest {
        dir_name: "/opt".to_owned(),
        kernel_folder: KERNEL.to_owned(),
        firmware_path: None,
    });
    match staged.folder {
        StagedFolder::Folder(folder) => folder.entries.keys().cloned().collect(),
        other => panic!("no folder but {other:?}"),
    }
}

async fn failure(inspector: &Inspector, request: &ImageRequest, kind: LookFailureKind) -> String {
    let failure: LookFailure = inspector.image(request).await.unwrap_err();
    assert_eq!(failure.kind, kind, "{failure}");
    failure.message
}
