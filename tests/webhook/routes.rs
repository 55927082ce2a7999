//! The router, without a network: which requests are reviews, and what becomes of the others.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use kmm_preflight::plan::Surroundings;
use kmm_preflight::webhook::router::router;
use kmm_preflight::webhook::{Bounds, Endpoint, MUTATE_PATH, Observation, Operation, Outcome, VALIDATE_PATH};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::review::{CREATE, with};
use super::service::{knowing, reviews};

fn request(method: &Method, path: &str, media_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media_type);
    request.body(body.into()).unwrap()
}

fn review(path: &str, body: impl Into<Body>) -> Request<Body> {
    request(&Method::POST, path, "application/json", body)
}

async fn ask(router: Router, request: Request<Body>) -> (StatusCode, Value) {
    let response: Response<Body> = router.oneshot(request).await.unwrap();
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// A stream of bytes of which the client does not say how long it is.
fn unannounced(parts: usize, part: usize) -> Body {
    let parts = (0..parts).map(move |_| Ok::<_, std::io::Error>(vec![b' '; part]));
    Body::from_stream(futures::stream::iter(parts))
}

#[tokio::test]
async fn reviews_are_answered_under_both_paths_with_and_without_a_query() {
    for path in [MUTATE_PATH, VALIDATE_PATH] {
        for query in ["", "?timeout=10s"] {
            let (status, answer) = ask(reviews(&Bounds::default()), review(&format!("{path}{query}"), CREATE)).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(answer["response"]["allowed"], true);
            assert_eq!(answer["response"]["patch"].is_string(), path == MUTATE_PATH);
        }
    }
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let bad = with(CREATE, &[("/object/spec/kernelVersion", json!(""))]).to_string();
    let (status, answer) = ask(reviews(&Bounds::default()), review(VALIDATE_PATH, bad)).await;
    assert_eq!(
        (status, &answer["response"]["allowed"]),
        (StatusCode::OK, &json!(false))
    );
}

#[tokio::test]
async fn what_is_no_review_gets_a_status_with_a_code_of_its_own() {
    let (post, json_type) = (Method::POST, "application/json");
    let compressed = || {
        let mut request = review(VALIDATE_PATH, CREATE);
        request
            .headers_mut()
            .insert("content-encoding", "gzip".parse().unwrap());
        request
    };
    let table = [
        (
            request(&post, VALIDATE_PATH, "text/plain", CREATE),
            415,
            "UnsupportedMediaType",
        ),
        (
            request(&post, VALIDATE_PATH, "application/vnd.kubernetes.protobuf", CREATE),
            415,
            "UnsupportedMediaType",
        ),
        (compressed(), 415, "UnsupportedMediaType"),
        (
            request(&Method::GET, VALIDATE_PATH, json_type, ""),
            405,
            "MethodNotAllowed",
        ),
        (
            request(&Method::PUT, MUTATE_PATH, json_type, CREATE),
            405,
            "MethodNotAllowed",
        ),
        (request(&post, "/", json_type, CREATE), 404, "NotFound"),
        (request(&post, "/validate/pods", json_type, CREATE), 404, "NotFound"),
        (request(&post, "/metrics", json_type, CREATE), 404, "NotFound"),
        (review(VALIDATE_PATH, "garbage"), 400, "BadRequest"),
        (review(VALIDATE_PATH, ""), 400, "BadRequest"),
    ];
    for (request, code, reason) in table {
        let what = format!("{request:?}");
        let (status, answer) = ask(reviews(&Bounds::default()), request).await;
        assert_eq!(status.as_u16(), code, "{what}");
        assert_eq!(answer["kind"], "Status");
        assert_eq!(answer["apiVersion"], "v1");
        assert_eq!(answer["status"], "Failure");
        assert_eq!(
            (&answer["code"], &answer["reason"]),
            (&json!(code), &json!(reason)),
            "{what}"
        );
    }
}

#[tokio::test]
async fn json_with_parameters_is_json() {
    for media_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json ;v=1",
    ] {
        let request = request(&Method::POST, VALIDATE_PATH, media_type, CREATE);
        assert_eq!(
            ask(reviews(&Bounds::default()), request).await.0,
            StatusCode::OK,
            "{media_type}"
        );
    }
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_bound_and_no_larger() {
    let bounds = Bounds {
        body: 10_000,
        ..Bounds::default()
    };
    let padded = |length: usize| format!("{CREATE:length$}");
    assert!(CREATE.len() < 10_000);
    for (length, expected) in [(10_000, StatusCode::OK), (10_001, StatusCode::PAYLOAD_TOO_LARGE)] {
        let (status, _) = ask(reviews(&bounds), review(VALIDATE_PATH, padded(length))).await;
        assert_eq!(status, expected, "{length}");
    }
    let (status, _) = ask(reviews(&bounds), review(VALIDATE_PATH, unannounced(5, 4_000))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_in_many_pieces_is_one_body() {
    let pieces = CREATE
        .as_bytes()
        .chunks(7)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
    let body = Body::from_stream(futures::stream::iter(pieces.collect::<Vec<_>>()));
    let (status, answer) = ask(reviews(&Bounds::default()), review(VALIDATE_PATH, body)).await;
    assert_eq!((status, &answer["response"]["allowed"]), (StatusCode::OK, &json!(true)));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_review() {
    let broken = [Ok(CREATE.as_bytes().to_vec()), Err(std::io::Error::other("gone"))];
    let request = review(VALIDATE_PATH, Body::from_stream(futures::stream::iter(broken)));
    assert_eq!(
        ask(reviews(&Bounds::default()), request).await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let bounds = Bounds {
        deadline: super::service::SHORT,
        ..Bounds::default()
    };
    let request = review(
        VALIDATE_PATH,
        Body::from_stream(futures::stream::pending::<std::io::Result<Vec<u8>>>()),
    );
    assert_eq!(ask(reviews(&bounds), request).await.0, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn who_comes_when_there_is_no_room_is_told_to_come_again() {
    let full = Bounds {
        in_flight: 0,
        ..Bounds::default()
    };
    let no_memory = Bounds {
        buffered: CREATE.len() - 1,
        ..Bounds::default()
    };
    for bounds in [full, no_memory] {
        let response = reviews(&bounds).oneshot(review(VALIDATE_PATH, CREATE)).await.unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], "1");
    }
}

#[tokio::test]
async fn room_is_given_back_after_every_request() {
    let bounds = Bounds {
        in_flight: 1,
        buffered: CREATE.len(),
        ..Bounds::default()
    };
    let router = reviews(&bounds);
    for body in [CREATE, "garbage", CREATE] {
        let (status, _) = ask(router.clone(), review(VALIDATE_PATH, body)).await;
        assert_ne!(status, StatusCode::TOO_MANY_REQUESTS);
    }
}

#[tokio::test]
async fn a_defect_in_a_rule_is_an_error_of_this_request_alone() {
    let mut calls = 0;
    let calls = Mutex::new(move || {
        calls += 1;
        assert!(calls > 1, "a defect, on purpose");
    });
    let knowledge = move || {
        let mut calls = calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        calls();
        Arc::default()
    };
    let router = router(Arc::new(knowledge), Arc::new(|_| {}), &Bounds::default());
    let (status, answer) = ask(router.clone(), review(VALIDATE_PATH, CREATE)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        !answer.to_string().contains("on purpose"),
        "what failed inside is not told outside"
    );
    assert_eq!(ask(router, review(VALIDATE_PATH, CREATE)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn every_request_is_observed_once() {
    let seen: Arc<Mutex<Vec<Observation>>> = Arc::default();
    let log = Arc::clone(&seen);
    let observer = Arc::new(move |observation| log.lock().unwrap().push(observation));
    let router = router(knowing(Surroundings::default()), observer, &Bounds::default());
    let bad = with(CREATE, &[("/object/spec/kernelVersion", json!(""))]).to_string();
    let table = [
        (MUTATE_PATH, CREATE, Operation::Create, Outcome::Allowed),
        (VALIDATE_PATH, &bad, Operation::Create, Outcome::Denied),
        (VALIDATE_PATH, "garbage", Operation::Other, Outcome::Error),
    ];
    for (path, body, operation, outcome) in table {
        ask(router.clone(), review(path, body.to_owned())).await;
        let observed = std::mem::take(&mut *seen.lock().unwrap());
        let endpoint = if path == MUTATE_PATH {
            Endpoint::Mutate
        } else {
            Endpoint::Validate
        };
        let [one] = observed.as_slice() else {
            panic!("{observed:?}")
        };
        assert_eq!(
            (one.endpoint, one.operation, one.outcome),
            (endpoint, operation, outcome)
        );
    }
}
