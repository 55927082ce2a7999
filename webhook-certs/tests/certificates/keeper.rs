//! The keeper against the stand-in API server: races, damage, silence, and what it writes.

use crate::fake_api::{FakeApi, MUTATING, Mood, SECRET, VALIDATING};
use crate::tls::{Connection, MovedClock, NAME, serve};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;
use webhook_certs::{Keeper, Names, PassError, Settings, WebhookConfiguration};

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new("ns", "certs", Names::new([NAME]).unwrap(), "tests");
    settings.configurations = vec![
        WebhookConfiguration::Validating("validating".to_owned()),
        WebhookConfiguration::Mutating("mutating".to_owned()),
    ];
    settings.settle = Duration::ZERO;
    settings
}

pub(crate) fn keeper(api: &FakeApi, clock: &MovedClock) -> Keeper {
    Keeper::new(api.client(), settings(), clock.reading())
}

/// An API server, a clock, and a keeper that has been through its first pass.
async fn settled() -> (FakeApi, MovedClock, Keeper) {
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let mut keeper = keeper(&api, &clock);
    keeper.pass().await.unwrap();
    (api, clock, keeper)
}

#[tokio::test]
async fn the_first_start_takes_two_requests_to_serve_and_two_for_each_configuration() {
    let (api, ..) = settled().await;
    let requests = api.world().requests.clone();
    assert_eq!(
        requests.iter().take(2).collect::<Vec<_>>(),
        [
            "GET /api/v1/namespaces/ns/secrets/certs",
            "POST /api/v1/namespaces/ns/secrets"
        ]
    );
    assert_eq!(requests.len(), 6, "{requests:?}");
}

#[tokio::test]
async fn a_pass_over_what_is_in_order_writes_nothing() {
    let (api, _, mut keeper) = settled().await;
    api.world().requests.clear();
    keeper.pass().await.unwrap();
    let requests = api.world().requests.clone();
    assert_eq!(
        requests,
        [
            format!("GET {SECRET}"),
            format!("GET {VALIDATING}"),
            format!("GET {MUTATING}")
        ]
    );
}

#[tokio::test]
async fn the_secret_is_one_that_usual_tools_read() {
    let (api, ..) = settled().await;
    let secret = api.get(SECRET).unwrap();
    assert_eq!(secret["type"], "kubernetes.io/tls");
    let keys: Vec<_> = secret["data"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    let key = api.secret_data("tls.key").unwrap();
    assert!(key.starts_with(b"-----BEGIN PRIVATE KEY-----"));
}

#[tokio::test]
async fn of_two_replicas_that_start_together_both_serve_what_the_faster_one_created() {
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let (mut one, mut two) = (keeper(&api, &clock), keeper(&api, &clock));
    let (first, second) = tokio::join!(one.pass(), two.pass());
    first.unwrap();
    second.unwrap();
    let created = api.count("POST /api/v1/namespaces/ns/secrets");
    assert!((1..=2).contains(&created));
    for resolver in [one.resolver(), two.resolver()] {
        let address = serve(resolver).await;
        Connection::open(address, &api.bundle(MUTATING), &clock).await.unwrap();
    }
}

#[tokio::test]
async fn a_create_that_is_lost_takes_what_is_there() {
    let (other, ..) = settled().await;
    let theirs = other.get(SECRET).unwrap();
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    api.world().intruder = Some((SECRET, theirs.clone()));
    let mut keeper = keeper(&api, &clock);
    keeper.pass().await.unwrap();
    assert_eq!(api.get(SECRET).unwrap()["data"], theirs["data"]);
    assert_eq!(api.bundle(VALIDATING), other.bundle(VALIDATING));
}

#[tokio::test]
async fn an_update_that_is_lost_is_read_again() {
    let (api, clock, mut keeper) = settled().await;
    clock.advance_days(21);
    let mut touched = api.get(SECRET).unwrap();
    touched["metadata"]["labels"] = json!({"touched": "yes"});
    api.world().intruder = Some((SECRET, touched));
    keeper.pass().await.unwrap();
    assert_eq!(api.count(&format!("PUT {SECRET}")), 2, "lost, then won");
    assert_eq!(
        api.get(SECRET).unwrap()["metadata"]["labels"]["touched"],
        "yes",
        "what others wrote stays"
    );
}

#[tokio::test]
async fn keys_of_others_in_the_secret_are_left_alone() {
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    api.put(
        SECRET,
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "certs", "namespace": "ns"},
            "data": {"theirs": "eA=="},
        }),
    );
    keeper(&api, &clock).pass().await.unwrap();
    let secret = api.get(SECRET).unwrap();
    assert_eq!(
        (&secret["data"]["theirs"], &secret["type"]),
        (&json!("eA=="), &json!("Opaque"))
    );
    assert!(api.secret_data("tls.crt").is_some());
}

