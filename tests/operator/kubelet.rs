//! A stand-in for the controller of Jobs and for a kubelet: makes the pod of each Job, and writes the statuses that a test wants.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::stage::Stage;

/// How often the cluster is looked at.
const TICK: Duration = Duration::from_millis(100);
/// Which Jobs are played: the operator's.
const OURS: &str = "app.kubernetes.io/managed-by=kmm-preflight";

/// What becomes of a Job for now; asked again until it has ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Play {
    /// Its pod waits, and this container says why.
    Waits {
        container: &'static str,
        reason: &'static str,
        message: &'static str,
    },
    /// It runs, and the containers before this one have ended.
    Runs(&'static str),
    /// Its pod finds no node.
    Unschedulable(&'static str),
    /// Every container has ended well, with these last words.
    Completes(Vec<(&'static str, Value)>),
    /// The containers before this one ended well; this one did not, with these last words.
    Fails(&'static str, Value),
    /// The pod was evicted.
    Evicted,
    /// It took too long.
    TooLong,
}

/// Plays until it is dropped.
pub(crate) struct Kubelet {
    seen: Arc<Mutex<Seen>>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What became of each pod last, by its UID: that is written once, as a kubelet does.
type Played = BTreeMap<String, Play>;

/// What was seen of Jobs.
#[derive(Default)]
struct Seen {
    /// Every Job that ever was: its UID, and what it was.
    jobs: BTreeMap<String, Value>,
    /// In which order they came, by name.
    order: Vec<String>,
    /// The most that were at work at once.
    most: usize,
}

impl Kubelet {
    /// Plays each Job as `script` says, which is asked again and again with the Job until that has ended.
    pub(crate) fn start(stage: &Stage, script: impl Fn(&Value) -> Play + Send + 'static) -> Self {
        let kubeconfig = Kubeconfig::read_from(stage.plane.kubeconfig()).expect("a kubeconfig");
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), CancellationToken::new());
        let (told, stopped) = (Arc::clone(&seen), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
                let client = kmm_preflight::cluster::connect(config.expect("a configuration")).expect("a client");
                let mut played = Played::new();
                while !stopped.is_cancelled() {
                    tick(&client, &script, &told, &mut played).await;
                    tokio::time::sleep(TICK).await;
                }
            });
        });
        Self {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    /// Every Job that ever was, in the order in which they came.
    pub(crate) fn jobs(&self) -> Vec<Value> {
        let seen = self.seen.lock().expect("what was seen");
        seen.order.iter().map(|uid| seen.jobs[uid].clone()).collect()
    }

    /// The names of these Jobs.
    pub(crate) fn names(&self) -> Vec<String> {
        self.jobs().iter().map(name_of).collect()
    }

    /// The most Jobs that were at work at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.seen.lock().expect("what was seen").most
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A Job's name.
pub(crate) fn name_of(job: &Value) -> String {
    job["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// What the operator has labelled a Job with.
pub(crate) fn label<'a>(job: &'a Value, name: &str) -> &'a str {
    let key = format!("preflight.kmm.sigs.x-k8s.io/{name}");
    job["metadata"]["labels"][key].as_str().unwrap_or_default()
}

/// Our objects as the API server remembers them: nobody asks etcd for a tick.
fn ours() -> ListParams {
    ListParams::default().labels(OURS).match_any()
}

async fn tick(client: &Client, script: &impl Fn(&Value) -> Play, seen: &Mutex<Seen>, played: &mut Played) {
    let Ok(jobs) = Api::<Job>::all(client.clone()).list(&ours()).await else {
        return;
    };
    let present: BTreeSet<String> = jobs.iter().filter_map(ResourceExt::uid).collect();
    collect_garbage(client, &present).await;
    seen.lock().expect("what was seen").take_in(&jobs.items);
    for job in jobs.iter().filter(|job| !has_ended(job)) {
        // What goes away under our hands is played no more.
        let _ = play(client, job, script, played).await;
    }
}

impl Seen {
    fn take_in(&mut self, jobs: &[Job]) {
        for job in jobs {
            let uid = job.uid().unwrap_or_default();
            if !self.jobs.contains_key(&uid) {
                self.order.push(uid.clone());
                self.jobs.insert(uid, serde_json::to_value(job).expect("JSON"));
            }
        }
        let at_work = jobs.iter().filter(|job| !has_ended(job)).count();
        self.most = self.most.max(at_work);
    }
}

fn has_ended(job: &Job) -> bool {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| ["Complete", "Failed"].contains(&condition.type_.as_str()))
}

/// As the garbage collector: pods without their Job go.
async fn collect_garbage(client: &Client, jobs: &BTreeSet<String>) {
    let Ok(pods) = Api::<Pod>::all(client.clone()).list(&ours()).await else {
        return;
    };
    for pod in pods
        .iter()
        .filter(|pod| !pod.owner_references().iter().any(|owner| jobs.contains(&owner.uid)))
    {
        let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
        let _ = pods
            .delete(&pod.name_any(), &DeleteParams::default().grace_period(0))
            .await;
    }
}

async fn play(
    client: &Client,
    job: &Job,
    script: &impl Fn(&Value) -> Play,
    played: &mut Played,
) -> Result<(), kube::Error> {
    let pod = pod_of(client, job).await?;
    let wanted = script(&serde_json::to_value(job).expect("JSON"));
    let uid = pod.uid().unwrap_or_default();
    if played.get(&uid) == Some(&wanted) {
        return Ok(());
    }
    let status = pod_status(&wanted, &containers(&pod));
    write_status::<Pod>(client, &pod.namespace().unwrap_or_default(), &pod.name_any(), status).await?;
    if let Some(status) = job_status(&wanted) {
        write_status::<Job>(client, &job.namespace().unwrap_or_default(), &job.name_any(), status).await?;
    }
    played.insert(uid, wanted);
    Ok(())
}

/// The pod of a Job, made from its template.
async fn pod_of(client: &Client, job: &Job) -> Result<Pod, kube::Error> {
    let namespace = job.namespace().unwrap_or_default();
    let name = format!("{}-pod", job.name_any());
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    if let Some(pod) = pods.get_opt(&name).await? {
        return Ok(pod);
    }
    give_account(client, &namespace).await?;
    let spec = job.spec.as_ref().expect("a spec");
    let mut pod = serde_json::to_value(&spec.template).expect("JSON");
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = json!(job.name_any());
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(), "uid": job.uid(), "controller": true}]);
    let pod = serde_json::from_value(pod).expect("a pod");
    let made = pods.create(&PostParams::default(), &pod).await;
    if let Err(kube::Error::Api(refusal)) = &made {
        tell_refusal(client, job, &refusal.message).await?;
    }
    made
}

