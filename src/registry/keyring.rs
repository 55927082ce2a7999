//! Credentials, and which of them are for an image: the most specific key first, as kubelet orders them.
//!
//! A credential goes by the reference's registry and path alone; nothing that a server answers can make us
//! show it to another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::credential::{Credential, Fingerprint, Login, Printer};
use super::docker_config::{ConfigProblem, DockerConfig};
use super::helpers::Helpers;
use super::pattern::Pattern;
use crate::image::Reference;

/// The largest file of credentials: no Secret holds more.
const CONFIG_CAP: u64 = 1 << 20;

/// Credentials, from one source or from several that are asked in turn.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    rings: Vec<Arc<Ring>>,
}

/// The credentials of one source, the most specific first.
#[derive(Debug)]
struct Ring {
    credentials: Vec<(Pattern, Credential)>,
    helpers: Option<Helpers>,
}

/// A source of credentials that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot take credentials from {origin}: {problem}")]
pub struct KeyringError {
    origin: String,
    problem: String,
}

/// Which credentials are for an image.
#[derive(Debug, Default)]
pub struct Candidates {
    /// In the order in which they are tried.
    pub credentials: Vec<Credential>,
    /// Credential helpers that failed, in words.
    pub complaints: Vec<String>,
}

impl Keyring {
    /// No credentials at all.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// The credentials of a Secret, from the content of its one key.
    ///
    /// `origin` names it in messages, `kind` is its type: `kubernetes.io/dockerconfigjson` or
    /// `kubernetes.io/dockercfg`. Credential helpers that it names are never run.
    pub fn from_secret_data(origin: &str, kind: &str, content: &[u8]) -> Result<Self, KeyringError> {
        let config = match kind {
            "kubernetes.io/dockerconfigjson" => DockerConfig::parse(content),
            "kubernetes.io/dockercfg" => DockerConfig::parse_legacy(content),
            other => {
                return Err(KeyringError::new(
                    origin,
                    format!(
                        "its type is `{}`, not kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg",
                        super::excerpt::excerpt(other)
                    ),
                ));
            }
        };
        let config = config.map_err(|problem| KeyringError::new(origin, problem.to_string()))?;
        Ok(Self::of(Ring::new(origin, config.logins, None)))
    }

    /// The credentials of a file: Docker's `config.json`, containers' `auth.json`, or the old `.dockercfg`.
    ///
    /// Credential helpers that it names are run when an image of their registry is asked for.
    pub fn from_file(path: &Path) -> Result<Self, KeyringError> {
        let origin = path.display().to_string();
        let content = read_capped(path).map_err(|problem| KeyringError::new(&origin, problem))?;
        let config = parse_file(path, &content).map_err(|problem| KeyringError::new(&origin, problem.to_string()))?;
        let helpers = Helpers::new(config.helpers, config.store);
        Ok(Self::of(Ring::new(&origin, config.logins, helpers)))
    }

    /// The same, and where these lead nowhere, the other's.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        self.rings.extend(other.rings);
        self
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.rings
            .iter()
            .all(|ring| ring.credentials.is_empty() && ring.helpers.is_none())
    }

    /// Which credentials are for an image, in the order in which they are tried. Runs helpers where the file
    /// that named them is asked.
    pub async fn candidates(&self, image: &Reference) -> Candidates {
        let mut candidates = Candidates::default();
        for ring in &self.rings {
            ring.find(image, &mut candidates).await;
        }
        let mut known: Vec<Login> = Vec::new();
        candidates.credentials.retain(|credential| {
            let new = !known.contains(&credential.login);
            known.push(credential.login.clone());
            new
        });
        candidates
    }

    /// What tells it apart from other keyrings.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut printer = Printer::new();
        for ring in &self.rings {
            printer.add("ring");
            for (pattern, credential) in &ring.credentials {
                printer.add(&pattern.to_string());
                credential.login.print_into(&mut printer);
            }
            if let Some(helpers) = &ring.helpers {
                helpers.print_into(&mut printer);
            }
        }
        printer.finish()
    }

    fn of(ring: Ring) -> Self {
        Self {
            rings: vec![Arc::new(ring)],
        }
    }
}

