//! The tools, the example's files turned to a registry, and the tests.

mod images;
mod registries;
mod registry;
mod tools;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::upgrade::{Run, check, example};

/// The layout of the example, as skopeo and the program call it.
const IMAGES: &str = "examples/upgrade/images";
/// Where the example's images are said to stand.
const REGISTRY: &str = "registry.example.com";

/// Writes the objects of the example into a folder, their images turned to a registry without TLS.
fn turned_to(registry: &str, files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in files {
        let text = fs::read_to_string(example(file)).expect("a file of the example");
        fs::write(folder.path().join(file), without_tls(&text, registry)).expect("a file");
    }
    folder
}

/// Objects whose images stand in a registry without TLS.
fn without_tls(objects: &str, registry: &str) -> String {
    let mappings = "      kernelMappings:\n";
    objects.replace(REGISTRY, registry).replace(
        mappings,
        &format!("      registryTLS:\n        insecure: true\n{mappings}"),
    )
}

/// Asks the example's question of the objects in a folder. The driver toolkit comes from the example's layout.
fn asked(folder: &Path, options: &[&str]) -> Run {
    let folder = folder.to_str().expect("a path");
    let fixed = [
        "-f",
        folder,
        "-f",
        "examples/upgrade/preflight.yaml",
        "--oci-layout",
        IMAGES,
        "-o",
        "json",
    ];
    check(fixed.iter().chain(options).copied())
}

/// The status of each Module.
fn modules(run: &Run) -> Vec<Value> {
    let answer: Value = serde_json::from_str(&run.out).expect("JSON");
    answer["status"]["modules"].as_array().expect("modules").clone()
}

/// What a run found out of each Module; where its image came from left aside.
fn verdicts(run: &Run) -> Vec<Value> {
    let verdict = |module: &Value| {
        json!({
            "module": format!("{}/{}", text(&module["namespace"]), text(&module["name"])),
            "status": module["verificationStatus"], "stage": module["verificationStage"],
            "findings": module["findings"],
        })
    };
    modules(run).iter().map(verdict).collect()
}

/// The digest of each Module's image.
fn digests(run: &Run) -> Vec<Value> {
    modules(run).iter().map(|module| module["digest"].clone()).collect()
}

/// The reason that the only Module's verdict is given with.
fn reason(run: &Run) -> String {
    let modules = modules(run);
    assert_eq!(modules.len(), 1, "{modules:?}");
    text(&modules[0]["statusReason"]).to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}
