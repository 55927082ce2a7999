//! What is asked again, and when; and what is never asked again.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::api::VerificationStage;
use crate::image::{Digest, LookFailure};

fn nic() -> ObjectName {
    ("drivers".to_owned(), "nic".to_owned())
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at).unwrap()
}

fn good() -> Seen {
    let hash = "a".repeat(64);
    Seen::Judged {
        digest: Digest::parse(&format!("sha256:{hash}")).unwrap(),
        findings: Vec::new(),
    }
}

fn failed(kind: LookFailureKind) -> Seen {
    Seen::Failed(LookFailure::new(kind, "why"))
}

fn sight(seen: Seen) -> Sight {
    Sight {
        name: nic(),
        inputs: "one".to_owned(),
        seen,
    }
}

fn is_good(_: &ObjectName, look: &Look) -> bool {
    matches!(look, Look::Judged { .. })
}

fn knowing(inputs: &str) -> Memory {
    let mut memory = Memory::default();
    memory.learn([asked(inputs)], None, second(0));
    memory
}

fn asked(inputs: &str) -> Inquiry<'_> {
    Inquiry {
        name: nic(),
        inputs,
        needs_secrets: false,
        secrets: None,
    }
}

/// The same of a target that is signed, where this is known of its Secrets.
fn signed(secrets: Option<&str>) -> Inquiry<'_> {
    Inquiry {
        needs_secrets: true,
        secrets,
        ..asked("one")
    }
}

/// A row that another process wrote.
fn row(status: VerificationStatus, inputs: &str) -> ModuleStatus {
    ModuleStatus {
        name: "nic".to_owned(),
        namespace: "drivers".to_owned(),
        verification_stage: VerificationStage::Done,
        verification_status: status,
        status_reason: None,
        last_transition_time: Time(second(0)),
        image: None,
        digest: None,
        findings: Vec::new(),
        inputs: Some(inputs.to_owned()),
        job: None,
    }
}

/// A status with that row alone.
fn written(row: ModuleStatus) -> PreflightStatus {
    PreflightStatus {
        modules: vec![row],
        ..PreflightStatus::default()
    }
}

#[test]
fn a_new_target_is_due_at_once_and_only_once() {
    let mut memory = knowing("one");
    assert!(memory.is_due(&nic(), second(0)));
    memory.started([&nic()]);
    assert!(!memory.is_due(&nic(), second(1_000)));
    assert_eq!(memory.next_due(), None);
}

#[test]
fn success_is_never_looked_at_again_until_an_input_changes() {
    let mut memory = knowing("one");
    memory.record(sight(good()), second(1), is_good);
    assert_eq!(memory.next_due(), None);
    memory.learn([asked("one")], None, second(2));
    assert_eq!(memory.next_due(), None);
    memory.learn([asked("two")], None, second(3));
    assert!(memory.is_due(&nic(), second(3)));
}

#[test]
fn a_failure_is_tried_again_ever_more_seldom() {
    // "D05", "st-30": upstream never looks again.
    let mut memory = knowing("one");
    let mut before = SignedDuration::ZERO;
    for attempt in 0..3 {
        let now = second(attempt * 10_000);
        memory.record(sight(failed(LookFailureKind::NotFound)), now, is_good);
        let pause = memory.next_due().expect("another try").duration_since(now);
        assert!(pause > before);
        before = pause;
    }
    memory.record(sight(failed(LookFailureKind::Unreachable)), second(90_000), is_good);
    let pause = memory.next_due().expect("another try").duration_since(second(90_000));
    assert!(pause < before, "another cause begins anew");
}

#[test]
fn an_outage_that_goes_on_began_when_it_began() {
    let mut memory = knowing("one");
    for at in [5, 50] {
        memory.record(sight(failed(LookFailureKind::Unreachable)), second(at), is_good);
    }
    match memory.known(&nic()) {
        Known::Look(Look::Failed { since, .. }) => assert_eq!(since, second(5)),
        known => panic!("{known:?}"),
    }
}

#[test]
fn an_answer_to_the_question_of_before_is_dropped() {
    let mut memory = knowing("one");
    memory.started([&nic()]);
    memory.learn([asked("two")], None, second(1));
    memory.record(sight(good()), second(2), is_good);
    assert!(matches!(memory.known(&nic()), Known::Look(Look::Pending)));
    assert!(memory.is_due(&nic(), second(2)));
}

#[test]
fn what_was_seen_before_a_push_is_of_another_image() {
    for (seen, is_forgotten) in [
        (good(), true),
        (failed(LookFailureKind::NotFound), true),
        (failed(LookFailureKind::Denied), false),
    ] {
        let mut memory = knowing("one");
        memory.record(sight(seen), second(1), is_good);
        memory.image_changed(&nic());
        let is_pending = matches!(memory.known(&nic()), Known::Look(Look::Pending));
        assert_eq!(is_pending, is_forgotten);
    }
}

