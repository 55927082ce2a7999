//! Layouts that are written: whole blobs only, names last, other people's images left alone.

use std::path::Path;

use kmm_preflight::registry::{Destination, Location, Origin, PublishFailureKind, Shipped, copy};
use serde_json::Value;

use crate::support::fake_image::{LAYER_GZIP, write_layout};
use crate::support::fake_registry::{FakeRegistry, Kind, Trick};
use crate::*;

fn layout(folder: &Path, name: Option<&str>) -> Location {
    Location::Layout {
        folder: folder.to_owned(),
        name: name.map(str::to_owned),
    }
}

fn to(folder: &Path, name: Option<&str>) -> Destination {
    sources().destination(&layout(folder, name), &anonymous()).unwrap()
}

fn from(folder: &Path, name: Option<&str>) -> Result<Origin, LookFailure> {
    sources().origin(&layout(folder, name), &anonymous())
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn index(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn an_image_goes_through_a_layout_and_back_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, other) = (FakeRegistry::start(), FakeRegistry::start());
    let arm = FakeImage::new()
        .architecture("arm64")
        .layer(LAYER_GZIP, layer_bytes(1000));
    let digest = registry.push_index("acme/kmod:1", &[&image(), &arm]);
    let location = Location::Registry(reference(&registry, "acme/kmod:1"));
    let origin = sources().origin(&location, &anonymous()).unwrap();
    let path = folder.path().join("new/layout");
    let there = to(&path, Some("some name"));
    assert_eq!(there.digest().await.unwrap(), None);
    assert_eq!(copy(&origin, &there).await.unwrap().to_string(), digest);
    assert_eq!(there.digest().await.unwrap().unwrap().to_string(), digest);
    let back = Location::Registry(reference(&other, "acme/kmod:2"));
    let back = sources().destination(&back, &anonymous()).unwrap();
    copy(&from(&path, Some("some name")).unwrap(), &back).await.unwrap();
    assert_eq!(other.manifest("acme/kmod:2"), registry.manifest("acme/kmod:1"));
    assert!(files(&path).iter().all(|file| !file.contains("unfinished")));
}

#[tokio::test]
async fn skopeo_reads_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout");
    write_layout(&folder.path().join("source"), &[("x", &image())]);
    copy(
        &from(&folder.path().join("source"), None).unwrap(),
        &to(&path, Some("r.example/x:1")),
    )
    .await
    .unwrap();
    let name = format!("oci:{}:r.example/x:1", path.display());
    let output = std::process::Command::new("skopeo")
        .args(["inspect", "--raw", &name])
        .output()
        .unwrap();
    assert_eq!(
        output.stdout,
        image().manifest(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn from_one_layout_to_another_blobs_are_linked() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a"), folder.path().join("b"));
    write_layout(&source, &[("x", &image())]);
    let there = to(&target, None);
    copy(&from(&source, Some("x")).unwrap(), &there).await.unwrap();
    let expected = Shipped {
        known: 0,
        lent: 2,
        sent: 0,
        sent_bytes: 0,
    };
    assert_eq!(there.shipped(), expected);
}

#[tokio::test]
async fn other_images_of_a_layout_keep_their_names_and_what_else_is_said_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let other = FakeImage::new().layer(LAYER_GZIP, layer_bytes(10));
    let third = FakeImage::new().layer(LAYER_GZIP, layer_bytes(20));
    write_layout(folder.path(), &[("one", &other), ("two", &other)]);
    let mut entries = index(folder.path());
    entries["manifests"][0]["platform"] = serde_json::json!({"os": "linux", "architecture": "s390x"});
    std::fs::write(folder.path().join("index.json"), entries.to_string()).unwrap();
    let source = tempfile::tempdir().unwrap();
    write_layout(source.path(), &[("x", &third)]);
    copy(&from(source.path(), None).unwrap(), &to(folder.path(), Some("two")))
        .await
        .unwrap();
    let written = index(folder.path());
    assert_eq!(written["manifests"][0], entries["manifests"][0]);
    assert_eq!(written["manifests"][1]["digest"], third.digest());
    assert_eq!(written["manifests"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn half_an_image_is_never_named() {
    let folder = tempfile::tempdir().unwrap();
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:1", &image());
    for trick in [
        Trick::AlterBody,
        Trick::status(500),
        Trick::CutBody(1000),
        Trick::status(404),
    ] {
        registry.repent();
        registry.lie(Kind::Blob, trick);
        let location = Location::Registry(reference(&registry, "acme/kmod:1"));
        let origin = sources().origin(&location, &anonymous()).unwrap();
        let failure = copy(&origin, &to(folder.path(), Some("x"))).await.unwrap_err();
        assert!(matches!(failure.kind, PublishFailureKind::Source(_)), "{failure}");
        assert_eq!(index(folder.path())["manifests"], serde_json::json!([]));
        for file in files(folder.path()).iter().filter(|file| file.starts_with("blobs")) {
            let bytes = std::fs::read(folder.path().join(file)).unwrap();
            assert!(digest_of(&bytes).ends_with(file.rsplit('/').next().unwrap()), "{file}");
        }
    }
}

#[tokio::test]
async fn a_folder_with_something_else_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "").unwrap();
    let Err(failure) = sources().destination(&layout(folder.path(), None), &anonymous()) else {
        panic!("taken");
    };
    assert_eq!(failure.kind, PublishFailureKind::Disk);
    assert!(failure.message.contains("no OCI image layout"), "{failure}");
    assert_eq!(files(folder.path()), ["precious"]);
}

#[tokio::test]
async fn an_image_of_a_layout_is_found_by_name_or_because_it_is_alone() {
    let folder = tempfile::tempdir().unwrap();
    write_layout(folder.path(), &[("r.example/x:1", &image())]);
    for name in [None, Some("r.example/x:1"), Some("r.example/x:1")] {
        assert!(from(folder.path(), name).is_ok());
    }
    let missing = |name| from(folder.path(), name).map(drop).unwrap_err();
    assert!(
        missing(Some("y")).message.contains("it has r.example/x:1"),
        "{}",
        missing(Some("y"))
    );
    write_layout(folder.path(), &[("a", &image()), ("b", &image())]);
    assert!(missing(None).message.contains("name one of a, b"), "{}", missing(None));
    let empty = tempfile::tempdir().unwrap();
    let failure = from(empty.path(), None).map(drop).unwrap_err();
    assert!(failure.message.contains("an OCI image layout has it"), "{failure}");
}
