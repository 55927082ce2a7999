//! A stage for the operator: a real API server, a registry with the example's images, and the program as a process.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::control_plane::ControlPlane;
use xtask::registry::{Contents, Registry};

/// How long anything may take that should happen.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// How soon a condition is looked at again, at first. Later it is after a twentieth of the time that it took so far: a look
/// costs some milliseconds of both cores, and some conditions take half a minute.
const LOOK: Duration = Duration::from_millis(50);

/// The kernel of the example's images.
pub(crate) const KERNEL: &str = "6.1.0-50-cloud-amd64";

/// Where preflights are.
pub(crate) const PREFLIGHTS: &str = "/apis/kmm.sigs.x-k8s.io/v1beta2/preflightvalidationsocp";
/// Where all Modules are.
pub(crate) const MODULES: &str = "/apis/kmm.sigs.x-k8s.io/v1beta1/modules";

/// The example's images, as each stage's own registry begins with them.
static IMAGES: LazyLock<Contents> =
    LazyLock::new(|| Contents::of_layout(&project("examples/upgrade/images")).expect("images"));

/// A cluster without nodes, and a registry.
pub(crate) struct Stage {
    pub(crate) plane: ControlPlane,
    pub(crate) registry: Registry,
}

/// The operator as a process. Killed when dropped.
pub(crate) struct Operator {
    child: Child,
    log: PathBuf,
}

impl Stage {
    /// A cluster with KMM's Modules, our preflights and a namespace `a`, and the example's images in its registry; `None` where there
    /// is no Kubernetes to be had.
    pub(crate) fn set() -> Option<Self> {
        Self::with_definition("charts/kmm-preflight/files/preflightvalidationsocp.yaml")
    }

    /// The same with another definition of preflights.
    pub(crate) fn with_definition(definition: &str) -> Option<Self> {
        let plane = ControlPlane::for_test()?;
        let registry = Registry::start_with_contents(&IMAGES).expect("a registry");
        let stage = Self { plane, registry };
        for definition in ["tests/compat/crds/modules.yaml", definition] {
            stage.plane.define(&project(definition)).expect("a definition");
        }
        stage.namespaces(&["kmm-preflight", "a"]);
        Some(stage)
    }

    /// Replaces the definition of preflights by ours, as an upgrade would that finds KMM's.
    pub(crate) fn replace_definition(&self) {
        let ours = text(&project("charts/kmm-preflight/files/preflightvalidationsocp.yaml"));
        self.kubectl(["apply", "--server-side", "--force-conflicts", "-f", &ours]);
        // Its rule is in force a moment after it is stored.
        let worst = preflight("not-yet", "a.b.c");
        assert!(
            eventually(|| self.dry_run_of(&worst).is_err_and(|why| why.contains("kernelVersion"))),
            "the definition is not in force"
        );
    }

    /// Makes these namespaces.
    #[track_caller]
    pub(crate) fn namespaces(&self, names: &[&str]) {
        for name in names {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            self.plane.client().apply(&namespace).expect("a namespace");
        }
    }

    /// Runs kubectl, which must succeed, and returns what it prints.
    #[track_caller]
    pub(crate) fn kubectl<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> String {
        self.plane.run_kubectl(words).expect("kubectl")
    }

    /// What kubectl says when it applies a text: whether it did, and both its outputs.
    pub(crate) fn try_apply(&self, yaml: &str) -> (bool, String) {
        self.try_kubectl(&["apply", "-f", "-"], yaml)
    }

