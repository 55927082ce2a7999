//! Nothing is asked for twice, and nothing is read twice.

use crate::*;

fn on_disk(folder: &std::path::Path) -> Cache {
    Cache::new(Some(folder.to_owned()), Bounds::default())
}

#[tokio::test]
async fn a_second_look_costs_one_request_and_no_layer() {
    let (registry, folder) = (FakeRegistry::start(), tempfile::tempdir().unwrap());
    let digest = registry.push("acme/kmod:1", &image("m"));
    let wanted = request(&registry, "acme/kmod:1");
    let first = inspector(on_disk(folder.path()));
    first.image(&wanted).await.unwrap();
    assert_eq!((registry.count(Kind::Manifest), registry.count(Kind::Blob)), (1, 2));
    let expected = Stats {
        manifests_fetched: 1,
        layers_scanned: 2,
        bytes_scanned: (base().len() + own("m").gzip().len()) as u64,
        ..Stats::default()
    };
    assert_eq!(first.stats(), expected);

    // Again by the same program, and by the next run of it.
    for again in [first, inspector(on_disk(folder.path()))] {
        let (before, stats) = (registry.total(), again.stats());
        let seen = again.image(&wanted).await.unwrap();
        assert_eq!(seen.digest.to_string(), digest);
        assert_eq!(copied(&seen), ["extra/m.ko", "modules.dep.bin"]);
        assert_eq!(registry.count(Kind::Blob), 2);
        assert!(
            registry.total() <= before + 2,
            "one manifest, and a ping by a new program"
        );
        let expected = Stats {
            manifests_unchanged: 1,
            layers_known: stats.layers_known + 2,
            ..stats
        };
        assert_eq!(again.stats(), expected);
    }
}

#[tokio::test]
async fn a_new_image_under_an_old_tag_is_seen() {
    let registry = FakeRegistry::start();
    let inspector = fresh_inspector();
    let wanted = request(&registry, "acme/kmod:1");
    for name in ["old", "new"] {
        registry.push("acme/kmod:1", &image(name));
        let seen = inspector.image(&wanted).await.unwrap();
        assert_eq!(copied(&seen)[0], format!("extra/{name}.ko"));
    }
    assert_eq!(inspector.stats().layers_scanned, 3, "the shared layer was read once");
}

#[tokio::test]
async fn a_fresh_answer_is_not_asked_for_again() {
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:1", &image("m"));
    let inspector = Inspector::new(sources(), Cache::in_memory(), Limits::default());
    inspector.image(&request(&registry, "acme/kmod:1")).await.unwrap();
    let before = registry.total();
    inspector.image(&request(&registry, "acme/kmod:1")).await.unwrap();
    assert_eq!(registry.total(), before);
}

#[tokio::test]
async fn many_who_ask_at_once_cost_what_one_costs() {
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:1", &image("m"));
    let inspector = fresh_inspector();
    let wanted = request(&registry, "acme/kmod:1");
    let all = futures::future::join_all((0..50).map(|_| inspector.image(&wanted))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((registry.count(Kind::Manifest), registry.count(Kind::Blob)), (1, 2));
}

#[tokio::test]
async fn a_layer_that_images_share_is_read_once() {
    let registry = FakeRegistry::start();
    let names: Vec<String> = (0..40).map(|at| format!("m{at}")).collect();
    for name in &names {
        registry.push(&format!("acme/{name}:1"), &image(name));
    }
    let inspector = fresh_inspector();
    let wanted: Vec<_> = names
        .iter()
        .map(|name| request(&registry, &format!("acme/{name}:1")))
        .collect();
    let seen = futures::future::join_all(wanted.iter().map(|wanted| inspector.image(wanted))).await;
    for (name, seen) in names.iter().zip(seen) {
        assert_eq!(copied(&seen.unwrap())[0], format!("extra/{name}.ko"));
    }
    assert_eq!(inspector.stats().layers_scanned, 41);
    assert_eq!(registry.count(Kind::Blob), 41);
}

#[tokio::test]
async fn the_platforms_manifest_of_an_unchanged_index_is_known_too() {
    let registry = FakeRegistry::start();
    registry.push_index("acme/kmod:1", &[&image("m"), &image("arm").architecture("arm64")]);
    let inspector = fresh_inspector();
    let wanted = request(&registry, "acme/kmod:1");
    inspector.image(&wanted).await.unwrap();
    assert_eq!(registry.count(Kind::Manifest), 2);
    inspector.image(&wanted).await.unwrap();
    assert_eq!(registry.count(Kind::Manifest), 3);
}

#[tokio::test]
async fn a_failure_of_one_repository_is_not_that_of_another_with_the_same_layer() {
    let registry = FakeRegistry::start();
    registry.push("acme/bad:1", &image("m"));
    registry.push("acme/good:1", &image("m"));
    registry.lose_blob("acme/bad", &support::fake_image::digest_of(&base()));
    let inspector = fresh_inspector();
    let (bad, good) = (request(&registry, "acme/bad:1"), request(&registry, "acme/good:1"));
    let (bad, good) = tokio::join!(inspector.image(&bad), inspector.image(&good));
    assert_eq!(copied(&good.unwrap())[0], "extra/m.ko");
    // It is found missing, unless the other image has read the layer before.
    if let Err(failure) = bad {
        assert_eq!(failure.kind, LookFailureKind::Damaged, "{failure}");
    }
}
