//! The chart, installed on a node whose registry has the operator's image and those of the example.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use xtask::image::{self, Destination};
use xtask::{ControlPlane, Node, Registry};

/// The release, its namespace and, by the chart's rules, everything in it.
pub(crate) const NAME: &str = "kmm-preflight";
/// The registry of the example, whose place the node's takes.
const EXAMPLE_REGISTRY: &str = "registry.example.com";
/// The example's Modules that have an image: those of `sensors` would have to be built first.
const MODULES: [&str; 5] = ["edge", "gpu", "network", "security", "storage"];
/// The operator's image, without the registry.
const IMAGE: &str = "kmm/kmm-preflight";

/// How long anything may take that should happen. A rotation of the CA takes a minute.
const PATIENCE: Duration = Duration::from_mins(4);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// The rows of all preflights, a line each.
const ROWS: &str = "{range.items[*].status.modules[*]}{.name}:{.verificationStatus}:{.statusReason}{'\\n'}{end}";
/// How long kubectl and helm wait.
const TIMEOUT: &str = "--timeout=4m";

/// Why the test fails, where it does.
static CAUSE: Mutex<String> = Mutex::new(String::new());

/// A release on a node of its own. What its pods said is shown where a test fails.
pub(crate) struct Release {
    node: Node,
    /// How many pods it has.
    replicas: usize,
}

impl Release {
    /// Installs it with so many pods and these values beside its own; `None`, and loudly, where there is no node to be had.
    pub(crate) fn install(replicas: usize, values: &str) -> Option<Self> {
        let node = Node::for_test()?;
        remember_why_it_fails();
        let release = Self { node, replicas };
        release.push_images();
        release.kubectl("create namespace kmm-preflight");
        release.kubectl("label namespace kmm-preflight pod-security.kubernetes.io/enforce=restricted");
        let modules = project("tests/compat/crds/modules.yaml");
        release.cluster().define(&modules).unwrap();
        release.helm_install(values);
        release.wait_for_pods();
        Some(release)
    }

    fn push_images(&self) {
        let registry = self.node.registry();
        registry.push_layout(&project("examples/upgrade/images")).unwrap();
        let reference = format!("{}/{IMAGE}:tried", registry.host());
        let tls_verify = false;
        image::build_operator(&Destination::Registry { reference, tls_verify }).unwrap();
    }

    fn helm_install(&self, values: &str) {
        let registry = self.node.registry().host();
        let chart = project("charts/kmm-preflight");
        let settings = [
            format!("image.registry={registry}"),
            format!("image.repository={IMAGE}"),
            "image.tag=tried".to_owned(),
            format!("registries.plainToolkits={{{registry}}}"),
            format!("replicas={}", self.replicas),
        ];
        let (settings, values) = (format!("--set={}", settings.join(",")), format!("--set={values}"));
        self.helm(&["install", NAME, &chart.display().to_string(), &settings, &values]);
    }

    /// Waits until the pods of the present revision are Ready, and no others are left.
    pub(crate) fn wait_for_pods(&self) {
        self.kubectl(&format!("rollout status deployment/{NAME} -n {NAME} {TIMEOUT}"));
        self.eventually(
            "as many pods as wanted, none of them of an earlier revision",
            |release| {
                let pods = release.pods();
                let found = pods.len() == release.replicas;
                found.then_some(()).ok_or(format!("{pods:?}"))
            },
        );
        self.kubectl(&format!("wait --for=condition=Ready pod --all -n {NAME} {TIMEOUT}"));
    }

    /// The names of the release's pods.
    pub(crate) fn pods(&self) -> Vec<String> {
        let names = self.kubectl(&format!("get pods -n {NAME} -o=name"));
        names.lines().map(str::to_owned).collect()
    }

    /// Applies the example's Modules, with what they refer to.
    pub(crate) fn apply_modules(&self) {
        for name in MODULES {
            self.kubectl(&format!("create namespace {name}"));
            self.apply(&self.here(&example(&format!("upgrade/{name}.yaml"))))
                .unwrap();
        }
    }

    /// Applies a text; or what kubectl complains of.
    pub(crate) fn apply(&self, yaml: &str) -> anyhow::Result<String> {
        self.cluster().feed_kubectl(["apply", "--filename=-"], yaml)
    }

    /// The registry that pods' images come from.
    pub(crate) fn registry(&self) -> &Registry {
        self.node.registry()
    }

    /// A text with the node's registry, which speaks plain HTTP, in place of the example's.
    pub(crate) fn here(&self, yaml: &str) -> String {
        let registry = self.node.registry().host();
        yaml.replace(EXAMPLE_REGISTRY, &registry)
            .replace(
                "    container:\n      modprobe:",
                "    container:\n      registryTLS: {insecure: true}\n      modprobe:",
            )
            .replace(
                "build:\n",
                "build:\n            baseImageRegistryTLS: {insecure: true}\n",
            )
    }

    pub(crate) fn cluster(&self) -> &ControlPlane {
        self.node.control_plane()
    }

    /// Runs kubectl, which must succeed, with these words, and returns what it prints.
    #[track_caller]
    pub(crate) fn kubectl(&self, words: &str) -> String {
        self.cluster().run_kubectl(words.split(' ')).unwrap()
    }

    /// Runs helm in the release's namespace, which must succeed.
    #[track_caller]
    pub(crate) fn helm(&self, words: &[&str]) {
        let mut helm = self.cluster().helm();
        let output = helm.args(words).args(["--namespace", NAME]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Tries until it is so.
    #[track_caller]
    pub(crate) fn eventually<T>(&self, what: &str, attempt: impl Fn(&Self) -> Result<T, String>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match attempt(self) {
                Ok(found) => return found,
                Err(error) if Instant::now() > deadline => panic!("{what}, which is not so: {error}"),
                Err(_) => std::thread::park_timeout(LOOK),
            }
        }
    }

    /// Shows what kubectl has to say, for those who look for a failure's cause.
    fn show(&self, words: &str) {
        let output = Command::output(self.cluster().kubectl().args(words.split(' ')));
        let output = output.map(|output| [output.stdout, output.stderr].concat());
        eprintln!(
            "$ kubectl {words}\n{}",
            String::from_utf8_lossy(&output.unwrap_or_default())
        );
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show("get pods -A -o wide");
            self.show("get events -A --field-selector=type=Warning");
            self.show(&format!("get preflightvalidationsocp -o=jsonpath={ROWS}"));
            self.show("logs -n kmm-preflight -l app.kubernetes.io/instance=kmm-preflight --prefix --tail=40");
            // Of a long output people read the end.
            eprintln!("{}", CAUSE.lock().unwrap());
        }
    }
}

/// Keeps what a panic says.
fn remember_why_it_fails() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |why| {
        *CAUSE.lock().unwrap() = why.to_string();
        tell(why);
    }));
}

/// A file of the examples.
pub(crate) fn example(path: &str) -> String {
    fs::read_to_string(project("examples").join(path)).unwrap()
}

pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
