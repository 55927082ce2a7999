//! What stands under an image's tag, as tools see it that are not ours.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The manifest under a tag, or nothing where nothing is.
pub(crate) fn manifest(reference: &str) -> Option<Value> {
    let output = run(
        "skopeo",
        &[
            "inspect",
            "--raw",
            "--tls-verify=false",
            &format!("docker://{reference}"),
        ],
    );
    if output.status.success() {
        return Some(serde_json::from_slice(&output.stdout).unwrap());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaint.contains("manifest unknown") || complaint.contains("name unknown"),
        "{complaint}"
    );
    None
}

/// Puts an image under another tag as well.
pub(crate) fn copy(from: &str, to: &str) {
    let [from, to] = [from, to].map(|reference| format!("docker://{reference}"));
    let options = [
        "copy",
        "--quiet",
        "--all",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ];
    must("skopeo", &[&options[..], &[&from, &to]].concat());
}

/// What kmod reads of the signature of a module in an image: `PKCS#7`, or nothing where it has none.
pub(crate) fn signature(reference: &str, module: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let to = format!("oci:{}:image", layout.display());
    let from = format!("docker://{reference}");
    must("skopeo", &["copy", "--quiet", "--src-tls-verify=false", &from, &to]);
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    for layer in manifest(reference).unwrap()["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap().replace(':', "/");
        unpack(&layout.join("blobs").join(digest), &root);
    }
    let file = root.join(module.trim_start_matches('/'));
    let read = must("/sbin/modinfo", &["--field=sig_id", &file.display().to_string()]);
    String::from_utf8(read.stdout).unwrap().trim().to_owned()
}

fn unpack(layer: &Path, root: &Path) {
    let (layer, root) = (layer.display().to_string(), root.display().to_string());
    must("tar", &["-xf", &layer, "-C", &root]);
}

fn must(program: &str, arguments: &[&str]) -> Output {
    let output = run(program, arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    output
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}
