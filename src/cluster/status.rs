//! Writes the status of a preflight, and sees who else does.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderValue;
use http::header::ACCEPT;
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use kube::core::{PartialObjectMeta, Request};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::FIELD_MANAGER;
use super::call::{CALL_DEADLINE, CallError, optional, within};
use super::schema::{Fitting, InstalledSchema};
use crate::api::PreflightValidationOCP;

/// The deadline of a write with all its attempts. No longer than the time between the end of a lease's leadership and its expiry
/// (see [`super::Leadership`]), so that no write of a replica that lost it outlives it.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// How often a write is tried when others write the object at the same time.
const ATTEMPTS: u32 = 4;
/// Asks for the metadata of the written object alone: a thousand rows need not come back.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// What came of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It stands.
    Written {
        /// The version of the object with it.
        resource_version: String,
    },
    /// The preflight was deleted, or is another one of the same name: nothing was written.
    Gone,
}

/// Writes a status (see [`super::fit`]) to that very preflight: where it was deleted meanwhile, or made anew under
/// the same name, nothing is written.
///
/// With atomic rows it is applied with force: whatever somebody else wrote is ours then. Else it is a merge patch.
/// The API server compares versions, but no `uid`, when it writes a status. So a write is for the version that was
/// seen, and where there is a newer one, for that, if it is the same object.
///
/// # Errors
/// [`CallError::Invalid`] may mean that another schema is installed by now: see [`super::Schemas::doubt`].
/// [`CallError::Conflict`] if the object changes faster than it can be written.
pub async fn write_status(
    client: &Client,
    preflight: &PreflightValidationOCP,
    status: &Fitting<'_>,
    schema: &InstalledSchema,
) -> Result<WriteOutcome, CallError> {
    let write = write(client, preflight, status, schema);
    let outcome = timeout(WRITE_DEADLINE, write).await;
    outcome.unwrap_or(Err(CallError::Timeout(WRITE_DEADLINE)))
}

async fn write(
    client: &Client,
    preflight: &PreflightValidationOCP,
    status: &Fitting<'_>,
    schema: &InstalledSchema,
) -> Result<WriteOutcome, CallError> {
    let mut version = preflight.metadata.resource_version.clone();
    for _ in 1..ATTEMPTS {
        match attempt(client, preflight, status, schema, version.as_deref()).await {
            Err(CallError::Conflict(_)) => {}
            outcome => return gone_or(outcome),
        }
        version = match current(client, preflight).await? {
            Some(metadata) if metadata.uid == preflight.metadata.uid => metadata.resource_version,
            _ => return Ok(WriteOutcome::Gone),
        };
    }
    gone_or(attempt(client, preflight, status, schema, version.as_deref()).await)
}

/// What does not exist cannot be written, which is no error.
fn gone_or(outcome: Result<WriteOutcome, CallError>) -> Result<WriteOutcome, CallError> {
    Ok(optional(outcome)?.unwrap_or(WriteOutcome::Gone))
}

async fn attempt(
    client: &Client,
    preflight: &PreflightValidationOCP,
    status: &Fitting<'_>,
    schema: &InstalledSchema,
    version: Option<&str>,
) -> Result<WriteOutcome, CallError> {
    let mut request = request(&preflight.name_any(), version, status, schema).map_err(kube::Error::BuildRequest)?;
    (request.headers_mut()).insert(ACCEPT, HeaderValue::from_static(METADATA_ONLY));
    let written = client.request::<PartialObjectMeta<PreflightValidationOCP>>(request);
    let metadata = within(CALL_DEADLINE, written).await?.metadata;
    Ok(WriteOutcome::Written {
        resource_version: metadata.resource_version.unwrap_or_default(),
    })
}

/// The metadata of the preflight that has this one's name now.
async fn current(client: &Client, preflight: &PreflightValidationOCP) -> Result<Option<ObjectMeta>, CallError> {
    let preflights: Api<PreflightValidationOCP> = Api::all(client.clone());
    let found = within(CALL_DEADLINE, preflights.get_metadata(&preflight.name_any())).await;
    Ok(optional(found)?.map(|found| found.metadata))
}

/// The managers, other than this program, that own fields of a status.
pub fn foreign_managers(metadata: &ObjectMeta) -> BTreeSet<String> {
    metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.subresource.as_deref() == Some("status"))
        .filter_map(|entry| entry.manager.clone())
        .filter(|manager| manager != FIELD_MANAGER)
        .collect()
}

/// What is sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: Value,
    status: &'a Fitting<'a>,
}

fn request(
    name: &str,
    version: Option<&str>,
    status: &Fitting<'_>,
    schema: &InstalledSchema,
) -> Result<http::Request<Vec<u8>>, kube::core::request::Error> {
    let resource = Request::new(PreflightValidationOCP::url_path(&(), None));
    let body = Written {
        api_version: &PreflightValidationOCP::api_version(&()),
        kind: &PreflightValidationOCP::kind(&()),
        metadata: json!({ "name": name, "resourceVersion": version }),
        status,
    };
    let mut params = PatchParams::apply(FIELD_MANAGER);
    if schema.rows_are_atomic() {
        params.force = true;
        return resource.patch_subresource("status", name, &params, &Patch::Apply(body));
    }
    let mut body = serde_json::to_value(body).unwrap_or_default();
    clear_the_rest(&mut body, schema);
    resource.patch_subresource("status", name, &params, &Patch::Merge(body))
}

/// A merge patch leaves what it does not name: what the status has no longer must be named as `null`.
fn clear_the_rest(body: &mut Value, schema: &InstalledSchema) {
    if let Some(status) = body.get_mut("status").and_then(Value::as_object_mut) {
        for field in schema.fields() {
            status.entry(field).or_insert(Value::Null);
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

    use super::*;

    #[test]
    fn only_others_who_own_fields_of_the_status_are_foreign() {
        let entry = |manager: &str, subresource: Option<&str>| ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            subresource: subresource.map(str::to_owned),
            ..ManagedFieldsEntry::default()
        };
        let metadata = ObjectMeta {
            managed_fields: Some(vec![
                entry("kubectl", None),
                entry(FIELD_MANAGER, Some("status")),
                entry("manager", Some("status")),
                entry("manager", Some("status")),
            ]),
            ..ObjectMeta::default()
        };
        assert_eq!(foreign_managers(&metadata), ["manager".to_owned()].into());
        assert_eq!(foreign_managers(&ObjectMeta::default()), BTreeSet::new());
    }
}
