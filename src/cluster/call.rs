//! One call to the API server: its deadline, and what its failure means.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use kube::core::Status;
use tokio::time::timeout;

/// The deadline of an ordinary call. The API server itself gives up after 60 s; who waits longer than this has
/// better things to do with the time, and tries again.
pub const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// What the API server (1.36) says, as an internal error, of a server-side apply with a field that it does not know.
const UNDECLARED: &str = "field not declared in schema";
/// The most bytes kept of what the API server said: it repeats what it refuses, which can be large.
const LONGEST_MESSAGE: usize = 1024;

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The object, or its kind, does not exist.
    #[error("{0}")]
    NotFound(String),
    /// An object of this name exists already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The object is not the one that was read: somebody else was faster.
    #[error("{0}")]
    Conflict(String),
    /// The operator may not do this.
    #[error("{}", told_what_is_missing(permission.as_ref(), message))]
    Forbidden {
        /// The permission that is missing, where RBAC refused.
        permission: Option<Permission>,
        /// What the API server said.
        message: String,
    },
    /// The API server does not know who is asking.
    #[error("the API server does not accept the operator's credentials: {0}")]
    Unauthorized(String),
    /// The API server refuses what was sent; sent again, it would refuse it again.
    #[error("{0}")]
    Invalid(String),
    /// The API server has too much to do.
    #[error("the API server asks for patience (429)")]
    Throttled {
        /// How long it asks to wait, if it says so.
        after: Option<Duration>,
    },
    /// The API server, or what stands behind it, cannot be reached or is broken for now.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    /// No answer came in time.
    #[error("the API server did not answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// An answer came that could not be understood.
    #[error("the API server's answer cannot be read: {0}")]
    Garbled(String),
}

/// A permission as RBAC grants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The verb, like `get`.
    pub verb: String,
    /// The resource, with its subresource: `preflightvalidationsocp/status`.
    pub resource: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The namespace, or `None` for the whole cluster.
    pub namespace: Option<String>,
}

/// Awaits a call for so long and no longer, and says what its failure means.
pub async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, CallError> {
    match timeout(limit, call).await {
        Ok(answer) => answer.map_err(CallError::from),
        Err(_) => Err(CallError::Timeout(limit)),
    }
}

/// An answer, or `None` for what does not exist.
pub(super) fn optional<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(CallError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl CallError {
    /// Whether the same call may well succeed later with nothing else changed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. } | Self::Unreachable(_) | Self::Timeout(_) | Self::Unauthorized(_)
        )
    }

    fn of_status(status: &Status) -> Self {
        let message = || cut(&status.message);
        match status.code {
            404 => Self::NotFound(message()),
            409 if status.is_already_exists() => Self::AlreadyExists(message()),
            409 => Self::Conflict(message()),
            401 => Self::Unauthorized(message()),
            403 => Self::Forbidden {
                permission: Permission::missing(&status.message),
                message: message(),
            },
            429 => Self::Throttled {
                after: (status.details.as_ref())
                    .map(|details| details.retry_after_seconds)
                    .filter(|seconds| *seconds > 0)
                    .map(|seconds| Duration::from_secs(seconds.into())),
            },
            400..=499 => Self::Invalid(message()),
            500 if status.message.contains(UNDECLARED) => Self::Invalid(message()),
            _ => Self::Unreachable(message()),
        }
    }
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(&status),
            kube::Error::Auth(why) => Self::Unauthorized(chain(&why)),
            kube::Error::BuildRequest(why) => Self::Invalid(chain(&why)),
            // What could not be read may be a Secret: serde's words quote it.
            kube::Error::SerdeError(why) => Self::Garbled(format!(
                "not the expected JSON (line {}, column {})",
                why.line(),
                why.column()
            )),
            other => Self::Unreachable(chain(&other)),
        }
    }
}

