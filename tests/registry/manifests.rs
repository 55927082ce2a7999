//! Manifests: one request each, and none of their bytes twice.

use crate::support::fake_image::{INDEX, MANIFEST, digest_of};
use crate::support::fake_registry::{FakeRegistry, Kind, Trick};
use crate::*;

#[tokio::test]
async fn an_image_costs_one_request_once_the_registry_is_known() {
    let registry = FakeRegistry::start();
    let digest = registry.push("acme/kmod:1", &image());
    let sources = sources();
    for _ in 0..3 {
        let found = sources
            .manifest(&reference(&registry, "acme/kmod:1"), &anonymous(), None)
            .await
            .unwrap();
        assert_eq!(digest_in(&found), digest);
    }
    assert_eq!((registry.count(Kind::Manifest), registry.total()), (3, 4));
}

#[tokio::test]
async fn a_manifest_that_is_known_is_not_sent_again() {
    let registry = FakeRegistry::start();
    let digest = registry.push("acme/kmod:1", &image());
    let known = Digest::parse(&digest).unwrap();
    let sources = sources();
    let image_name = reference(&registry, "acme/kmod:1");
    let same = sources.manifest(&image_name, &anonymous(), Some(&known)).await.unwrap();
    assert_eq!(same, Manifest::Unchanged(known.clone()));
    let moved = registry.push("acme/kmod:1", &image().architecture("arm64"));
    let other = sources.manifest(&image_name, &anonymous(), Some(&known)).await.unwrap();
    assert!(matches!(other, Manifest::Fetched { .. }));
    assert_eq!(digest_in(&other), moved);
}

#[tokio::test]
async fn an_index_and_its_manifests_are_read() {
    let registry = FakeRegistry::start();
    let (amd, arm) = (image(), image().architecture("arm64"));
    registry.push_index("acme/kmod:1", &[&amd, &arm]);
    let sources = sources();
    let name = reference(&registry, "acme/kmod:1");
    let index = sources.manifest(&name, &anonymous(), None).await.unwrap();
    assert!(matches!(index, Manifest::Fetched { media_type, .. } if media_type == INDEX));
    let child = Digest::parse(&arm.digest()).unwrap();
    let found = sources.manifest_by_digest(&name, &anonymous(), &child).await.unwrap();
    let Manifest::Fetched { bytes, media_type, .. } = found else {
        panic!("{found:?}")
    };
    assert_eq!((bytes.to_vec(), media_type.as_str()), (arm.manifest(), MANIFEST));
}

#[tokio::test]
async fn a_manifest_that_the_index_names_and_the_registry_lacks_is_damage() {
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:1", &image());
    let absent = Digest::parse(&digest_of(b"absent")).unwrap();
    let name = reference(&registry, "acme/kmod:1");
    let failure = sources()
        .manifest_by_digest(&name, &anonymous(), &absent)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, LookFailureKind::Damaged);
    assert!(
        failure.message.contains("its index names the manifest sha256:"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_digest_in_the_reference_counts_more_than_the_tag() {
    let registry = FakeRegistry::start();
    let digest = registry.push("acme/kmod:1", &image());
    registry.push("acme/kmod:2", &image().architecture("arm64"));
    let found = look(&registry, &format!("acme/kmod:2@{digest}"), &anonymous())
        .await
        .unwrap();
    assert_eq!(digest_in(&found), digest);
}

#[tokio::test]
async fn manifests_that_lie_are_damaged() {
    let schema1 = r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#;
    let rows: [(&str, Trick); 6] = [
        ("should have the digest", Trick::AlterBody),
        (
            "no JSON",
            Trick::Body("text/html".into(), b"<html>please log in</html>".to_vec()),
        ),
        ("no JSON", Trick::Body(MANIFEST.into(), Vec::new())),
        (
            "neither layers nor manifests",
            Trick::Body(MANIFEST.into(), b"{}".to_vec()),
        ),
        ("schema 1", Trick::Body("application/json".into(), schema1.into())),
        ("not what it says", Trick::Body(INDEX.into(), image().manifest())),
    ];
    for (words, trick) in rows {
        let registry = FakeRegistry::start();
        registry.push("acme/kmod:1", &image());
        registry.lie(Kind::Manifest, trick);
        let message = failure(&registry, "acme/kmod:1", &anonymous(), LookFailureKind::Damaged).await;
        assert!(message.starts_with("HOST/acme/kmod:1 is damaged: "), "{message}");
        assert!(message.contains(words) && !message.contains("please"), "{message}");
    }
}

#[tokio::test]
async fn a_manifest_of_another_digest_than_the_reference_says_is_damaged() {
    let registry = FakeRegistry::start();
    let digest = registry.push("acme/kmod:1", &image());
    registry.lie(
        Kind::Manifest,
        Trick::Body(MANIFEST.into(), image().architecture("arm64").manifest()),
    );
    let name = format!("acme/kmod@{digest}");
    let message = failure(&registry, &name, &anonymous(), LookFailureKind::Damaged).await;
    assert!(
        message.contains(&format!("should have the digest {digest}")),
        "{message}"
    );
}

#[tokio::test]
async fn a_manifest_over_the_cap_is_not_read() {
    let registry = FakeRegistry::start();
    registry.lie(Kind::Manifest, Trick::Body(MANIFEST.into(), vec![b' '; (4 << 20) + 1]));
    let message = failure(&registry, "acme/kmod:1", &anonymous(), LookFailureKind::TooLarge).await;
    assert_eq!(
        message,
        "HOST/acme/kmod:1 is too large to look at: its manifest has more than 4 MiB"
    );
}

#[tokio::test]
async fn a_thousand_images_ask_a_registry_only_so_many_at_once() {
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:1", &image());
    registry.lie(Kind::Manifest, Trick::SlowHead(Duration::from_millis(5)));
    let sources = sources();
    let name = reference(&registry, "acme/kmod:1");
    let access = anonymous();
    let looks = (0..100).map(|_| sources.manifest(&name, &access, None));
    let found = futures::future::join_all(looks).await;
    assert!(found.iter().all(Result::is_ok));
    assert!((2..=8).contains(&registry.peak()), "{}", registry.peak());
}

#[tokio::test]
async fn a_proxy_is_used_for_what_is_not_excepted() {
    let proxy = FakeRegistry::start();
    proxy.push("acme/kmod:1", &image());
    let look = async |no_proxy: Option<&str>| {
        let http = Some(proxy.url());
        let proxies = Proxies {
            http,
            https: None,
            no_proxy: no_proxy.map(str::to_owned),
        };
        let sources = Sources::new(Vec::new(), Settings { proxies, ..settings() }).unwrap();
        let name = Reference::parse("registry.invalid/acme/kmod:1").unwrap();
        sources.manifest(&name, &anonymous(), None).await
    };
    assert_eq!(look(None).await.map(|found| digest_in(&found)), Ok(image().digest()));
    let direct = look(Some("example.com, .invalid")).await.unwrap_err();
    assert!(direct.message.contains("cannot be resolved"), "{direct}");
    let wrong = Proxies {
        http: Some("http://user:s3cret@".into()),
        ..Proxies::default()
    };
    let error = Sources::new(
        Vec::new(),
        Settings {
            proxies: wrong,
            ..settings()
        },
    )
    .err()
    .unwrap();
    assert!(!error.to_string().contains("s3cret"), "{error}");
}