impl Ring {
    fn new(origin: &str, logins: Vec<(String, Login)>, helpers: Option<Helpers>) -> Self {
        let credential = |(key, login): (String, Login)| {
            let pattern = Pattern::parse(&key);
            let origin = format!("{origin} ({pattern})");
            (pattern, Credential { login, origin })
        };
        let mut credentials: Vec<_> = logins.into_iter().map(credential).collect();
        // Kubelet sorts the keys in reverse, which puts longer paths before shorter and patterns last.
        credentials.sort_by(|(one, _), (other, _)| other.cmp(one));
        Self { credentials, helpers }
    }

    async fn find(&self, image: &Reference, candidates: &mut Candidates) {
        if let Some(helpers) = &self.helpers {
            match helpers.get(image.registry()).await {
                Ok(credential) => candidates.credentials.extend(credential),
                Err(complaint) => candidates.complaints.push(complaint),
            }
        }
        let matching = |pattern: &Pattern| pattern.matches(image.registry(), image.repository());
        let before = candidates.credentials.len();
        candidates.credentials.extend(self.of_keys(matching));
        if candidates.credentials.len() == before && image.registry() == "docker.io" {
            candidates.credentials.extend(self.of_keys(Pattern::is_docker_hub));
        }
    }

    fn of_keys(&self, wanted: impl Fn(&Pattern) -> bool) -> impl Iterator<Item = Credential> {
        self.credentials
            .iter()
            .filter(move |(pattern, _)| wanted(pattern))
            .map(|(_, credential)| credential.clone())
    }
}

impl KeyringError {
    fn new(origin: &str, problem: String) -> Self {
        Self {
            origin: origin.to_owned(),
            problem,
        }
    }
}

