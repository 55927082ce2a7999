//! Credential helpers: programs `docker-credential-NAME` that know the login of a registry.
//!
//! Only a file that the user wrote can name one; a Secret cannot.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::credential::{Credential, Login, Printer};

/// How long a helper may take: some ask a cloud.
const HELPER_DEADLINE: Duration = Duration::from_secs(10);
/// What Docker Hub is called in Docker's files.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// What a helper says for a registry that it does not know (docker-credential-helpers, `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The name that says that the secret is an identity token.
const IDENTITY: &str = "<token>";

/// The helpers that a file names; each is run once per registry.
#[derive(Debug)]
pub(super) struct Helpers {
    by_registry: BTreeMap<String, String>,
    store: Option<String>,
    /// Where the programs are; the `PATH` when not set.
    folder: Option<PathBuf>,
    answers: Mutex<HashMap<String, Answer>>,
}

type Answer = Arc<OnceCell<Result<Option<Credential>, String>>>;

/// What a helper prints.
#[derive(Deserialize)]
struct Printed {
    #[serde(rename = "Username")]
    name: String,
    #[serde(rename = "Secret")]
    secret: String,
}

impl Helpers {
    /// The helpers of a file, if it names any.
    pub(super) fn new(by_registry: BTreeMap<String, String>, store: Option<String>) -> Option<Self> {
        if by_registry.is_empty() && store.is_none() {
            return None;
        }
        Some(Self {
            by_registry,
            store,
            folder: None,
            answers: Mutex::default(),
        })
    }

    /// The login that a helper knows for a registry, or what went wrong.
    pub(super) async fn get(&self, registry: &str) -> Result<Option<Credential>, String> {
        let Some((helper, server)) = self.helper_for(registry) else {
            return Ok(None);
        };
        let answer = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(answers.entry(server.clone()).or_default())
        };
        answer.get_or_init(|| self.run(helper, &server)).await.clone()
    }

    /// The helper for a registry, and what the registry is called in the file.
    fn helper_for(&self, registry: &str) -> Option<(&str, String)> {
        let names: &[&str] = match registry {
            "docker.io" => &[DOCKER_HUB_KEY, "index.docker.io", "docker.io"],
            _ => &[registry],
        };
        let named = names.iter().find_map(|name| {
            let helper = self.by_registry.get(*name)?;
            Some((helper.as_str(), (*name).to_owned()))
        });
        let first = names.first().copied().unwrap_or(registry);
        named.or_else(|| self.store.as_deref().map(|store| (store, first.to_owned())))
    }

    async fn run(&self, helper: &str, server: &str) -> Result<Option<Credential>, String> {
        let program = format!("docker-credential-{helper}");
        let named = |problem: String| format!("the credential helper {} {problem}", super::excerpt::excerpt(&program));
        if !helper.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return Err(named("has a name that no program has".to_owned()));
        }
        let path = self
            .folder
            .as_ref()
            .map_or_else(|| PathBuf::from(&program), |folder| folder.join(&program));
        let output = tokio::time::timeout(HELPER_DEADLINE, run(&path, server)).await;
        let output = output.map_err(|_elapsed| named(format!("took more than {} s", HELPER_DEADLINE.as_secs())))?;
        let output = output.map_err(|error| named(format!("cannot be run: {error}")))?;
        understand(&output, &program).map_err(named)
    }

    pub(super) fn print_into(&self, printer: &mut Printer) {
        printer.add("helpers").add(self.store.as_deref().unwrap_or_default());
        for (registry, helper) in &self.by_registry {
            printer.add(registry).add(helper);
        }
    }
}

/// Runs `PROGRAM get` with the server's name on its standard input.
async fn run(program: &PathBuf, server: &str) -> io::Result<Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read its input may have ended; its answer tells.
        let _ = input.write_all(server.as_bytes()).await;
    }
    child.wait_with_output().await
}

