//! The Secret at the API server: read, created, replaced, with a deadline each and no key in any log.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use crate::call::{Call, is_code};
use crate::content::{Content, Held, KEYS};
use crate::error::PassError;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{GetParams, ObjectMeta, PostParams};
use kube::core::Request;
use kube::{Client, Resource};
use std::collections::BTreeMap;

/// The type that tools take for a pair of `tls.crt` and `tls.key`.
const TLS_SECRET: &str = "kubernetes.io/tls";

/// One Secret, by name.
pub(crate) struct Store {
    client: Client,
    namespace: String,
    name: String,
    field_manager: String,
    labels: BTreeMap<String, String>,
}

/// The Secret as it was read, with what it says.
pub(crate) struct Stored {
    pub(crate) held: Held,
    secret: Secret,
}

impl Store {
    pub(crate) fn new(
        client: Client,
        (namespace, name): (String, String),
        field_manager: String,
        labels: BTreeMap<String, String>,
    ) -> Self {
        Self {
            client,
            namespace,
            name,
            field_manager,
            labels,
        }
    }

    /// `None` if there is no such Secret.
    pub(crate) async fn read(&self) -> Result<Option<Stored>, PassError> {
        let call = self.call("read");
        let request = self.path().get(&self.name, &GetParams::default());
        match self.send(&call, request).await {
            Ok(stored) => Ok(Some(stored)),
            Err(error) if is_code(&error, 404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes `content` where `seen` stood. `None` if somebody else was faster: read again.
    pub(crate) async fn write(&self, seen: Option<Stored>, content: &Content) -> Result<Option<Stored>, PassError> {
        let written = match seen {
            None => self.create(content).await,
            Some(stored) => self.replace(stored.secret, content).await,
        };
        match written {
            Ok(stored) => Ok(Some(stored)),
            Err(error) if is_code(&error, 409) || is_code(&error, 404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, content: &Content) -> Result<Stored, PassError> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                labels: Some(self.labels.clone()),
                ..ObjectMeta::default()
            },
            type_: Some(TLS_SECRET.to_owned()),
            data: Some(with_content(BTreeMap::new(), content)),
            ..Secret::default()
        };
        let call = self.call("create");
        let request = self.path().create(&self.post(), call.json(&secret)?);
        self.send(&call, request).await
    }

    /// The resource version of what was read makes the API server refuse this if it has changed since.
    async fn replace(&self, mut secret: Secret, content: &Content) -> Result<Stored, PassError> {
        secret.data = Some(with_content(secret.data.unwrap_or_default(), content));
        let call = self.call("update");
        let request = self.path().replace(&self.name, &self.post(), call.json(&secret)?);
        self.send(&call, request).await
    }

    /// Not `Client::request`: that one logs an answer which it cannot parse, and this answer holds keys.
    async fn send(
        &self,
        call: &Call,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Stored, PassError> {
        let request = request.map_err(|error| call.failed(kube::Error::BuildRequest(error)))?;
        let text = call.within_deadline(self.client.request_text(request)).await?;
        let secret: Secret = serde_json::from_str(&text).map_err(|_holds_keys| call.unreadable())?;
        let held = Held::read(content_of(&secret));
        Ok(Stored { held, secret })
    }

    fn path(&self) -> Request {
        Request::new(Secret::url_path(&(), Some(&self.namespace)))
    }

    fn post(&self) -> PostParams {
        PostParams {
            field_manager: Some(self.field_manager.clone()),
            ..PostParams::default()
        }
    }

    fn call(&self, verb: &str) -> Call {
        Call::new(format!("{verb} Secret {self}"))
    }
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

fn content_of(secret: &Secret) -> Content {
    let data = secret.data.iter().flatten();
    Content::from_data(data.map(|(key, bytes)| (key.as_str(), bytes.0.as_slice())))
}

/// Our keys as in `content`, all others as they were.
fn with_content(mut data: BTreeMap<String, ByteString>, content: &Content) -> BTreeMap<String, ByteString> {
    data.retain(|key, _| !KEYS.contains(&key.as_str()));
    data.extend(
        content
            .iter()
            .map(|(key, bytes)| (key.to_owned(), ByteString(bytes.to_vec()))),
    );
    data
}
