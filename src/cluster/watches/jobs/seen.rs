//! Jobs and pods on the wire → as much of them as is kept. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::{NamespaceResourceScope, Resource as _};
use kube::api::ObjectMeta;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cluster::events::cut;
use crate::cluster::watches::lean::Lean;
use crate::cluster::watches::seen::object_name;
use crate::plan::ObjectName;
use crate::plan::work::{
    BuildSeen, ContainerSeen, ContainerState, ERRAND, Errand, JobEnd, MODULE, PREFLIGHT_UID, PodSeen, job_of,
};

/// A Job on the wire.
pub(super) type WireJob = Lean<Job, IgnoredAny, JobStatus>;
/// A pod on the wire.
pub(super) type WirePod = Lean<Pod, PodSpec, PodStatus>;

/// An OpenShift Build on the wire.
pub(super) type WireBuild = Lean<Build, IgnoredAny, BuildStatus>;

/// OpenShift's kind, as far as a watch has to know it.
#[derive(Clone, Debug)]
pub(super) struct Build(ObjectMeta);

impl kube::Resource for Build {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Build".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "build.openshift.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "builds".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0
    }
}

/// What is read of a Build's status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BuildStatus {
    phase: String,
    reason: String,
    message: String,
    log_snippet: String,
    completion_timestamp: Option<Time>,
}

/// A Build that was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SeenBuild {
    /// The same as of the Job that comes after it.
    pub(super) job: SeenJob,
    pub(super) build: BuildSeen,
}

impl SeenBuild {
    pub(super) fn new(wire: WireBuild) -> Self {
        let status = wire.status;
        let job = SeenJob::of(wire.metadata, None);
        Self {
            build: BuildSeen {
                name: job.name.clone(),
                labels: job.labels.clone(),
                created: job.created,
                ended: status.completion_timestamp.map(|time| time.0),
                phase: status.phase,
                reason: status.reason,
                message: cut(&status.message, LONGEST_MESSAGE),
                log: cut(&status.log_snippet, LONGEST_MESSAGE),
            },
            job,
        }
    }

    /// Whether it is at work, or its Job will be.
    pub(super) fn keeps_a_place(&self) -> bool {
        let is_lost = ["Failed", "Error", "Cancelled"].contains(&self.build.phase.as_str());
        !self.job.going && !is_lost
    }
}

/// The most bytes kept of what a cluster says about a Job or a pod: as much as the kubelet keeps of a container's last words
/// (`pkg/kubelet/container: MaxContainerTerminationMessageLength`), among which there may be a testimony.
const LONGEST_MESSAGE: usize = 4096;

/// What is read of a Job's status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobStatus {
    conditions: Vec<Condition>,
}

/// A condition of a Job or a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
    last_transition_time: Option<Time>,
}

/// What is read of a pod's spec: which containers it has, in order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec {
    init_containers: Vec<Container>,
    containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    name: String,
}

/// What is read of a pod's status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus {
    phase: String,
    reason: String,
    message: String,
    conditions: Vec<Condition>,
    init_container_statuses: Vec<ContainerStatus>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: String,
    #[serde(rename = "imageID")]
    image_id: String,
    state: State,
}

/// One of these is set, or none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Said>,
    running: Option<IgnoredAny>,
    terminated: Option<Said>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    exit_code: i32,
    reason: String,
    message: String,
}

/// A Job that was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SeenJob {
    pub(super) name: ObjectName,
    pub(super) uid: String,
    pub(super) labels: BTreeMap<String, String>,
    /// Those that are ours.
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) created: Timestamp,
    pub(super) going: bool,
    pub(super) end: Option<JobEnd>,
    /// Whether it was ordered. What has our labels and stands elsewhere was not.
    pub(super) is_ordered: bool,
}

/// A pod that was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SeenPod {
    pub(super) name: ObjectName,
    /// The UID of the Job that controls it; empty where none does.
    pub(super) job: String,
    pub(super) created: Timestamp,
    pub(super) pod: PodSeen,
}

impl SeenJob {
    pub(super) fn new(wire: WireJob) -> Self {
        let end = wire.status.conditions.into_iter().find_map(job_end);
        Self::of(wire.metadata, end)
    }

    fn of(metadata: ObjectMeta, end: Option<JobEnd>) -> Self {
        let (name, created) = (object_name(&metadata), created(&metadata));
        let going = metadata.deletion_timestamp.is_some();
        let (labels, annotations) = (
            metadata.labels.unwrap_or_default(),
            metadata.annotations.unwrap_or_default(),
        );
        Self {
            is_ordered: job_of(&labels, &annotations).as_ref() == Some(&name),
            name,
            created,
            going,
            end,
            uid: metadata.uid.unwrap_or_default(),
            labels,
            annotations,
        }
    }

