//! Beside a stand-in for KMM's controllers: the same account, the same writes, over and over, as upstream makes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::control_plane::Client;

use crate::stage::{KERNEL, MODULES, PREFLIGHTS, Stage, condition, eventually, module, project, row};

/// KMM's namespace and account.
const NAMESPACE: &str = "openshift-kmm";
const ACCOUNT: &str = "kmm-operator-controller";

/// How long the stand-in rests after each pass over everything.
const REST: Duration = Duration::from_millis(500);

/// What upstream's manifests give that account of its own group.
const RIGHTS: &str = include_str!("../fixtures/kmm.yaml");

/// How often each write went well, and how often it was refused.
#[derive(Default)]
struct Ledger {
    done: AtomicUsize,
    refused: AtomicUsize,
}

impl Ledger {
    fn note(&self, went_well: bool) -> bool {
        let of = if went_well { &self.done } else { &self.refused };
        of.fetch_add(1, Ordering::SeqCst);
        went_well
    }

    fn counts(&self) -> (usize, usize) {
        (self.done.load(Ordering::SeqCst), self.refused.load(Ordering::SeqCst))
    }
}

/// What the stand-in has written.
#[derive(Default)]
struct Writes {
    /// PreflightValidations created or updated (`preflightvalidationocp_reconciler.go`).
    preflights: Ledger,
    /// Statuses of PreflightValidationOCPs.
    statuses: Ledger,
    /// Everything else of KMM: finalizers and statuses of Modules.
    modules: Ledger,
    is_over: AtomicBool,
}

/// KMM's controllers, as far as preflights are concerned. They end when this is dropped.
struct Kmm {
    writes: Arc<Writes>,
    running: Option<JoinHandle<()>>,
}

impl Kmm {
    fn start(stage: &Stage) -> Self {
        let account = Account::of_kmm(stage);
        let writes = Arc::new(Writes::default());
        let theirs = Arc::clone(&writes);
        let running = std::thread::spawn(move || {
            while !theirs.is_over.load(Ordering::SeqCst) {
                account.reconcile(&theirs);
                std::thread::park_timeout(REST);
            }
        });
        Self {
            writes,
            running: Some(running),
        }
    }
}

impl Drop for Kmm {
    fn drop(&mut self) {
        self.writes.is_over.store(true, Ordering::SeqCst);
        if let Some(running) = self.running.take() {
            running.thread().unpark();
            let _ = running.join();
        }
    }
}

/// What KMM's account asks of the API server.
struct Account(Client);

impl Account {
    fn of_kmm(stage: &Stage) -> Self {
        let client = stage.plane.client_of_service_account(NAMESPACE, ACCOUNT);
        Self(client.expect("the account"))
    }

    /// One pass over everything, as its reconcilers make one for each object.
    fn reconcile(&self, writes: &Writes) {
        let modules = self.list(MODULES);
        for module in &modules {
            writes.modules.note(self.keeps_module(module));
        }
        for preflight in self.list(PREFLIGHTS) {
            let name = preflight["metadata"]["name"].as_str().unwrap_or_default();
            let object = preflight_validation(name, &preflight["spec"]["kernelVersion"]);
            writes.preflights.note(self.0.apply(&object).is_ok());
            // Upstream stops where the write before is refused. What it had begun earlier would come to this.
            let rows: Vec<Value> = modules.iter().map(in_progress).collect();
            let status = json!({"status": {"modules": rows}});
            let path = format!("{PREFLIGHTS}/{name}/status");
            writes.statuses.note(self.patch(&path, &status));
        }
    }

    /// Its finalizer, and how many nodes have it loaded.
    fn keeps_module(&self, module: &Value) -> bool {
        let [namespace, name] = ["namespace", "name"].map(|key| module["metadata"][key].as_str().unwrap_or_default());
        let path = format!("/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{namespace}/modules/{name}");
        let finalizer = json!({"metadata": {"finalizers": ["kmm.node.kubernetes.io/module-finalizer"]}});
        let counts = json!({"availableNumber": 1, "desiredNumber": 1, "nodesMatchingSelectorNumber": 1});
        let status = json!({"status": {"moduleLoader": counts}});
        self.patch(&path, &finalizer) && self.patch(&format!("{path}/status"), &status)
    }

    fn list(&self, collection: &str) -> Vec<Value> {
        self.0.list(collection).unwrap_or_default()
    }

    fn patch(&self, path: &str, patch: &Value) -> bool {
        self.0.merge(&format!("{path}?fieldManager=manager"), patch).is_ok()
    }
}

/// What upstream makes of a PreflightValidationOCP.
fn preflight_validation(name: &str, kernel: &Value) -> Value {
    json!({
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta2",
        "kind": "PreflightValidation",
        "metadata": {"name": name},
        "spec": {"kernelVersion": kernel, "pushBuiltImage": false},
    })
}

