//! The keeper on a real API server, which calls real webhooks.
#![expect(clippy::disallowed_types, reason = "the client under test")]

use crate::hook::admit_everything;
use crate::tls::MovedClock;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use webhook_certs::{CertificateResolver, Keeper, Names, Settings, WebhookConfiguration};
use xtask::ControlPlane;

const NAME: &str = "webhook-certs";
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

fn settings(look_every: Duration) -> Settings {
    let mut settings = Settings::new(
        "default",
        NAME,
        Names::new(["localhost"]).unwrap(),
        "webhook-certs-test",
    );
    settings.configurations = vec![
        WebhookConfiguration::Validating(NAME.to_owned()),
        WebhookConfiguration::Mutating(NAME.to_owned()),
    ];
    settings.settle = Duration::from_secs(2);
    settings.look_every = look_every;
    settings
}

/// A control plane with the permissions of `rbac.yaml`, and a client that has no others.
struct Cluster {
    plane: ControlPlane,
    admin: Client,
    permitted: Client,
}

impl Cluster {
    async fn start() -> Option<Self> {
        let _installed_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let plane = tokio::task::spawn_blocking(ControlPlane::for_test).await.unwrap()?;
        let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/rbac.yaml");
        plane.run_kubectl(["create", "serviceaccount", NAME]).unwrap();
        plane.run_kubectl(["apply", "-f", rbac]).unwrap();
        let permitted = client(&plane.kubeconfig_for_service_account("default", NAME).unwrap()).await;
        Some(Self {
            admin: client(&plane.kubeconfig()).await,
            permitted,
            plane,
        })
    }

    fn apply(&self, object: &Value) {
        let path = self.plane.folder().join("object.json");
        write(&path, object.to_string()).unwrap();
        self.plane.run_kubectl(["apply", "-f", path.to_str().unwrap()]).unwrap();
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.admin.clone(), "default")
    }

    async fn secret_entry(&self, key: &str) -> Option<Vec<u8>> {
        let secret = self.secrets().get_opt(NAME).await.unwrap()?;
        secret.data.unwrap_or_default().remove(key).map(|bytes| bytes.0)
    }

    fn configuration(&self, kind: &str) -> Value {
        let text = self
            .plane
            .run_kubectl(["get", kind, NAME, "-o", "json", "--show-managed-fields"])
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Creates a ConfigMap that every webhook here sees, without keeping it.
    async fn admit_one(&self) -> Result<(), kube::Error> {
        let seen = ConfigMap {
            metadata: ObjectMeta {
                name: Some("seen".to_owned()),
                labels: Some(BTreeMap::from([("load".to_owned(), "yes".to_owned())])),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        };
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        Api::<ConfigMap>::namespaced(self.admin.clone(), "default")
            .create(&dry_run, &seen)
            .await
            .map(drop)
    }
}

/// A configuration as a chart installs it; everything but the bundle is there.
fn configuration(kind: &str, url: &str) -> Value {
    let webhook = |name: &str| {
        json!({
            "name": name,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
            "clientConfig": {"url": url},
            "objectSelector": {"matchLabels": {"load": "yes"}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        })
    };
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": NAME},
        "webhooks": [webhook("a.example.com"), webhook("b.example.com")],
    })
}

async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

async fn until_generation(resolver: &CertificateResolver, generation: u64) {
    let mut states = resolver.states();
    let reached = timeout(PATIENCE, states.wait_for(|state| state.generation >= generation)).await;
    reached
        .unwrap_or_else(|_| panic!("never: generation {generation}"))
        .unwrap();
}

/// Admissions without a pause, until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    admitted: Arc<AtomicUsize>,
    running: JoinHandle<Vec<String>>,
}

impl Load {
    fn start(cluster: Arc<Cluster>) -> Self {
        let (stop, admitted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (until, count) = (Arc::clone(&stop), Arc::clone(&admitted));
        let running = tokio::spawn(async move {
            let mut failures = Vec::new();
            while !until.load(Ordering::SeqCst) {
                match cluster.admit_one().await {
                    Ok(()) => drop(count.fetch_add(1, Ordering::SeqCst)),
                    Err(error) => failures.push(error.to_string()),
                }
            }
            failures
        });
        Self {
            stop,
            admitted,
            running,
        }
    }

    /// The failures.
    async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        assert!(self.admitted.load(Ordering::SeqCst) > 50, "hardly any load");
        self.running.await.unwrap()
    }
}

/// Starts a replica: a keeper with the permissions of `rbac.yaml` and a webhook that serves what it keeps.
async fn replica(cluster: &Cluster, clock: &MovedClock, look_every: Duration) -> (CertificateResolver, String) {
    let keeper = Keeper::new(cluster.permitted.clone(), settings(look_every), clock.reading());
    let resolver = keeper.resolver();
    tokio::spawn(keeper.run());
    let url = admit_everything(resolver.clone()).await;
    (resolver, url)
}

#[expect(clippy::disallowed_methods, reason = "the API server verifies by the real clock")]
fn today() -> Timestamp {
    Timestamp::now()
}