    /// Whose place it has among those that are at work: its preflight, its Module, and whether it looks.
    pub(super) fn place(&self) -> (&str, Option<&str>, bool) {
        let looks = self
            .labels
            .get(ERRAND)
            .is_some_and(|errand| errand == Errand::Look.name());
        (
            self.preflight(),
            self.annotations.get(MODULE).map(String::as_str),
            looks,
        )
    }

    /// The UID of the preflight that it works for.
    pub(super) fn preflight(&self) -> &str {
        self.labels.get(PREFLIGHT_UID).map_or("", String::as_str)
    }
}

impl SeenPod {
    pub(super) fn new(wire: WirePod) -> Self {
        let metadata = wire.metadata;
        let mut owners = metadata.owner_references.iter().flatten();
        let job = owners.find(|owner| owner.controller == Some(true) && owner.kind == Job::KIND);
        Self {
            name: object_name(&metadata),
            created: created(&metadata),
            job: job.map(|job| job.uid.clone()).unwrap_or_default(),
            pod: wire.status.into_seen(metadata.name.unwrap_or_default(), wire.spec),
        }
    }
}

/// What a cluster said when a Job was to get its pod, and got none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SeenRefusal {
    /// The Event's namespace, which is that of what it tells of, and its name.
    pub(super) name: ObjectName,
    /// The UID of the Job.
    pub(super) job: String,
    /// When it was said last.
    pub(super) last: Option<Timestamp>,
    /// Why.
    pub(super) why: String,
}

impl SeenRefusal {
    pub(super) fn new(event: Event) -> Self {
        let said = event.message.unwrap_or_default();
        // `Error creating: pods "NAME" is forbidden: WHY`; the name is another one at every try.
        let why = said.split_once(" is forbidden: ").map_or(said.as_str(), |(_, why)| why);
        let last = event.last_timestamp.map(|time| time.0);
        Self {
            name: object_name(&event.metadata),
            job: event.involved_object.uid.unwrap_or_default(),
            last: last.or_else(|| Some(event.event_time?.0)),
            why: cut(why, LONGEST_MESSAGE),
        }
    }
}

impl PodStatus {
    fn into_seen(mut self, name: String, spec: PodSpec) -> PodSeen {
        let statuses = self.init_container_statuses.drain(..).chain(self.container_statuses);
        let mut statuses: HashMap<String, ContainerStatus> =
            statuses.map(|status| (status.name.clone(), status)).collect();
        let containers = spec.init_containers.into_iter().chain(spec.containers);
        PodSeen {
            name,
            phase: self.phase,
            reason: self.reason,
            message: cut(&self.message, LONGEST_MESSAGE),
            unscheduled: self.conditions.into_iter().find_map(unscheduled),
            containers: containers
                .map(|container| statuses.remove(&container.name).unwrap_or_default().of(container.name))
                .collect(),
        }
    }
}

impl ContainerStatus {
    fn of(self, name: String) -> ContainerSeen {
        ContainerSeen {
            name,
            state: self.state.into_seen(),
            image_id: self.image_id,
        }
    }
}

impl State {
    fn into_seen(self) -> ContainerState {
        match (self.terminated, self.running, self.waiting) {
            (Some(said), ..) => ContainerState::Ended {
                exit_code: said.exit_code,
                reason: said.reason,
                message: cut(&said.message, LONGEST_MESSAGE),
            },
            (None, Some(_), _) => ContainerState::Running,
            (None, None, Some(said)) => ContainerState::Waiting {
                reason: said.reason,
                message: cut(&said.message, LONGEST_MESSAGE),
            },
            (None, None, None) => ContainerState::Unknown,
        }
    }
}

/// How a Job ended, if this condition says that it has.
fn job_end(condition: Condition) -> Option<JobEnd> {
    let complete = condition.kind == "Complete";
    let ended = condition.status == "True" && (complete || condition.kind == "Failed");
    ended.then(|| JobEnd {
        complete,
        reason: condition.reason.unwrap_or_default(),
        message: cut(&condition.message.unwrap_or_default(), LONGEST_MESSAGE),
        at: condition
            .last_transition_time
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
    })
}

/// Why a pod is not scheduled, if this condition says that it is not.
fn unscheduled(condition: Condition) -> Option<(String, String)> {
    let says_so = condition.kind == "PodScheduled" && condition.status == "False";
    let message = condition.message.unwrap_or_default();
    says_so.then(|| (condition.reason.unwrap_or_default(), cut(&message, LONGEST_MESSAGE)))
}

