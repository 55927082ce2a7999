//! A release on a real API server. No pod runs there: what the operator would do is done by hand.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::ControlPlane;

use crate::chart::helm::CHART;

/// The namespace of the release.
pub(crate) const NAMESPACE: &str = "preflight";
/// Where its Deployment is.
pub(crate) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/preflight/deployments/kmm-preflight";
/// Where its Secret is.
pub(crate) const SECRET: &str = "/api/v1/namespaces/preflight/secrets/kmm-preflight-tls";
/// The name of the release and of its objects.
pub(crate) const NAME: &str = "kmm-preflight";

/// How long the API server may take to heed a new policy, webhook or definition.
const HEEDED: Duration = Duration::from_secs(30);

/// A cluster into which the chart is installed.
pub(crate) struct Cluster(ControlPlane);

impl Cluster {
    /// A cluster, with the definitions of KMM that are named; `None`, and loudly, where none is to be had.
    pub(crate) fn with_definitions(names: &[&str]) -> Option<Self> {
        let cluster = Self(ControlPlane::for_test()?);
        for name in names {
            let file = format!("{}/tests/compat/crds/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
            cluster.0.define(Path::new(&file)).unwrap();
        }
        Some(cluster)
    }

    /// Runs kubectl: what it prints, or what it complains of.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        run(self.0.kubectl().args(arguments))
    }

    /// Applies the objects of this text as that manager, server-side; or why one is refused.
    pub(crate) fn apply(&self, manager: &str, yaml: &str) -> Result<(), String> {
        let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
        for object in objects.iter().filter(|object| object.is_object()) {
            let applied = self.0.client().apply_as(manager, object);
            applied.map_err(|refusal| format!("{refusal:#}"))?;
        }
        Ok(())
    }

    /// `kubectl create` of this text with a flag, such as `--as=…`.
    pub(crate) fn create(&self, flag: &str, yaml: &str) -> Result<String, String> {
        self.kubectl(&["create", flag, "-f", &self.file(yaml)])
    }

    fn file(&self, yaml: &str) -> String {
        let file = self.0.folder().join("given.yaml");
        fs::write(&file, yaml).expect("a file");
        file.to_str().expect("UTF-8").to_owned()
    }

    /// Patches an object, status and all, by a merge patch.
    pub(crate) fn patch(&self, arguments: &[&str], patch: &Value) -> Result<String, String> {
        let patch = patch.to_string();
        self.kubectl(&[&["patch", "--type=merge", "-p", &patch], arguments].concat())
    }

    /// The object at a path, as it is stored.
    pub(crate) fn get(&self, path: &str) -> Value {
        let found = self.0.client().get(path).unwrap();
        found.unwrap_or_else(|| panic!("nothing is at {path}"))
    }

    /// Whether a user of these groups may do that.
    pub(crate) fn may(&self, user: &str, groups: &[&str], what: &Value) -> bool {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": groups, "resourceAttributes": what},
        });
        let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let answer = self.0.client().create(reviews, &review).unwrap();
        answer["status"]["allowed"] == true
    }

    /// Runs helm: what it prints, or what it complains of.
    pub(crate) fn helm(&self, arguments: &[&str]) -> Result<String, String> {
        run(self.0.helm().args(arguments).args(["--namespace", NAMESPACE]))
    }

    /// `helm install`, with these settings.
    pub(crate) fn install(&self, settings: &str) -> String {
        self.helm(&["install", NAME, CHART, "--create-namespace", "--set", settings])
            .unwrap()
    }

    /// `helm upgrade`, with these settings besides those there are.
    pub(crate) fn upgrade(&self, settings: &str) {
        self.helm(&["upgrade", NAME, CHART, "--reset-then-reuse-values", "--set", settings])
            .unwrap();
    }

    /// Tries until it is so. The API server heeds some things a moment later.
    pub(crate) fn eventually<T>(&self, what: &str, attempt: impl Fn(&Self) -> Result<T, String>) -> T {
        let deadline = Instant::now() + HEEDED;
        loop {
            match attempt(self) {
                Ok(found) => return found,
                Err(error) if Instant::now() > deadline => panic!("{what}, which is not so: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// Every object of the cluster, as `namespace kind/name`, but for what comes and goes by itself.
    pub(crate) fn objects(&self) -> Vec<String> {
        let kinds = self.kubectl(&["api-resources", "--verbs=list", "-o", "name"]).unwrap();
        let passing = |kind: &&str| !kind.starts_with("events") && !kind.starts_with("componentstatuses");
        let kinds: Vec<_> = kinds.lines().filter(passing).collect();
        let columns = "-o=custom-columns=NAMESPACE:.metadata.namespace,KIND:.kind,NAME:.metadata.name";
        let list = self
            .kubectl(&["get", &kinds.join(","), "-A", "--no-headers", columns])
            .unwrap();
        let mut objects: Vec<_> = list
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        objects.sort();
        objects.dedup();
        objects
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().expect("the program runs");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