    /// What kubectl says with a text for its standard input: whether it did, and both its outputs.
    pub(crate) fn try_kubectl(&self, words: &[&str], yaml: &str) -> (bool, String) {
        let mut kubectl = self.plane.kubectl();
        kubectl
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = kubectl.spawn().expect("kubectl");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(yaml.as_bytes())
            .expect("its reader");
        let output = child.wait_with_output().expect("kubectl's end");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Applies a text with kubectl, which must succeed.
    #[track_caller]
    pub(crate) fn kubectl_apply(&self, yaml: &str) {
        let (applied, said) = self.try_apply(yaml);
        assert!(applied, "{said}\n{yaml}");
    }

    /// Applies a text without a kubectl, which must succeed.
    #[track_caller]
    pub(crate) fn apply(&self, yaml: &str) {
        for object in objects(yaml) {
            let applied = self.plane.client().apply(&object);
            assert!(applied.is_ok(), "{applied:?}\n{object:#}");
        }
    }

    /// What would be stored of a text with one object, or why it is refused: nobody is shown warnings.
    pub(crate) fn dry_run_of(&self, yaml: &str) -> Result<Value, String> {
        let object = objects(yaml).pop().expect("an object");
        let judged = self.plane.client().dry_run(&object);
        judged.map_err(|refusal| format!("{refusal:#}"))
    }

    /// The example's Modules, with their namespaces and what they refer to, pulled from this registry; applied as people do.
    pub(crate) fn apply_the_example(&self) {
        let parts = ["edge", "gpu", "network", "security", "sensors", "storage"];
        self.namespaces(&parts);
        for file in parts {
            let yaml = fs::read_to_string(project(&format!("examples/upgrade/{file}.yaml"))).expect("an example");
            self.kubectl_apply(&self.with_our_registry(&yaml));
        }
    }

    /// A text with our registry in the place of the example's, spoken to in plain HTTP.
    pub(crate) fn with_our_registry(&self, yaml: &str) -> String {
        let host = self.registry.host();
        let modules = yaml.replace("registry.example.com", &host);
        modules.replace(
            "    container:\n      modprobe:",
            "    container:\n      registryTLS: {insecure: true}\n      modprobe:",
        )
    }

    /// The reference of an image in the registry that loads `quicknic`, under this tag: [`KERNEL`] is there.
    pub(crate) fn quicknic(&self, tag: &str) -> String {
        self.registry
            .reference(&format!("registry.example.com/network/quicknic:{tag}"))
    }

    /// A preflight for that kernel.
    pub(crate) fn preflight(&self, name: &str, kernel: &str) {
        self.apply(&preflight(name, kernel));
    }

    /// The same, with the toolkit of the example's kernel.
    pub(crate) fn preflight_with_toolkit(&self, name: &str, kernel: &str) {
        let toolkit = self
            .registry
            .reference(&format!("registry.example.com/dtk/driver-toolkit:{KERNEL}"));
        self.apply(&format!("{}  dtkImage: {toolkit}\n", preflight(name, kernel)));
    }

    /// The status of a preflight as JSON.
    pub(crate) fn status(&self, name: &str) -> Value {
        self.object(PREFLIGHTS, name)["status"].clone()
    }

    /// An object of the collection at a path, as JSON; null where there is none.
    pub(crate) fn object(&self, collection: &str, name: &str) -> Value {
        let found = self.plane.client().get(&format!("{collection}/{name}"));
        found.ok().flatten().unwrap_or_default()
    }

    /// The objects of the collection at a path.
    #[track_caller]
    pub(crate) fn list(&self, collection: &str) -> Vec<Value> {
        self.plane.client().list(collection).expect("a list")
    }

    /// Every Event's reason, object and message, one a line.
    pub(crate) fn events(&self) -> String {
        let events = self.list("/api/v1/events");
        let line = |event: &Value| {
            let object = &event["involvedObject"]["name"];
            format!("{} {object} {}\n", event["reason"], event["message"])
        };
        events.iter().map(line).collect()
    }

    /// Writes the status of the object at a path.
    #[track_caller]
    pub(crate) fn patch_status(&self, path: &str, status: &Value) {
        let patch = json!({"status": status});
        let written = self.plane.client().merge(&format!("{path}/status"), &patch);
        written.expect("a status");
    }

    /// Waits until a preflight's status is as wanted, and returns it.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let came = eventually(|| {
            last = self.status(name);
            wanted(&last)
        });
        assert!(came, "the status of {name} did not come to what was wanted: {last:#}");
        last
    }

    /// Starts the operator without admission, with these further words, and returns when it is ready.
    #[track_caller]
    pub(crate) fn operator(&self, words: &[&str]) -> Operator {
        self.operator_as(&self.plane.kubeconfig(), &[&["--no-webhook"], words].concat())
    }

    /// Starts the operator as whom that kubeconfig says, on this machine too unless the words say otherwise.
    #[track_caller]
    pub(crate) fn operator_as(&self, kubeconfig: &Path, words: &[&str]) -> Operator {
        let number = fs::read_dir(self.plane.folder()).expect("the folder").count();
        let log = self.plane.folder().join(format!("operator-{number}.log"));
        let says = |option: &str| words.iter().any(|word| word.starts_with(option));
        let usual = [
            ("--allow-places", "private,machine"),
            ("--log-level", "info,kmm_preflight=debug"),
        ];
        let usual = usual.into_iter().filter(|(option, _)| !says(option));
        let child = Command::new(env!("CARGO_BIN_EXE_kmm-preflight"))
            .args(["operator", "--namespace", "kmm-preflight", "--metrics-port", "0"])
            .args(usual.flat_map(|(option, value)| [option, value]))
            .args(words)
            .env("KUBECONFIG", kubeconfig)
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("the operator");
        let operator = Operator { child, log };
        assert!(
            eventually(|| operator.is_ready()),
            "the operator is not ready:\n{}",
            operator.log()
        );
        operator
    }
}

