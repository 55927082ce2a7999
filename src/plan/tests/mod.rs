//! What stands in a Module → what KMM would do. Rows of `tests/compat/upstream_cases.yaml` carry their id.

mod deciding;
mod merging;
mod resolving;

use super::{Resolution, Target, resolve};
use crate::api::Module;
use crate::kernel::KernelVersion;

const KERNEL: &str = "5.14.0-427.el9.x86_64";

/// The Module `ns1/kmod` with this `container` section (YAML); moduleName and an image are there unless it has its own.
fn module(container: &str) -> Module {
    let mut yaml: serde_json::Value = serde_saphyr::from_str(container).unwrap();
    let section = yaml.as_object_mut().unwrap();
    section
        .entry("modprobe")
        .or_insert_with(|| serde_json::json!({"moduleName": "kmod"}));
    section
        .entry("containerImage")
        .or_insert_with(|| "r.example.com/kmod:1".into());
    let module = serde_json::json!({
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": "kmod", "namespace": "ns1"},
        "spec": {"selector": {}, "moduleLoader": {"container": yaml}},
    });
    serde_json::from_value(module).unwrap()
}

fn resolved(container: &str, kernel: &str) -> Resolution {
    resolve(&module(container), &KernelVersion::parse(kernel).unwrap())
}

fn target(container: &str, kernel: &str) -> Target {
    match resolved(container, kernel) {
        Resolution::Target(target) => *target,
        other => panic!("{container} is no target: {other:?}"),
    }
}

/// The problems of a Module that is invalid, in one line.
fn problems(container: &str, kernel: &str) -> String {
    match resolved(container, kernel) {
        Resolution::Invalid(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        other => panic!("{container} is not invalid: {other:?}"),
    }
}