fn read_capped(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > CONFIG_CAP {
        return Err(format!("it has {size} bytes; such files have at most {CONFIG_CAP}"));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

fn parse_file(path: &Path, content: &[u8]) -> Result<DockerConfig, ConfigProblem> {
    let legacy = path.file_name().is_some_and(|name| name == ".dockercfg");
    if legacy {
        DockerConfig::parse_legacy(content)
    } else {
        DockerConfig::parse(content)
    }
}

/// The files that Docker and podman write, in the order in which podman looks for them.
///
/// `variable` reads the environment; the caller decides which file is read, and that the first one counts.
pub fn usual_files(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let under = |name: &str, rest: &str| variable(name).map(|folder| PathBuf::from(folder).join(rest));
    let named = variable("REGISTRY_AUTH_FILE").map(PathBuf::from);
    let docker = under("DOCKER_CONFIG", "config.json").or_else(|| under("HOME", ".docker/config.json"));
    let podman = under("XDG_RUNTIME_DIR", "containers/auth.json");
    [named, podman, docker].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(keys: &[(&str, &str)]) -> Keyring {
        let auths: serde_json::Map<String, serde_json::Value> = keys
            .iter()
            .map(|(key, user)| {
                (
                    (*key).to_owned(),
                    serde_json::json!({"username": user, "password": "p"}),
                )
            })
            .collect();
        let text = serde_json::json!({"auths": auths}).to_string();
        Keyring::from_secret_data("secret a/b", "kubernetes.io/dockerconfigjson", text.as_bytes()).unwrap()
    }

    async fn users(keyring: &Keyring, image: &str) -> Vec<String> {
        let candidates = keyring.candidates(&Reference::parse(image).unwrap()).await;
        let users = candidates
            .credentials
            .into_iter()
            .map(|credential| match credential.login {
                Login::Password(user, _) => user,
                other => format!("{other:?}"),
            });
        users.collect()
    }

    #[tokio::test]
    async fn credentials_are_tried_in_kubelets_order() {
        let keyring = secret(&[
            ("quay.io", "host"),
            ("quay.io/acme", "folder"),
            ("quay.io/acme/kmod", "repository"),
            ("*.io", "pattern"),
            ("other.example", "other"),
            ("https://index.docker.io/v1/", "hub"),
        ]);
        let rows: [(&str, &[&str]); 6] = [
            ("quay.io/acme/kmod:1", &["repository", "folder", "host", "pattern"]),
            ("quay.io/acme/other", &["folder", "host", "pattern"]),
            ("quay.io/else/kmod", &["host", "pattern"]),
            ("ghcr.io/acme/kmod", &["pattern"]),
            ("registry.example/acme/kmod", &[]),
            ("evil.example/quay.io/acme/kmod", &[]),
        ];
        for (image, expected) in rows {
            assert_eq!(users(&keyring, image).await, expected, "{image}");
        }
    }

    #[tokio::test]
    async fn docker_hub_has_a_key_of_its_own_that_counts_when_no_other_matches() {
        let hub = secret(&[("https://index.docker.io/v1/", "hub")]);
        assert_eq!(users(&hub, "busybox").await, ["hub"]);
        assert_eq!(users(&hub, "docker.io/acme/kmod").await, ["hub"]);
        assert_eq!(users(&hub, "quay.io/acme/kmod").await, Vec::<String>::new());
        let both = secret(&[("index.docker.io", "hub"), ("docker.io", "exact")]);
        assert_eq!(users(&both, "busybox").await, ["exact"]);
    }

    #[tokio::test]
    async fn keyrings_are_asked_in_turn_and_the_same_login_once() {
        let first = secret(&[("quay.io", "one")]);
        let second = secret(&[("quay.io/acme", "two"), ("quay.io", "one")]);
        assert_eq!(users(&first.then(second), "quay.io/acme/kmod").await, ["one", "two"]);
        assert!(Keyring::anonymous().is_empty());
    }

    #[tokio::test]
    async fn a_secret_never_runs_a_program() {
        let text = br#"{"credsStore":"store","credHelpers":{"quay.io":"quay"}}"#;
        let kind = "kubernetes.io/dockerconfigjson";
        let keyring = Keyring::from_secret_data("secret a/b", kind, text).unwrap();
        let candidates = keyring.candidates(&Reference::parse("quay.io/a/b").unwrap()).await;
        assert!(candidates.credentials.is_empty() && candidates.complaints.is_empty());
        assert!(keyring.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_repeated() {
        let read = |kind, text: &str| {
            Keyring::from_secret_data("secret a/b", kind, text.as_bytes())
                .unwrap_err()
                .to_string()
        };
        let rows = [
            (read("Opaque", "s3cret"), "its type is `Opaque`"),
            (read("kubernetes.io/dockercfg", "s3cret"), "no JSON"),
            (
                read("kubernetes.io/dockerconfigjson", r#"{"auths":{"r":{"auth":"s3cret"}}}"#),
                "entry `r`",
            ),
        ];
        for (message, words) in rows {
            assert!(
                message.starts_with("cannot take credentials from secret a/b: "),
                "{message}"
            );
            assert!(message.contains(words) && !message.contains("s3cret"), "{message}");
        }
        assert!(Keyring::from_file(Path::new("/nowhere/config.json")).is_err());
    }

    #[tokio::test]
    async fn files_are_read_by_their_form() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Keyring::from_file(&path).unwrap()
        };
        let entry = r#""quay.io":{"auth":"dXNlcjpwYXNz"}"#;
        let modern = write("config.json", &format!(r#"{{"auths":{{{entry}}}}}"#));
        let legacy = write(".dockercfg", &format!("{{{entry}}}"));
        assert_eq!(users(&modern, "quay.io/a/b").await, ["user"]);
        assert_eq!(users(&legacy, "quay.io/a/b").await, ["user"]);
    }

    #[test]
    fn the_usual_files_follow_the_environment() {
        let all = |name: &str| Some(format!("/{name}"));
        let named: Vec<String> = usual_files(all).iter().map(|path| path.display().to_string()).collect();
        assert_eq!(
            named,
            [
                "/REGISTRY_AUTH_FILE",
                "/XDG_RUNTIME_DIR/containers/auth.json",
                "/DOCKER_CONFIG/config.json"
            ]
        );
        let home = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        assert_eq!(usual_files(home), [PathBuf::from("/root/.docker/config.json")]);
    }
}
