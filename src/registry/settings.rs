//! What the command line or the operator may set about registries, and the defaults of all of it.

use std::path::PathBuf;
use std::time::Duration;

use super::pattern::RegistryPattern;
use super::place::Places;

/// How long a connection (TCP and TLS) may take.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long the head of an answer may take, from the first byte of the request.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(15);
/// How long a body may be silent between two chunks.
pub const IDLE_DEADLINE: Duration = Duration::from_secs(30);
/// How long one blob may take from the first byte to the last.
pub const BLOB_DEADLINE: Duration = Duration::from_mins(10);
/// How often a request is tried at most: a registry that fails three times is reported, not hammered.
pub const ATTEMPTS: u32 = 3;
/// The pause before the second attempt; it doubles with each further one, with jitter.
pub const BACKOFF: Duration = Duration::from_millis(300);
/// How many requests one registry answers at once. More than a few only queue inside the registry: a plain
/// docker-registry spends 1.8 ms of one core on each, so eight keep several cores busy.
pub const CONCURRENCY: usize = 8;

/// How long a registry that does not answer is not asked again: a thousand images of a dead registry must not
/// wait for a thousand time-outs.
pub const REST: Duration = Duration::from_secs(20);

/// What may be set about registries.
#[derive(Clone, Debug)]
pub struct Settings {
    /// PEM files with certificates to trust beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// Proxies; none by default. The environment is read by the command line ([`Proxies::from_variables`]).
    pub proxies: Proxies,
    /// Deadlines of requests and bodies.
    pub deadlines: Deadlines,
    /// How many requests, and how many blobs, one registry serves at once.
    pub concurrency: usize,
    /// How often a request is tried at most.
    pub attempts: u32,
    /// The pause before the second attempt.
    pub backoff: Duration,
    /// How long a registry that does not answer is not asked again.
    pub rest: Duration,
    /// Which registries may be asked at all: those of any of these patterns, all of them where there is none.
    pub allowed: Vec<RegistryPattern>,
    /// Where registries themselves may be: anywhere by default; an operator narrows it.
    pub registry_places: Places,
    /// Where token services and redirects may lead although the registry itself is not there: nowhere but the
    /// public network by default.
    pub other_places: Places,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ca_files: Vec::new(),
            proxies: Proxies::default(),
            deadlines: Deadlines::default(),
            concurrency: CONCURRENCY,
            attempts: ATTEMPTS,
            backoff: BACKOFF,
            rest: REST,
            allowed: Vec::new(),
            registry_places: Places::ANYWHERE,
            other_places: Places::PUBLIC,
        }
    }
}

/// Deadlines of requests and bodies.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For a connection.
    pub connect: Duration,
    /// For the head of an answer.
    pub head: Duration,
    /// For silence between two chunks of a body.
    pub idle: Duration,
    /// For one blob.
    pub blob: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: CONNECT_DEADLINE,
            head: HEAD_DEADLINE,
            idle: IDLE_DEADLINE,
            blob: BLOB_DEADLINE,
        }
    }
}

/// Proxies, as the well-known environment variables name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For plain HTTP.
    pub http: Option<String>,
    /// For HTTPS.
    pub https: Option<String>,
    /// Hosts, domains and networks that are reached directly, separated by commas.
    pub no_proxy: Option<String>,
}

impl Proxies {
    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, the lower-case form first, as curl does.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| {
            let value = variable(&name.to_lowercase()).or_else(|| variable(name));
            value.filter(|value| !value.trim().is_empty())
        };
        Self {
            http: set("HTTP_PROXY").or_else(|| set("ALL_PROXY")),
            https: set("HTTPS_PROXY").or_else(|| set("ALL_PROXY")),
            no_proxy: set("NO_PROXY"),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A CA file cannot be read.
    #[error("cannot read the CA file {}; name a PEM file that this user may read", path.display())]
    UnreadableCa {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A CA file holds no certificate.
    #[error("the CA file {} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path.display())]
    EmptyCa {
        /// The file.
        path: PathBuf,
    },
    /// A certificate of a CA file is damaged.
    #[error("certificate {number} of the CA file {} is damaged", path.display())]
    DamagedCa {
        /// The file.
        path: PathBuf,
        /// Which certificate of the file, from 1.
        number: usize,
    },
    /// A proxy is not an address.
    #[error("`{proxy}` is not the address of a proxy; write it like http://proxy.example.com:3128")]
    Proxy {
        /// The text, without a password.
        proxy: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_come_from_the_environment_with_the_lower_case_form_first() {
        let variables = |name: &str| match name {
            "https_proxy" => Some("http://lower:1".to_owned()),
            "HTTPS_PROXY" => Some("http://upper:1".to_owned()),
            "ALL_PROXY" => Some("http://all:1".to_owned()),
            "HTTP_PROXY" | "no_proxy" => Some(" ".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_variables(variables);
        assert_eq!(proxies.https.as_deref(), Some("http://lower:1"));
        assert_eq!(proxies.http.as_deref(), Some("http://all:1"));
        assert_eq!(proxies.no_proxy, None);
    }
}
