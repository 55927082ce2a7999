//! OCI layouts: found by name or digest, checked like anything else, and before any registry.

use std::path::Path;

use LookFailureKind::Damaged;

use crate::support::fake_image::{INDEX, descriptor, index_of, write_blob, write_layout, write_layout_index};
use crate::support::fake_registry::Kind;
use crate::*;

fn folder_of(images: &[(&str, &FakeImage)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_layout(folder.path(), images);
    folder
}

fn parse(name: &str) -> Reference {
    Reference::parse(name).unwrap()
}

/// A layout is asked without any registry there.
async fn look_in(folder: &Path, name: &str) -> Result<Manifest, LookFailure> {
    let sources = with_layout(Layout::open(folder).unwrap());
    sources.manifest(&parse(name), &anonymous(), None).await
}

fn blob_path(folder: &Path, digest: &str) -> std::path::PathBuf {
    folder.join("blobs").join(digest.replace(':', "/"))
}

#[tokio::test]
async fn an_image_is_found_by_every_form_of_its_name() {
    let rows = [
        ("quay.io/acme/kmod:1", "quay.io/acme/kmod:1"),
        ("docker.io/library/kmod:1", "kmod:1"),
        ("kmod:1", "docker.io/library/kmod:1"),
        ("kmod", "kmod:latest"),
        ("quay.io/acme/kmod", "quay.io/acme/kmod:latest"),
    ];
    for (written, asked) in rows {
        let folder = folder_of(&[("other", &image().architecture("arm64")), (written, &image())]);
        let found = look_in(folder.path(), asked).await.unwrap();
        assert_eq!(digest_in(&found), image().digest(), "{written} asked as {asked}");
    }
}

#[tokio::test]
async fn an_image_is_found_by_digest_even_inside_an_index() {
    let (amd, arm) = (image(), image().architecture("arm64"));
    let folder = folder_of(&[("one", &amd), ("two", &arm)]);
    let index = index_of(&[amd.index_entry(), arm.index_entry()]);
    write_blob(folder.path(), &index);
    let mut entry = descriptor(INDEX, &index);
    entry["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "quay.io/acme/kmod:1"});
    write_layout_index(folder.path(), &[entry]);
    let named = look_in(folder.path(), "quay.io/acme/kmod:1").await.unwrap();
    assert_eq!(digest_in(&named), digest_of(&index));
    let child = look_in(folder.path(), &format!("quay.io/acme/kmod@{}", arm.digest()))
        .await
        .unwrap();
    assert_eq!(digest_in(&child), arm.digest());
    let sources = with_layout(Layout::open(folder.path()).unwrap());
    let child = Digest::parse(&amd.digest()).unwrap();
    let by_index = sources
        .manifest_by_digest(&parse("quay.io/acme/kmod:1"), &anonymous(), &child)
        .await;
    assert_eq!(digest_in(&by_index.unwrap()), amd.digest());
}

#[tokio::test]
async fn what_a_layout_does_not_have_is_asked_of_the_registry() {
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:2", &image());
    let folder = folder_of(&[(&registry.reference("acme/kmod:1"), &image())]);
    let sources = with_layout(Layout::open(folder.path()).unwrap());
    sources
        .manifest(&reference(&registry, "acme/kmod:1"), &anonymous(), None)
        .await
        .unwrap();
    assert_eq!(registry.total(), 0);
    sources
        .manifest(&reference(&registry, "acme/kmod:2"), &anonymous(), None)
        .await
        .unwrap();
    assert_eq!(registry.count(Kind::Manifest), 1);
}

#[tokio::test]
async fn a_layers_file_is_streamed_and_checked() {
    let folder = folder_of(&[("kmod:1", &image())]);
    let sources = with_layout(Layout::open(folder.path()).unwrap());
    let layer = layer_bytes(300_000);
    let read = async |descriptor: Descriptor| {
        sources
            .blob(&parse("kmod:1"), &anonymous(), &descriptor)
            .await?
            .read_whole(1 << 20)
            .await
    };
    assert_eq!(read(descriptor_of(&layer)).await.unwrap(), layer);
    let path = blob_path(folder.path(), &digest_of(&layer));
    let mut altered = layer.clone();
    altered[1_000] ^= 1;
    for (content, words) in [
        (Some(altered), "was altered: its bytes have the digest sha256:"),
        (
            Some(layer[..1_000].to_vec()),
            "it has 1000 bytes, and the manifest says 300000",
        ),
        (None, "cannot be read"),
    ] {
        match content {
            Some(content) => std::fs::write(&path, content).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let failure = read(descriptor_of(&layer)).await.unwrap_err();
        assert_eq!(failure.kind, Damaged);
        assert!(failure.message.contains(words), "{failure}");
        assert!(failure.message.contains(&path.display().to_string()), "{failure}");
    }
}

#[tokio::test]
async fn a_manifest_that_is_missing_or_altered_is_named() {
    let folder = folder_of(&[("kmod:1", &image())]);
    let path = blob_path(folder.path(), &image().digest());
    for content in [Some(&b"{}"[..]), None] {
        match content {
            Some(content) => std::fs::write(&path, content).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let failure = look_in(folder.path(), "kmod:1").await.unwrap_err();
        assert_eq!(failure.kind, Damaged);
        assert!(failure.message.contains(&path.display().to_string()), "{failure}");
    }
}

#[tokio::test]
async fn a_folder_or_a_pipe_in_a_blobs_place_does_not_hang() {
    let folder = folder_of(&[("kmod:1", &image())]);
    let path = blob_path(folder.path(), &image().digest());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(look_in(folder.path(), "kmod:1").await.unwrap_err().kind, Damaged);
    std::fs::remove_dir(&path).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let looked = tokio::time::timeout(Duration::from_secs(5), look_in(folder.path(), "kmod:1"));
    assert_eq!(looked.await.unwrap().unwrap_err().kind, Damaged);
}

#[test]
fn what_is_no_layout_is_refused_with_the_file_that_is_wrong() {
    let rows: [(&str, &str, &str); 5] = [
        ("oci-layout", "{}", "oci-layout is damaged"),
        (
            "oci-layout",
            r#"{"imageLayoutVersion":"2.0.0"}"#,
            "the layout version 2.0.0 is not 1.x",
        ),
        ("index.json", "not json", "index.json is damaged"),
        (
            "index.json",
            r#"{"manifests":[{"digest":"sha256:../../etc/passwd"}]}"#,
            "index.json is damaged",
        ),
        ("index.json", r#"{"manifests":"none"}"#, "index.json is damaged"),
    ];
    for (name, content, words) in rows {
        let folder = folder_of(&[]);
        std::fs::write(folder.path().join(name), content).unwrap();
        let error = Layout::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(!Layout::is_at(empty.path()));
    let error = Layout::open(empty.path()).unwrap_err().to_string();
    assert!(error.contains("oci-layout; an OCI image layout has it"), "{error}");
}

#[test]
fn a_layout_names_its_images() {
    let folder = folder_of(&[("quay.io/acme/kmod:1", &image()), ("plain", &image())]);
    assert!(Layout::is_at(folder.path()));
    let layout = Layout::open(folder.path()).unwrap();
    assert_eq!(
        layout.references().collect::<Vec<_>>(),
        ["quay.io/acme/kmod:1", "plain"]
    );
}