/// A Job without its pod says nothing: as the controller of Jobs does, an Event tells why (`pkg/controller: FailedCreatePodReason`).
async fn tell_refusal(client: &Client, job: &Job, why: &str) -> Result<(), kube::Error> {
    let (namespace, name) = (job.namespace().unwrap_or_default(), job.name_any());
    let (now, event_name) = (moment(), format!("{name}.refused"));
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": event_name, "namespace": namespace},
        "involvedObject": {"apiVersion": "batch/v1", "kind": "Job", "name": name, "namespace": namespace, "uid": job.uid()},
        "type": "Warning", "reason": "FailedCreate", "message": format!("Error creating: {why}"), "source": {"component": "job-controller"},
        "firstTimestamp": now, "lastTimestamp": now, "count": 1,
    });
    let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
    events
        .patch(&event_name, &PatchParams::apply("kubelet"), &Patch::Apply(event))
        .await
        .map(drop)
}

/// The service account that a controller manager gives each namespace, and without which no pod is admitted.
async fn give_account(client: &Client, namespace: &str) -> Result<(), kube::Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    let params = PatchParams::apply("kubelet");
    accounts
        .patch("default", &params, &Patch::Apply(account))
        .await
        .map(drop)
}

fn containers(pod: &Pod) -> (Vec<String>, Vec<String>) {
    let spec = pod.spec.as_ref().expect("a spec");
    let names =
        |containers: &[k8s_openapi::api::core::v1::Container]| containers.iter().map(|one| one.name.clone()).collect();
    (
        names(spec.init_containers.as_deref().unwrap_or_default()),
        names(&spec.containers),
    )
}

async fn write_status<K>(client: &Client, namespace: &str, name: &str, status: Value) -> Result<(), kube::Error>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({"status": status}));
    let written = api.patch_status(name, &PatchParams::default(), &patch).await;
    if let Err(kube::Error::Api(why)) = &written {
        assert!(
            why.code == 404 || why.code == 409,
            "the stand-in for the kubelet: {why:?}"
        );
    }
    written.map(drop)
}

