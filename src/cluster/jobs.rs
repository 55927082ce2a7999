//! Jobs of ours: made under names that tell what they do, so that one is never made twice, and deleted as that very one.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ObjectMeta, PostParams, Preconditions,
    PropagationPolicy,
};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::FIELD_MANAGER;
use super::call::{CallError, optional, within};
use crate::plan::ObjectName;
use crate::plan::work::{MANAGED_BY, MANAGER, PREFLIGHT_UID};

/// How long a creation or deletion may take. No longer than the time between the end of a lease's leadership and its expiry (see
/// [`super::Leadership`]), so that none of a replica that lost it outlives it.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// What came of making a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was made now.
    Now,
    /// It is there already: made before this process began, or by a call whose answer was lost.
    Before,
    /// One of this name is still being deleted.
    Going,
    /// One of this name is there that does not work for this preflight.
    NotOurs,
}

/// Makes a Job, unless it is there.
///
/// # Errors
/// What the API server refused is [`CallError::Forbidden`], [`CallError::Invalid`] or [`CallError::Throttled`], in its own words.
pub async fn make(client: &Client, job: &Job) -> Result<Made, CallError> {
    let namespace = job.namespace().unwrap_or_default();
    let job = serde_json::to_value(job).and_then(serde_json::from_value);
    let job: DynamicObject = job.map_err(kube::Error::SerdeError)?;
    create(&any(client, &namespace, JOB), &job).await
}

/// Makes an OpenShift Build, given as JSON, unless it is there.
///
/// # Errors
/// As for a Job.
pub async fn make_build(client: &Client, build: Value) -> Result<Made, CallError> {
    let build: DynamicObject = serde_json::from_value(build).map_err(kube::Error::SerdeError)?;
    let namespace = build.namespace().unwrap_or_default();
    create(&any(client, &namespace, BUILD), &build).await
}

/// Group, version, kind and plural of a kind.
type Names = [&'static str; 4];

const JOB: Names = ["batch", "v1", "Job", "jobs"];
const BUILD: Names = ["build.openshift.io", "v1", "Build", "builds"];

/// Objects of a kind, of which nothing is read but metadata: reading a Job's pod template in full, field by field, would be a
/// megabyte of the program.
fn any(client: &Client, namespace: &str, [group, version, kind, plural]: Names) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    Api::namespaced_with(client.clone(), namespace, &resource)
}

async fn create(jobs: &Api<DynamicObject>, job: &DynamicObject) -> Result<Made, CallError> {
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    match within(WRITE_DEADLINE, jobs.create(&params, job)).await {
        Ok(_) => Ok(Made::Now),
        Err(CallError::AlreadyExists(_)) => found(jobs, job).await,
        Err(why) => Err(why),
    }
}

/// What the Job is that has this one's name.
async fn found(jobs: &Api<DynamicObject>, wanted: &DynamicObject) -> Result<Made, CallError> {
    let found = within(WRITE_DEADLINE, jobs.get_metadata(&wanted.name_any())).await;
    Ok(match optional(found)? {
        Some(found) if found.metadata.deletion_timestamp.is_some() => Made::Going,
        Some(found) if is_alike(&found.metadata, &wanted.metadata) => Made::Before,
        Some(_) => Made::NotOurs,
        // It went in this moment.
        None => Made::Going,
    })
}

/// Whether two Jobs of one name work for the same preflight, by the labels that the watches know them by.
fn is_alike(found: &ObjectMeta, wanted: &ObjectMeta) -> bool {
    let label = |metadata: &ObjectMeta, key: &str| metadata.labels.as_ref()?.get(key).cloned();
    label(found, MANAGED_BY).as_deref() == Some(MANAGER) && label(found, PREFLIGHT_UID) == label(wanted, PREFLIGHT_UID)
}

/// Deletes a Job with its pods, if it is still the one with this UID. Who finds it gone has what he wanted.
pub async fn delete(client: &Client, job: &ObjectName, uid: &str) -> Result<(), CallError> {
    remove(&any(client, &job.0, JOB), &job.1, uid).await
}

