//! What these tests share: running a step, its testimony, images unpacked, tools of the machine.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use kmm_preflight::plan::work::Testimony;
use serde_json::Value;
use tempfile::TempDir;

/// The images of the example.
pub(crate) const IMAGES: &str = "examples/upgrade/images";
/// The kernel of the example.
pub(crate) const KERNEL: &str = "6.1.0-50-cloud-amd64";
/// The driver toolkit of the example.
pub(crate) const TOOLKIT: &str = "registry.example.com/dtk/driver-toolkit:6.1.0-50-cloud-amd64";

/// A finished step.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    /// The termination message; empty where there is none.
    pub(crate) message: String,
}

impl Run {
    /// Fails unless it ended with this code, and shows what was said instead.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// What it testified.
    #[track_caller]
    pub(crate) fn testimony(&self) -> Testimony {
        assert!(self.message.len() <= 4096, "{} bytes", self.message.len());
        Testimony::parse(&self.message).unwrap_or_else(|| panic!("no testimony: {self:#?}"))
    }

    /// How it failed: the message, the log, and whether it may come to something else another time.
    #[track_caller]
    pub(crate) fn failure(&self) -> (String, Vec<String>, bool) {
        match self.testimony() {
            Testimony::Failed { message, log, again } => (message, log, again),
            other => panic!("no failure: {other:?}"),
        }
    }
}

/// `kmm-preflight pod` with these words, as a command that may still be changed.
pub(crate) fn pod(words: &[&str]) -> Command {
    pod_of(Path::new(env!("CARGO_BIN_EXE_kmm-preflight")), words)
}

/// The same of that copy of the program.
pub(crate) fn pod_of(program: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("pod")
        .args(words)
        .env_remove("RUST_LOG");
    command
}

/// Runs a step to its end, with a file for its termination message.
pub(crate) fn run(mut command: Command) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("termination-log");
    fs::write(&log, "").expect("a file, as kubelet makes it");
    open_to_all(folder.path(), 0o777);
    open_to_all(&log, 0o666);
    let output = command.arg("--testimony").arg(&log).output().expect("a run");
    Run {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        message: fs::read_to_string(&log).expect("the message"),
    }
}

/// Gives a file or folder a mode.
pub(crate) fn open_to_all(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// An image of the example, unpacked as a container of it would see it.
pub(crate) fn unpacked(image: &str) -> TempDir {
    let index = json(&Path::new(IMAGES).join("index.json"));
    let named = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == image;
    let entries = index["manifests"].as_array().expect("entries");
    let entry = entries.iter().find(named).unwrap_or_else(|| panic!("no {image}"));
    let mut manifest = json(&blob(&entry["digest"]));
    if let Some(platforms) = manifest["manifests"].as_array() {
        let amd64 = platforms
            .iter()
            .find(|entry| entry["platform"]["architecture"] == "amd64");
        manifest = json(&blob(&amd64.expect("a platform")["digest"]));
    }
    let root = tempfile::tempdir().expect("a folder");
    for layer in manifest["layers"].as_array().expect("layers") {
        unpack(&blob(&layer["digest"]), root.path());
    }
    open_to_all(root.path(), 0o755);
    root
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn blob(digest: &Value) -> PathBuf {
    let digest = digest.as_str().expect("a digest").replace(':', "/");
    Path::new(IMAGES).join("blobs").join(digest)
}

/// Unpacks one layer over what is there; whiteouts remove.
fn unpack(layer: &Path, root: &Path) {
    let bytes = fs::read(layer).expect("a layer");
    let tar: Box<dyn io::Read> = match bytes.get(..2) {
        Some([0x1f, 0x8b]) => Box::new(flate2::read::GzDecoder::new(bytes.as_slice())),
        Some([0x28, 0xb5]) => Box::new(zstd::stream::Decoder::new(bytes.as_slice()).expect("zstd")),
        _ => Box::new(bytes.as_slice()),
    };
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("a member");
        let path = entry.path().expect("a name").into_owned();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let hidden = name
            .strip_prefix(".wh.")
            .map(|hidden| root.join(path.with_file_name(hidden)));
        match hidden {
            Some(gone) if gone.is_dir() => fs::remove_dir_all(gone).expect("a folder"),
            Some(gone) => fs::remove_file(gone).expect("a file"),
            None => drop(entry.unpack_in(root).expect("a member in the root")),
        }
    }
}

/// Whether all of these programs are there. Says loudly which is not, and fails where CI or `KMM_PREFLIGHT_REQUIRE_TOOLS`
/// insist.
pub(crate) fn present(programs: &[&str]) -> bool {
    let is_there =
        |program: &str| std::env::split_paths(&variable("PATH")).any(|folder| folder.join(program).is_file());
    let missing: Vec<_> = programs.iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return true;
    }
    let complaint = format!("SKIPPED: {missing:?} not found in PATH; tests/run installs what is missing");
    let insists = |name: &str| !matches!(variable(name).as_str(), "" | "0" | "false");
    assert!(!insists("CI") && !insists("KMM_PREFLIGHT_REQUIRE_TOOLS"), "{complaint}");
    // Written past the macros, whose text the test runner keeps to itself where a test passes.
    writeln!(io::stderr(), "{complaint}").expect("standard error");
    false
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line that could read it first"
)]
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
