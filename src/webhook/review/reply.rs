//! The answer to one review, as the API server wants to read it and kubectl prints it.
//!
//! Of a refusal with reason `Invalid` kubectl prints kind, name and causes: `The PreflightValidationOCP "upgrade" is
//! invalid: spec.kernelVersion: …` (kubectl's `StandardErrorMessage`). Everyone else prints the message, behind
//! `admission webhook "…" denied the request: ` (apiserver's `webhook/errors.ToStatusErr`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::core::response::{Status, StatusCause, StatusDetails, reason};
use serde::Serialize;

use super::request::{API_VERSION, KIND, Operation};
use crate::api::{FieldError, GROUP};
use crate::validate::preflight::refusal;

/// The kind that is admitted here.
pub(super) const PREFLIGHT: &str = "PreflightValidationOCP";
/// The reason of each cause, as the API server gives it for values it cannot take.
const CAUSE: &str = "FieldValueInvalid";

/// How a review ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The object may be stored.
    Allowed,
    /// It may not.
    Denied,
    /// There was no answer, or none about a preflight.
    Error,
}

impl Outcome {
    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

/// The answer to one request.
#[derive(Debug)]
pub struct Answer {
    /// What was to happen to the object.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    response: Response,
}

/// What goes onto the wire.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    kind: &'static str,
    api_version: &'static str,
    response: &'a Response,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Answer {
    /// The object may be stored as it is.
    pub(super) fn allowed(uid: &str, operation: Operation, warnings: Vec<String>) -> Self {
        Self {
            operation,
            outcome: Outcome::Allowed,
            response: Response {
                uid: uid.to_owned(),
                allowed: true,
                status: None,
                patch: None,
                patch_type: None,
                warnings,
            },
        }
    }

    /// The object may be stored, with these changes; a patch that changes nothing is not sent.
    pub(super) fn patched(uid: &str, operation: Operation, patch: &json_patch::Patch) -> Self {
        let mut answer = Self::allowed(uid, operation, Vec::new());
        if !patch.is_empty() {
            let text = serde_json::to_vec(patch).unwrap_or_default();
            answer.response.patch = Some(STANDARD.encode(text));
            answer.response.patch_type = Some("JSONPatch");
        }
        answer
    }

    /// The object may not be stored, because of these fields.
    pub(super) fn invalid(uid: &str, operation: Operation, name: &str, errors: &[FieldError]) -> Self {
        let details = StatusDetails {
            name: name.to_owned(),
            group: GROUP.to_owned(),
            kind: PREFLIGHT.to_owned(),
            uid: String::new(),
            causes: errors.iter().map(cause).collect(),
            retry_after_seconds: 0,
        };
        let status = Status::failure(&refusal(name, errors), reason::INVALID)
            .with_code(422)
            .with_details(details);
        Self::refused(uid, operation, Outcome::Denied, status)
    }

    /// The request is none that this webhook could judge.
    pub(super) fn misdirected(uid: &str, operation: Operation, message: &str) -> Self {
        let status = Status::failure(message, reason::BAD_REQUEST).with_code(400);
        Self::refused(uid, operation, Outcome::Error, status)
    }

    /// The same answer, with warnings beside it.
    pub(super) fn warn(mut self, warnings: Vec<String>) -> Self {
        self.response.warnings = warnings;
        self
    }

    fn refused(uid: &str, operation: Operation, outcome: Outcome, status: Status) -> Self {
        let mut answer = Self::allowed(uid, operation, Vec::new());
        answer.outcome = outcome;
        answer.response.allowed = false;
        answer.response.status = Some(status);
        answer
    }

    /// The review that goes back.
    ///
    /// # Errors
    /// None that texts could cause: the answer is made of strings and numbers alone.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Review {
            kind: KIND,
            api_version: API_VERSION,
            response: &self.response,
        })
    }

    /// Why the object may not be stored, if so.
    pub fn refusal(&self) -> Option<&str> {
        self.response.status.as_ref().map(|status| status.message.as_str())
    }
}

fn cause(error: &FieldError) -> StatusCause {
    StatusCause {
        reason: CAUSE.to_owned(),
        message: error.message.clone(),
        field: error.path.clone(),
    }
}
