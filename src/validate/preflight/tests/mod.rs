//! An object and what is around it → what admission says. Rows of `tests/compat/upstream_cases.yaml` carry their id.

mod admitting;
mod defaulting;
mod updating;
mod warning;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::api::{Module, PreflightValidationOCPSpec};
use crate::kernel::Architecture;
use crate::plan::Node;

const KERNEL: &str = "5.14.0-427.el9.x86_64";
const TOOLKIT: &str = "r.example.com/dtk@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The preflight `upgrade`, defaulted, for a kernel.
fn preflight(kernel: &str) -> PreflightValidationOCP {
    let spec = PreflightValidationOCPSpec {
        kernel_version: kernel.to_owned(),
        dtk_image: None,
        push_built_image: Some(false),
    };
    PreflightValidationOCP::new("upgrade", spec)
}

fn with_toolkit(kernel: &str, image: &str) -> PreflightValidationOCP {
    let mut preflight = preflight(kernel);
    preflight.spec.dtk_image = Some(image.to_owned());
    preflight
}

/// The Module `drivers/<name>` whose only mapping is this (YAML), with an image and a name to load unless it has one.
fn module(name: &str, mapping: &str) -> Arc<Module> {
    let mapping: Value = serde_saphyr::from_str(mapping).unwrap();
    let container = json!({
        "containerImage": "r.example.com/driver:1",
        "modprobe": {"moduleName": "driver"},
        "kernelMappings": [mapping],
    });
    let module = json!({
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": name, "namespace": "drivers"},
        "spec": {"selector": {}, "moduleLoader": {"container": container}},
    });
    Arc::new(serde_json::from_value(module).unwrap())
}

/// A Module with an image for every kernel, which is built from the Dockerfile of `drivers/<dockerfile>`.
fn built(name: &str, dockerfile: &str) -> Arc<Module> {
    module(
        name,
        &format!("{{regexp: .*, build: {{dockerfileConfigMap: {{name: {dockerfile}}}}}}}"),
    )
}

/// A Module with an image for every kernel that nobody builds.
fn loaded(name: &str) -> Arc<Module> {
    module(name, "{regexp: .*}")
}

/// A cluster with these Modules, and two Dockerfiles: `with-dtk` asks for the driver toolkit, `plain` does not.
fn cluster(modules: impl IntoIterator<Item = Arc<Module>>) -> Surroundings {
    let mut around = Surroundings {
        modules: Some(modules.into_iter().collect()),
        ..Surroundings::default()
    };
    let dockerfiles = [
        ("with-dtk", Some("ARG DTK_AUTO\nFROM ${DTK_AUTO}\n")),
        ("plain", Some("FROM scratch\n")),
        ("without-key", None),
    ];
    around.supplies.dockerfiles_complete = true;
    around.supplies.dockerfiles = dockerfiles
        .map(|(name, text)| (("drivers".to_owned(), name.to_owned()), text.map(str::to_owned)))
        .into();
    around
}

fn toolkits<const N: usize>(named: [(&str, &str); N]) -> BTreeMap<String, String> {
    named
        .map(|(kernel, image)| (kernel.to_owned(), image.to_owned()))
        .into()
}

fn node(kernel: &str, architecture: Option<Architecture>) -> Node {
    Node {
        name: "worker".to_owned(),
        kernel: kernel.to_owned(),
        os_image: String::new(),
        architecture,
        labels: BTreeMap::new(),
    }
}

fn errors(preflight: &PreflightValidationOCP, around: &Surroundings) -> Vec<String> {
    let admission = admit_create(preflight, around);
    admission.errors.iter().map(ToString::to_string).collect()
}
