//! What goes wrong, told apart; what passes, tried again.

use std::time::Instant;

use LookFailureKind::{Denied, NotFound, Unreachable};

use crate::support::fake_registry::{FakeRegistry, Kind, Trick};
use crate::*;

#[tokio::test]
async fn what_does_not_exist_is_told_apart_from_what_cannot_be_seen() {
    let rows = [
        (Trick::error(404, "MANIFEST_UNKNOWN", "manifest unknown"), NotFound, 1),
        (Trick::error(404, "NAME_UNKNOWN", "no such name"), NotFound, 1),
        (Trick::status(404), NotFound, 1),
        (Trick::Status(404, vec![], "<html>not here</html>".into()), NotFound, 1),
        (Trick::status(401), Denied, 1),
        (Trick::error(403, "DENIED", "requested access is denied"), Denied, 1),
        (Trick::status(400), Unreachable, 1),
        (Trick::error(429, "TOOMANYREQUESTS", "slow down"), Unreachable, 3),
        (Trick::status(500), Unreachable, 3),
        (Trick::status(502), Unreachable, 3),
        (Trick::status(503), Unreachable, 3),
        (Trick::CutBody(10), Unreachable, 3),
        (Trick::status(302), Unreachable, 1),
    ];
    for (trick, kind, requests) in rows {
        let registry = FakeRegistry::start();
        registry.push("acme/kmod:1", &image());
        registry.lie(Kind::Manifest, trick.clone());
        let message = failure(&registry, "acme/kmod:1", &anonymous(), kind).await;
        assert_eq!(registry.count(Kind::Manifest), requests, "{trick:?}: {message}");
        assert!(!message.contains("html"), "{message}");
    }
}

#[tokio::test]
async fn messages_say_who_said_what_about_what() {
    let rows = [
        (
            Trick::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            NotFound,
            "HOST/acme/kmod:1 does not exist: HOST answers 404 (manifest unknown)",
        ),
        (
            Trick::status(404),
            NotFound,
            "HOST/acme/kmod:1 does not exist: HOST answers 404 (not found)",
        ),
        (
            Trick::error(403, "DENIED", "denied\u{1b}[2J\nhere"),
            Denied,
            "HOST/acme/kmod:1 is missing, or not accessible: HOST answers 403 (denied[2J here) to no credentials; \
             there are no credentials for HOST",
        ),
        (
            Trick::status(503),
            Unreachable,
            "HOST/acme/kmod:1 could not be looked at: HOST answers 503 (service unavailable) (asked 3 times)",
        ),
        (
            Trick::error(429, "TOOMANYREQUESTS", "slow down").header("retry-after", "3600"),
            Unreachable,
            "HOST/acme/kmod:1 could not be looked at: HOST answers 429 (slow down) and asks to wait 3600 s",
        ),
    ];
    for (trick, kind, expected) in rows {
        let registry = FakeRegistry::start();
        registry.lie(Kind::Manifest, trick);
        assert_eq!(failure(&registry, "acme/kmod:1", &anonymous(), kind).await, expected);
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let rows = [
        Trick::status(503),
        Trick::status(429),
        Trick::status(429).header("retry-after", "0"),
        Trick::error(403, "TOOMANYREQUESTS", "slow down"),
        Trick::CutBody(10),
        Trick::StallBody(10),
    ];
    for trick in rows {
        let registry = FakeRegistry::start();
        let digest = registry.push("acme/kmod:1", &image());
        registry.lie_times(2, Kind::Manifest, trick.clone());
        let found = look(&registry, "acme/kmod:1", &anonymous()).await;
        assert_eq!(found.map(|found| digest_in(&found)), Ok(digest), "{trick:?}");
        assert_eq!(registry.count(Kind::Manifest), 3, "{trick:?}");
    }
}

#[tokio::test]
async fn a_pause_that_the_registry_asks_for_is_kept() {
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:1", &image());
    registry.lie_times(1, Kind::Manifest, Trick::status(429).header("retry-after", "1"));
    let begun = Instant::now();
    look(&registry, "acme/kmod:1", &anonymous()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_registry_that_never_answers_ends_by_its_deadline() {
    let registry = FakeRegistry::start();
    registry.lie(Kind::Manifest, Trick::Hang);
    let begun = Instant::now();
    let message = failure(&registry, "acme/kmod:1", &anonymous(), Unreachable).await;
    assert!(
        message.ends_with("HOST does not answer within 1 s (asked 3 times)"),
        "{message}"
    );
    assert!(begun.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn a_dead_registry_is_not_waited_for_once_per_image() {
    let registry = FakeRegistry::start();
    registry.lie(Kind::Manifest, Trick::Hang);
    let sources = sources();
    let access = anonymous();
    let names: Vec<Reference> = (0..200)
        .map(|n| reference(&registry, &format!("acme/kmod-{n}:1")))
        .collect();
    let begun = Instant::now();
    let looks = names.iter().map(|name| sources.manifest(name, &access, None));
    let found = futures::future::join_all(looks).await;
    assert!(
        found
            .iter()
            .all(|found| { found.as_ref().is_err_and(|failure| failure.kind == Unreachable) })
    );
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_slow_registry_delays_only_its_own_images() {
    let (slow, quick) = (FakeRegistry::start(), FakeRegistry::start());
    slow.lie(Kind::Manifest, Trick::Hang);
    quick.push("acme/kmod:1", &image());
    let sources = sources();
    let access = anonymous();
    let slow_name = reference(&slow, "acme/kmod:1");
    let slow_looks = futures::future::join_all((0..20).map(|_| sources.manifest(&slow_name, &access, None)));
    let quick_look = async {
        let begun = Instant::now();
        sources
            .manifest(&reference(&quick, "acme/kmod:1"), &access, None)
            .await
            .unwrap();
        begun.elapsed()
    };
    let (_, elapsed) = tokio::join!(slow_looks, quick_look);
    assert!(elapsed < Duration::from_millis(900), "{elapsed:?}");
}

#[tokio::test]
async fn one_broken_image_does_not_make_its_registry_dead() {
    let registry = FakeRegistry::start();
    registry.push("acme/good:1", &image());
    registry.lie_about(Kind::Manifest, "acme/bad", usize::MAX, Trick::status(500));
    let sources = sources();
    for _ in 0..5 {
        assert!(
            sources
                .manifest(&reference(&registry, "acme/bad:1"), &anonymous(), None)
                .await
                .is_err()
        );
        assert!(
            sources
                .manifest(&reference(&registry, "acme/good:1"), &anonymous(), None)
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn nobody_there_is_told_apart_by_cause() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let rows = [
        (format!("{closed}/acme/kmod:1"), "refuses the connection"),
        (
            "registry.invalid/acme/kmod:1".to_owned(),
            "the name registry.invalid cannot be resolved",
        ),
    ];
    for (name, words) in rows {
        let name = Reference::parse(&name).unwrap();
        let failure = sources().manifest(&name, &anonymous(), None).await.unwrap_err();
        assert_eq!(failure.kind, Unreachable);
        assert!(failure.message.contains(words), "{failure}");
    }
}
