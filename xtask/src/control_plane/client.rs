//! The API server, asked by this very process: a kubectl costs 0.3 s of a processor, which is too much for what is done
//! at every start, or again and again until something is so.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use ureq::http::Request;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, AsSendBody};

use crate::pki::Pair;

/// How long an answer may take. The API server gives up by itself after a minute; it answers in milliseconds, unless
/// many start at once on few cores.
const ANSWER: Duration = Duration::from_secs(30);
/// As whom objects are applied: so that what is applied with `kubectl apply --server-side` later is the same manager's.
const MANAGER: &str = "kubectl";

/// Somebody who talks to the API server. Many threads may share one.
pub struct Client {
    agent: Agent,
    server: String,
    token: Option<String>,
}

/// What the API server answers: the status, and JSON.
struct Answer {
    status: u16,
    body: Value,
}

impl Client {
    /// Of somebody who shows a certificate. The API server is at `server`, an URL, and shows one of this authority.
    pub(super) fn with_certificate(server: &str, authority: &Path, pair: &Pair) -> anyhow::Result<Self> {
        let certificate = Certificate::from_pem(&fs::read(&pair.certificate)?)?;
        let key = PrivateKey::from_pem(&fs::read(&pair.key)?)?;
        let identity = ClientCert::new_with_certs(&[certificate], key);
        Self::new(server, authority, Some(identity), None)
    }

    /// Of somebody who has a token.
    pub(super) fn with_token(server: &str, authority: &Path, token: &str) -> anyhow::Result<Self> {
        Self::new(server, authority, None, Some(format!("Bearer {token}")))
    }

    fn new(
        server: &str,
        authority: &Path,
        identity: Option<ClientCert>,
        token: Option<String>,
    ) -> anyhow::Result<Self> {
        let authority = Certificate::from_pem(&fs::read(authority)?)?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[authority]))
            .client_cert(identity)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let settings = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER));
        Ok(Self {
            agent: settings.build().new_agent(),
            server: server.to_owned(),
            token,
        })
    }

    /// What is at a path, such as `/api/v1/nodes`; `None` where there is nothing.
    pub fn get(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let answer = self.ask("GET", path, "application/json", ())?;
        if answer.status == 404 {
            return Ok(None);
        }
        answer.accepted().map(Some)
    }

    /// The objects of a collection that is there, such as `/apis/batch/v1/jobs`.
    pub fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut list = self.get(path)?.with_context(|| format!("nothing is at {path}"))?;
        serde_json::from_value(list["items"].take()).with_context(|| format!("no list is at {path}"))
    }

    /// Adds an object to the collection at a path, and returns what was made of it.
    pub fn create(&self, path: &str, object: &Value) -> anyhow::Result<Value> {
        self.ask("POST", path, "application/json", object.to_string())?
            .accepted()
    }

    /// Changes what is at a path by a merge patch, and returns what became of it.
    pub fn merge(&self, path: &str, patch: &Value) -> anyhow::Result<Value> {
        self.ask("PATCH", path, "application/merge-patch+json", patch.to_string())?
            .accepted()
    }

    /// Removes what is at a path, if something is.
    pub fn delete(&self, path: &str) -> anyhow::Result<()> {
        let answer = self.ask("DELETE", path, "application/json", ())?;
        if answer.status == 404 {
            return Ok(());
        }
        answer.accepted().map(drop)
    }

    /// Applies an object as `kubectl apply --server-side --force-conflicts` does, and returns what is stored then.
    pub fn apply(&self, object: &Value) -> anyhow::Result<Value> {
        self.apply_at(&self.place_of(object)?, &forced(""), object.to_string())
    }

    /// The same as `kubectl apply --server-side --field-manager=…`: refused where another manager has set a field otherwise.
    pub fn apply_as(&self, manager: &str, object: &Value) -> anyhow::Result<Value> {
        let options = format!("fieldManager={manager}");
        self.apply_at(&self.place_of(object)?, &options, object.to_string())
    }

    /// What would be stored if that object were applied; admission is asked, and nothing is stored.
    pub fn dry_run(&self, object: &Value) -> anyhow::Result<Value> {
        self.apply_at(&self.place_of(object)?, &forced("&dryRun=All"), object.to_string())
    }

    /// Applies the object in this text, YAML or JSON, to its place in the collection at a path.
    pub(super) fn apply_text(&self, collection: &str, text: &str) -> anyhow::Result<Value> {
        let name = self.name_in(collection, text)?;
        self.apply_at(&format!("{collection}/{name}"), &forced(""), text.to_owned())
    }

    fn apply_at(&self, place: &str, options: &str, text: String) -> anyhow::Result<Value> {
        let path = format!("{place}?{options}");
        self.ask("PATCH", &path, "application/apply-patch+yaml", text)?
            .accepted()
    }

    /// What the object in a text is called. The API server can read YAML, and tells the name of what it would make, as
    /// well as of what it would not because that is there already.
    fn name_in(&self, collection: &str, text: &str) -> anyhow::Result<String> {
        let path = format!("{collection}?dryRun=All");
        let answer = self.ask("POST", &path, "application/yaml", text.to_owned())?;
        let name = match answer.status {
            409 => answer.body["details"]["name"].clone(),
            _ => answer.accepted()?["metadata"]["name"].clone(),
        };
        Ok(name.as_str().context("an object without a name")?.to_owned())
    }

    /// The path of an object, by what the API server says of its kind.
    fn place_of(&self, object: &Value) -> anyhow::Result<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let group = path_of_version(&version);
        let known = self.get(&group)?.unwrap_or_default();
        let mut resources = known["resources"].as_array().into_iter().flatten();
        let resource = resources
            .find(|resource| resource["kind"] == kind.as_str() && !text(&resource["name"]).contains('/'))
            .with_context(|| format!("the API server knows no {kind} of {version}"))?;
        let namespace = match resource["namespaced"].as_bool() {
            Some(true) => format!("/namespaces/{}", namespace_of(object)),
            _ => String::new(),
        };
        let (plural, name) = (text(&resource["name"]), text(&object["metadata"]["name"]));
        Ok(format!("{group}{namespace}/{plural}/{name}"))
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: impl AsSendBody) -> anyhow::Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("Accept", "application/json")
            .header("Content-Type", kind);
        if let Some(token) = &self.token {
            request = request.header("Authorization", token);
        }
        let mut answer = self.agent.run(request.body(body)?)?;
        let body = answer.body_mut().read_to_string()?;
        Ok(Answer {
            status: answer.status().as_u16(),
            // Health is told in words.
            body: serde_json::from_str(&body).unwrap_or(Value::String(body)),
        })
    }
}

impl Answer {
    /// The body of a success; else what the API server complains of.
    fn accepted(self) -> anyhow::Result<Value> {
        let Self { status, body } = self;
        let complaint = body["message"].as_str().or(body.as_str()).unwrap_or_default();
        anyhow::ensure!((200..300).contains(&status), "refused ({status}): {complaint}");
        Ok(body)
    }
}

/// How we apply, and these options.
fn forced(more: &str) -> String {
    format!("fieldManager={MANAGER}&force=true{more}")
}

/// Where the kinds of an API version are: `/api/v1`, or `/apis/<group>/<version>`.
fn path_of_version(version: &str) -> String {
    let root = if version.contains('/') { "apis" } else { "api" };
    format!("/{root}/{version}")
}

fn namespace_of(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or("default")
}
