//! The image around the new layer: the same, byte for byte, and only as much of it read and written as must be.

use crate::support::fake_image::{MANIFEST, descriptor, write_blob, write_layout_index};
use crate::support::fake_registry::{Asks, FakeRegistry, Kind, docker_config};
use crate::*;
use kmm_preflight::api::module::RegistryTls;
use kmm_preflight::registry::Keyring;

fn modules() -> Vec<u8> {
    FakeLayer::new().file("opt/a.ko", b"a").gzip()
}

#[tokio::test]
async fn all_else_of_the_image_stays_byte_for_byte() {
    let base = FakeLayer::new().file("etc/os-release", b"ID=x").zstd();
    let image = FakeImage::new().layer(LAYER_ZSTD, base).layer(LAYER_GZIP, modules());
    let diff_ids = serde_json::to_string(&image.diff_ids()).unwrap();
    let config = format!(
        r#"{{"os":"linux", "created" : "2020-01-01T00:00:00Z","rootfs":{{"diff_ids":{diff_ids},"type":"layers"}},
        "config": {{"Env":["A=\u00e9"], "Labels": {{"n": "1.0"}}}},"x.number": 12345678901234567890123,
        "history":[{{"created_by":"one", "x":  1}},{{"empty_layer":true}},{{"comment":"two"}}],"architecture":"amd64"}}"#
    );
    let image = image.with_config(config.clone());
    let written = Bench::new(&image).signed(&["/opt/a.ko"]).await;
    let result = String::from_utf8(written.config()).unwrap();
    let diff_id = digest_of(&written.top());
    let expected = config
        .replace(&diff_ids, &diff_ids.replace(']', &format!(r#","{diff_id}"]"#)))
        .replace("2020-01-01T00:00:00Z", NOW)
        .replace(
            r#"{"comment":"two"}]"#,
            &format!(r#"{{"comment":"two"}},{{"created":"{NOW}","created_by":"kmm-preflight sign /opt/a.ko"}}]"#),
        );
    let tight = |text: &str| {
        text.replace(": ", ":")
            .replace(" :", ":")
            .replace(",\n        ", ",")
            .replace(", \"c", ",\"c")
    };
    assert_eq!(tight(&result), tight(&expected));
    assert!(
        result.contains(r#"{"Env":["A=\u00e9"], "Labels": {"n": "1.0"}}"#),
        "{result}"
    );
    assert!(result.contains("12345678901234567890123") && result.contains(r#"{"created_by":"one", "x":  1}"#));
    let before: Value = serde_json::from_slice(&image.manifest()).unwrap();
    let (old, new) = (
        before["layers"].as_array().unwrap(),
        written.manifest["layers"].as_array().unwrap(),
    );
    assert_eq!((&new[..2], new.len()), (&old[..], 3));
}

#[tokio::test]
async fn the_same_again_is_the_same_image() {
    let image = FakeImage::new().layer(LAYER_GZIP, modules());
    let first = Bench::new(&image).sign(&["/opt/a.ko"]).await.unwrap().0;
    let second = Bench::new(&image).sign(&["/opt/a.ko"]).await.unwrap().0;
    assert_eq!(first.digest, second.digest);
}

#[tokio::test]
async fn a_history_that_does_not_tell_of_all_layers_is_left_alone() {
    let image = FakeImage::new().layer(LAYER_GZIP, modules());
    let config = json!({"os": "linux", "rootfs": {"type": "layers", "diff_ids": image.diff_ids()}, "history": []});
    let written = Bench::new(&image.with_config(config.to_string()))
        .signed(&["/opt/a.ko"])
        .await;
    let config: Value = serde_json::from_slice(&written.config()).unwrap();
    assert_eq!(config["history"], json!([]));
}

#[tokio::test]
async fn an_image_that_contradicts_itself_is_not_signed() {
    let image = FakeImage::new().layer(LAYER_GZIP, modules());
    let rows = [
        (
            r#"{"rootfs":{"diff_ids":[]}}"#,
            "its manifest has 1 layers, and its configuration 0",
        ),
        ("{}", "has no rootfs"),
        ("[]", "configuration is malformed"),
        (r#"{"rootfs":{},"rootfs":{}}"#, "stands there twice"),
    ];
    for (config, words) in rows {
        let message = Bench::new(&image.clone().with_config(config))
            .refused(&["/opt/a.ko"])
            .await;
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_signed_leaves_nothing_behind_with_a_name() {
    let layer = FakeLayer::new().file("opt/a.ko", b"a").file("opt/b.ko", b"refuse");
    let bench = Bench::new(&FakeImage::new().layer(LAYER_GZIP, layer.gzip()));
    let message = bench.refused(&["/opt/*.ko"]).await;
    assert!(message.ends_with("/opt/b.ko: the key broke"), "{message}");
}

/// An image whose lowest layer has two GiB of nothing, which take no room on the disk, and no time unless they are read:
/// their digest is wrong.
fn large(folder: &Path) -> u64 {
    const SIZE: u64 = 2 << 30;
    let hex = "1".repeat(64);
    let small = FakeImage::new().layer(LAYER_GZIP, modules());
    write_blob(folder, &modules());
    let base = std::fs::File::create(folder.join("blobs/sha256").join(&hex)).unwrap();
    base.set_len(SIZE).unwrap();
    let digest = format!("sha256:{hex}");
    let diff_ids = json!([digest, small.diff_ids()[0]]);
    let config = json!({"os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}).to_string();
    write_blob(folder, config.as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [{"mediaType": LAYER_PLAIN, "digest": digest, "size": SIZE}, descriptor(LAYER_GZIP, &modules())],
    });
    let manifest = manifest.to_string();
    write_blob(folder, manifest.as_bytes());
    let mut entry = descriptor(MANIFEST, manifest.as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "x"});
    write_layout_index(folder, &[entry]);
    SIZE
}

#[tokio::test]
async fn of_two_gigabytes_only_what_changes_is_read_and_written() {
    let bench = Bench::new(&FakeImage::new());
    let size = large(&bench.from());
    let (_, shipped) = bench.sign(&["/opt/a.ko"]).await.unwrap();
    assert_eq!(shipped.lent, 2, "the layers are linked: {shipped:?}");
    assert!(shipped.sent_bytes < 4096, "{shipped:?}");
    let linked = std::fs::metadata(bench.to().join("blobs/sha256").join("1".repeat(64))).unwrap();
    assert_eq!(linked.len(), size);
}

#[tokio::test]
async fn within_a_registry_layers_are_lent_and_the_ones_below_are_not_even_read() {
    let registry = FakeRegistry::setup().asks(Asks::Bearer).login("robot", "pass").start();
    let base = FakeLayer::new().file("base", b"base").gzip();
    let image = FakeImage::new()
        .layer(LAYER_GZIP, base.clone())
        .layer(LAYER_GZIP, modules());
    registry.push("acme/kmod:unsigned", &image);
    let keyring = docker_config(&registry.host(), "robot", "pass");
    let keyring = Keyring::from_secret_data("a", "kubernetes.io/dockerconfigjson", keyring.as_bytes()).unwrap();
    let tls = RegistryTls {
        insecure: true,
        insecure_skip_tls_verify: false,
    };
    let access = Access::new(Arc::new(keyring), tls);
    let sources = Sources::new(Vec::new(), Settings::default()).unwrap();
    let place = |name: &str| Location::parse(&registry.reference(name)).unwrap();
    let origin = sources.origin(&place("acme/kmod:unsigned"), &access).unwrap();
    for target in ["acme/kmod:signed", "other/kmod:signed"] {
        let before = registry.total();
        let destination = sources.destination(&place(target), &access).unwrap();
        let bench = Bench::new(&image);
        let amended = amend(&bench.amendment(&["/opt/a.ko"]), &origin, &destination)
            .await
            .unwrap();
        let (_, manifest) = registry.manifest(target).unwrap();
        assert_eq!(digest_of(&manifest), amended.digest.to_string());
        let requests = registry.requests().split_off(before);
        let reads = |digest: &str| {
            let read =
                |request: &&support::fake_registry::Request| request.method == "GET" && request.target.contains(digest);
            requests.iter().filter(read).count()
        };
        assert_eq!(
            (reads(&digest_of(&base)), reads(&digest_of(&modules()))),
            (0, 2),
            "{target}"
        );
        let sent: usize = requests
            .iter()
            .filter(|request| request.kind == Kind::Send)
            .map(|request| request.length)
            .sum();
        assert!(sent < 4096, "{sent}");
        assert_eq!(requests.last().unwrap().kind, Kind::Publish);
    }
}
