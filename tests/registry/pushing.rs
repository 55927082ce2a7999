//! Pushing: what is sent and what is not, who may, what a registry may do wrong, where credentials go.

use kmm_preflight::registry::{
    Cleaned, Destination, Held, Location, Origin, PublishFailure, PublishFailureKind, RegistryPattern, Shipped, copy,
};

use crate::support::fake_image::{INDEX, LAYER_GZIP, MANIFEST, index_of};
use crate::support::fake_registry::{Asks, FakeRegistry, Kind, Trick};
use crate::*;

fn at(registry: &FakeRegistry, name: &str) -> Location {
    Location::Registry(reference(registry, name))
}

fn origin(registry: &FakeRegistry, name: &str, access: &Access) -> Origin {
    sources().origin(&at(registry, name), access).unwrap()
}

fn destination(registry: &FakeRegistry, name: &str, access: &Access) -> Destination {
    sources().destination(&at(registry, name), access).unwrap()
}

/// A registry with an image, and another to push to.
fn two() -> (FakeRegistry, FakeRegistry) {
    let from = FakeRegistry::start();
    from.push("acme/kmod:1", &image());
    (from, FakeRegistry::start())
}

async fn push(from: &FakeRegistry, to: &FakeRegistry, access: &Access) -> Result<Shipped, PublishFailure> {
    let destination = destination(to, "acme/copy:2", access);
    let digest = copy(&origin(from, "acme/kmod:1", &anonymous()), &destination).await?;
    assert_eq!(digest.to_string(), image().digest());
    Ok(destination.shipped())
}

async fn refused(from: &FakeRegistry, to: &FakeRegistry, kind: PublishFailureKind) -> String {
    let failure = push(from, to, &anonymous()).await.unwrap_err();
    assert_eq!(failure.kind, kind, "{failure}");
    assert!(to.manifest("acme/copy:2").is_none(), "a tag for half an image");
    failure
        .message
        .replace(&to.host(), "HOST")
        .replace(&from.host(), "FROM")
}

#[tokio::test]
async fn an_image_is_copied_byte_for_byte_and_named_last() {
    let (from, to) = two();
    let shipped = push(&from, &to, &anonymous()).await.unwrap();
    let size = image().blobs().iter().map(|blob| blob.len() as u64).sum();
    assert_eq!(
        shipped,
        Shipped {
            known: 0,
            lent: 0,
            sent: 2,
            sent_bytes: size
        }
    );
    assert_eq!(to.manifest("acme/copy:2"), from.manifest("acme/kmod:1"));
    let last = to.requests().pop().unwrap();
    assert_eq!(
        (last.kind, last.target.as_str()),
        (Kind::Publish, "/v2/acme/copy/manifests/2")
    );
}

#[tokio::test]
async fn what_is_there_is_neither_read_nor_sent() {
    let (from, to) = two();
    for blob in image().blobs() {
        to.put_blob("acme/copy", blob);
    }
    let shipped = push(&from, &to, &anonymous()).await.unwrap();
    assert_eq!((shipped.known, shipped.sent_bytes), (2, 0));
    assert_eq!((from.count(Kind::Blob), to.count(Kind::Upload)), (0, 0));
}

#[tokio::test]
async fn another_repository_of_the_same_registry_lends_its_blobs() {
    for asks in [Asks::Nothing, Asks::Basic, Asks::Bearer] {
        let registry = FakeRegistry::setup().asks(asks).login("robot", "pass").start();
        registry.push("acme/kmod:1", &image());
        let access = login(&registry.host(), "robot", "pass");
        let destination = destination(&registry, "other/kmod:1", &access);
        copy(&origin(&registry, "acme/kmod:1", &access), &destination)
            .await
            .unwrap();
        assert_eq!(
            (destination.shipped().lent, destination.shipped().sent),
            (2, 0),
            "{asks:?}"
        );
        let sent: usize = registry.requests_of(Kind::Send).len();
        assert_eq!(sent, 0);
    }
}

#[tokio::test]
async fn a_registry_that_lends_nothing_is_sent_everything() {
    for trick in [
        Trick::error(403, "DENIED", "no"),
        Trick::error(405, "UNSUPPORTED", "no"),
    ] {
        let registry = FakeRegistry::start();
        registry.push("acme/kmod:1", &image());
        registry.lie_times(2, Kind::Upload, trick);
        let destination = destination(&registry, "other/kmod:1", &anonymous());
        copy(&origin(&registry, "acme/kmod:1", &anonymous()), &destination)
            .await
            .unwrap();
        assert_eq!(registry.manifest("other/kmod:1"), registry.manifest("acme/kmod:1"));
    }
}

