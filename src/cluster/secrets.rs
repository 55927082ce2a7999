//! Secrets, fetched by name when they are needed: never listed, never watched, never kept here.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, GetParams, ObjectMeta};
use kube::core::Request;
use kube::{Client, Resource};

use super::call::{CALL_DEADLINE, CallError, optional, within};
use super::name;

/// Secrets fetched at the same time for one caller.
const AT_ONCE: usize = 8;
/// Pull secrets of one service account or Module that are looked at. The kubelet has no such bound; nobody has as many.
const MOST_PULL_SECRETS: usize = 32;

/// The Secret of that name, or `None` where there is none.
pub async fn secret(client: &Client, namespace: &str, name: &str) -> Result<Option<Secret>, CallError> {
    if !name::is_possible(namespace) || !name::is_possible(name) {
        return Ok(None);
    }
    let request = Request::new(Secret::url_path(&(), Some(namespace)))
        .get(name, &GetParams::default())
        .map_err(kube::Error::BuildRequest)?;
    // Read as text: `Client::request` logs an answer that it cannot parse, content and all.
    let Some(text) = optional(within(CALL_DEADLINE, client.request_text(request)).await)? else {
        return Ok(None);
    };
    let secret = serde_json::from_str(&text).map_err(kube::Error::SerdeError)?;
    Ok(Some(secret))
}

/// The Secrets of these names in a namespace, in that order, each with its name; `None` where there is none.
pub async fn pull_secrets(
    client: &Client,
    namespace: &str,
    names: &[String],
) -> Result<Vec<(String, Option<Secret>)>, CallError> {
    let fetch = |name: String| async move {
        let found = secret(client, namespace, &name).await?;
        Ok((name, found))
    };
    stream::iter(names.iter().take(MOST_PULL_SECRETS).cloned())
        .map(fetch)
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// The names of a service account's pull secrets, or `None` where there is no such account.
pub async fn pull_secret_names(
    client: &Client,
    namespace: &str,
    account: &str,
) -> Result<Option<Vec<String>>, CallError> {
    if !name::is_possible(namespace) || !name::is_possible(account) {
        return Ok(None);
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account = optional(within(CALL_DEADLINE, accounts.get(account)).await)?;
    let names = |account: ServiceAccount| {
        let secrets = account.image_pull_secrets.unwrap_or_default();
        secrets.into_iter().map(|secret| secret.name).collect()
    };
    Ok(account.map(names))
}

/// The metadata of a Secret, whose content the operator has no business with; `None` where there is none.
pub async fn secret_metadata(client: &Client, namespace: &str, name: &str) -> Result<Option<ObjectMeta>, CallError> {
    if !name::is_possible(namespace) || !name::is_possible(name) {
        return Ok(None);
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = optional(within(CALL_DEADLINE, secrets.get_metadata(name)).await)?;
    Ok(found.map(|partial| partial.metadata))
}
