//! What stands in a Module → what KMM would do. Rows of `tests/compat/upstream_cases.yaml` carry their id.

mod deciding;
mod evidence;
mod merging;
mod resolving;
mod working;

use jiff::{SignedDuration, Timestamp};

use super::work::{BuildWith, LookBy, Owner, Room, Workshop};
use super::{Resolution, Target, resolve};
use crate::api::Module;
use crate::kernel::KernelVersion;

pub(super) const KERNEL: &str = "5.14.0-427.el9.x86_64";

/// The Module `ns1/kmod` with this `container` section (YAML); moduleName and an image are there unless it has its own.
pub(super) fn module(container: &str) -> Module {
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

pub(super) fn target(container: &str, kernel: &str) -> Target {
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

/// A moment.
pub(super) fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// What an administrator has set who has set little.
pub(crate) fn workshop() -> Workshop {
    Workshop {
        image: "r.example.com/kmm-preflight:1".to_owned(),
        builder_image: "r.example.com/builder:1".to_owned(),
        pull_policy: "IfNotPresent".to_owned(),
        build_with: BuildWith::Job,
        look_by: LookBy::Auto,
        at_once: 4,
        deadline: SignedDuration::from_hours(1),
        keep_failed: SignedDuration::from_hours(1),
        service_account: None,
        privileged: false,
        user_namespaces: false,
        assigned_users: false,
        room: Room::default(),
        environment: Vec::new(),
        trusted: Vec::new(),
    }
}

/// A preflight.
pub(super) fn owner() -> Owner {
    Owner {
        name: "el9".to_owned(),
        uid: "1a2b".to_owned(),
    }
}