#[test]
fn a_target_that_went_is_forgotten() {
    let mut memory = knowing("one");
    memory.learn([], None, second(1));
    assert_eq!(memory.next_due(), None);
    memory.record(sight(good()), second(2), is_good);
    assert!(matches!(memory.known(&nic()), Known::Look(Look::Pending)));
}

#[test]
fn a_look_that_ended_without_a_result_is_due_again() {
    let mut memory = knowing("one");
    memory.started([&nic()]);
    memory.ended([&nic()], second(5));
    assert_eq!(memory.next_due(), Some(second(6)));
}

#[test]
fn what_another_process_verified_for_the_same_inputs_stays_verified() {
    let rows = [
        ("the same", row(VerificationStatus::Success, "one"), true),
        ("other inputs", row(VerificationStatus::Success, "two"), false),
        ("a failure", row(VerificationStatus::Failure, "one"), false),
    ];
    for (name, row, kept) in rows {
        let mut memory = Memory::default();
        memory.learn([asked("one")], Some(&written(row)), second(1));
        assert_eq!(memory.next_due().is_none(), kept, "{name}");
        assert_eq!(memory.is_final(&nic()), kept, "{name}");
        assert_eq!(matches!(memory.known(&nic()), Known::Row(_)), kept, "{name}");
    }
}

#[test]
fn of_a_success_only_the_secrets_are_asked_for_again_and_what_has_not_changed_changes_nothing() {
    let mut memory = Memory::default();
    memory.learn([signed(None)], None, second(0));
    assert!(memory.secrets_due(second(0)).is_empty(), "a look asks for them");
    memory.started([&nic()]);
    memory.learn([signed(Some("1"))], None, second(1));
    memory.record(sight(good()), second(1), is_good);
    assert_eq!(memory.inputs(&nic()).as_deref(), Some("one-1"));
    let again = second(1) + schedule::SECRETS;
    assert_eq!(memory.next_due(), Some(again));
    assert!(memory.secrets_due(again - SignedDuration::from_secs(1)).is_empty());
    assert_eq!(memory.secrets_due(again), [nic()]);
    assert!(!memory.is_due(&nic(), again) && memory.waiting(again) == 0);
    memory.started([&nic()]);
    memory.asked(&nic(), again);
    memory.learn([signed(Some("1"))], None, again);
    assert!(memory.is_final(&nic()));
    assert_eq!(memory.next_due(), Some(again + schedule::SECRETS));
    assert!(matches!(memory.known(&nic()), Known::Look(Look::Judged { .. })));
}

#[test]
fn another_content_of_a_secret_is_another_question_for_a_success_too() {
    for (case, kept) in [("looked at", None), ("found in a row", Some("one-1"))] {
        let mut memory = Memory::default();
        let status = kept.map(|inputs| written(row(VerificationStatus::Success, inputs)));
        memory.learn([signed(kept.xor(Some("1")))], status.as_ref(), second(0));
        if kept.is_none() {
            memory.record(sight(good()), second(0), is_good);
        }
        assert!(memory.is_final(&nic()), "{case}");
        memory.learn([signed(None)], None, second(1));
        assert!(memory.is_final(&nic()), "{case}: nothing new is known");
        memory.learn([signed(Some("2"))], None, second(2));
        assert!(memory.is_due(&nic(), second(2)) && !memory.is_final(&nic()), "{case}");
        assert!(matches!(memory.known(&nic()), Known::Look(Look::Pending)), "{case}");
    }
}

#[test]
fn a_row_that_tells_nothing_of_its_secrets_takes_them_as_they_are() {
    let mut memory = Memory::default();
    let status = written(row(VerificationStatus::Success, "one"));
    memory.learn([signed(None)], Some(&status), second(0));
    assert_eq!(memory.secrets_due(second(0)), [nic()], "at once");
    memory.learn([signed(Some("1"))], Some(&status), second(1));
    assert!(memory.was_verified(&nic()));
    assert_eq!(memory.inputs(&nic()).as_deref(), Some("one-1"));
}

#[test]
fn a_look_that_was_under_way_when_a_secret_changed_is_made_again() {
    let mut memory = Memory::default();
    memory.learn([signed(Some("1"))], None, second(0));
    memory.started([&nic()]);
    memory.learn([signed(Some("2"))], None, second(1));
    assert_eq!(memory.next_due(), None, "the one under way first");
    memory.record(sight(good()), second(2), is_good);
    assert!(memory.is_due(&nic(), second(2)));
    memory.started([&nic()]);
    memory.record(sight(good()), second(3), is_good);
    assert!(memory.is_final(&nic()));
}
