//! The client: one for the whole program, with limits that `kube`'s own defaults do not have.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::{Client, Config};

/// How long a connection to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be silent. Longer than any watch, which the API server ends by itself (see
/// `watches::WATCH_TIMEOUT`): it only finds connections that died without a word.
const READ_TIMEOUT: Duration = Duration::from_mins(3);
/// How long a request may take to be sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the API server's audit log and metrics call this program.
const NAME: &str = concat!("kmm-preflight/", env!("CARGO_PKG_VERSION"));

/// No client could be made; nothing was sent yet.
#[derive(Debug, thiserror::Error)]
#[error("no client for the API server at {url} can be made: check the kubeconfig or the service account's files")]
pub struct ConnectError {
    url: String,
    source: kube::Error,
}

/// A client for that cluster. It neither retries by itself (`kube`'s default waits up to 1000 s, 15 times over) nor
/// asks for compressed answers, whose packing costs more time than a cluster's network saves.
pub fn connect(mut config: Config) -> Result<Client, ConnectError> {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.write_timeout = Some(WRITE_TIMEOUT);
    config.default_retry = false;
    config.disable_compression = true;
    config.headers.push((USER_AGENT, HeaderValue::from_static(NAME)));
    let url = config.cluster_url.to_string();
    Client::try_from(config).map_err(|source| ConnectError { url, source })
}
