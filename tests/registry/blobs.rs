//! Blobs: streamed, checked, taken up again where they were cut off.

use std::io::Read as _;

use LookFailureKind::{Damaged, TooLarge, Unreachable};

use crate::support::fake_registry::{FakeRegistry, Kind, Trick};
use crate::*;

async fn read(registry: &FakeRegistry, descriptor: &Descriptor) -> Result<Vec<u8>, LookFailure> {
    read_from(&sources(), &reference(registry, "acme/kmod:1"), descriptor).await
}

/// Reads as the inspection does: on a blocking thread, then `finish`.
async fn read_from(sources: &Sources, name: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>, LookFailure> {
    let blob = sources.blob(name, &anonymous(), descriptor).await?;
    let reading = tokio::task::spawn_blocking(move || {
        let mut reader = blob.reader();
        let mut bytes = Vec::new();
        let read = reader.read_to_end(&mut bytes);
        let finished = reader.finish();
        assert_eq!(read.is_ok(), finished.is_ok());
        finished.map(|()| bytes)
    });
    reading.await.unwrap()
}

fn with_layer(bytes: &[u8]) -> (FakeRegistry, Descriptor) {
    let registry = FakeRegistry::start();
    registry.put_blob("acme/kmod", bytes);
    (registry, descriptor_of(bytes))
}

#[tokio::test]
async fn a_blob_is_read_whole() {
    for size in [0, 1, 100_000, 5_000_000] {
        let bytes = layer_bytes(size);
        let (registry, descriptor) = with_layer(&bytes);
        assert_eq!(read(&registry, &descriptor).await.unwrap(), bytes);
        assert_eq!(registry.count(Kind::Blob), 1);
    }
}

#[tokio::test]
async fn a_blob_that_is_cut_off_is_taken_up_where_it_ended() {
    let bytes = layer_bytes(2_000_000);
    let (registry, descriptor) = with_layer(&bytes);
    registry.lie_times(1, Kind::Blob, Trick::CutBody(700_000));
    registry.lie_times(1, Kind::Blob, Trick::CutBody(300_000));
    assert_eq!(read(&registry, &descriptor).await.unwrap(), bytes);
    let requests = registry.requests();
    let ranges: Vec<&str> = requests.iter().filter_map(|request| request.range.as_deref()).collect();
    assert_eq!(ranges.len(), 2, "{ranges:?}");
}

#[tokio::test]
async fn a_registry_without_ranges_is_asked_for_all_of_it_again() {
    let bytes = layer_bytes(2_000_000);
    let (registry, descriptor) = with_layer(&bytes);
    registry.lie_times(1, Kind::Blob, Trick::CutBody(700_000));
    registry.lie_times(1, Kind::Blob, Trick::IgnoreRange);
    assert_eq!(read(&registry, &descriptor).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_blob_that_is_cut_off_for_ever_is_given_up() {
    for trick in [Trick::CutBody(1_000), Trick::StallBody(1_000)] {
        let (registry, descriptor) = with_layer(&layer_bytes(100_000));
        registry.lie(Kind::Blob, trick);
        let failure = read(&registry, &descriptor).await.unwrap_err();
        assert_eq!(failure.kind, Unreachable, "{failure}");
        assert!(registry.count(Kind::Blob) < 10);
    }
}

#[tokio::test]
async fn a_blob_that_is_not_what_the_manifest_says_is_damaged() {
    let bytes = layer_bytes(100_000);
    let (registry, descriptor) = with_layer(&bytes);
    let longer = Descriptor {
        size: 100_001,
        ..descriptor.clone()
    };
    let shorter = Descriptor {
        size: 99_999,
        ..descriptor.clone()
    };
    for wrong in [longer, shorter] {
        let failure = read(&registry, &wrong).await.unwrap_err();
        assert_eq!(failure.kind, Damaged);
        assert!(
            failure.message.contains("has 100000 bytes, and the manifest says"),
            "{failure}"
        );
    }
    registry.lie(Kind::Blob, Trick::AlterBody);
    let failure = read(&registry, &descriptor).await.unwrap_err();
    assert_eq!(failure.kind, Damaged);
    assert!(
        failure
            .message
            .contains("was altered: its bytes have the digest sha256:"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_blob_that_the_registry_lost_is_damage() {
    let (registry, descriptor) = with_layer(b"layer");
    registry.lose_blob("acme/kmod", &descriptor.digest.to_string());
    let failure = read(&registry, &descriptor).await.unwrap_err();
    assert_eq!(failure.kind, Damaged);
    assert!(failure.message.contains("the registry does not have it"), "{failure}");
}

#[tokio::test]
async fn a_blob_beyond_all_measure_is_not_asked_for() {
    let (registry, descriptor) = with_layer(b"layer");
    let huge = Descriptor {
        size: u64::MAX,
        ..descriptor
    };
    assert_eq!(read(&registry, &huge).await.unwrap_err().kind, TooLarge);
    assert_eq!(registry.total(), 0);
}

#[tokio::test]
async fn a_configuration_is_read_whole_under_a_cap() {
    let (registry, descriptor) = with_layer(b"configuration");
    let sources = sources();
    let name = reference(&registry, "acme/kmod:1");
    let blob = sources.blob(&name, &anonymous(), &descriptor).await.unwrap();
    assert_eq!(blob.read_whole(13).await.unwrap(), b"configuration");
    let blob = sources.blob(&name, &anonymous(), &descriptor).await.unwrap();
    assert_eq!(blob.read_whole(12).await.unwrap_err().kind, TooLarge);
}

#[tokio::test]
async fn what_is_left_unread_is_checked_all_the_same() {
    let (registry, descriptor) = with_layer(&layer_bytes(1_000_000));
    registry.lie(Kind::Blob, Trick::AlterBody);
    let name = reference(&registry, "acme/kmod:1");
    let blob = sources().blob(&name, &anonymous(), &descriptor).await.unwrap();
    let finished = tokio::task::spawn_blocking(move || {
        let mut reader = blob.reader();
        reader.read_exact(&mut [0; 1_000]).unwrap();
        reader.finish()
    });
    assert_eq!(finished.await.unwrap().unwrap_err().kind, Damaged);
}

#[tokio::test]
async fn readers_that_are_dropped_give_their_turn_back() {
    let (registry, descriptor) = with_layer(&layer_bytes(3_000_000));
    let (sources, access) = (sources(), anonymous());
    let name = reference(&registry, "acme/kmod:1");
    for _ in 0..30 {
        let blob = sources.blob(&name, &access, &descriptor);
        let in_time = tokio::time::timeout(Duration::from_secs(5), blob).await;
        drop(in_time.unwrap().unwrap());
    }
}

#[tokio::test]
async fn long_blobs_hold_up_no_manifest() {
    let (registry, descriptor) = with_layer(&layer_bytes(3_000_000));
    registry.push("acme/kmod:1", &image());
    let sources = sources();
    let name = reference(&registry, "acme/kmod:1");
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(sources.blob(&name, &anonymous(), &descriptor).await.unwrap());
    }
    sources.manifest(&name, &anonymous(), None).await.unwrap();
    assert_eq!(held.len(), 8);
}