#[tokio::test]
async fn a_bundle_that_somebody_emptied_is_put_back() {
    let (api, _, mut keeper) = settled().await;
    let whole = api.get(VALIDATING).unwrap();
    let mut emptied = whole.clone();
    emptied["webhooks"][1]["clientConfig"]["caBundle"] = json!("");
    api.put(VALIDATING, emptied);
    keeper.pass().await.unwrap();
    assert_eq!(api.get(VALIDATING).unwrap()["webhooks"], whole["webhooks"]);
}

#[tokio::test]
async fn a_configuration_that_changes_before_it_is_written_is_read_again() {
    let (api, _, mut keeper) = settled().await;
    let mut changed = api.get(VALIDATING).unwrap();
    changed["webhooks"][0]["clientConfig"]["caBundle"] = json!("");
    api.put(VALIDATING, changed.clone());
    changed["webhooks"][0]["failurePolicy"] = json!("Ignore");
    api.world().intruder = Some((VALIDATING, changed));
    keeper.pass().await.unwrap();
    assert_eq!(api.count(&format!("PATCH {VALIDATING}")), 3, "at the start, lost, won");
    assert_eq!(api.get(VALIDATING).unwrap()["webhooks"][0]["failurePolicy"], "Ignore");
    assert_eq!(Some(api.bundle(VALIDATING)), api.secret_data("ca.crt"));
}

#[tokio::test]
async fn configurations_that_do_not_exist_are_no_error_and_get_the_bundle_once_they_do() {
    let (api, clock) = (FakeApi::default(), MovedClock::start());
    let mut keeper = keeper(&api, &clock);
    keeper.pass().await.unwrap();
    let api = api.with_configurations();
    keeper.pass().await.unwrap();
    assert_eq!(Some(api.bundle(VALIDATING)), api.secret_data("ca.crt"));
    assert_eq!(Some(api.bundle(MUTATING)), api.secret_data("ca.crt"));
}

#[tokio::test]
async fn while_the_api_server_is_away_the_certificate_in_memory_serves_on() {
    let (api, clock, mut keeper) = settled().await;
    let (address, bundle) = (serve(keeper.resolver()).await, api.bundle(VALIDATING));
    api.world().mood = Mood::Unreachable;
    let failed = keeper.pass().await.unwrap_err();
    assert!(matches!(failed, PassError::Api { .. }), "{failed}");
    Connection::open(address, &bundle, &clock)
        .await
        .unwrap()
        .echo()
        .await
        .unwrap();
    api.world().mood = Mood::Well;
    keeper.pass().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_never_answers_is_given_up_after_ten_seconds() {
    let (api, _, mut keeper) = settled().await;
    api.world().mood = Mood::Silent;
    let failed = timeout(Duration::from_secs(11), keeper.pass())
        .await
        .expect("a deadline of its own")
        .unwrap_err();
    assert_eq!(
        failed.to_string(),
        "the API server did not answer within 10s when asked to read Secret ns/certs"
    );
}

#[tokio::test]
async fn a_fight_over_the_secret_is_slowed_down_and_told() {
    let (api, _, mut keeper) = settled().await;
    let mut told = None;
    for _ in 0..20 {
        let mut secret = api.get(SECRET).unwrap();
        secret["data"]["tls.key"] = json!("");
        api.put(SECRET, secret);
        told = told.or(keeper.pass().await.err());
    }
    assert!(matches!(told, Some(PassError::TooManyRepairs { .. })), "{told:?}");
    assert!(api.count(&format!("PUT {SECRET}")) < 20);
}

#[tokio::test]
async fn renewals_are_told_to_who_listens() {
    let (_api, clock, mut keeper) = settled().await;
    let mut states = keeper.resolver().states();
    let first = states.borrow_and_update().clone();
    assert_eq!((first.generation, first.names), (1, vec![NAME.to_owned()]));
    clock.advance_days(21);
    keeper.pass().await.unwrap();
    assert!(states.has_changed().unwrap());
    let second = states.borrow_and_update().clone();
    assert_eq!(second.generation, 2);
    assert!(second.expiry > first.expiry && keeper.resolver().expiry() == second.expiry);
}

#[tokio::test(start_paused = true)]
async fn left_to_itself_it_starts_at_once_and_heals_at_its_next_look() {
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let keeper = keeper(&api, &clock);
    let mut states = keeper.resolver().states();
    tokio::spawn(keeper.run());
    states.wait_for(|state| state.generation == 1).await.unwrap();
    clock.advance_days(21);
    states.wait_for(|state| state.generation == 2).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn left_to_itself_it_outlasts_an_api_server_that_is_away_at_the_start() {
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    api.world().mood = Mood::Unreachable;
    let keeper = keeper(&api, &clock);
    let mut states = keeper.resolver().states();
    tokio::spawn(keeper.run());
    timeout(Duration::from_mins(1), states.changed())
        .await
        .expect_err("nothing to serve yet");
    api.world().mood = Mood::Well;
    timeout(Duration::from_mins(1), states.changed())
        .await
        .expect("within the longest retry")
        .unwrap();
}
