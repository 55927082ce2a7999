//! The image that the chart runs, made by the Dockerfile's stage that needs no base image.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::chart::helm::{in_path, skip};

/// buildah with a storage of its own; it must succeed.
fn buildah(folder: &Path, arguments: &[&str]) {
    let output = Command::new("buildah")
        .env("BUILDAH_ISOLATION", "chroot")
        .arg("--storage-driver=vfs")
        .arg("--root")
        .arg(folder.join("storage"))
        .arg("--runroot")
        .arg(folder.join("run"))
        .args(arguments)
        .output()
        .expect("buildah runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The configuration of the only image in the OCI layout.
fn configuration(layout: &Path) -> Value {
    let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).expect("JSON") };
    let blob = |digest: &Value| {
        let digest = digest.as_str().expect("a digest");
        layout.join("blobs").join(digest.replace(':', "/"))
    };
    let index = json(&layout.join("index.json"));
    let manifest = json(&blob(&index["manifests"][0]["digest"]));
    json(&blob(&manifest["config"]["digest"]))
}

#[test]
fn a_program_that_is_built_already_becomes_an_image_without_any_base() {
    if in_path("buildah").is_none() {
        return skip("there is no buildah; tests/run installs it");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let context = folder.path().join("context");
    fs::create_dir(&context).unwrap();
    for file in ["kmm-preflight", "ca-certificates.crt"] {
        fs::write(context.join(file), file).unwrap();
    }
    let recipe = concat!("--file=", env!("CARGO_MANIFEST_DIR"), "/Dockerfile");
    let layout = folder.path().join("layout");
    let tag = "--tag=localhost/kmm-preflight";
    let build = ["build", "--target=prebuilt", "--build-arg=VERSION=1.2.3", recipe, tag];
    buildah(
        folder.path(),
        &[&build[..], &[context.to_str().expect("UTF-8")]].concat(),
    );
    buildah(
        folder.path(),
        &["push", "localhost/kmm-preflight", &format!("oci:{}", layout.display())],
    );

    let config = &configuration(&layout)["config"];
    assert_eq!(
        config["User"], "65532:65532",
        "a number, so that kubelet can see that it is not root"
    );
    assert_eq!(config["Entrypoint"], json!(["/kmm-preflight"]));
    assert_eq!(config["Cmd"], json!(["operator"]));
    assert_eq!(config["Labels"]["org.opencontainers.image.version"], "1.2.3");
}
