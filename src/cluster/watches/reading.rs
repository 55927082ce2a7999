//! Reads the Dockerfiles that Modules name, when they are named first and whenever they changed.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use kube::core::Request;
use kube::{Client, Error, Resource};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::known::ReadDockerfile;
use super::{ObjectName, Shared};
use crate::cluster::call::{CALL_DEADLINE, CallError, within};

/// Dockerfiles read at the same time.
const AT_ONCE: usize = 8;
/// The largest Dockerfile that is kept, in bytes. A ConfigMap may hold 1 MiB, and every Module may name one.
const LARGEST_DOCKERFILE: usize = 256 * 1024;

/// What is read of a ConfigMap with a Dockerfile.
#[derive(Deserialize)]
struct DockerfileMap {
    metadata: ObjectMeta,
    #[serde(default)]
    data: DockerfileData,
}

#[derive(Default, Deserialize)]
struct DockerfileData {
    dockerfile: Option<String>,
}

/// Reads for ever what is due.
pub(super) async fn read_dockerfiles(shared: Arc<Shared>, client: Client) {
    let mut readings: JoinSet<(ObjectName, ReadDockerfile)> = JoinSet::new();
    loop {
        while readings.len() < AT_ONCE {
            let Some(name) = shared.known().dockerfiles.next_due(Instant::now()) else {
                break;
            };
            let client = client.clone();
            readings.spawn(async move {
                let read = read(&client, &name).await;
                (name, read)
            });
        }
        let due = if readings.len() < AT_ONCE {
            shared.known().dockerfiles.due()
        } else {
            None
        };
        tokio::select! {
            Some(read) = readings.join_next() => if let Ok((name, read)) = read {
                shared.apply(|known| known.dockerfile(&name, read, Instant::now()));
            },
            () = shared.due.notified() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }
}

async fn read(client: &Client, (namespace, name): &ObjectName) -> ReadDockerfile {
    let request = Request::new(ConfigMap::url_path(&(), Some(namespace))).get(name, &kube::api::GetParams::default());
    let call = async {
        client
            .request::<DockerfileMap>(request.map_err(Error::BuildRequest)?)
            .await
    };
    match within(CALL_DEADLINE, call).await {
        Ok(map) => match map.data.dockerfile {
            Some(text) if text.len() > LARGEST_DOCKERFILE => ReadDockerfile::Failed(format!(
                "its Dockerfile has {} bytes; more than {LARGEST_DOCKERFILE} are not read",
                text.len()
            )),
            text => ReadDockerfile::Found(map.metadata.resource_version.unwrap_or_default(), text),
        },
        Err(CallError::NotFound(_)) => ReadDockerfile::Absent,
        Err(error) => ReadDockerfile::Failed(error.to_string()),
    }
}