#[tokio::test]
async fn an_index_is_copied_with_all_its_platforms() {
    let (from, to) = (FakeRegistry::start(), FakeRegistry::start());
    let arm = FakeImage::new()
        .architecture("arm64")
        .layer(LAYER_GZIP, layer_bytes(1000));
    let digest = from.push_index("acme/kmod:1", &[&image(), &arm]);
    let destination = destination(&to, "acme/kmod:2", &anonymous());
    let copied = copy(&origin(&from, "acme/kmod:1", &anonymous()), &destination)
        .await
        .unwrap();
    assert_eq!(copied.to_string(), digest);
    assert!(to.manifest(&format!("acme/kmod@{}", arm.digest())).is_some());
    assert_eq!(to.manifest("acme/kmod:2").unwrap().0, INDEX);
}

#[tokio::test]
async fn who_may_only_read_is_told_so() {
    for asks in [Asks::Basic, Asks::Bearer] {
        let from = FakeRegistry::start();
        from.push("acme/kmod:1", &image());
        let to = FakeRegistry::setup()
            .asks(asks)
            .denial(403)
            .reader("robot", "pass")
            .start();
        let access = login(&to.host(), "robot", "pass");
        let failure = push(&from, &to, &access).await.unwrap_err();
        assert_eq!(failure.kind, PublishFailureKind::Denied, "{failure}");
        assert!(failure.message.contains("secret acme/pull"), "{failure}");
        assert!(failure.message.contains("credentials that may push there"), "{failure}");
    }
}

#[tokio::test]
async fn of_several_logins_the_one_that_may_push_is_found() {
    let from = FakeRegistry::start();
    from.push("acme/kmod:1", &image());
    let to = FakeRegistry::setup()
        .asks(Asks::Bearer)
        .reader("reader", "pass")
        .login("writer", "pass")
        .start();
    let config = serde_json::json!({"auths": {
        format!("{}/acme", to.host()): {"username": "reader", "password": "pass"},
        to.host(): {"username": "writer", "password": "pass"},
    }});
    let access = Access::new(Arc::new(keyring("secret acme/push", &config.to_string())), plain());
    push(&from, &to, &access).await.unwrap();
    assert!(to.manifest("acme/copy:2").is_some());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    use PublishFailureKind::{Denied, NoRepository, NoRoom, Rejected, Unreachable};
    let rows = [
        (
            Kind::Upload,
            Trick::error(403, "DENIED", "no"),
            Denied,
            "may push there",
        ),
        (
            Kind::Upload,
            Trick::error(404, "NAME_UNKNOWN", "no"),
            NoRepository,
            "create the repository",
        ),
        (Kind::Upload, Trick::status(413), NoRoom, "raise the quota"),
        (
            Kind::Send,
            Trick::error(403, "DENIED", "will exceed the quota"),
            NoRoom,
            "raise the quota",
        ),
        (Kind::Upload, Trick::status(202), Rejected, "no Location"),
        (Kind::Upload, Trick::status(200), Rejected, "means nothing there"),
        (Kind::Upload, Trick::status(503), Unreachable, "asked 3 times"),
        (
            Kind::Send,
            Trick::error(400, "DIGEST_INVALID", "did not match"),
            Rejected,
            "did not match",
        ),
        (Kind::Send, Trick::status(429), Unreachable, "asked 3 times"),
        (Kind::Send, Trick::Hang, Unreachable, "then nothing for"),
        (
            Kind::Publish,
            Trick::error(400, "MANIFEST_INVALID", "bad"),
            Rejected,
            "bad",
        ),
        (
            Kind::Publish,
            Trick::error(400, "TAG_INVALID", "immutable"),
            Rejected,
            "immutable",
        ),
        (Kind::Ping, Trick::Hang, Unreachable, "does not answer"),
    ];
    for (kind, trick, failure, words) in rows {
        let (from, to) = two();
        let case = format!("{kind:?} {trick:?}");
        to.lie(kind, trick);
        let message = refused(&from, &to, failure).await;
        assert!(message.contains(words), "{case}: {message}");
        assert!(
            message.starts_with("HOST/acme/copy:2 could not be pushed: "),
            "{case}: {message}"
        );
    }
}

