//! helm as people run it, and what it renders as a list of objects that can be asked.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use serde_json::Value;

/// The chart.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/kmm-preflight");

/// A file of the chart.
pub(crate) fn chart_file(name: &str) -> String {
    std::fs::read_to_string(Path::new(CHART).join(name)).expect("a file of the chart")
}

/// A file of the chart, understood.
pub(crate) fn chart_yaml(name: &str) -> Value {
    serde_saphyr::from_str(&chart_file(name)).expect("YAML")
}

/// helm with these arguments; `None`, and loudly, where there is no helm.
pub(crate) fn helm<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Option<Output> {
    let program = program()?;
    let output = Command::new(&program).args(arguments).output();
    Some(output.unwrap_or_else(|error| panic!("{} cannot be run: {error}", program.display())))
}

/// `$KMM_PREFLIGHT_HELM`, else the one that `cargo xtask kube` makes, else the one in the `PATH`.
fn program() -> Option<PathBuf> {
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")? + "/.cache"));
    let folder = format!("kmm-preflight/kube-{}", xtask::programs::KUBERNETES);
    let built = cache.map(|cache| Path::new(&cache).join(folder).join("helm"));
    let program = variable("KMM_PREFLIGHT_HELM")
        .map(PathBuf::from)
        .or(built.filter(|path| path.exists()))
        .or_else(|| in_path("helm"));
    if program.is_none() {
        skip("there is no helm: `cargo xtask kube` makes it, or set KMM_PREFLIGHT_HELM");
    }
    program
}

/// The program of that name, where the `PATH` has it.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let folders = variable("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Says loudly why a test tries nothing, and fails in CI.
pub(crate) fn skip(why: &str) {
    assert!(variable("CI").is_none(), "{why}");
    // Written past the macros, whose text the test runner keeps to itself where a test passes.
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("standard error");
}

#[expect(clippy::disallowed_methods, reason = "tests have no cli to read it for them")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What helm renders.
#[derive(Clone)]
pub(crate) struct Rendered(Vec<Value>);

/// The release `preflight` in the namespace `checks`, with these values; `None` where there is no helm.
pub(crate) fn rendered(values: &str) -> Option<Rendered> {
    match render(values)? {
        Ok(rendered) => Some(rendered),
        Err(complaint) => panic!("helm template refuses\n{values}\n{complaint}"),
    }
}

/// The same; or helm's complaint. The same values are rendered once: each time costs a tenth of a second of a processor.
pub(crate) fn render(values: &str) -> Option<Result<Rendered, String>> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<OnceLock<Outcome>>>>> = LazyLock::new(Mutex::default);
    let known = Arc::clone(
        KNOWN
            .lock()
            .expect("what is known")
            .entry(values.to_owned())
            .or_default(),
    );
    known.get_or_init(|| render_anew(values)).clone()
}

/// What helm makes of values, its complaint, or that there is no helm.
type Outcome = Option<Result<Rendered, String>>;

fn render_anew(values: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("values.yaml");
    std::fs::write(&file, values).expect("a file");
    let file = file.to_str().expect("a path in UTF-8");
    let output = helm([
        "template",
        "preflight",
        CHART,
        "--namespace",
        "checks",
        "--values",
        file,
    ])?;
    if !output.status.success() {
        return Some(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    Some(Ok(Rendered(objects.into_iter().filter(Value::is_object).collect())))
}

impl Rendered {
    /// Every object.
    pub(crate) fn all(&self) -> &[Value] {
        &self.0
    }

    /// Every object of the kind.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// The only object of the kind.
    pub(crate) fn the<'a>(&'a self, kind: &'a str) -> &'a Value {
        let found: Vec<_> = self.of_kind(kind).collect();
        assert_eq!(found.len(), 1, "{kind}s in\n{}", self.names());
        found[0]
    }

    /// Whether there is none of the kind.
    pub(crate) fn has_no(&self, kind: &str) -> bool {
        self.of_kind(kind).next().is_none()
    }

    /// The operator's container.
    pub(crate) fn container(&self) -> &Value {
        &self.the("Deployment")["spec"]["template"]["spec"]["containers"][0]
    }

    /// The operator's arguments.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        texts(&self.container()["args"])
    }

    /// `Kind/name` of every object, one a line.
    pub(crate) fn names(&self) -> String {
        self.0.iter().fold(String::new(), |mut names, object| {
            let _ = writeln!(names, "{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]));
            names
        })
    }
}

/// The texts of a list.
pub(crate) fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The text of a value that is one.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
