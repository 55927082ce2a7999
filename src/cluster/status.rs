//! Writes the status of a preflight, and sees who else does.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderValue;
use http::header::ACCEPT;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::core::{PartialObjectMeta, Request};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};

use super::FIELD_MANAGER;
use super::call::{CallError, within};
use super::schema::InstalledSchema;
use crate::api::PreflightValidationOCP;

/// The deadline of a write. Shorter than the time between the end of a lease's leadership and its expiry
/// (see [`super::Leadership`]), so that no write of a replica that lost it outlives it.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

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
///
/// # Errors
/// [`CallError::Invalid`] and [`CallError::Unreachable`] may mean that another schema is installed by now: see
/// [`super::Schemas::doubt`].
pub async fn write_status(
    client: &Client,
    preflight: &PreflightValidationOCP,
    status: &Value,
    schema: &InstalledSchema,
) -> Result<WriteOutcome, CallError> {
    let mut request = request(preflight, status, schema).map_err(kube::Error::BuildRequest)?;
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static(METADATA_ONLY));
    let answer = within(
        WRITE_DEADLINE,
        client.request::<PartialObjectMeta<PreflightValidationOCP>>(request),
    )
    .await;
    match answer {
        Ok(written) => Ok(WriteOutcome::Written {
            resource_version: written.metadata.resource_version.unwrap_or_default(),
        }),
        Err(CallError::NotFound(_)) => Ok(WriteOutcome::Gone),
        Err(error) if is_another_object(&error) => Ok(WriteOutcome::Gone),
        Err(error) => Err(error),
    }
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

fn request(
    preflight: &PreflightValidationOCP,
    status: &Value,
    schema: &InstalledSchema,
) -> Result<http::Request<Vec<u8>>, kube::core::request::Error> {
    let name = preflight.name_any();
    let resource = Request::new(PreflightValidationOCP::url_path(&(), None));
    let mut body = json!({
        "apiVersion": PreflightValidationOCP::api_version(&()),
        "kind": PreflightValidationOCP::kind(&()),
        "metadata": { "name": name, "uid": preflight.metadata.uid },
        "status": status,
    });
    let mut params = PatchParams::apply(FIELD_MANAGER);
    if schema.rows_are_atomic() {
        params.force = true;
        return resource.patch_subresource("status", &name, &params, &Patch::Apply(body));
    }
    clear_the_rest(&mut body, schema);
    resource.patch_subresource("status", &name, &params, &Patch::Merge(body))
}

/// A merge patch leaves what it does not name: what the status has no longer must be named as `null`.
fn clear_the_rest(body: &mut Value, schema: &InstalledSchema) {
    if let Some(status) = body.get_mut("status").and_then(Value::as_object_mut) {
        for field in schema.fields() {
            status.entry(field).or_insert(Value::Null);
        }
    }
}

/// Whether the API server refused because the object of that name has another `uid`.
fn is_another_object(error: &CallError) -> bool {
    match error {
        CallError::Conflict(said) => said.contains("uid") || said.contains("UID"),
        CallError::Invalid(said) => said.contains("metadata.uid"),
        _ => false,
    }
}