#[tokio::test]
async fn a_registry_that_stored_something_else_is_not_believed() {
    let (from, to) = two();
    let other = format!("sha256:{}", "0".repeat(64));
    for kind in [Kind::Send, Kind::Publish] {
        to.repent();
        to.lie(kind, Trick::status(201).header("docker-content-digest", &other));
        let message = refused(&from, &to, PublishFailureKind::Rejected).await;
        assert!(message.contains("says that it stored"), "{message}");
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let (from, to) = two();
    to.lie_times(1, Kind::Upload, Trick::status(503));
    to.lie_times(1, Kind::Send, Trick::status(500));
    to.lie_times(1, Kind::Publish, Trick::status(429).header("retry-after", "0"));
    push(&from, &to, &anonymous()).await.unwrap();
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_is_fetched_again() {
    let from = FakeRegistry::start();
    from.push("acme/kmod:1", &image());
    let to = FakeRegistry::setup().asks(Asks::Bearer).login("robot", "pass").start();
    to.lie_times(1, Kind::Send, Trick::status(401));
    push(&from, &to, &login(&to.host(), "robot", "pass")).await.unwrap();
}

#[tokio::test]
async fn an_altered_source_is_blamed_and_nothing_is_named() {
    let (from, to) = two();
    from.lie_about(Kind::Blob, "", usize::MAX, Trick::AlterBody);
    let message = refused(&from, &to, PublishFailureKind::Source(LookFailureKind::Damaged)).await;
    assert!(
        message.contains("was altered") && message.starts_with("FROM/acme/kmod:1"),
        "{message}"
    );
}

#[tokio::test]
async fn credentials_do_not_follow_an_upload_to_another_host() {
    for asks in [Asks::Basic, Asks::Bearer] {
        let from = FakeRegistry::start();
        from.push("acme/kmod:1", &image());
        let to = FakeRegistry::setup().asks(asks).login("robot", "pass").start();
        let storage = FakeRegistry::start();
        let place = format!("{}/v2/acme/copy/blobs/uploads/u-9?_state=open", storage.url());
        to.lie(Kind::Upload, Trick::status(202).header("location", &place));
        for blob in image().blobs() {
            // The storage is the registry's own, so it has what was sent there.
            to.put_blob("acme/late", blob);
        }
        let failure = push(&from, &to, &login(&to.host(), "robot", "pass")).await.unwrap_err();
        assert!(failure.message.contains("blob unknown"), "{failure}");
        assert_eq!(storage.count(Kind::Send), 2);
        assert!(
            storage.requests().iter().all(|request| request.authorization.is_none()),
            "{asks:?}"
        );
    }
}

#[tokio::test]
async fn a_redirected_upload_is_sent_again_to_where_it_leads() {
    let (from, to) = two();
    to.lie_times(2, Kind::Send, Trick::Redirect(to.url()));
    push(&from, &to, &anonymous()).await.unwrap();
}

#[tokio::test]
async fn uploads_do_not_reach_where_the_registry_is_not() {
    for place in [
        "https://169.254.169.254/latest",
        "https://10.0.0.1/x",
        "http://[fd00::1]/x",
    ] {
        let (from, to) = two();
        to.lie(Kind::Upload, Trick::status(202).header("location", place));
        let message = refused(&from, &to, PublishFailureKind::Unreachable).await;
        assert!(message.contains("may not be asked from here"), "{place}: {message}");
    }
}

#[tokio::test]
async fn a_registry_that_may_not_be_asked_is_not_pushed_to() {
    let to = FakeRegistry::start();
    let allowed = vec![RegistryPattern::parse("registry.example.com").unwrap()];
    let narrow = Settings { allowed, ..settings() };
    let sources = Sources::new(Vec::new(), narrow).unwrap();
    let Err(failure) = sources.destination(&at(&to, "acme/kmod:1"), &anonymous()) else {
        panic!("allowed");
    };
    assert_eq!(failure.kind, PublishFailureKind::OffLimits);
    assert_eq!(to.total(), 0);
}

#[tokio::test]
async fn what_has_a_name_is_asked_with_the_right_to_push() {
    let to = FakeRegistry::setup().asks(Asks::Bearer).login("robot", "pass").start();
    let access = login(&to.host(), "robot", "pass");
    let destination = destination(&to, "acme/kmod:1", &access);
    assert_eq!(destination.digest().await.unwrap(), None);
    let digest = to.push("acme/kmod:1", &image());
    assert_eq!(destination.digest().await.unwrap().unwrap().to_string(), digest);
    let token = to.requests_of(Kind::Token).pop().unwrap();
    assert!(token.target.contains("pull%2Cpush"), "{}", token.target);
    let stranger = self::destination(&to, "acme/kmod:1", &anonymous());
    assert_eq!(stranger.digest().await.unwrap_err().kind, PublishFailureKind::Denied);
}

#[tokio::test]
async fn a_digest_that_is_asked_for_must_be_the_images() {
    let (from, to) = two();
    let wrong = format!("acme/copy@sha256:{}", "0".repeat(64));
    let wrong = destination(&to, &wrong, &anonymous());
    let failure = copy(&origin(&from, "acme/kmod:1", &anonymous()), &wrong)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, PublishFailureKind::Rejected, "{failure}");
    let right = destination(&to, &format!("acme/copy@{}", image().digest()), &anonymous());
    copy(&origin(&from, "acme/kmod:1", &anonymous()), &right).await.unwrap();
}

#[tokio::test]
async fn a_temporary_tag_goes_and_the_final_one_of_the_same_image_stays() {
    let registry = FakeRegistry::setup().asks(Asks::Bearer).login("robot", "pass").start();
    let access = login(&registry.host(), "robot", "pass");
    registry.push("acme/kmod:final", &image());
    registry.push("acme/kmod:temporary", &image());
    let temporary = destination(&registry, "acme/kmod:temporary", &access);
    assert_eq!(temporary.clean().await.unwrap(), Cleaned::Gone);
    assert!(registry.manifest("acme/kmod:temporary").is_none());
    assert!(registry.manifest("acme/kmod:final").is_some());
    assert_eq!(temporary.clean().await.unwrap(), Cleaned::Gone, "twice changes nothing");
}

#[tokio::test]
async fn a_registry_that_deletes_nothing_is_left_with_an_empty_tag_that_is_reported() {
    let registry = FakeRegistry::setup().keeps_everything().start();
    registry.push("acme/kmod:final", &image());
    registry.push("acme/kmod:temporary", &image());
    let temporary = destination(&registry, "acme/kmod:temporary", &anonymous());
    let Cleaned::Left {
        reference,
        is_empty,
        why,
    } = temporary.clean().await.unwrap()
    else {
        panic!("gone");
    };
    assert!(is_empty);
    assert_eq!(reference, registry.reference("acme/kmod:temporary"));
    assert!(why.contains("unsupported"), "{why}");
    let (_, left) = registry.manifest("acme/kmod:temporary").unwrap();
    assert!(String::from_utf8(left).unwrap().contains(r#""layers":[]"#));
}

#[tokio::test]
async fn a_manifest_of_ours_is_pushed_by_its_digest() {
    let to = FakeRegistry::start();
    let destination = destination(&to, "acme/kmod:1", &anonymous());
    for blob in image().blobs() {
        destination.put_bytes(&blob.into(), LAYER_PLAIN).await.unwrap();
    }
    let manifest = Held::new(MANIFEST, image().manifest());
    destination.put_manifest(&manifest).await.unwrap();
    let index = Held::new(INDEX, index_of(&[image().index_entry()]));
    destination.name(&index).await.unwrap();
    assert_eq!(to.manifest("acme/kmod:1").unwrap().0, INDEX);
}

#[tokio::test]
async fn a_real_registry_takes_images_lends_blobs_and_loses_temporary_tags() {
    let registry = xtask::Registry::start().expect("docker-registry");
    let from = FakeRegistry::start();
    let large = FakeImage::new()
        .layer(LAYER_PLAIN, layer_bytes(9_000_000))
        .layer(LAYER_GZIP, layer_bytes(7));
    from.push("acme/kmod:1", &large);
    let there = |name: &str| Location::parse(&format!("{}/{name}", registry.host())).unwrap();
    let to = |name: &str| sources().destination(&there(name), &anonymous()).unwrap();
    let first = to("acme/kmod:final");
    let digest = copy(&origin(&from, "acme/kmod:1", &anonymous()), &first).await.unwrap();
    assert_eq!(first.digest().await.unwrap(), Some(digest.clone()));
    let lent = to("other/kmod:1");
    let again = sources().origin(&there("acme/kmod:final"), &anonymous()).unwrap();
    copy(&again, &lent).await.unwrap();
    assert_eq!((lent.shipped().lent, lent.shipped().sent), (3, 0));
    let temporary = to("acme/kmod:temporary");
    copy(&again, &temporary).await.unwrap();
    assert_eq!(temporary.shipped().known, 3);
    assert_eq!(temporary.clean().await.unwrap(), Cleaned::Gone);
    assert_eq!(temporary.digest().await.unwrap(), None);
    assert_eq!(first.digest().await.unwrap(), Some(digest));
}
