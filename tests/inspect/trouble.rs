//! Images that cannot be looked at: each with the kind that decides and a sentence for a person.

use serde_json::json;

use crate::support::fake_image::{INDEX, MANIFEST, descriptor, digest_of, index_of};
use crate::*;

#[tokio::test]
async fn what_is_wrong_with_an_image_is_said() {
    let registry = FakeRegistry::start();
    let layer = |bytes: Vec<u8>| FakeImage::new().layer(LAYER_GZIP, base()).layer(LAYER_GZIP, bytes);
    registry.push("acme/truncated:1", &layer(own("m").gzip()[..100].to_vec()));
    registry.push("acme/html:1", &layer(b"<html>".repeat(200)));
    registry.push("acme/escape:1", &layer(escaping()));
    registry.push(
        "acme/many:1",
        &(0..501).fold(FakeImage::new(), |image, _| image.layer(LAYER_GZIP, base())),
    );
    registry.push_index("acme/arm:1", &[&image("arm").architecture("arm64")]);
    registry.push_index("acme/both:1", &[&image("a"), &image("b").architecture("arm64")]);
    registry.put_manifest("acme/chart:1", MANIFEST, helm_chart());
    registry.put_manifest("acme/lost:1", INDEX, index_of(&[image("never pushed").index_entry()]));
    nest(&registry, 6);
    for (name, kind, words) in [
        ("acme/truncated:1", LookFailureKind::Damaged, "it ends in the middle"),
        ("acme/html:1", LookFailureKind::Damaged, "checksum"),
        ("acme/escape:1", LookFailureKind::Damaged, "climbs above the root"),
        ("acme/many:1", LookFailureKind::TooLarge, "501 layers"),
        (
            "acme/arm:1",
            LookFailureKind::NoPlatform,
            "no image for linux/amd64; it has linux/arm64",
        ),
        (
            "acme/chart:1",
            LookFailureKind::Damaged,
            "artifact of the type application/vnd.cncf.helm",
        ),
        ("acme/lost:1", LookFailureKind::Damaged, "its index names the manifest"),
        ("acme/nested:6", LookFailureKind::Damaged, "nested more than"),
        ("acme/nothing:1", LookFailureKind::NotFound, "does not exist"),
    ] {
        let request = request(&registry, name);
        let message = failure(&fresh_inspector(), &request, kind).await;
        assert!(message.contains(words), "{message}");
        assert!(message.starts_with(&request.reference.to_string()), "{message}");
    }
    let unknown = ImageRequest {
        architecture: None,
        ..request(&registry, "acme/both:1")
    };
    let message = failure(&fresh_inspector(), &unknown, LookFailureKind::UnknownPlatform).await;
    assert!(message.contains("linux/amd64, linux/arm64"), "{message}");
}

/// A name that the tar crate would not write.
fn escaping() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.as_old_mut().name[..9].copy_from_slice(b"../../etc");
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.extend_from_slice(&[0; 1024]);
    tar
}

fn helm_chart() -> Vec<u8> {
    let config = descriptor("application/vnd.cncf.helm.config.v1+json", b"{}");
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []})
        .to_string()
        .into_bytes()
}

/// Pushes indexes within indexes.
fn nest(registry: &FakeRegistry, depth: usize) {
    let image = image("deep");
    registry.push("acme/nested:0", &image);
    let mut entry = image.index_entry();
    for at in 1..=depth {
        let index = index_of(&[entry]);
        entry = descriptor(INDEX, &index);
        registry.put_manifest(&format!("acme/nested:{at}"), INDEX, index);
    }
}

#[tokio::test]
async fn wrong_bytes_are_told_by_their_digest_before_anything_that_stands_in_them() {
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:1", &image("m"));
    registry.lie_about(Kind::Blob, &digest_of(&own("m").gzip()), 10, Trick::AlterBody);
    let inspector = fresh_inspector();
    let message = failure(&inspector, &request(&registry, "acme/kmod:1"), LookFailureKind::Damaged).await;
    assert!(message.contains("digest"), "{message}");
    // Nothing of it was believed.
    registry.repent();
    let seen = inspector.image(&request(&registry, "acme/kmod:1")).await.unwrap();
    assert_eq!(copied(&seen), ["extra/m.ko", "modules.dep.bin"]);
}

#[tokio::test]
async fn a_registry_that_stalls_in_a_layer_says_nothing_against_the_image() {
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:1", &image("m"));
    registry.lie(Kind::Blob, Trick::StallBody(0));
    failure(
        &fresh_inspector(),
        &request(&registry, "acme/kmod:1"),
        LookFailureKind::Unreachable,
    )
    .await;
}

#[tokio::test]
async fn a_registry_that_never_answers_ends_by_the_deadline() {
    let registry = FakeRegistry::start();
    registry.lie(Kind::Manifest, Trick::Hang);
    registry.lie(Kind::Ping, Trick::Hang);
    let image_deadline = Duration::from_millis(200);
    let limits = Limits {
        image_deadline,
        ..Limits::default()
    };
    let inspector = Inspector::new(sources(), Cache::in_memory(), limits);
    let start = std::time::Instant::now();
    let message = failure(
        &inspector,
        &request(&registry, "acme/kmod:1"),
        LookFailureKind::Unreachable,
    )
    .await;
    assert!(start.elapsed() < Duration::from_secs(5), "{message}");
}

#[tokio::test]
async fn a_slow_registry_delays_its_own_images_only() {
    let (slow, quick) = (FakeRegistry::start(), FakeRegistry::start());
    for at in 0..10 {
        slow.push(&format!("acme/kmod:{at}"), &image(&format!("s{at}")));
        quick.push(&format!("acme/kmod:{at}"), &image(&format!("q{at}")));
    }
    slow.lie(Kind::Blob, Trick::StallBody(0));
    let limits = Limits {
        scans: 9,
        ..Limits::default()
    };
    let inspector = Inspector::new(sources(), Cache::in_memory(), limits);
    let of = |registry| {
        (0..10)
            .map(|at| request(registry, &format!("acme/kmod:{at}")))
            .collect::<Vec<_>>()
    };
    let (slow, quick) = (of(&slow), of(&quick));
    let start = std::time::Instant::now();
    let quickly = async {
        let seen = futures::future::join_all(quick.iter().map(|wanted| inspector.image(wanted))).await;
        assert!(seen.iter().all(Result::is_ok));
        start.elapsed()
    };
    let slowly = futures::future::join_all(slow.iter().map(|wanted| inspector.image(wanted)));
    let (seen, took) = tokio::join!(slowly, quickly);
    assert!(seen.iter().all(Result::is_err));
    assert!(took < start.elapsed() / 2, "{took:?} of {:?}", start.elapsed());
}
