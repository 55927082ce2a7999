//! A stand-in for the API server: one Secret and two webhook configurations in memory, with the answers that matter
//! (404, 409, resource versions), and with the failures of a real one on demand.
#![expect(clippy::disallowed_types, reason = "the client under test")]

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard};
use tower_test::mock::{Mock, SendResponse, pair};

pub(crate) const SECRET: &str = "/api/v1/namespaces/ns/secrets/certs";
pub(crate) const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/validating";
pub(crate) const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/mutating";

/// How the API server behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// Connections break instead of being answered.
    Unreachable,
    /// Requests are taken and never answered.
    Silent,
    /// Answers are cut in half.
    CutsAnswers,
    /// Applies are forbidden.
    RefusesApply,
}

/// What the API server holds and how it behaves.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) objects: std::collections::BTreeMap<String, Value>,
    version: u64,
    /// Every request that was answered: `GET /path`.
    pub(crate) requests: Vec<String>,
    pub(crate) mood: Mood,
    /// Before the next write, somebody else writes this object.
    pub(crate) intruder: Option<(&'static str, Value)>,
}

/// A handle to the world, and clients of it.
#[derive(Clone, Default)]
pub(crate) struct FakeApi(Arc<Mutex<World>>);

impl FakeApi {
    pub(crate) fn client(&self) -> Client {
        let (service, mut handle) = pair::<Request<Body>, Response<Body>>();
        let api = self.clone();
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some((request, respond)) = handle.next_request().await {
                unanswered.extend(api.answer(request, respond).await);
            }
        });
        client(service)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Puts an object there as a user would.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.world().put(path, object);
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.world().objects.get(path).cloned()
    }

    pub(crate) fn delete(&self, path: &str) {
        self.world().objects.remove(path);
    }

    /// Adds a configuration of each kind, as a chart installs them: without a bundle.
    pub(crate) fn with_configurations(self) -> Self {
        for (path, kind) in [
            (VALIDATING, "ValidatingWebhookConfiguration"),
            (MUTATING, "MutatingWebhookConfiguration"),
        ] {
            self.put(path, configuration(path, kind));
        }
        self
    }

    /// How many requests of this kind there were.
    pub(crate) fn count(&self, request: &str) -> usize {
        self.world().requests.iter().filter(|made| *made == request).count()
    }

    /// The bundle that the API server verifies with, as PEM.
    pub(crate) fn bundle(&self, path: &str) -> Vec<u8> {
        let configuration = self.get(path).expect("the configuration exists");
        let bundle = configuration
            .pointer("/webhooks/0/clientConfig/caBundle")
            .expect("a bundle")
            .clone();
        serde_json::from_value::<k8s_openapi::ByteString>(bundle).unwrap().0
    }

    /// One entry of the Secret's data.
    pub(crate) fn secret_data(&self, key: &str) -> Option<Vec<u8>> {
        let data = self.get(SECRET)?.pointer(&format!("/data/{key}"))?.clone();
        Some(serde_json::from_value::<k8s_openapi::ByteString>(data).unwrap().0)
    }

    /// Answers, or hands back what is to stay unanswered.
    async fn answer(
        &self,
        request: Request<Body>,
        respond: SendResponse<Response<Body>>,
    ) -> Option<SendResponse<Response<Body>>> {
        let (parts, body) = request.into_parts();
        let watch = parts.uri.query().is_some_and(|query| query.contains("watch=true"));
        if self.world().mood == Mood::Silent || watch {
            return Some(respond);
        }
        if self.world().mood == Mood::Unreachable {
            respond.send_error(std::io::Error::other("connection refused"));
            return None;
        }
        let body: Value = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap_or_default();
        let (status, answer) = self.world().handle(&parts.method, parts.uri.path(), &body);
        let mut answer = serde_json::to_vec(&answer).unwrap();
        if self.world().mood == Mood::CutsAnswers {
            answer.truncate(answer.len() / 2);
        }
        respond.send_response(Response::builder().status(status).body(Body::from(answer)).unwrap());
        None
    }
}

fn client(service: Mock<Request<Body>, Response<Body>>) -> Client {
    Client::new(service, "ns")
}

fn configuration(path: &str, kind: &str) -> Value {
    let name = path.rsplit('/').next().unwrap();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [
            {"name": "a.example.com", "clientConfig": {"service": {"name": "hook", "namespace": "ns"}}, "sideEffects": "None"},
            {"name": "b.example.com", "clientConfig": {"service": {"name": "hook", "namespace": "ns"}, "caBundle": ""}},
        ],
    })
}

impl World {
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn handle(&mut self, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        self.requests.push(format!("{method} {path}"));
        if method != Method::GET
            && let Some((path, intruder)) = self.intruder.take()
        {
            self.put(path, intruder);
        }
        match *method {
            Method::GET if path.ends_with("configurations") || path.ends_with("secrets") => (200, list()),
            Method::GET => self
                .objects
                .get(path)
                .map_or_else(not_found, |object| (200, object.clone())),
            Method::POST => self.create(&format!("{path}/{}", body["metadata"]["name"].as_str().unwrap()), body),
            Method::PUT => self.replace(path, body),
            Method::PATCH if self.mood == Mood::RefusesApply => status(403, "Forbidden"),
            Method::PATCH => self.apply(path, body),
            _ => status(405, "MethodNotAllowed"),
        }
    }

    fn create(&mut self, path: &str, body: &Value) -> (u16, Value) {
        if self.objects.contains_key(path) {
            return status(409, "AlreadyExists");
        }
        (201, self.put(path, body.clone()))
    }

    fn replace(&mut self, path: &str, body: &Value) -> (u16, Value) {
        match self.objects.get(path) {
            None => not_found(),
            Some(live) if !same_version(live, body) => status(409, "Conflict"),
            Some(_) => (200, self.put(path, body.clone())),
        }
    }

    /// Server-side apply, as far as `caBundle` goes.
    fn apply(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let Some(mut live) = self.objects.get(path).cloned() else {
            return status(422, "Invalid");
        };
        if !same_version(&live, body) {
            return status(409, "Conflict");
        }
        for applied in body["webhooks"].as_array().unwrap() {
            let webhooks = live["webhooks"].as_array_mut().unwrap();
            let webhook = webhooks
                .iter_mut()
                .find(|webhook| webhook["name"] == applied["name"])
                .unwrap();
            webhook["clientConfig"]["caBundle"] = applied["clientConfig"]["caBundle"].clone();
        }
        (200, self.put(path, live))
    }
}

fn same_version(live: &Value, body: &Value) -> bool {
    live["metadata"]["resourceVersion"] == body["metadata"]["resourceVersion"]
}

fn list() -> Value {
    json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "1"}, "items": []})
}

fn not_found() -> (u16, Value) {
    status(404, "NotFound")
}

fn status(code: u16, reason: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code}),
    )
}