/// The same for an OpenShift Build.
pub async fn delete_build(client: &Client, build: &ObjectName, uid: &str) -> Result<(), CallError> {
    remove(&any(client, &build.0, BUILD), &build.1, uid).await
}

async fn remove(jobs: &Api<DynamicObject>, name: &str, uid: &str) -> Result<(), CallError> {
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            ..Preconditions::default()
        }),
        ..DeleteParams::default()
    };
    match within(WRITE_DEADLINE, jobs.delete(name, &params)).await {
        // Another one of that name is another's business.
        Ok(_) | Err(CallError::NotFound(_) | CallError::Conflict(_)) => Ok(()),
        Err(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower_test::mock::{self, Handle};

    use super::*;

    fn job(preflight: &str) -> Job {
        let labels = [(MANAGED_BY, MANAGER), (PREFLIGHT_UID, preflight)];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Job {
            metadata: ObjectMeta {
                namespace: Some("a".to_owned()),
                name: Some("build".to_owned()),
                labels: Some(labels.into()),
                ..ObjectMeta::default()
            },
            ..Job::default()
        }
    }

    fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message});
        (code, status)
    }

    /// Answers requests, in order; whether each begins like that is asserted.
    async fn server(mut server: Handle<Request<Body>, Response<Body>>, answers: Vec<(&str, (u16, Value))>) {
        for (asked, (code, body)) in answers {
            let (request, respond) = server.next_request().await.expect("a request");
            let line = format!("{} {}", request.method(), request.uri().path());
            assert_eq!(line, asked);
            let answer = Response::builder()
                .status(code)
                .body(Body::from(body.to_string().into_bytes()));
            respond.send_response(answer.expect("a response"));
        }
    }

    const CREATE: &str = "POST /apis/batch/v1/namespaces/a/jobs";
    const GET: &str = "GET /apis/batch/v1/namespaces/a/jobs/build";

    #[tokio::test]
    async fn a_job_that_is_there_is_found_again_if_it_is_ours() {
        // "is-124", "is-135": of another preflight (UID) it is none of ours.
        let ours = serde_json::to_value(job("p")).expect("JSON");
        let mut going = ours.clone();
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let others = serde_json::to_value(job("q")).expect("JSON");
        for (found, made) in [
            ((200, ours.clone()), Made::Before),
            ((200, going), Made::Going),
            ((200, others), Made::NotOurs),
            (failure(404, "NotFound", "gone"), Made::Going),
        ] {
            let (service, handle) = mock::pair();
            let client = Client::new(service, "default");
            let answers = vec![(CREATE, failure(409, "AlreadyExists", "there")), (GET, found)];
            let job = job("p");
            let (outcome, ()) = tokio::join!(make(&client, &job), server(handle, answers));
            assert_eq!(outcome, Ok(made));
        }
    }

    #[tokio::test]
    async fn what_the_api_server_refuses_is_told_in_its_words() {
        // "is-123"
        let (service, handle) = mock::pair();
        let client = Client::new(service, "default");
        let quota = "jobs.batch \"build\" is forbidden: exceeded quota: few, requested: count/jobs.batch=1";
        let job = job("p");
        let answers = vec![(CREATE, failure(403, "Forbidden", quota))];
        let (outcome, ()) = tokio::join!(make(&client, &job), server(handle, answers));
        assert_eq!(outcome.expect_err("refused").to_string(), quota);
    }

    #[tokio::test]
    async fn only_the_very_job_is_deleted_and_its_pods_with_it() {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "default");
        let name = ("a".to_owned(), "build".to_owned());
        let answer = async {
            let (request, respond) = handle.next_request().await.expect("a request");
            let body = request.into_body().collect_bytes().await.expect("a body");
            let said: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(said["preconditions"]["uid"], "u-1");
            assert_eq!(said["propagationPolicy"], "Background");
            let (code, body) = failure(409, "Conflict", "another uid");
            let answer = Response::builder()
                .status(code)
                .body(Body::from(body.to_string().into_bytes()));
            respond.send_response(answer.expect("a response"));
        };
        let (outcome, ()) = tokio::join!(delete(&client, &name, "u-1"), answer);
        assert_eq!(outcome, Ok(()));
    }
}
