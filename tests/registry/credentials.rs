//! Credentials: which are shown, in which order, how often; and what is said when none is enough.

use LookFailureKind::{Denied, NotFound, Unreachable};

use crate::support::fake_registry::{Asks, FakeRegistry, Kind, Trick};
use crate::*;

fn guarded(asks: Asks) -> FakeRegistry {
    FakeRegistry::setup().asks(asks).login("robot", "pass").start()
}

#[tokio::test]
async fn a_login_opens_what_is_closed() {
    for asks in [Asks::Basic, Asks::Bearer] {
        let registry = guarded(asks);
        let digest = registry.push("acme/kmod:1", &image());
        let good = login(&registry.host(), "robot", "pass");
        let found = look(&registry, "acme/kmod:1", &good).await.unwrap();
        assert_eq!(digest_in(&found), digest);
        assert!(look(&registry, "acme/kmod:1", &anonymous()).await.is_err());
    }
}

#[tokio::test]
async fn what_is_public_is_read_without_a_login_and_with_a_bad_one() {
    for asks in [Asks::Basic, Asks::Bearer] {
        let registry = FakeRegistry::setup().asks(asks).public("acme/kmod").start();
        registry.push("acme/kmod:1", &image());
        look(&registry, "acme/kmod:1", &anonymous()).await.unwrap();
        let bad = login(&registry.host(), "robot", "old");
        look(&registry, "acme/kmod:1", &bad).await.unwrap();
    }
}

#[tokio::test]
async fn a_known_registry_costs_one_token_and_one_request_per_repository() {
    let registry = guarded(Asks::Bearer);
    let sources = sources();
    let access = login(&registry.host(), "robot", "pass");
    for n in 0..20 {
        let name = format!("acme/kmod-{n}:1");
        registry.push(&name, &image());
        sources
            .manifest(&reference(&registry, &name), &access, None)
            .await
            .unwrap();
        sources
            .manifest(&reference(&registry, &name), &access, None)
            .await
            .unwrap();
    }
    assert_eq!(registry.count(Kind::Token), 20);
    assert_eq!(registry.count(Kind::Manifest), 40);
}

#[tokio::test]
async fn a_token_is_fetched_once_however_many_wait_for_it() {
    let registry = guarded(Asks::Bearer);
    registry.push("acme/kmod:1", &image());
    registry.lie(Kind::Token, Trick::SlowHead(Duration::from_millis(20)));
    let sources = sources();
    let access = login(&registry.host(), "robot", "pass");
    let name = reference(&registry, "acme/kmod:1");
    let looks = (0..8).map(|_| sources.manifest(&name, &access, None));
    assert!(futures::future::join_all(looks).await.iter().all(Result::is_ok));
    assert_eq!(registry.count(Kind::Token), 1);
}

#[tokio::test]
async fn a_token_that_expired_or_was_revoked_is_replaced() {
    let short = FakeRegistry::setup()
        .asks(Asks::Bearer)
        .login("robot", "pass")
        .expires_in(1)
        .start();
    let lasting = guarded(Asks::Bearer);
    for registry in [&short, &lasting] {
        registry.push("acme/kmod:1", &image());
        let sources = sources();
        let access = login(&registry.host(), "robot", "pass");
        for _ in 0..2 {
            sources
                .manifest(&reference(registry, "acme/kmod:1"), &access, None)
                .await
                .unwrap();
            registry.revoke_tokens();
        }
        assert_eq!(registry.count(Kind::Token), 2);
    }
}

#[tokio::test]
async fn an_identity_token_is_exchanged_for_a_token() {
    let registry = FakeRegistry::setup().asks(Asks::Bearer).identity("refresh me").start();
    registry.push("acme/kmod:1", &image());
    let config = format!(
        r#"{{"auths":{{"{}":{{"identitytoken":"refresh me"}}}}}}"#,
        registry.host()
    );
    let access = Access::new(Arc::new(keyring("secret acme/pull", &config)), plain());
    look(&registry, "acme/kmod:1", &access).await.unwrap();
    let requests = registry.requests();
    let token = requests.iter().find(|request| request.kind == Kind::Token).unwrap();
    assert_eq!((token.method.as_str(), token.target.as_str()), ("POST", "/token"));
}

