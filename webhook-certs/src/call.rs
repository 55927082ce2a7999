//! One call to the API server: what it is for, its deadline, and what its failure is called.

use crate::error::PassError;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// How long one call may take. The client itself would retry for minutes.
const DEADLINE: Duration = Duration::from_secs(10);

/// What is asked of the API server, in words that follow "to".
pub(crate) struct Call {
    act: String,
}

impl Call {
    pub(crate) fn new(act: String) -> Self {
        Self { act }
    }

    pub(crate) async fn within_deadline<T>(
        &self,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, PassError> {
        match timeout(DEADLINE, answer).await {
            Ok(answer) => answer.map_err(|error| self.failed(error)),
            Err(_elapsed) => Err(PassError::Deadline {
                act: self.act.clone(),
                deadline: DEADLINE,
            }),
        }
    }

    pub(crate) fn failed(&self, source: kube::Error) -> PassError {
        PassError::Api {
            act: self.act.clone(),
            source: Box::new(source),
        }
    }

    pub(crate) fn unreadable(&self) -> PassError {
        PassError::Answer { act: self.act.clone() }
    }

    pub(crate) fn json(&self, object: &impl k8s_openapi::serde::Serialize) -> Result<Vec<u8>, PassError> {
        serde_json::to_vec(object).map_err(|error| self.failed(kube::Error::SerdeError(error)))
    }
}

/// Whether the API server answered with this HTTP status.
pub(crate) fn is_code(error: &PassError, code: u16) -> bool {
    matches!(error, PassError::Api { source, .. } if matches!(&**source, kube::Error::Api(status) if status.code == code))
}

/// `bytes` as JSON of the API has them.
pub(crate) fn base64(bytes: &[u8]) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec())).unwrap_or_default()
}