/// The status of a pod with these init containers and these containers.
fn pod_status(play: &Play, (inits, mains): &(Vec<String>, Vec<String>)) -> Value {
    let mut status = json!({"phase": phase(play), "conditions": [{"type": "PodScheduled", "status": "True"}]});
    match play {
        Play::Unschedulable(message) => {
            status["conditions"] =
                json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]);
        }
        Play::Evicted => {
            status["reason"] = json!("Evicted");
            status["message"] = json!("The node was low on resource: memory.");
        }
        Play::TooLong => status["reason"] = json!("DeadlineExceeded"),
        Play::Waits { .. } | Play::Runs(_) | Play::Completes(_) | Play::Fails(..) => {
            let all: Vec<&String> = inits.iter().chain(mains).collect();
            let statuses =
                |names: &[String]| -> Value { names.iter().map(|name| container(play, &all, name)).collect() };
            status["initContainerStatuses"] = statuses(inits);
            status["containerStatuses"] = statuses(mains);
        }
    }
    status
}

fn phase(play: &Play) -> &'static str {
    match play {
        Play::Waits { .. } | Play::Unschedulable(_) => "Pending",
        Play::Runs(_) => "Running",
        Play::Completes(_) => "Succeeded",
        Play::Fails(..) | Play::Evicted | Play::TooLong => "Failed",
    }
}

/// The status of one container of a pod that has all these, in the order in which they run.
fn container(play: &Play, all: &[&String], name: &str) -> Value {
    let state = match play {
        Play::Completes(said) => {
            let said = said.iter().find(|(container, _)| *container == name);
            ended(0, said.map_or(&Value::Null, |(_, said)| said))
        }
        Play::Waits {
            container,
            reason,
            message,
        } => {
            let waits = json!({"waiting": {"reason": reason, "message": message}});
            around(all, container, name, waits)
        }
        Play::Runs(container) => around(all, container, name, json!({"running": {"startedAt": moment()}})),
        Play::Fails(container, said) => around(all, container, name, ended(1, said)),
        Play::Unschedulable(_) | Play::Evicted | Play::TooLong => Value::Null,
    };
    json!({"name": name, "image": "x", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

/// The state of a container where the pod has got as far as `reached`, which is in the state `there`.
fn around(all: &[&String], reached: &str, name: &str, there: Value) -> Value {
    let place = |name: &str| all.iter().position(|container| *container == name);
    match place(name).cmp(&Some(place(reached).expect("a container of that name"))) {
        Ordering::Less => ended(0, &Value::Null),
        Ordering::Equal => there,
        Ordering::Greater => json!({"waiting": {"reason": "PodInitializing"}}),
    }
}

/// The state of a container that ended with these words.
fn ended(code: i32, said: &Value) -> Value {
    let message = if said.is_null() {
        String::new()
    } else {
        said.to_string()
    };
    let (now, reason) = (moment(), if code == 0 { "Completed" } else { "Error" });
    json!({"terminated": {"exitCode": code, "reason": reason, "message": message,
           "startedAt": now, "finishedAt": now, "containerID": "containerd://1"}})
}

/// The status of a Job that has ended.
fn job_status(play: &Play) -> Option<Value> {
    let now = moment();
    let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "message": reason, "lastProbeTime": now, "lastTransitionTime": now});
    match play {
        Play::Completes(_) => Some(json!({
            "startTime": now, "completionTime": now, "succeeded": 1, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [condition("SuccessCriteriaMet", "CompletionsReached"), condition("Complete", "CompletionsReached")],
        })),
        Play::Fails(..) | Play::Evicted => Some(failed(&now, &condition, "BackoffLimitExceeded")),
        Play::TooLong => Some(failed(&now, &condition, "DeadlineExceeded")),
        Play::Waits { .. } | Play::Runs(_) | Play::Unschedulable(_) => None,
    }
}

fn failed(now: &Timestamp, condition: &impl Fn(&str, &str) -> Value, reason: &str) -> Value {
    json!({
        "startTime": now, "failed": 1, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {},
        "conditions": [condition("FailureTarget", reason), condition("Failed", reason)],
    })
}

#[expect(clippy::disallowed_methods, reason = "a cluster has a clock")]
pub(crate) fn moment() -> Timestamp {
    Timestamp::now()
}