#[tokio::test]
async fn the_next_login_is_tried_when_one_is_refused_and_remembered_when_it_works() {
    for asks in [Asks::Basic, Asks::Bearer] {
        let registry = guarded(asks);
        registry.push("acme/kmod:1", &image());
        let old = keyring("secret acme/old", &registry.docker_config("robot", "old"));
        let new = keyring("secret acme/new", &registry.docker_config("robot", "pass"));
        let access = Access::new(Arc::new(old.then(new)), plain());
        let sources = sources();
        let name = reference(&registry, "acme/kmod:1");
        sources.manifest(&name, &access, None).await.unwrap();
        let before = registry.total();
        sources.manifest(&name, &access, None).await.unwrap();
        assert_eq!(registry.total() - before, 1, "{asks:?}");
    }
}

#[tokio::test]
async fn a_refusal_names_the_logins_and_never_their_secrets() {
    let registry = guarded(Asks::Bearer);
    let one = keyring("secret acme/one", &registry.docker_config("robot", "s3cret"));
    let two = keyring("secret acme/two", &registry.docker_config("other", "s3cret"));
    let access = Access::new(Arc::new(one.then(two)), plain());
    let message = failure(&registry, "acme/kmod:1", &access, Denied).await;
    assert_eq!(
        message,
        "HOST/acme/kmod:1 is missing, or not accessible: \
         the token service HOST answers 401 (incorrect username or password) \
         to secret acme/one (HOST), then to secret acme/two (HOST); \
         HOST answers 401 (access to the requested resource is not authorized) to no credentials"
    );
}

#[tokio::test]
async fn what_one_login_cannot_see_another_may() {
    let registry = FakeRegistry::setup()
        .asks(Asks::Basic)
        .login("blind", "pass")
        .login("seeing", "pass")
        .start();
    registry.push("acme/kmod:1", &image());
    registry.lie_times(1, Kind::Manifest, Trick::status(404));
    let blind = keyring("secret acme/one", &registry.docker_config("blind", "pass"));
    let seeing = keyring("secret acme/two", &registry.docker_config("seeing", "pass"));
    let access = Access::new(Arc::new(blind.then(seeing)), plain());
    look(&registry, "acme/kmod:1", &access).await.unwrap();
}

#[tokio::test]
async fn what_no_login_sees_does_not_exist() {
    let registry = guarded(Asks::Bearer);
    registry.push("acme/kmod:1", &image());
    let access = login(&registry.host(), "robot", "pass");
    let message = failure(&registry, "acme/kmod:2", &access, NotFound).await;
    assert_eq!(
        message,
        "HOST/acme/kmod:2 does not exist: HOST answers 404 (manifest unknown)"
    );
}

#[tokio::test]
async fn a_token_service_that_is_down_says_nothing_about_the_image() {
    for trick in [Trick::status(503), Trick::status(404), Trick::Hang] {
        let registry = guarded(Asks::Bearer);
        registry.lie(Kind::Token, trick);
        let access = login(&registry.host(), "robot", "pass");
        failure(&registry, "acme/kmod:1", &access, Unreachable).await;
    }
}

#[tokio::test]
async fn a_token_service_that_answers_garbage_is_reported() {
    let registry = guarded(Asks::Bearer);
    registry.lie(Kind::Token, Trick::Body("text/html".into(), b"<html>".to_vec()));
    let access = login(&registry.host(), "robot", "pass");
    let failure = look(&registry, "acme/kmod:1", &access).await.unwrap_err();
    assert!(failure.message.contains("no token that can be read"), "{failure}");
}

#[tokio::test]
async fn two_tenants_of_one_registry_do_not_share_what_they_may_see() {
    let registry = guarded(Asks::Bearer);
    registry.push("acme/kmod:1", &image());
    let sources = sources();
    let name = reference(&registry, "acme/kmod:1");
    let good = login(&registry.host(), "robot", "pass");
    sources.manifest(&name, &good, None).await.unwrap();
    for stranger in [anonymous(), login(&registry.host(), "robot", "guess")] {
        let failure = sources.manifest(&name, &stranger, None).await.unwrap_err();
        assert_eq!(failure.kind, Denied);
    }
    sources.manifest(&name, &good, None).await.unwrap();
}
