//! What runs in pods: Jobs are made, watched, read and deleted, whatever happens meanwhile. A stand-in plays Job controller and kubelet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::kubelet::{Kubelet, Play, label, name_of};
use crate::stage::{KERNEL, Operator, Stage, condition, eventually, is_complete, module, preflight, row};

/// The images of the Jobs; nobody pulls them here.
const WORK: [&str; 4] = [
    "--work-image",
    "registry.example.com/p:1",
    "--builder-image",
    "registry.example.com/buildah:1",
];

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What the containers say of a build that went well.
fn judged(pushed: bool) -> Play {
    let judged = json!({"outcome": "judged", "digest": DIGEST, "findings": [], "pushed": pushed});
    Play::Completes(vec![
        ("build", json!({"outcome": "built", "digest": DIGEST})),
        ("judge", judged),
    ])
}

/// A build that failed in its Dockerfile.
fn failed() -> Play {
    Play::Fails(
        "build",
        json!({"outcome": "failed", "message": "step 4/7 failed", "log": ["cc: no such file"]}),
    )
}

impl Stage {
    /// A cluster in whose namespace `a` there is a Dockerfile.
    fn with_a_dockerfile() -> Option<Self> {
        let stage = Self::set()?;
        stage.dockerfile("FROM scratch");
        Some(stage)
    }

    fn dockerfile(&self, text: &str) {
        self.apply(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: a, name: dockerfile}}\ndata: {{dockerfile: '{text}'}}\n"
        ));
    }

    /// A Module of namespace `a` whose image is missing and can be built.
    fn buildable(&self, name: &str) {
        self.apply(&module_with_build(name, &self.quicknic(&format!("missing-{name}"))));
    }

    /// Starts the operator with Jobs and these further words.
    fn operator_with_jobs(&self, words: &[&str]) -> Operator {
        self.operator(&[&WORK, words].concat())
    }

    /// The names of the Jobs that are there.
    fn jobs(&self) -> Vec<String> {
        let listed = self.kubectl(["get", "jobs", "-A", "-o", "name"]);
        listed.lines().map(str::to_owned).collect()
    }

    /// Waits until neither a Job nor a pod of one is there.
    #[track_caller]
    fn wait_until_nothing_is_left(&self) {
        let is_clean = || self.kubectl(["get", "jobs,pods", "-A", "-o", "name"]).trim().is_empty();
        assert!(
            eventually(is_clean),
            "left over: {}",
            self.kubectl(["get", "jobs,pods", "-A"])
        );
    }
}

fn module_with_build(name: &str, image: &str) -> String {
    let text = module("a", name, image);
    text.replace(
        "containerImage: ",
        "build: {dockerfileConfigMap: {name: dockerfile}}, containerImage: ",
    )
}

fn reason(row: &Value) -> &str {
    row["statusReason"].as_str().unwrap_or_default()
}

fn verdict<'a>(status: &'a Value, module: &str) -> String {
    row(status, module)["verificationStatus"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_missing_image_is_built_judged_and_forgotten() {
    // "D13"
    let Some(stage) = Stage::with_a_dockerfile() else {
        return;
    };
    stage.buildable("nic");
    let runs = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&runs);
    let kubelet = Kubelet::start(&stage, move |_| {
        if still.load(Ordering::Relaxed) {
            Play::Runs("build")
        } else {
            judged(false)
        }
    });
    let operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let status = stage.wait_for_status("upgrade", |status| row(status, "nic")["verificationStage"] == "Build");
    let job = kubelet.names().pop().expect("a Job");
    assert!(reason(&row(&status, "nic")).contains(&format!("a/{job}")), "{status:#}");
    runs.store(false, Ordering::Relaxed);
    let status = stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    assert_eq!(row(&status, "nic")["digest"], DIGEST, "{status:#}");
    stage.wait_until_nothing_is_left();
    assert_eq!(kubelet.names(), [job], "made once");
    assert_eq!(
        operator.metric("kmm_preflight_jobs_ended_total{errand=\"make\",outcome=\"judged\"}"),
        Some(1.0)
    );
    let told = || stage.kubectl(["get", "events", "-A"]);
    assert!(
        eventually(|| told().contains("JobStarted") && told().contains("JobSucceeded")),
        "{}",
        told()
    );
}
