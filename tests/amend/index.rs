//! Images for several architectures.

use crate::support::fake_image::{INDEX, index_of, write_blob};
use crate::*;

/// A bench whose image is an index: one for each architecture, and an attestation.
fn bench(architecture: Option<Architecture>) -> (Bench, Vec<FakeImage>) {
    let image = |architecture: &str| {
        let layer = FakeLayer::new().file("opt/a.ko", architecture.as_bytes());
        FakeImage::new()
            .architecture(architecture)
            .layer(LAYER_GZIP, layer.gzip())
    };
    let images = vec![image("amd64"), image("arm64")];
    let bench = Bench {
        architecture,
        ..Bench::new(&images[0])
    };
    let mut entries: Vec<Value> = images.iter().map(FakeImage::index_entry).collect();
    entries[0]["annotations"] = json!({"kept": "yes"});
    let attestation = FakeImage::new().layer(LAYER_PLAIN, FakeLayer::new().plain());
    let mut entry = attestation.index_entry();
    entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    entries.push(entry);
    for image in images.iter().chain([&attestation]) {
        image.blobs().iter().for_each(|blob| write_blob(&bench.from(), blob));
        write_blob(&bench.from(), &image.manifest());
    }
    let index = index_of(&entries);
    write_blob(&bench.from(), &index);
    let named = json!({"mediaType": INDEX, "digest": digest_of(&index), "size": index.len(),
        "annotations": {"org.opencontainers.image.ref.name": "x"}});
    std::fs::write(bench.from().join("index.json"), index_of(&[named])).unwrap();
    (bench, images)
}

#[tokio::test]
async fn for_a_known_architecture_its_image_alone_is_the_result_as_with_kmm() {
    let (bench, _) = bench(Some(Architecture::Aarch64));
    let written = bench.signed(&["/opt/a.ko"]).await;
    assert_eq!(written.files()["opt/a.ko"], "arm64~signed");
    assert!(written.manifest.get("manifests").is_none());
}

#[tokio::test]
async fn for_no_known_architecture_all_are_signed_and_no_unsigned_one_stays() {
    let (bench, images) = bench(None);
    let (amended, _) = bench.sign(&["/opt/a.ko"]).await.unwrap();
    assert_eq!(amended.files, 2);
    assert!(amended.warnings[0].contains("1 attestations"), "{:?}", amended.warnings);
    let index = bench.written(&amended.digest.to_string()).manifest;
    let entries = index["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["annotations"], json!({"kept": "yes"}));
    for (entry, (architecture, image)) in entries.iter().zip(["amd64", "arm64"].iter().zip(images)) {
        let digest = entry["digest"].as_str().unwrap();
        assert_ne!(digest, image.digest());
        assert_eq!(entry["platform"]["architecture"], *architecture);
        let written = bench.written(digest);
        assert_eq!(entry["size"], blob(&bench.to(), digest).len());
        assert_eq!(written.files()["opt/a.ko"], format!("{architecture}~signed"));
    }
}

#[tokio::test]
async fn an_architecture_that_the_index_has_not_is_told() {
    let (bench, _) = bench(Some(Architecture::S390x));
    let message = bench.refused(&["/opt/a.ko"]).await;
    assert!(
        message.contains("no image for linux/s390x; it has linux/amd64, linux/arm64"),
        "{message}"
    );
}
