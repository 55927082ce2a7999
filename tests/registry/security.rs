//! What an attacker tries who can write a reference, or who runs a registry.

use kmm_preflight::registry::Places;

use crate::support::fake_registry::{Asks, FakeRegistry, Kind, Trick};
use crate::*;

/// No request here carried credentials.
fn saw_no_credentials(registry: &FakeRegistry) -> bool {
    registry
        .requests()
        .iter()
        .all(|request| request.authorization.is_none())
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    for asks in [Asks::Basic, Asks::Bearer] {
        let registry = FakeRegistry::setup().asks(asks).login("robot", "pass").start();
        let storage = FakeRegistry::start();
        registry.push("acme/kmod:1", &image());
        storage.push("acme/kmod:1", &image());
        registry.lie(Kind::Blob, Trick::Redirect(storage.url()));
        registry.lie(Kind::Manifest, Trick::Redirect(storage.url()));
        let access = login(&registry.host(), "robot", "pass");
        let sources = sources();
        let name = reference(&registry, "acme/kmod:1");
        sources.manifest(&name, &access, None).await.unwrap();
        let layer = layer_bytes(300_000);
        let blob = sources.blob(&name, &access, &descriptor_of(&layer)).await.unwrap();
        assert_eq!(blob.read_whole(1 << 20).await.unwrap(), layer);
        assert_eq!((storage.count(Kind::Manifest), storage.count(Kind::Blob)), (1, 1));
        assert!(saw_no_credentials(&storage), "{asks:?}");
    }
}

#[tokio::test]
async fn a_redirect_within_the_registry_keeps_the_credentials() {
    let registry = FakeRegistry::setup().asks(Asks::Basic).login("robot", "pass").start();
    registry.push("acme/kmod:1", &image());
    registry.lie_times(1, Kind::Manifest, Trick::Redirect(registry.url()));
    let access = login(&registry.host(), "robot", "pass");
    look(&registry, "acme/kmod:1", &access).await.unwrap();
}

#[tokio::test]
async fn a_storage_host_cannot_say_where_credentials_go() {
    let thief = FakeRegistry::start();
    let storage = FakeRegistry::setup()
        .asks(Asks::Bearer)
        .realm(&format!("{}/token", thief.url()))
        .start();
    let registry = FakeRegistry::setup().asks(Asks::Basic).login("robot", "pass").start();
    registry.lie(Kind::Manifest, Trick::Redirect(storage.url()));
    let access = login(&registry.host(), "robot", "pass");
    assert!(look(&registry, "acme/kmod:1", &access).await.is_err());
    assert_eq!(thief.total(), 0);
    assert!(saw_no_credentials(&storage));
}

#[tokio::test]
async fn credentials_of_one_registry_are_not_shown_to_another() {
    let evil = FakeRegistry::setup().asks(Asks::Basic).start();
    let good = "registry.example.com";
    let names = [
        format!("{}/{good}/acme/kmod:1", evil.host()),
        format!("{}/acme/kmod:1", evil.host()),
    ];
    for name in names {
        let name = Reference::parse(&name).unwrap();
        let access = login(good, "robot", "pass");
        assert!(sources().manifest(&name, &access, None).await.is_err());
    }
    assert!(saw_no_credentials(&evil));
}

#[tokio::test]
async fn endless_redirects_end() {
    let registry = FakeRegistry::start();
    registry.lie(Kind::Manifest, Trick::Redirect(registry.url()));
    let message = failure(&registry, "acme/kmod:1", &anonymous(), LookFailureKind::Unreachable).await;
    assert!(message.contains("redirects without end"), "{message}");
    assert!(registry.total() < 10);
}