fn created(metadata: &ObjectMeta) -> Timestamp {
    let time = metadata.creation_timestamp.as_ref();
    time.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: &Value) -> SeenPod {
        let object = json!({
            "metadata": {
                "name": "build-x", "namespace": "a", "creationTimestamp": "2026-01-01T00:00:00Z",
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "no"},
                    {"apiVersion": "batch/v1", "kind": "Job", "name": "build", "uid": "of-the-job", "controller": true},
                ],
            },
            "spec": {
                "initContainers": [{"name": "place", "image": "x"}, {"name": "build"}],
                "containers": [{"name": "judge", "env": [{"name": "A", "value": "b"}]}],
            },
            "status": status,
        });
        SeenPod::new(serde_json::from_value(object).expect("a pod"))
    }

    #[test]
    fn containers_stand_in_the_order_in_which_they_run_whatever_the_status_says_of_them() {
        let seen = pod(&json!({
            "phase": "Pending",
            "initContainerStatuses": [
                {"name": "build", "imageID": "", "state": {"waiting": {"reason": "ErrImagePull", "message": "no such host"}}},
                {"name": "place", "imageID": "r/p@sha256:1", "state": {"terminated": {"exitCode": 0, "reason": "Completed", "message": "{}"}}},
            ],
        }));
        assert_eq!(seen.job, "of-the-job");
        let states: Vec<_> = seen
            .pod
            .containers
            .into_iter()
            .map(|container| (container.name, container.state, container.image_id))
            .collect();
        let ended = ContainerState::Ended {
            exit_code: 0,
            reason: "Completed".to_owned(),
            message: "{}".to_owned(),
        };
        let waiting = ContainerState::Waiting {
            reason: "ErrImagePull".to_owned(),
            message: "no such host".to_owned(),
        };
        assert_eq!(
            states,
            [
                ("place".to_owned(), ended, "r/p@sha256:1".to_owned()),
                ("build".to_owned(), waiting, String::new()),
                ("judge".to_owned(), ContainerState::Unknown, String::new()),
            ]
        );
    }

    #[test]
    fn a_pod_that_finds_no_node_or_was_evicted_says_why() {
        let unscheduled = pod(&json!({
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}],
        }));
        let why = Some(("Unschedulable".to_owned(), "0/3 nodes".to_owned()));
        assert_eq!(unscheduled.pod.unscheduled, why);
        let evicted = pod(
            &json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory",
            "conditions": [{"type": "PodScheduled", "status": "True"}]}),
        );
        assert_eq!(
            (evicted.pod.reason.as_str(), evicted.pod.unscheduled),
            ("Evicted", None)
        );
    }

    #[test]
    fn a_testimony_is_kept_whole_and_what_is_longer_is_cut() {
        let said = |length: usize| {
            let state = json!({"terminated": {"exitCode": 1, "message": "x".repeat(length)}});
            let seen = pod(&json!({"containerStatuses": [{"name": "judge", "state": state}]}));
            match seen
                .pod
                .containers
                .into_iter()
                .next_back()
                .map(|container| container.state)
            {
                Some(ContainerState::Ended { message, .. }) => message.len(),
                other => panic!("not ended: {other:?}"),
            }
        };
        assert_eq!(said(LONGEST_MESSAGE), LONGEST_MESSAGE);
        assert!(said(100_000) <= LONGEST_MESSAGE);
    }

    #[test]
    fn a_job_has_ended_when_a_condition_says_that_it_completed_or_failed() {
        let end = |conditions: Value| {
            let object = json!({"metadata": {"name": "j"}, "status": {"conditions": conditions}});
            SeenJob::new(serde_json::from_value(object).expect("a Job")).end
        };
        assert_eq!(end(json!([])), None);
        assert_eq!(end(json!([{"type": "Suspended", "status": "True"}])), None);
        assert_eq!(
            end(json!([{"type": "FailureTarget", "status": "True"}, {"type": "Failed", "status": "False"}])),
            None
        );
        let time = "2026-01-01T00:00:07Z";
        let failed = json!([
            {"type": "FailureTarget", "status": "True"},
            {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long", "lastTransitionTime": time},
        ]);
        let failed = end(failed).expect("it has ended");
        assert_eq!(
            (failed.complete, failed.reason.as_str(), failed.at.to_string().as_str()),
            (false, "DeadlineExceeded", time)
        );
        assert!(end(json!([{"type": "Complete", "status": "True"}])).is_some_and(|end| end.complete));
    }
}
