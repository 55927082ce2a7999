//! What a watch saw of each kind, as it is kept: the wire's objects → the plain data of [`crate::plan`]. Pure.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Node as KubeNode};
use kube::ResourceExt;
use kube::api::ObjectMeta;
use kube::core::PartialObjectMeta;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::ObjectName;
use super::lean::Lean;
use crate::api::{Module, PreflightStatus, PreflightValidationOCP};
use crate::kernel::Architecture;
use crate::plan::{Loaders, Node, Unreadable};

/// A Module on the wire.
pub(super) type WireModule = Lean<Module, Value, Readable<ModuleStatus>>;
/// A preflight on the wire.
pub(super) type WirePreflight = Lean<PreflightValidationOCP, Value, Readable<PreflightStatus>>;
/// A node on the wire.
pub(super) type WireNode = Lean<KubeNode, IgnoredAny, NodeStatus>;
/// A ConfigMap on the wire: its metadata.
pub(super) type WireConfigMap = Lean<PartialObjectMeta<ConfigMap>>;

/// A value that is read where it can be, and passed over where it cannot. It is taken as text first: as a tree of values,
/// a status of a thousand rows would take several MiB for a moment.
#[derive(Clone, Debug)]
pub(super) struct Readable<T>(pub(super) Option<T>);

impl<T> Default for Readable<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Readable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(text.get()).ok()))
    }
}

/// What is read of a Module's status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ModuleStatus {
    module_loader: ModuleLoaderStatus,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ModuleLoaderStatus {
    available_number: u32,
    desired_number: u32,
}

/// What is read of a node's status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeStatus {
    node_info: NodeInfo,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeInfo {
    kernel_version: String,
    os_image: String,
    architecture: String,
}

/// A Module that was seen.
pub(super) enum SeenModule {
    /// One that can be read, and where it is loaded.
    Readable(Arc<Module>, Loaders),
    /// One that cannot.
    Unreadable(Unreadable),
    /// One that is being deleted, which counts as deleted.
    Leaving(ObjectName),
}

/// A preflight that was seen.
pub(super) enum SeenPreflight {
    /// One that can be read.
    Readable(Arc<PreflightValidationOCP>),
    /// One that cannot: its name, and why.
    Unreadable(String, String),
}

/// A ConfigMap that was seen.
pub(super) struct SeenConfigMap {
    /// Which.
    pub(super) name: ObjectName,
    /// Its version.
    pub(super) version: Option<String>,
}

impl SeenModule {
    pub(super) fn new(wire: WireModule) -> Self {
        let name = object_name(&wire.metadata);
        if wire.metadata.deletion_timestamp.is_some() {
            return Self::Leaving(name);
        }
        let loader = wire.status.0.unwrap_or_default().module_loader;
        let loaders = Loaders {
            available: loader.available_number,
            desired: loader.desired_number,
        };
        let metadata = ObjectMeta {
            name: wire.metadata.name,
            namespace: wire.metadata.namespace,
            uid: wire.metadata.uid,
            generation: wire.metadata.generation,
            annotations: wire.metadata.annotations,
            ..ObjectMeta::default()
        };
        match read(wire.spec) {
            Ok(spec) => Self::Readable(Arc::new(Module { metadata, spec }), loaders),
            Err(why) => Self::Unreadable(Unreadable {
                namespace: name.0,
                name: name.1,
                why: format!("spec{why}"),
            }),
        }
    }

    pub(super) fn name(&self) -> ObjectName {
        match self {
            Self::Readable(module, _) => object_name(&module.metadata),
            Self::Unreadable(module) => (module.namespace.clone(), module.name.clone()),
            Self::Leaving(name) => name.clone(),
        }
    }
}

impl SeenPreflight {
    /// A status that cannot be read is none: it is written anew, and must not keep its preflight from being answered.
    pub(super) fn new(wire: WirePreflight) -> Self {
        let mut metadata = wire.metadata;
        let name = metadata.name.clone().unwrap_or_default();
        metadata.labels = None;
        metadata.annotations = None;
        match read(wire.spec) {
            Ok(spec) => Self::Readable(Arc::new(PreflightValidationOCP {
                metadata,
                spec,
                status: wire.status.0,
            })),
            Err(why) => Self::Unreadable(name, format!("spec{why}")),
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Readable(preflight) => preflight.name_any(),
            Self::Unreadable(name, _) => name.clone(),
        }
    }
}

impl SeenConfigMap {
    pub(super) fn new(wire: WireConfigMap) -> Self {
        Self {
            name: object_name(&wire.metadata),
            version: wire.metadata.resource_version,
        }
    }
}

/// What matters of a node.
pub(super) fn node(wire: WireNode) -> Node {
    let info = wire.status.node_info;
    Node {
        name: wire.metadata.name.unwrap_or_default(),
        kernel: info.kernel_version,
        os_image: info.os_image,
        architecture: Architecture::from_name(&info.architecture),
        labels: wire.metadata.labels.unwrap_or_default(),
    }
}

