//! What runs in pods: Jobs are made, watched, read and deleted, whatever happens meanwhile. A stand-in plays the controller of Jobs
//! and a kubelet; what the containers would do, their testimonies tell.

mod builds;
mod changes;
mod crashes;
mod forgeries;
mod leases;
mod looks;
mod making;
mod queue;
mod refused;

use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::kubelet::{Kubelet, Play, name_of};
use crate::stage::{Operator, Stage, condition, eventually, module, preflight, row};

/// The images of the Jobs; nobody pulls them here.
const WORK: [&str; 4] = [
    "--work-image",
    "registry.example.com/p:1",
    "--builder-image",
    "registry.example.com/buildah:1",
];
/// The digest of what is said to have been made.
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What the containers say of an image that was made and is good.
fn judged(pushed: bool) -> Play {
    let judged = json!({"outcome": "judged", "digest": DIGEST, "findings": [], "pushed": pushed});
    Play::Completes(vec![
        ("build", json!({"outcome": "built", "digest": DIGEST})),
        ("judge", judged),
    ])
}

/// What they say of one that needs an in-tree module to which it has no way: whether it loads hangs on what nodes have loaded.
fn unlinked() -> Play {
    let finding = json!({"rule": "dependency-in-tree-unlinked", "severity": "Decides", "symbol": "libcrc32c", "message": "needs libcrc32c"});
    let judged = json!({"outcome": "judged", "digest": DIGEST, "findings": [finding], "pushed": false});
    Play::Completes(vec![
        ("build", json!({"outcome": "built", "digest": DIGEST})),
        ("judge", judged),
    ])
}

/// A build that failed in its Dockerfile.
fn failed() -> Play {
    let said = json!({"outcome": "failed", "message": "step 4 of 7 failed", "log": ["cc: fatal error: no such file"]});
    Play::Fails("build", said)
}

/// What becomes of every Job, until it is told otherwise.
#[derive(Clone)]
struct Fate(Arc<Mutex<Play>>);

impl Fate {
    fn new(play: Play) -> Self {
        Self(Arc::new(Mutex::new(play)))
    }

    fn is(&self, play: Play) {
        *self.0.lock().expect("a play") = play;
    }

    fn get(&self) -> Play {
        self.0.lock().expect("a play").clone()
    }
}

impl Stage {
    /// A cluster in whose namespace `a` there is a Dockerfile, and a kubelet with whom every Job has this fate.
    fn with_kubelet(fate: &Fate) -> Option<(Self, Kubelet)> {
        Self::with_kubelet_and("charts/kmm-preflight/files/preflightvalidationsocp.yaml", fate)
    }

    /// The same, with another definition of preflights.
    fn with_kubelet_and(definition: &str, fate: &Fate) -> Option<(Self, Kubelet)> {
        let stage = Self::with_definition(definition)?;
        stage.dockerfile("FROM scratch");
        let fate = fate.clone();
        let kubelet = Kubelet::start(&stage, move |_| fate.get());
        Some((stage, kubelet))
    }

    fn dockerfile(&self, text: &str) {
        self.apply(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: a, name: dockerfile}}\ndata: {{dockerfile: '{text}'}}\n"
        ));
    }

    /// Modules of namespace `a` whose images are missing and can be built.
    fn buildable(&self, names: &[&str]) {
        for name in names {
            self.apply(&buildable(name, &self.quicknic(&format!("missing-{name}"))));
        }
    }

    /// A quota called `none` of namespace `a`, filled in as the controller of quotas would.
    fn give_none_of(&self, what: &str) {
        self.kubectl(["create", "quota", "none", "-n", "a", &format!("--hard={what}=0")]);
        let none = json!({what: "0"});
        let quota = "/api/v1/namespaces/a/resourcequotas/none";
        self.patch_status(quota, &json!({"hard": none, "used": none}));
    }

    /// Secrets of namespace `a`, each with one key of its own name.
    fn secrets(&self, names: &[&str]) {
        for name in names {
            let literal = format!("--from-literal={name}=x");
            self.kubectl(["create", "secret", "generic", name, "-n", "a", &literal]);
        }
    }

    /// A preflight that has pushed what is made.
    fn pushing_preflight(&self, name: &str, kernel: &str) {
        self.apply(&preflight(name, kernel).replace("pushBuiltImage: false", "pushBuiltImage: true"));
    }

    /// Puts an image of the example under another tag.
    fn copy_image(from: &str, to: &str) {
        let copied = Command::new("skopeo")
            .args(["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"])
            .args([format!("docker://{from}"), format!("docker://{to}")])
            .status();
        assert!(copied.expect("skopeo").success(), "{from} → {to}");
    }

    /// Starts the operator with Jobs and these further words.
    #[track_caller]
    fn operator_with_jobs(&self, words: &[&str]) -> Operator {
        self.operator(&[&WORK, words].concat())
    }

    /// The Lease of who was killed would keep the next one waiting.
    fn forget_the_leader(&self) {
        let lease = "/apis/coordination.k8s.io/v1/namespaces/kmm-preflight/leases/kmm-preflight";
        self.plane.client().delete(lease).expect("no Lease");
    }

    /// The Jobs and pods that are there, one a line, as kubectl names them.
    fn objects(&self) -> String {
        let kinds = [("job.batch", "/apis/batch/v1/jobs"), ("pod", "/api/v1/pods")];
        let lines = kinds.into_iter().flat_map(|(kind, collection)| {
            let objects = self.list(collection);
            objects
                .into_iter()
                .map(move |object| format!("{kind}/{}\n", name_of(&object)))
        });
        lines.collect()
    }

    /// Whether a Job of a namespace has ended well.
    fn has_complete_job(&self, namespace: &str) -> bool {
        let jobs = self.list(&format!("/apis/batch/v1/namespaces/{namespace}/jobs"));
        jobs.iter().any(|job| condition(&job["status"], "Complete") == "True")
    }

    /// Waits until neither a Job nor a pod of one is there.
    #[track_caller]
    fn wait_until_nothing_is_left(&self) {
        let mut left = String::new();
        let is_clean = eventually(|| {
            left = self.objects();
            left.trim().is_empty()
        });
        assert!(is_clean, "left over: {left}");
    }

    /// Waits until the row of a Module is as wanted, and returns it.
    #[track_caller]
    fn wait_for_row(&self, preflight: &str, module: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        row(
            &self.wait_for_status(preflight, |status| wanted(&row(status, module))),
            module,
        )
    }
}

impl Kubelet {
    /// Waits until so many Jobs have come, and returns them.
    #[track_caller]
    fn wait_for_jobs(&self, count: usize) -> Vec<Value> {
        assert!(eventually(|| self.jobs().len() >= count), "only {:?}", self.names());
        self.jobs()
    }
}

fn buildable(name: &str, image: &str) -> String {
    let build = "build: {dockerfileConfigMap: {name: dockerfile}}, containerImage: ";
    module("a", name, image).replace("containerImage: ", build)
}

fn reason(row: &Value) -> &str {
    row["statusReason"].as_str().unwrap_or_default()
}

fn verdict(row: &Value) -> &str {
    row["verificationStatus"].as_str().unwrap_or_default()
}