/// The row with which upstream begins.
fn in_progress(module: &Value) -> Value {
    json!({
        "name": module["metadata"]["name"], "namespace": module["metadata"]["namespace"],
        "verificationStatus": "InProgress", "verificationStage": "Image", "statusReason": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

/// A cluster with all of KMM's definitions, its account, and a Module that loads.
fn stage_with_kmm() -> Option<Stage> {
    let stage = Stage::set()?;
    let definition = project("tests/compat/crds/preflightvalidations.yaml");
    stage.plane.define(&definition).expect("a definition");
    stage.namespaces(&[NAMESPACE]);
    stage.kubectl(["create", "serviceaccount", ACCOUNT, "-n", NAMESPACE]);
    stage.apply(RIGHTS);
    stage.apply(&module("a", "quicknic", &stage.quicknic(KERNEL)));
    Some(stage)
}

/// The chart's policy, and nothing else of the chart; returns when the API server heeds it.
fn silence_kmm(stage: &Stage) {
    let rendered = stage.rendered(&["kmm.silencePreflight=true"]);
    let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered).expect("YAML");
    let is_policy = |object: &&Value| {
        object["kind"]
            .as_str()
            .is_some_and(|kind| kind.contains("AdmissionPolicy"))
    };
    let policy: Vec<&Value> = objects.iter().filter(is_policy).collect();
    assert_eq!(policy.len(), 2, "a policy and its binding: {rendered}");
    for object in policy {
        stage.apply(&object.to_string());
    }
    let account = Account::of_kmm(stage);
    let attempt = preflight_validation("attempt", &"6.1.0".into());
    let is_heeded = || {
        let refusal = account.0.dry_run(&attempt).err();
        refusal.is_some_and(|why| why.to_string().contains("ValidatingAdmissionPolicy"))
    };
    assert!(eventually(is_heeded), "the policy is not heeded");
}

#[test]
fn silenced_kmm_goes_on_with_its_modules_and_nobody_disturbs_the_answers() {
    let Some(stage) = stage_with_kmm() else { return };
    silence_kmm(&stage);
    let kmm = Kmm::start(&stage);
    let operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    let written = stage.object(PREFLIGHTS, "upgrade")["metadata"]["resourceVersion"].clone();

    let attempts = || kmm.writes.statuses.counts().1 >= 2 && kmm.writes.preflights.counts().1 >= 2;
    assert!(eventually(attempts), "the stand-in does not stand in for anything");
    assert_eq!(kmm.writes.statuses.counts().0, 0, "it wrote the status");
    assert_eq!(kmm.writes.preflights.counts().0, 0, "it made a PreflightValidation");
    let (done, refused) = kmm.writes.modules.counts();
    assert!(
        done > 0 && refused == 0,
        "Modules are KMM's: {done} done, {refused} refused"
    );
    assert_eq!(stage.kubectl(["get", "preflightvalidations", "-o", "name"]), "");
    let now = stage.object(PREFLIGHTS, "upgrade")["metadata"]["resourceVersion"].clone();
    assert_eq!(
        now, written,
        "KMM's writes to Modules are no news, and nobody else writes"
    );
    assert!(operator.metric("kmm_preflight_foreign_status_writes_total") < Some(1.0));
}

#[test]
fn kmm_that_is_not_silenced_is_told_of_and_written_over() {
    let Some(stage) = stage_with_kmm() else { return };
    let operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    let before = stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    let kmm = Kmm::start(&stage);
    let writes = || kmm.writes.statuses.counts().0 >= 2 && kmm.writes.preflights.counts().0 >= 2;
    assert!(eventually(writes), "nobody refuses it");
    assert!(
        eventually(|| stage.events().contains("ForeignStatus")),
        "{}",
        operator.log()
    );
    assert!(operator.metric("kmm_preflight_foreign_status_writes_total") >= Some(1.0));
    drop(kmm);
    let status = stage.wait_for_status("upgrade", |status| {
        row(status, "quicknic")["verificationStatus"] == "Success"
    });
    assert_eq!(status["summary"], "1/1");
    // What KMM made of it meanwhile is no part of our own story.
    assert_eq!(since(&status, "Verified"), since(&before, "Verified"), "{status:#}");
    let turned = |row: &Value| row["lastTransitionTime"].clone();
    assert_eq!(turned(&row(&status, "quicknic")), turned(&row(&before, "quicknic")));
    // Who takes over goes on saying it.
    let is_contested = |status: &Value| condition(status, "Contested") == "True";
    stage.wait_for_status("upgrade", is_contested);
    operator.end();
    let _operator = stage.operator(&[]);
    stage.apply(&module("a", "later", &stage.quicknic(KERNEL)));
    let later = stage.wait_for_status("upgrade", |status| !row(status, "later")["digest"].is_null());
    assert!(is_contested(&later), "{later:#}");
}

/// Since when a condition is as it is.
fn since(status: &Value, kind: &str) -> Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut found = conditions.filter(|condition| condition["type"] == kind);
    found
        .next()
        .map(|condition| condition["lastTransitionTime"].clone())
        .unwrap_or_default()
}
