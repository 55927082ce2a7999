//! An order → the OpenShift `Build` that builds for it, and what became of that (`build.openshift.io/v1`). Its fields are
//! upstream's (`internal/buildsign/resource/common.go`), but for its output: a temporary tag, which the Job then judges.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::job::build_secrets;
use super::outcome::with_log;
use super::pull::brief;
use super::{ATTEMPT, ERRAND, Ended, Errand, Order, Step, Work, Workshop};
use crate::plan::{DTK_AUTO, ObjectName, build_args};

/// `apiVersion` of a Build.
pub const BUILD_API: &str = "build.openshift.io/v1";

/// The service account that OpenShift has for builds in every namespace.
const BUILDER: &str = "builder";

/// Labels that upstream gives its Builds, and what stands in them.
const LABELS: [(&str, &str); 4] = [
    ("app.kubernetes.io/name", "kmm"),
    ("app.kubernetes.io/component", "BuildImage"),
    ("app.kubernetes.io/part-of", "kmm"),
    ("kmm.openshift.io/build.type", "BuildImage"),
];
/// The label with the Module's name.
const MODULE_NAME: &str = "kmm.node.kubernetes.io/module.name";
/// The label with the kernel.
const TARGET_KERNEL: &str = "kmm.node.kubernetes.io/target-kernel";
/// Bytes of a label's value.
const LABEL_LIMIT: usize = 63;

/// A Build of ours, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildSeen {
    /// Its namespace and name: those of the Job that follows it.
    pub name: ObjectName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
    /// When it ended (`status.completionTimestamp`).
    pub ended: Option<Timestamp>,
    /// `status.phase`; empty where it has only just been created.
    pub phase: String,
    /// `status.reason`.
    pub reason: String,
    /// `status.message`.
    pub message: String,
    /// `status.logSnippet`.
    pub log: String,
}

impl Order {
    /// The Build that comes before its Job; `None` where the Job itself builds.
    pub fn build(&self, workshop: &Workshop) -> Option<Value> {
        let output = self.temporary_image(workshop)?;
        let build = self.target.build.as_ref()?;
        let dockerfile = self.dockerfile.as_ref()?;
        let toolkit = self.toolkit_image.as_deref().filter(|_| dockerfile.contains(DTK_AUTO));
        let secret = self.target.pull_secret.as_ref().map(|name| json!({"name": name}));
        let volumes: Vec<Value> = build_secrets(build).into_iter().map(volume).collect();
        let mut metadata = self.metadata(workshop);
        metadata.labels.get_or_insert_default().extend(self.upstreams_labels());
        let mut made = json!({
            "apiVersion": BUILD_API,
            "kind": "Build",
            "metadata": metadata,
            "spec": {
                "serviceAccount": BUILDER,
                "source": {"type": "Dockerfile", "dockerfile": dockerfile},
                "strategy": {"type": "Docker", "dockerStrategy": {
                    "buildArgs": build_args(&self.target, toolkit),
                    "volumes": volumes,
                    "pullSecret": secret,
                }},
                "output": {"to": {"kind": "DockerImage", "name": output}, "pushSecret": secret},
                "nodeSelector": self.node_selector(),
                "mountTrustedCA": true,
                "completionDeadlineSeconds": workshop.deadline.as_secs(),
            },
        });
        without_nulls(&mut made);
        Some(made)
    }

    fn upstreams_labels(&self) -> BTreeMap<String, String> {
        let own = [
            (MODULE_NAME, self.target.name.clone()),
            (TARGET_KERNEL, self.target.kernel.dns_safe()),
        ];
        let own = own.into_iter().filter(|(_, value)| value.len() <= LABEL_LIMIT);
        let fixed = LABELS.map(|(name, value)| (name, value.to_owned()));
        fixed
            .into_iter()
            .chain(own)
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

fn volume(secret: &str) -> Value {
    json!({
        "name": format!("secret-{secret}"),
        "source": {"type": "Secret", "secret": {"secretName": secret, "optional": false}},
        "mounts": [{"destinationPath": format!("/run/secrets/{secret}")}],
    })
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// What is known of the work of a Build; [`Work::None`] if it is none of ours, or done: then its Job is to be made.
pub fn build_progress(seen: &BuildSeen) -> Work {
    let Some(errand) = seen.labels.get(ERRAND).and_then(|name| Errand::named(name)) else {
        return Work::None;
    };
    let job = seen.name.clone();
    match seen.phase.as_str() {
        "Complete" => Work::None,
        "Failed" | "Error" | "Cancelled" => Work::Ended {
            job,
            errand,
            attempt: seen.labels.get(ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(1),
            at: seen.ended.unwrap_or(seen.created),
            ended: seen.outcome(),
        },
        _ => Work::Underway {
            job,
            errand,
            step: Some(Step::Build),
            since: seen.created,
            hindrance: seen.hindrance(),
        },
    }
}

/// Reasons of a Build that has failed and may come to something another time
/// (`github.com/openshift/api build/v1: StatusReason`).
const PASSING: [&str; 8] = [
    "BuildPodDeleted",
    "BuildPodEvicted",
    "CannotCreateBuildPod",
    "CannotRetrieveServiceAccount",
    "ExceededRetryTimeout",
    "FetchImageContentFailed",
    "PullBuilderImageFailed",
    "PushImageToRegistryFailed",
];

impl BuildSeen {
    fn outcome(&self) -> Ended {
        let said = if self.message.is_empty() {
            self.phase.clone()
        } else {
            brief(&self.message)
        };
        let log: Vec<String> = self.log.lines().map(str::to_owned).collect();
        let reason = if self.reason.is_empty() {
            &self.phase
        } else {
            &self.reason
        };
        let why = with_log(
            format!("OpenShift Build {}/{}: {said} ({reason})", self.name.0, self.name.1),
            &log,
        );
        if self.phase == "Cancelled" || PASSING.contains(&self.reason.as_str()) {
            Ended::Interrupted { why }
        } else {
            Ended::Failed {
                step: Some(Step::Build),
                why,
            }
        }
    }

    fn hindrance(&self) -> Option<String> {
        let waits = matches!(self.phase.as_str(), "New" | "Pending") && !self.reason.is_empty();
        waits.then(|| format!("{} ({})", brief(&self.message), self.reason))
    }
}