impl Permission {
    /// Takes RBAC's sentence apart: `… cannot VERB resource "R" in API group "G" in the namespace "N"`.
    fn missing(message: &str) -> Option<Self> {
        let (_, rest) = message.split_once(" cannot ")?;
        let (verb, rest) = rest.split_once(" resource \"")?;
        let (resource, rest) = rest.split_once("\" in API group \"")?;
        let (group, rest) = rest.split_once('"')?;
        let namespace = rest
            .split_once("in the namespace \"")
            .and_then(|(_, name)| name.split_once('"'))
            .map(|(name, _)| name.to_owned());
        Some(Self {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            group: group.to_owned(),
            namespace,
        })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in the whole cluster"),
        }
    }
}

fn told_what_is_missing(permission: Option<&Permission>, message: &str) -> String {
    permission.map_or_else(
        || message.to_owned(),
        |permission| format!("the operator's service account lacks the permission to {permission}"),
    )
}

/// An error and its causes in one line; `kube`'s own words alone often say no more than `ServiceError`.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    cut(&text)
}

/// At most [`LONGEST_MESSAGE`] bytes, cut between two characters.
fn cut(text: &str) -> String {
    super::events::cut(text, LONGEST_MESSAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMESPACED: &str = "secrets \"x\" is forbidden: User \"system:serviceaccount:a:b\" cannot get resource \
        \"secrets\" in API group \"\" in the namespace \"ns\"";
    const CLUSTER_WIDE: &str = "nodes is forbidden: User \"u\" cannot list resource \"nodes\" in API group \"\" at \
        the cluster scope";
    const SUBRESOURCE: &str = "preflightvalidationsocp.kmm.sigs.x-k8s.io \"p\" is forbidden: User \"u\" cannot patch \
        resource \"preflightvalidationsocp/status\" in API group \"kmm.sigs.x-k8s.io\" at the cluster scope";
    const BY_POLICY: &str = "modules \"m\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: no";

    fn said(code: u16, reason: &str, message: &str) -> CallError {
        let status = Status::failure(message, reason).with_code(code);
        CallError::from(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_missing_permission_is_taken_from_the_servers_words() {
        for (message, permission) in [
            (NAMESPACED, "lacks the permission to get secrets in namespace ns"),
            (CLUSTER_WIDE, "lacks the permission to list nodes in the whole cluster"),
            (
                SUBRESOURCE,
                "lacks the permission to patch preflightvalidationsocp/status.kmm.sigs.x-k8s.io in the whole cluster",
            ),
            (BY_POLICY, BY_POLICY),
        ] {
            let error = said(403, "Forbidden", message);
            assert!(error.to_string().ends_with(permission), "{error}");
        }
    }

    #[test]
    fn every_refusal_has_its_kind_and_says_whether_waiting_helps() {
        let text = || "m".to_owned();
        for (code, reason, expected, waiting_helps) in [
            (404, "NotFound", CallError::NotFound(text()), false),
            (409, "AlreadyExists", CallError::AlreadyExists(text()), false),
            (409, "Conflict", CallError::Conflict(text()), false),
            (401, "Unauthorized", CallError::Unauthorized(text()), true),
            (422, "Invalid", CallError::Invalid(text()), false),
            (400, "BadRequest", CallError::Invalid(text()), false),
            (429, "TooManyRequests", CallError::Throttled { after: None }, true),
            (500, "InternalError", CallError::Unreachable(text()), true),
            (503, "ServiceUnavailable", CallError::Unreachable(text()), true),
        ] {
            let error = said(code, reason, "m");
            assert_eq!(error, expected);
            assert_eq!(error.is_transient(), waiting_helps, "{error:?}");
        }
    }

    #[test]
    fn what_the_server_says_is_kept_in_bounds() {
        let error = said(422, "Invalid", &"x".repeat(100_000));
        assert!(error.to_string().len() <= LONGEST_MESSAGE);
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        let why = serde_json::from_str::<u8>(r#""pass-word""#).expect_err("no number");
        let error = CallError::from(kube::Error::SerdeError(why));
        assert!(!format!("{error} {error:?}").contains("pass-word"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_ends() {
        let error = within(CALL_DEADLINE, std::future::pending::<Result<(), _>>()).await;
        assert_eq!(error, Err(CallError::Timeout(CALL_DEADLINE)));
    }
}