pub(super) fn object_name(metadata: &ObjectMeta) -> ObjectName {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    (part(&metadata.namespace), part(&metadata.name))
}

/// Reads a value, or says where it cannot be read and why: `.moduleLoader.container: missing field …`.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        match path.as_str() {
            "." => format!(": {}", error.inner()),
            _ => format!(".{path}: {}", error.inner()),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn module(object: Value) -> SeenModule {
        SeenModule::new(serde_json::from_value(object).expect("any object is read"))
    }

    #[test]
    fn of_a_module_only_what_matters_is_kept() {
        let object = |version: &str, available: u32| {
            json!({
                "metadata": {"name": "m", "namespace": "ns", "uid": "u", "generation": 3, "resourceVersion": version,
                             "labels": {"team": "a"}, "managedFields": [{"manager": "kubectl"}]},
                "spec": {"selector": {"a": "b"}},
                "status": {"moduleLoader": {"availableNumber": available, "desiredNumber": 5}},
            })
        };
        let SeenModule::Readable(module_before, nowhere) = module(object("1", 0)) else {
            panic!("readable");
        };
        let SeenModule::Readable(module_after, everywhere) = module(object("2", 5)) else {
            panic!("readable");
        };
        assert_eq!(module_before, module_after);
        assert_eq!(module_after.metadata.generation, Some(3));
        assert_eq!(module_after.metadata.managed_fields, None);
        assert!(!nowhere.are_all_loaded() && everywhere.are_all_loaded());
    }

    #[test]
    fn a_status_that_cannot_be_read_hides_no_module() {
        let object = json!({"metadata": {"name": "m"}, "spec": {"selector": {}}, "status": {"moduleLoader": {"availableNumber": "5"}}});
        assert!(matches!(module(object), SeenModule::Readable(_, loaders) if loaders == Loaders::default()));
    }

    #[test]
    fn a_module_that_cannot_be_read_says_where() {
        for (spec, why) in [
            (
                json!({"moduleLoader": {"container": {"modprobe": {"parameters": "x"}}}}),
                "spec.moduleLoader.container.modprobe.parameters: invalid type: string \"x\", expected a sequence",
            ),
            (
                json!({"moduleLoader": {"container": {}}}),
                "spec.moduleLoader.container: missing field `modprobe`",
            ),
            (Value::Null, "spec: invalid type: null, expected struct ModuleSpec"),
        ] {
            let SeenModule::Unreadable(seen) =
                module(json!({"metadata": {"name": "m", "namespace": "ns"}, "spec": spec}))
            else {
                panic!("unreadable: {spec}");
            };
            assert_eq!(
                (seen.namespace.as_str(), seen.name.as_str(), seen.why.as_str()),
                ("ns", "m", why)
            );
        }
    }

    #[test]
    fn a_module_that_is_being_deleted_counts_as_deleted() {
        let leaving = module(json!({
            "metadata": {"name": "m", "namespace": "ns", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"selector": {}},
        }));
        assert!(matches!(leaving, SeenModule::Leaving(name) if name.1 == "m"));
    }

    #[test]
    fn a_status_that_cannot_be_read_does_not_hide_its_preflight() {
        let seen = SeenPreflight::new(
            serde_json::from_value(json!({
                "metadata": {"name": "p", "managedFields": [{"manager": "kmm", "subresource": "status"}]},
                "spec": {"kernelVersion": "5.14.0"},
                "status": {"modules": [{"name": 7}]},
            }))
            .expect("read"),
        );
        let SeenPreflight::Readable(preflight) = seen else {
            panic!("readable");
        };
        assert_eq!(preflight.status, None);
        let managers = crate::cluster::foreign_managers(&preflight.metadata);
        assert_eq!(managers, ["kmm".to_owned()].into());
    }

    #[test]
    fn a_preflight_without_a_kernel_says_so() {
        let wire = json!({"metadata": {"name": "p"}, "spec": {}});
        let seen = SeenPreflight::new(serde_json::from_value(wire).expect("read"));
        assert!(matches!(seen, SeenPreflight::Unreadable(name, why)
            if name == "p" && why == "spec: missing field `kernelVersion`"));
    }

    #[test]
    fn of_a_node_its_kernel_architecture_and_labels_are_kept() {
        let wire = json!({
            "metadata": {"name": "n", "labels": {"role": "worker"}},
            "status": {"nodeInfo": {"kernelVersion": "6.1.0-49-amd64", "architecture": "amd64", "osImage": "Debian"},
                       "images": [{"names": ["a"]}], "conditions": []},
        });
        let seen = node(serde_json::from_value(wire).expect("read"));
        assert_eq!(
            (seen.kernel.as_str(), seen.os_image.as_str()),
            ("6.1.0-49-amd64", "Debian")
        );
        assert_eq!(seen.architecture, Architecture::from_name("amd64"));
        assert!(seen.architecture.is_some());
        assert_eq!(seen.labels, [("role".to_owned(), "worker".to_owned())].into());
    }
}
