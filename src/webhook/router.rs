//! The reviews' way through HTTP: `POST` of JSON, and bounds on everything that a client could let grow.
//!
//! An answer to a review is always `200`. Everything else is answered by a Kubernetes `Status` with a code of its own,
//! which the API server shows in its error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::body::{self, Reader};
use super::review::{Answer, Endpoint, Operation, Outcome, answer};
use super::trouble::Trouble;
use crate::plan::Surroundings;

/// Where defaults are asked for.
pub const MUTATE_PATH: &str = "/mutate/preflightvalidationocp";
/// Where the verdict is asked for.
pub const VALIDATE_PATH: &str = "/validate/preflightvalidationocp";

/// What is known of the cluster at the moment of a request.
pub type Knowledge = Arc<dyn Fn() -> Arc<Surroundings> + Send + Sync>;
/// Is told of every request that was answered.
pub type Observer = Arc<dyn Fn(Observation) + Send + Sync>;

/// One request, as metrics see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// What was asked.
    pub endpoint: Endpoint,
    /// What was to happen to the object; `Other` where that could not be read.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    /// From the end of its headers to the answer.
    pub elapsed: Duration,
}

/// What one process gives to reviews at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest body, in bytes. An update carries the object twice, and the API server takes objects of 3 MiB.
    pub body: usize,
    /// All bodies that are being read, together, in bytes: more of them are turned away, not kept in memory.
    pub buffered: usize,
    /// Requests at a time; more of them are turned away with the word to come again.
    pub in_flight: usize,
    /// How long a body may take to arrive. Judging it takes no time worth a deadline. This must be below the webhook's
    /// `timeoutSeconds` (10 by default), or nobody waits for the answer any more.
    pub deadline: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body: 8 << 20,
            buffered: 64 << 20,
            in_flight: 256,
            deadline: Duration::from_secs(8),
        }
    }
}

/// Where reviews are answered: everything that a request needs.
struct Desk {
    knowledge: Knowledge,
    observer: Observer,
    in_flight: Semaphore,
    reader: Reader,
    deadline: Duration,
}

/// The routes of admission.
pub fn router(knowledge: Knowledge, observer: Observer, bounds: &Bounds) -> Router {
    let desk = Arc::new(Desk {
        knowledge,
        observer,
        in_flight: Semaphore::new(bounds.in_flight),
        reader: Reader::new(bounds.body, bounds.buffered),
        deadline: bounds.deadline,
    });
    Router::new()
        .route(MUTATE_PATH, post(mutate))
        .route(VALIDATE_PATH, post(validate))
        .fallback(async || Trouble::NoSuchPath)
        .method_not_allowed_fallback(async || Trouble::NotPost)
        .with_state(desk)
}

async fn mutate(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    desk.attend(Endpoint::Mutate, request).await
}

async fn validate(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    desk.attend(Endpoint::Validate, request).await
}

impl Desk {
    async fn attend(&self, endpoint: Endpoint, request: Request) -> Response {
        let begun = Instant::now();
        let answer = self.answer(endpoint, request).await;
        let (operation, outcome) = match &answer {
            Ok((answer, _)) => (answer.operation, answer.outcome),
            Err(_) => (Operation::Other, Outcome::Error),
        };
        (self.observer)(Observation {
            endpoint,
            operation,
            outcome,
            elapsed: begun.elapsed(),
        });
        match answer {
            Ok((answer, json)) => reviewed(&answer, json),
            Err(trouble) => trouble.into_response(),
        }
    }

    async fn answer(&self, endpoint: Endpoint, request: Request) -> Result<(Answer, Vec<u8>), Trouble> {
        let _place = self.in_flight.try_acquire().map_err(|_full| Trouble::Busy)?;
        let (head, body) = request.into_parts();
        if !is_json(&head.headers) {
            return Err(Trouble::NotJson);
        }
        let length = body::announced_length(&head.headers);
        let reading = timeout(self.deadline, self.reader.read(length, body));
        let body = reading.await.map_err(|_elapsed| Trouble::TooSlow)??;
        // A defect in a rule must not take the connection's other requests along.
        let judging = AssertUnwindSafe(|| self.judge(endpoint, body.bytes()));
        catch_unwind(judging).unwrap_or(Err(Trouble::Panicked))
    }

    fn judge(&self, endpoint: Endpoint, body: &[u8]) -> Result<(Answer, Vec<u8>), Trouble> {
        let answer = answer(body, endpoint, &(self.knowledge)())?;
        let json = answer.to_json().map_err(Trouble::Unwritable)?;
        Ok((answer, json))
    }
}

fn reviewed(answer: &Answer, json: Vec<u8>) -> Response {
    let operation = answer.operation.as_str();
    if let Some(refusal) = answer.refusal() {
        tracing::info!(operation, outcome = answer.outcome.as_str(), "{refusal}");
    }
    let json_type = HeaderValue::from_static("application/json");
    (StatusCode::OK, [(CONTENT_TYPE, json_type)], json).into_response()
}

/// Plain JSON, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let media_type = text(CONTENT_TYPE).and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
        && text(CONTENT_ENCODING).is_none_or(|encoding| encoding.eq_ignore_ascii_case("identity"))
}