fn understand(output: &Output, program: &str) -> Result<Option<Credential>, String> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        if said.contains(NOT_FOUND) {
            return Ok(None);
        }
        return Err(format!("failed ({})", output.status));
    }
    let printed: Printed = serde_json::from_slice(&output.stdout)
        .map_err(|_error| "printed no credentials that can be read".to_owned())?;
    let login = match printed.name.as_str() {
        IDENTITY => Login::Identity(printed.secret),
        _ => Login::Password(printed.name, printed.secret),
    };
    Ok(Some(Credential {
        login,
        origin: program.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    /// A helper that is a shell script.
    fn write_helper(folder: &Path, name: &str, script: &str) {
        let path = folder.join(format!("docker-credential-{name}"));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn helpers(folder: &Path, by_registry: &[(&str, &str)], store: Option<&str>) -> Helpers {
        let by_registry = by_registry
            .iter()
            .map(|(key, helper)| ((*key).to_owned(), (*helper).to_owned()));
        let helpers = Helpers::new(by_registry.collect(), store.map(str::to_owned)).unwrap();
        Helpers {
            folder: Some(folder.to_owned()),
            ..helpers
        }
    }

    const ECHO: &str =
        r#"read -r server; echo "$server" >>"$0.log"; printf '{"Username":"%s","Secret":"s"}' "$server""#;

    /// A program that another test's child still holds open for writing cannot be run: one test at a time.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    #[tokio::test]
    async fn a_helper_is_asked_for_its_registry_and_the_store_for_all_others() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        write_helper(folder.path(), "quay", ECHO);
        write_helper(folder.path(), "store", ECHO);
        let helpers = helpers(folder.path(), &[("quay.io", "quay")], Some("store"));
        let rows = [
            ("quay.io", "quay.io", "docker-credential-quay"),
            ("r.example:5000", "r.example:5000", "docker-credential-store"),
            ("docker.io", "https://index.docker.io/v1/", "docker-credential-store"),
        ];
        for (registry, server, origin) in rows {
            let credential = helpers.get(registry).await.unwrap().unwrap();
            assert!(
                credential.login == Login::Password(server.into(), "s".into()),
                "{registry}"
            );
            assert_eq!(credential.origin(), origin);
        }
    }

    #[tokio::test]
    async fn a_helper_runs_once_for_a_registry_however_many_images_ask() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        write_helper(folder.path(), "quay", ECHO);
        let helpers = helpers(folder.path(), &[("quay.io", "quay")], None);
        futures::future::join_all((0..20).map(|_| helpers.get("quay.io"))).await;
        let log = std::fs::read_to_string(folder.path().join("docker-credential-quay.log")).unwrap();
        assert_eq!(log.lines().count(), 1);
        assert_eq!(helpers.get("other.example").await, Ok(None));
    }

    #[tokio::test]
    async fn a_helper_that_fails_is_reported_without_its_secrets() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        write_helper(
            folder.path(),
            "identity",
            r#"printf '{"Username":"<token>","Secret":"id"}'"#,
        );
        write_helper(folder.path(), "unknown", &format!("echo {NOT_FOUND}; exit 1"));
        write_helper(folder.path(), "broken", "echo s3cret; exit 3");
        write_helper(folder.path(), "garbage", "echo s3cret");
        let get = async |helper| helpers(folder.path(), &[("r", helper)], None).get("r").await;
        assert!(get("identity").await.unwrap().unwrap().login == Login::Identity("id".into()));
        assert_eq!(get("unknown").await, Ok(None));
        let rows = [
            (
                "broken",
                "the credential helper docker-credential-broken failed (exit status: 3)",
            ),
            (
                "garbage",
                "the credential helper docker-credential-garbage printed no credentials that can be read",
            ),
            (
                "../sh",
                "the credential helper docker-credential-../sh has a name that no program has",
            ),
            (
                "absent",
                "the credential helper docker-credential-absent cannot be run: No such file or directory (os error 2)",
            ),
        ];
        for (helper, complaint) in rows {
            assert_eq!(get(helper).await, Err(complaint.to_owned()));
        }
    }
}