/// A registry over TLS on this machine, as if this machine were the public network: `registry_places` lets it be
/// asked, and what it names is judged as for any other registry.
#[tokio::test]
async fn a_token_service_is_asked_over_tls_only() {
    let plain_service = FakeRegistry::start();
    let realm = format!("{}/token", plain_service.url());
    let registry = FakeRegistry::setup()
        .asks(Asks::Bearer)
        .realm(&realm)
        .https(&["127.0.0.1"])
        .start();
    let access = Access {
        tls: tls::any_certificate(),
        ..login(&registry.host(), "robot", "pass")
    };
    let message = failure(&registry, "acme/kmod:1", &access, LookFailureKind::Unreachable).await;
    assert!(
        message.contains("which is not reached over TLS; that is refused"),
        "{message}"
    );
    assert_eq!(plain_service.total(), 0);
}

#[tokio::test]
async fn token_services_and_redirects_do_not_reach_where_the_registry_is_not() {
    let addresses = [
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/token",
        "https://[fd00:ec2::254]/token",
        "https://[::ffff:169.254.169.254]/token",
        "http://169.254.169.254/token",
        "https://2852039166/token",
        "https://0xa9fea9fe/token",
    ];
    for address in addresses {
        let registry = FakeRegistry::setup().asks(Asks::Bearer).realm(address).start();
        registry.lie_about(
            Kind::Manifest,
            "redirected",
            usize::MAX,
            Trick::Redirect(address.to_owned()),
        );
        for name in ["acme/kmod:1", "acme/redirected:1"] {
            let access = login(&registry.host(), "robot", "pass");
            let message = failure(&registry, name, &access, LookFailureKind::Unreachable).await;
            assert!(message.contains("may not be asked from here"), "{address}: {message}");
        }
    }
}

#[tokio::test]
async fn registries_themselves_can_be_kept_off_this_machine() {
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:1", &image());
    let narrow = Settings {
        registry_places: Places::PRIVATE,
        ..settings()
    };
    let sources = Sources::new(Vec::new(), narrow).unwrap();
    let port = registry.host().replace("127.0.0.1:", "");
    for host in [registry.host(), format!("localhost:{port}")] {
        let name = Reference::parse(&format!("{host}/acme/kmod:1")).unwrap();
        let failure = sources.manifest(&name, &anonymous(), None).await.unwrap_err();
        assert_eq!(failure.kind, LookFailureKind::Unreachable);
        assert!(failure.message.contains("may not be asked from here"), "{failure}");
    }
    assert_eq!(registry.total(), 0);
}

#[tokio::test]
async fn a_bad_realm_is_reported_and_cleaned() {
    for realm in [
        "not an address",
        "mailto:root@localhost",
        "\u{7f}",
        "file:///etc/passwd",
    ] {
        let registry = FakeRegistry::setup().asks(Asks::Bearer).realm(realm).start();
        let access = login(&registry.host(), "robot", "pass");
        let failure = look(&registry, "acme/kmod:1", &access).await.unwrap_err();
        assert!(!failure.message.chars().any(char::is_control), "{:?}", failure.message);
        assert!(saw_no_credentials(&registry));
    }
}

#[tokio::test]
async fn bodies_of_other_services_never_reach_a_message() {
    let registry = FakeRegistry::start();
    for status in [200, 400, 401, 403, 404, 500] {
        registry.repent();
        let body = r#"{"secret":"hidden","AccessKeyId":"hidden"}"#.to_owned();
        registry.lie(
            Kind::Manifest,
            Trick::Status(status, vec![("content-type".into(), "application/json".into())], body),
        );
        let failure = look(&registry, "acme/kmod:1", &anonymous()).await.unwrap_err();
        assert!(!failure.message.contains("hidden"), "{failure}");
    }
}

#[tokio::test]
async fn a_refusal_of_a_gigabyte_is_not_read() {
    let registry = FakeRegistry::start();
    registry.lie(Kind::Manifest, Trick::Status(403, vec![], "x".repeat(50 << 20)));
    let message = failure(&registry, "acme/kmod:1", &anonymous(), LookFailureKind::Denied).await;
    assert!(message.len() < 500, "{message}");
}
