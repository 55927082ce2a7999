//! Real TLS: what clients see of certificates that change under them.

use crate::fake_api::{FakeApi, MUTATING, Mood, SECRET, VALIDATING};
use crate::keeper::{keeper, settings};
use crate::tls::{Connection, MovedClock, serve};
use std::time::Duration;
use webhook_certs::Keeper;

#[tokio::test]
async fn before_there_is_a_certificate_handshakes_are_refused_and_after_the_first_pass_they_verify() {
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let mut keeper = keeper(&api, &clock);
    let resolver = keeper.resolver();
    let address = serve(resolver.clone()).await;
    assert!(!resolver.is_ready() && resolver.expiry().is_none());
    assert!(Connection::open(address, b"", &clock).await.is_err());
    keeper.pass().await.unwrap();
    assert!(resolver.is_ready());
    for configuration in [VALIDATING, MUTATING] {
        Connection::open(address, &api.bundle(configuration), &clock)
            .await
            .unwrap()
            .echo()
            .await
            .unwrap();
    }
}

/// A rotation from its first to its last step. After each pass a connection is opened under every bundle that an API
/// server may have then: the newest, and the one before, which a slow one still has. All connections stay open.
#[tokio::test]
async fn through_a_whole_rotation_new_connections_verify_and_old_ones_live_on() {
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let mut keeper = keeper(&api, &clock);
    let address = serve(keeper.resolver()).await;
    keeper.pass().await.unwrap();
    let mut bundles = vec![api.bundle(VALIDATING)];
    let mut open = Vec::new();
    for days in [0, 15, 15, 215, 0, 0, 0, 16, 16, 16] {
        clock.advance_days(days);
        keeper.pass().await.unwrap();
        bundles.push(api.bundle(VALIDATING));
        for bundle in bundles.iter().rev().take(2) {
            open.push(
                Connection::open(address, bundle, &clock)
                    .await
                    .expect("verifies under both bundles"),
            );
        }
        for connection in &mut open {
            connection.echo().await.expect("what was open stays open");
        }
    }
    let mut seen: Vec<_> = open.iter().map(Connection::peer).collect();
    seen.dedup();
    assert!(seen.len() >= 4, "only {} certificates were served", seen.len());
    let authorities = |bundle: &[u8]| String::from_utf8_lossy(bundle).matches("BEGIN CERTIFICATE").count();
    let counts: Vec<_> = bundles.iter().map(|bundle| authorities(bundle)).collect();
    assert_eq!(
        counts,
        [1, 1, 1, 1, 2, 2, 2, 2, 2, 1, 1],
        "one, both while either may serve, one"
    );
    assert_ne!(bundles.first(), bundles.last(), "the CA was replaced");
}

#[tokio::test]
async fn a_new_ca_serves_only_after_its_bundle_has_been_out_for_the_settling_time() {
    tokio::time::pause();
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let mut settings = settings();
    settings.settle = Duration::from_mins(1);
    let mut keeper = Keeper::new(api.client(), settings, clock.reading());
    keeper.pass().await.unwrap();
    clock.advance_days(250);
    keeper.pass().await.unwrap();
    let served = api.secret_data("tls.crt");
    tokio::time::advance(Duration::from_secs(59)).await;
    keeper.pass().await.unwrap();
    assert_eq!(api.secret_data("tls.crt"), served, "too early");
    tokio::time::advance(Duration::from_secs(2)).await;
    keeper.pass().await.unwrap();
    assert_ne!(api.secret_data("tls.crt"), served, "it has settled");
    assert_eq!(api.secret_data("next-ca.key"), None);
}

#[tokio::test]
async fn while_the_new_bundle_cannot_be_injected_the_old_ca_serves_on() {
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let mut keeper = keeper(&api, &clock);
    let address = serve(keeper.resolver()).await;
    keeper.pass().await.unwrap();
    let old = api.bundle(VALIDATING);
    clock.advance_days(250);
    api.world().mood = Mood::RefusesApply;
    for _ in 0..3 {
        keeper.pass().await.expect_err("the apply is refused");
        Connection::open(address, &old, &clock)
            .await
            .expect("still by the old CA");
    }
    api.world().mood = Mood::Well;
    keeper.pass().await.unwrap();
    keeper.pass().await.unwrap();
    Connection::open(address, &old, &clock)
        .await
        .map(drop)
        .expect_err("by the new CA now");
    Connection::open(address, &api.bundle(MUTATING), &clock).await.unwrap();
}

#[tokio::test]
async fn a_deleted_secret_fails_no_handshake() {
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let mut keeper = keeper(&api, &clock);
    let address = serve(keeper.resolver()).await;
    keeper.pass().await.unwrap();
    for _ in 0..3 {
        let mut before = api.bundle(VALIDATING);
        let first = before.clone();
        api.delete(SECRET);
        for _ in 0..3 {
            keeper.pass().await.unwrap();
            let now = api.bundle(VALIDATING);
            for bundle in [&before, &now] {
                Connection::open(address, bundle, &clock)
                    .await
                    .expect("verifies under both bundles");
            }
            before = now;
        }
        assert_ne!(before, first, "deleting it rotates the CA");
    }
}

#[tokio::test]
async fn a_bundle_that_somebody_emptied_settles_anew() {
    tokio::time::pause();
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let mut settings = settings();
    settings.settle = Duration::from_mins(1);
    let mut keeper = Keeper::new(api.client(), settings, clock.reading());
    clock.advance_days(-250);
    keeper.pass().await.unwrap();
    let emptied = {
        let mut configuration = api.get(MUTATING).unwrap();
        configuration["webhooks"][0]["clientConfig"]["caBundle"] = serde_json::json!("");
        configuration
    };
    clock.advance_days(250);
    keeper.pass().await.unwrap();
    let served = api.secret_data("tls.crt");
    tokio::time::advance(Duration::from_secs(50)).await;
    api.put(MUTATING, emptied);
    keeper.pass().await.unwrap();
    tokio::time::advance(Duration::from_secs(50)).await;
    keeper.pass().await.unwrap();
    assert_eq!(
        api.secret_data("tls.crt"),
        served,
        "fifty seconds since it was put back"
    );
    tokio::time::advance(Duration::from_secs(11)).await;
    keeper.pass().await.unwrap();
    assert_ne!(api.secret_data("tls.crt"), served);
}
