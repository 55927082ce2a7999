//! Admission as tables: a review as Kubernetes v1.36 sent it, changed in one place → the answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kmm_preflight::plan::Surroundings;
use kmm_preflight::webhook::review::{NotAReview, answer};
use kmm_preflight::webhook::{Endpoint, Operation, Outcome};
use serde_json::{Value, json};

pub(super) const CREATE: &str = include_str!("reviews/create.json");
const UPDATE: &str = include_str!("reviews/update.json");
const STATUS: &str = include_str!("reviews/status.json");
const LABEL: &str = include_str!("reviews/label.json");
const DELETE: &str = include_str!("reviews/delete.json");

/// A kernel that is none.
const NO_KERNEL: &str = "5.14.0-427;rm -rf /";

/// The review with some of its request's values replaced: JSON pointer → value.
pub(super) fn with(review: &str, changes: &[(&str, Value)]) -> Value {
    let mut review: Value = serde_json::from_str(review).unwrap();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = review.pointer_mut(&format!("/request{parent}")).unwrap();
        parent[key] = value.clone();
    }
    review
}

/// The response to a review, its outcome and operation.
fn ask(review: &Value, endpoint: Endpoint) -> (Value, Outcome, Operation) {
    let body = serde_json::to_vec(review).unwrap();
    let answer = answer(&body, endpoint, &Surroundings::default()).unwrap();
    let json: Value = serde_json::from_slice(&answer.to_json().unwrap()).unwrap();
    assert_eq!(json["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(json["kind"], "AdmissionReview");
    assert_eq!(json["response"]["uid"], review["request"]["uid"]);
    (json["response"].clone(), answer.outcome, answer.operation)
}

fn validated(review: &Value) -> Value {
    ask(review, Endpoint::Validate).0
}

/// The patch of a mutation, if there is one.
fn patch(review: &Value) -> Option<Value> {
    let (response, outcome, _) = ask(review, Endpoint::Mutate);
    assert_eq!(outcome, Outcome::Allowed, "{response}");
    let text = STANDARD.decode(response["patch"].as_str()?).unwrap();
    assert_eq!(response["patchType"], "JSONPatch");
    Some(serde_json::from_slice(&text).unwrap())
}

fn is_untouched(review: &Value) {
    let uid = &review["request"]["uid"];
    for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
        let (response, outcome, _) = ask(review, endpoint);
        assert_eq!(response, json!({"uid": uid, "allowed": true}));
        assert_eq!(outcome, Outcome::Allowed);
    }
}

fn causes(response: &Value) -> Vec<&str> {
    let causes = response["status"]["details"]["causes"].as_array().unwrap();
    causes.iter().map(|cause| cause["field"].as_str().unwrap()).collect()
}

#[test]
fn a_good_object_is_allowed() {
    for review in [CREATE, UPDATE] {
        assert_eq!(validated(&with(review, &[]))["allowed"], true);
    }
}

#[test]
fn a_refusal_is_what_kubectl_prints_as_invalid_fields() {
    let response = validated(&with(
        CREATE,
        &[
            ("/object/spec/kernelVersion", json!("")),
            ("/object/spec/dtkImage", json!("Not A Reference")),
        ],
    ));
    assert_eq!(response["allowed"], false);
    let status = &response["status"];
    assert_eq!(status["status"], "Failure");
    assert_eq!(status["code"], 422);
    assert_eq!(status["reason"], "Invalid");
    assert_eq!(status["details"]["kind"], "PreflightValidationOCP");
    assert_eq!(status["details"]["group"], "kmm.sigs.x-k8s.io");
    assert_eq!(status["details"]["name"], "upgrade");
    assert_eq!(causes(&response), ["spec.kernelVersion", "spec.dtkImage"]);
    assert_eq!(status["details"]["causes"][0]["reason"], "FieldValueInvalid");
    let message = status["message"].as_str().unwrap();
    assert!(
        message.starts_with(r#"The PreflightValidationOCP "upgrade" is invalid:"#),
        "{message}"
    );
}

#[test]
fn an_update_is_judged_by_the_rules_of_a_creation() {
    let response = validated(&with(UPDATE, &[("/object/spec/kernelVersion", json!(NO_KERNEL))]));
    assert_eq!(response["allowed"], false, "wp-9");
    assert_eq!(causes(&response), ["spec.kernelVersion"], "wp-9");
}

#[test]
fn a_stored_spec_that_fits_no_type_is_no_measure() {
    let unreadable = ("/oldObject/spec/kernelVersion", json!(5));
    assert_eq!(
        validated(&with(UPDATE, std::slice::from_ref(&unreadable)))["allowed"],
        true
    );
    let review = with(UPDATE, &[unreadable, ("/object/spec/kernelVersion", json!(NO_KERNEL))]);
    assert_eq!(causes(&validated(&review)), ["spec.kernelVersion"]);
}

#[test]
fn a_deletion_is_always_allowed() {
    assert_eq!(validated(&with(DELETE, &[]))["allowed"], true, "wp-10");
    is_untouched(&with(DELETE, &[("/oldObject/spec", json!({"kernelVersion": 5}))]));
    is_untouched(&with(DELETE, &[("/kind/kind", json!("Pod"))]));
}

#[test]
fn what_leaves_the_spec_alone_is_untouched_even_if_todays_rules_refuse_it() {
    is_untouched(&with(STATUS, &[]));
    is_untouched(&with(LABEL, &[]));
    for spec in [
        json!({"kernelVersion": NO_KERNEL}),
        json!({"kernelVersion": 5}),
        json!(null),
    ] {
        let same = [("/object/spec", spec.clone()), ("/oldObject/spec", spec)];
        is_untouched(&with(STATUS, &same));
        is_untouched(&with(UPDATE, &same));
    }
}

#[test]
fn a_spec_in_another_order_is_the_same_spec() {
    let order = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    let bad = (
        order(r#"{"kernelVersion":"x","pushBuiltImage":true}"#),
        order(r#"{"pushBuiltImage":true, "kernelVersion":"x"}"#),
    );
    let text = with(
        UPDATE,
        &[("/object/spec", json!("NEW")), ("/oldObject/spec", json!("OLD"))],
    )
    .to_string();
    let text = text.replace(r#""NEW""#, bad.0.get()).replace(r#""OLD""#, bad.1.get());
    let answer = answer(text.as_bytes(), Endpoint::Validate, &Surroundings::default()).unwrap();
    assert_eq!(answer.outcome, Outcome::Allowed);
}

#[test]
fn an_object_that_is_being_deleted_may_change_as_it_likes() {
    is_untouched(&with(
        UPDATE,
        &[
            ("/oldObject/metadata/deletionTimestamp", json!("2026-11-22T21:10:00Z")),
            ("/object/spec", json!({"kernelVersion": 5})),
        ],
    ));
}

#[test]
fn another_kind_another_version_and_other_operations_are_refused_by_name() {
    let table = [
        (
            "/kind/kind",
            json!("Pod"),
            r#"not "Pod" of "kmm.sigs.x-k8s.io/v1beta2""#,
        ),
        (
            "/kind/group",
            json!("apps"),
            r#"not "PreflightValidationOCP" of "apps/v1beta2""#,
        ),
        ("/kind/version", json!("v9"), r#"of "kmm.sigs.x-k8s.io/v9""#),
        ("/kind", json!({}), r#"not "" of "/""#),
        ("/operation", json!("CONNECT"), "judges CREATE and UPDATE"),
        ("/operation", json!("SHRED"), "judges CREATE and UPDATE"),
        ("/object", json!(null), "no object"),
    ];
    for (pointer, value, words) in table {
        let review = with(CREATE, &[(pointer, value)]);
        for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
            let (response, outcome, _) = ask(&review, endpoint);
            assert_eq!(outcome, Outcome::Error);
            assert_eq!(response["allowed"], false, "wp-11");
            assert_eq!(response["status"]["code"], 400);
            let message = response["status"]["message"].as_str().unwrap();
            assert!(message.contains(words), "{pointer}: {message}");
        }
    }
}

#[test]
fn what_does_not_fit_its_type_is_refused_in_the_words_of_the_check() {
    let quotes = "put the value in quotes";
    let table = [
        (
            json!({"kernelVersion": 5}),
            "spec.kernelVersion",
            format!("invalid type: integer `5`, expected a string; {quotes}"),
        ),
        (
            json!({"kernelVersion": 5.14}),
            "spec.kernelVersion",
            format!("invalid type: floating point `5.14`, expected a string; {quotes}"),
        ),
        (
            json!({"kernelVersion": ["5"]}),
            "spec.kernelVersion",
            "invalid type: sequence, expected a string".to_owned(),
        ),
        (
            json!({"kernelVersion": "5.14.0", "pushBuiltImage": "no"}),
            "spec.pushBuiltImage",
            r#"invalid type: string "no", expected a boolean"#.to_owned(),
        ),
        (json!({}), "spec", "missing field `kernelVersion`".to_owned()),
        (json!(null), "spec", "missing field `kernelVersion`".to_owned()),
        (
            json!("5.14.0"),
            "spec",
            r#"invalid type: string "5.14.0", expected struct PreflightValidationOCPSpec"#.to_owned(),
        ),
    ];
    for (spec, field, words) in table {
        let review = with(CREATE, &[("/object/spec", spec)]);
        for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
            let (response, outcome, _) = ask(&review, endpoint);
            assert_eq!(outcome, Outcome::Denied);
            let cause = &response["status"]["details"]["causes"][0];
            assert_eq!(
                (cause["field"].as_str(), cause["message"].as_str()),
                (Some(field), Some(words.as_str()))
            );
        }
    }
}

#[test]
fn a_long_value_that_does_not_fit_is_not_repeated_in_full() {
    let long = json!({"kernelVersion": "5.14.0", "pushBuiltImage": "é".repeat(100_000)});
    let response = validated(&with(CREATE, &[("/object/spec", long)]));
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.chars().count() < 400, "{message}");
    assert!(message.ends_with("expected a boolean"), "{message}");
}

#[test]
fn a_mutation_fills_in_what_was_left_out_and_nothing_else() {
    let add = |value: bool| json!([{"op": "add", "path": "/spec/pushBuiltImage", "value": value}]);
    assert_eq!(patch(&with(CREATE, &[])), Some(add(false)));
    let unknown_fields = ("/object/spec/unknown", json!({"kept": "as it is"}));
    assert_eq!(patch(&with(CREATE, &[unknown_fields])), Some(add(false)));
    let null = ("/object/spec/pushBuiltImage", json!(null));
    assert_eq!(patch(&with(CREATE, &[null])), Some(add(false)));
}

#[test]
fn a_mutation_never_changes_what_was_written() {
    for written in [json!(true), json!(false)] {
        let review = with(CREATE, &[("/object/spec/pushBuiltImage", written)]);
        assert_eq!(patch(&review), None);
    }
}

#[test]
fn what_is_wrong_is_said_before_the_schema_can_say_less_and_nothing_is_trimmed() {
    let spec = json!({"kernelVersion": " 5.14.0 ", "dtkImage": "Not A Reference"});
    let wrong = with(CREATE, &[("/object/spec", spec)]);
    let answer = ask(&wrong, Endpoint::Mutate).0.to_string();
    assert!(answer.contains("spec.kernelVersion: white space"), "{answer}");
    assert!(answer.contains("spec.dtkImage: "), "{answer}");
    assert!(!answer.contains("\"patch\""), "{answer}");
}

#[test]
fn a_dry_run_is_answered_like_any_other_request() {
    for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
        let dry = with(CREATE, &[("/dryRun", json!(true))]);
        assert_eq!(ask(&dry, endpoint), ask(&with(CREATE, &[]), endpoint));
    }
}

#[test]
fn an_object_without_a_name_yet_is_called_by_what_it_will_begin_with() {
    let review = with(
        CREATE,
        &[
            ("/name", json!("")),
            ("/object/metadata", json!({"generateName": "upgrade-"})),
            ("/object/spec/kernelVersion", json!("")),
        ],
    );
    let response = validated(&review);
    assert_eq!(response["status"]["details"]["name"], "upgrade-");
    assert_eq!(causes(&response), ["spec.kernelVersion"]);
}

#[test]
fn warnings_stand_beside_the_answer() {
    let around = Surroundings {
        modules: Some(Vec::new()),
        ..Surroundings::default()
    };
    let answer = answer(CREATE.as_bytes(), Endpoint::Validate, &around).unwrap();
    let json: Value = serde_json::from_slice(&answer.to_json().unwrap()).unwrap();
    assert_eq!(json["response"]["allowed"], true);
    assert_eq!(json["response"]["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_review_of_this_version_has_no_answer() {
    let other = |pointer: &str, value: &str| {
        let mut review = with(CREATE, &[]);
        *review.pointer_mut(pointer).unwrap() = json!(value);
        review.to_string()
    };
    let table = [
        ("", "not an AdmissionReview"),
        ("garbage", "not an AdmissionReview"),
        ("[]", "not an AdmissionReview"),
        ("{}", "admissionReviewVersions"),
        (
            &other("/apiVersion", "admission.k8s.io/v1beta1"),
            "admissionReviewVersions: [v1]",
        ),
        (&other("/kind", "Status"), r#""Status" of"#),
        (&other("/request/uid", ""), "no request with a uid"),
        (
            r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#,
            "no request with a uid",
        ),
        (
            r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":7}"#,
            "not an AdmissionReview",
        ),
    ];
    for (body, words) in table {
        for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
            let error = answer(body.as_bytes(), endpoint, &Surroundings::default()).unwrap_err();
            assert!(error.to_string().contains(words), "{body}: {error}");
        }
    }
}

#[test]
fn every_prefix_of_a_review_is_answered_as_no_review() {
    for end in 0..CREATE.trim_end().len() {
        let part = CREATE.as_bytes().get(..end).unwrap();
        let error = answer(part, Endpoint::Validate, &Surroundings::default()).unwrap_err();
        assert!(matches!(error, NotAReview::Unreadable(_)), "{end}");
    }
}

#[test]
fn foreign_texts_in_errors_are_cut() {
    let body = json!({"apiVersion": "x".repeat(100_000), "kind": "y".repeat(100_000)}).to_string();
    let error = answer(body.as_bytes(), Endpoint::Validate, &Surroundings::default()).unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
}

#[test]
fn operations_are_counted_by_a_few_fixed_words() {
    let table = [
        (CREATE, Operation::Create),
        (UPDATE, Operation::Update),
        (DELETE, Operation::Delete),
    ];
    for (review, operation) in table {
        assert_eq!(ask(&with(review, &[]), Endpoint::Validate).2, operation);
    }
    let odd = with(CREATE, &[("/operation", json!("x".repeat(1000)))]);
    assert_eq!(ask(&odd, Endpoint::Validate).2.as_str(), "OTHER");
}