impl Operator {
    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The port that a line of its log tells.
    pub(crate) fn port(&self, of: &str) -> Option<u16> {
        let log = self.log();
        let line = log.lines().find(|line| line.contains(of))?;
        line.rsplit(':').next()?.trim().parse().ok()
    }

    fn is_ready(&self) -> bool {
        self.get("/readyz")
            .is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Its metrics.
    pub(crate) fn metrics(&self) -> String {
        self.get("/metrics").unwrap_or_default()
    }

    /// The value of one metric.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let metrics = self.metrics();
        let line = metrics.lines().find(|line| line.starts_with(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// What its plain port answers to `GET`, head and body.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port("health and metrics on")?)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        std::io::read_to_string(&mut stream).ok()
    }

    /// Stops its clock, as a machine does that is paused.
    pub(crate) fn sleep(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn wake(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill");
        assert!(sent.success());
    }

    /// Kills it as a lost machine would be lost.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and returns its log when it has.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        self.signal("-TERM");
        let mut ended = None;
        assert!(
            eventually(|| {
                ended = self.child.try_wait().ok().flatten();
                ended.is_some()
            }),
            "it did not end:\n{}",
            self.log()
        );
        assert!(ended.is_some_and(|status| status.success()), "{}", self.log());
        self.log()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "the operator's log:\n{}", self.log());
        }
    }
}

/// The objects of a text, YAML or JSON.
fn objects(text: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).expect("YAML");
    objects.into_iter().filter(Value::is_object).collect()
}

/// A preflight.
pub(crate) fn preflight(name: &str, kernel: &str) -> String {
    format!(
        "apiVersion: kmm.sigs.x-k8s.io/v1beta2\nkind: PreflightValidationOCP\nmetadata: {{name: {name}}}\n\
         spec:\n  kernelVersion: '{kernel}'\n  pushBuiltImage: false\n"
    )
}

/// A Module that takes its image from a mapping of every kernel.
pub(crate) fn module(namespace: &str, name: &str, image: &str) -> String {
    format!(
        "apiVersion: kmm.sigs.x-k8s.io/v1beta1\nkind: Module\nmetadata: {{namespace: {namespace}, name: {name}}}\n\
         spec:\n  selector: {{}}\n  moduleLoader:\n    container:\n      registryTLS: {{insecure: true}}\n      modprobe: {{moduleName: {name}}}\n      \
         kernelMappings: [{{regexp: '^.+$', containerImage: '{image}'}}]\n"
    )
}

/// The row of a Module, by its name.
pub(crate) fn row(status: &Value, module: &str) -> Value {
    let rows = status["modules"].as_array().cloned().unwrap_or_default();
    rows.into_iter().find(|row| row["name"] == module).unwrap_or_default()
}

/// Whether every Module has a final answer.
pub(crate) fn is_complete(status: &Value) -> bool {
    condition(status, "Complete") == "True"
}

/// What a condition says.
pub(crate) fn condition(status: &Value, kind: &str) -> String {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|condition| condition["type"] == kind);
    found
        .and_then(|condition| condition["status"].as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Waits until something is so; whether it came to be.
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if is_so() {
            return true;
        }
        std::thread::park_timeout(LOOK.max(began.elapsed() / 20));
    }
    false
}

pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