/// Two replicas, one called by the validating, the other by the mutating webhooks, both with `failurePolicy: Fail`. The
/// CA is 245 days old when the load begins: it rotates by age, then because the Secret is deleted; then a certificate is
/// damaged. Every admission makes new handshakes with both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_and_repairs_under_load_fail_no_admission() {
    let Some(cluster) = Cluster::start().await.map(Arc::new) else {
        return;
    };
    let clock = MovedClock::at(today());
    clock.advance_days(-245);
    let often = Duration::from_millis(500);
    let (one, validating) = replica(&cluster, &clock, often).await;
    let (two, mutating) = replica(&cluster, &clock, often).await;
    until_generation(&one, 1).await;
    until_generation(&two, 1).await;
    cluster.apply(&configuration("ValidatingWebhookConfiguration", &validating));
    cluster.apply(&configuration("MutatingWebhookConfiguration", &mutating));
    let old_key = cluster.secret_entry("ca.key").await;
    clock.advance_days(245);
    eventually("the first admission", async || cluster.admit_one().await.is_ok()).await;

    let load = Load::start(Arc::clone(&cluster));
    eventually("rotated by age", async || {
        cluster.secret_entry("next-ca.key").await.is_none() && cluster.secret_entry("ca.key").await != old_key
    })
    .await;
    until_generation(&one, 3).await;
    until_generation(&two, 3).await;

    let old_key = cluster.secret_entry("ca.key").await;
    cluster.secrets().delete(NAME, &DeleteParams::default()).await.unwrap();
    until_generation(&one, 4).await;
    until_generation(&two, 4).await;
    assert_ne!(
        cluster.secret_entry("ca.key").await,
        old_key,
        "a deleted Secret comes back with another CA"
    );

    let garbage = Secret {
        data: Some(BTreeMap::from([(
            "tls.crt".to_owned(),
            ByteString(b"garbage".to_vec()),
        )])),
        ..Secret::default()
    };
    cluster
        .secrets()
        .patch(NAME, &PatchParams::default(), &Patch::Merge(&garbage))
        .await
        .unwrap();
    until_generation(&one, 5).await;
    until_generation(&two, 5).await;
    assert_eq!(load.stop().await, [""; 0]);
}

/// Nothing is looked at by the clock here: what happens, happens because a watch tells of a change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_writes_the_bundle_and_nothing_else_and_puts_it_back() {
    let Some(cluster) = Cluster::start().await else { return };
    let (clock, kind) = (MovedClock::at(today()), "validatingwebhookconfiguration");
    let never = Duration::from_hours(1);
    let (_, url) = replica(&cluster, &clock, never).await;
    let installed = configuration("ValidatingWebhookConfiguration", &url);
    cluster.apply(&installed);
    let has_bundle = async || {
        let bundle = cluster
            .secret_entry("ca.crt")
            .await
            .map(|bytes| serde_json::to_value(ByteString(bytes)).unwrap());
        let live = cluster.configuration(kind);
        webhooks(&live)
            .iter()
            .all(|webhook| webhook["clientConfig"].get("caBundle") == bundle.as_ref())
    };
    eventually("the bundle is there", has_bundle).await;
    let live = cluster.configuration(kind);
    for (webhook, installed) in std::iter::zip(webhooks(&live), webhooks(&installed)) {
        for field in [
            "name",
            "failurePolicy",
            "sideEffects",
            "timeoutSeconds",
            "objectSelector",
        ] {
            assert_eq!(webhook[field], installed[field], "{field}");
        }
        assert_eq!(webhook["clientConfig"]["url"], url);
    }
    assert_eq!(
        owned(&live),
        json!({"f:webhooks": {
            "k:{\"name\":\"a.example.com\"}": {".": {}, "f:name": {}, "f:clientConfig": {"f:caBundle": {}}},
            "k:{\"name\":\"b.example.com\"}": {".": {}, "f:name": {}, "f:clientConfig": {"f:caBundle": {}}},
        }})
    );
    let emptied = json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]);
    cluster
        .plane
        .run_kubectl(["patch", kind, NAME, "--type=json", "-p", &emptied.to_string()])
        .unwrap();
    eventually("an emptied bundle is put back", has_bundle).await;
    let one_less = json!([{"op": "remove", "path": "/webhooks/1"}]);
    cluster
        .plane
        .run_kubectl(["patch", kind, NAME, "--type=json", "-p", &one_less.to_string()])
        .unwrap();
    cluster.secrets().delete(NAME, &DeleteParams::default()).await.unwrap();
    eventually("the next bundle is there", has_bundle).await;
    assert_eq!(
        webhooks(&cluster.configuration(kind)).len(),
        1,
        "what was removed stays removed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_restarts_is_found_again_and_meanwhile_the_certificate_serves_on() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let clock = MovedClock::at(today());
    let (resolver, url) = replica(&cluster, &clock, Duration::from_secs(1)).await;
    cluster.apply(&configuration("ValidatingWebhookConfiguration", &url));
    eventually("the first admission", async || cluster.admit_one().await.is_ok()).await;
    let expiry = resolver.expiry();
    cluster = tokio::task::spawn_blocking(move || {
        cluster.plane.stop_api_server();
        cluster
    })
    .await
    .unwrap();
    eventually("nobody answers", async || cluster.admit_one().await.is_err()).await;
    assert!(resolver.is_ready() && resolver.expiry() == expiry);
    cluster = tokio::task::spawn_blocking(move || {
        cluster.plane.start_api_server().unwrap();
        cluster
    })
    .await
    .unwrap();
    cluster.admit_one().await.unwrap();
    let key = cluster.secret_entry("ca.key").await;
    cluster.secrets().delete(NAME, &DeleteParams::default()).await.unwrap();
    until_generation(&resolver, 2).await;
    assert_ne!(cluster.secret_entry("ca.key").await, key);
    cluster.admit_one().await.unwrap();
}

fn webhooks(configuration: &Value) -> &[Value] {
    configuration["webhooks"].as_array().unwrap()
}

/// What server-side apply has noted as ours.
fn owned(live: &Value) -> Value {
    let managers = live["metadata"]["managedFields"].as_array().unwrap();
    let ours = managers
        .iter()
        .find(|manager| manager["manager"] == "webhook-certs-test")
        .unwrap();
    assert_eq!(ours["operation"], "Apply");
    ours["fieldsV1"].clone()
}
