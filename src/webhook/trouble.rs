//! Requests that have no answer, and what the client is told instead: a Kubernetes `Status`, as the API server shows it.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use kube::core::response::{Status, reason};
use serde::Serialize;

use super::review::NotAReview;

/// After how many seconds to come again when there is no room: client-go obeys, within the webhook's own deadline.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("1");

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("there is nothing here; reviews are answered under the paths in the chart's webhook configuration")]
    NoSuchPath,
    #[error("reviews come by POST")]
    NotPost,
    #[error("reviews come as application/json, not compressed")]
    NotJson,
    #[error("the body is larger than {largest} bytes")]
    TooLarge { largest: usize },
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body broke off")]
    BrokenOff(#[source] axum::Error),
    #[error("too many reviews at a time; come again in a second")]
    Busy,
    #[error(transparent)]
    NotAReview(#[from] NotAReview),
    #[error("the answer could not be written")]
    Unwritable(#[source] serde_json::Error),
    #[error("a rule failed on this object, which is a defect of kmm-preflight; its log says where")]
    Panicked,
}

impl Trouble {
    fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoSuchPath => (StatusCode::NOT_FOUND, reason::NOT_FOUND),
            Self::NotPost => (StatusCode::METHOD_NOT_ALLOWED, reason::METHOD_NOT_ALLOWED),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, reason::UNSUPPORTED_MEDIA_TYPE),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, reason::REQUEST_ENTITY_TOO_LARGE),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, reason::TIMEOUT),
            Self::BrokenOff(_) | Self::NotAReview(_) => (StatusCode::BAD_REQUEST, reason::BAD_REQUEST),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, reason::TOO_MANY_REQUESTS),
            Self::Unwritable(_) | Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, reason::INTERNAL_ERROR),
        }
    }
}

/// A Status that stands by itself, with the type that clients know it by.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Typed {
    kind: &'static str,
    api_version: &'static str,
    #[serde(flatten)]
    status: Status,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (code, reason) = self.code();
        let message = self.to_string();
        match &self {
            Self::Unwritable(why) => tracing::error!("{message}: {why}"),
            Self::Panicked => tracing::error!("{message}"),
            // Whoever reaches the port may send nonsense, and must not fill the log with it.
            _ => tracing::debug!(code = code.as_u16(), "a review could not be answered: {message}"),
        }
        let status = Typed {
            kind: "Status",
            api_version: "v1",
            status: Status::failure(&message, reason).with_code(code.as_u16()),
        };
        let mut response = (code, Json(status)).into_response();
        if code == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(RETRY_AFTER, COME_AGAIN);
        }
        response
    }
}
