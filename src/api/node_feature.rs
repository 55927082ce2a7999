//! Node Feature Discovery's `NodeFeature`, as far as it tells which kernel modules a node has loaded. Nothing else of it is
//! read: it lists every option of the kernel's configuration, too.
//!
//! The schema is NFD's (`nfd.k8s-sigs.io/v1alpha1`, `api/nfd/v1alpha1/types.go`), so none is derived here.

use std::collections::BTreeMap;

use kube::{CustomResource, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The label that names the node (`NodeFeatureObjNodeNameLabel`).
const NODE_NAME: &str = "nfd.node.kubernetes.io/node-name";

/// What was discovered on a node.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "nfd.k8s-sigs.io",
    version = "v1alpha1",
    kind = "NodeFeature",
    plural = "nodefeatures",
    namespaced,
    schema = "disabled",
    derive = "PartialEq"
)]
pub struct NodeFeatureSpec {
    /// All features.
    #[serde(default)]
    pub features: Option<Features>,
}

/// The features of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Those that are there or not.
    #[serde(default)]
    pub flags: Option<Flags>,
}

/// Features that are there or not, by their kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// The modules in `/proc/modules` (`source/kernel/modules.go`); absent where the kernel was not asked.
    #[serde(default, rename = "kernel.loadedmodule")]
    pub loaded_modules: Option<FlagSet>,
}

/// Names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagSet {
    /// The names, each with nothing.
    #[serde(default)]
    pub elements: Option<BTreeMap<String, Value>>,
}

impl NodeFeatureSpec {
    /// The names of the loaded modules, where it tells them.
    pub fn loaded_modules(&self) -> Option<impl Iterator<Item = &str>> {
        let flags = self.features.as_ref()?.flags.as_ref()?;
        let elements = flags.loaded_modules.as_ref()?.elements.iter().flatten();
        Some(elements.map(|(name, _)| name.as_str()))
    }
}

/// The node whose own `NodeFeature` this is: nfd-worker names the object as its node, and labels it so (`pkg/nfd-worker/nfd-worker.go:
/// updateNodeFeatureObject`). What others write about a node has other names, and is not asked here what the node has loaded.
pub fn own_node(object: &impl ResourceExt) -> Option<&str> {
    let label = object.labels().get(NODE_NAME)?;
    (*label == object.name_any()).then_some(label)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn loaded(spec: Value) -> Option<Vec<String>> {
        let spec: NodeFeatureSpec = serde_json::from_value(spec).expect("read");
        spec.loaded_modules().map(|names| names.map(str::to_owned).collect())
    }

    #[test]
    fn the_names_are_told_where_the_kernel_was_asked() {
        let flags = json!({"cpu.cpuid": {"elements": {"AVX": {}}}, "kernel.loadedmodule": {"elements": {"usbcore": {}, "xt_comment": {}}}});
        let features =
            json!({"features": {"flags": flags, "attributes": {"kernel.config": {"elements": {"X86": "y"}}}}});
        assert_eq!(
            loaded(features),
            Some(vec!["usbcore".to_owned(), "xt_comment".to_owned()])
        );
        assert_eq!(
            loaded(json!({"features": {"flags": {"kernel.loadedmodule": {"elements": null}}}})),
            Some(Vec::new())
        );
        for silent in [
            json!({}),
            json!({"features": null}),
            json!({"features": {"flags": null}}),
            json!({"features": {"flags": {}}}),
        ] {
            assert_eq!(loaded(silent.clone()), None, "{silent}");
        }
    }

    #[test]
    fn a_nodes_own_object_is_called_and_labelled_as_the_node() {
        for (name, label, node) in [
            ("n1", None, None),
            ("n1", Some("n1"), Some("n1")),
            ("n1-extra", Some("n1"), None),
            ("n1", Some("n2"), None),
        ] {
            let mut feature = NodeFeature::new(name, NodeFeatureSpec::default());
            let label = label.map(|label| (NODE_NAME.to_owned(), label.to_owned()));
            feature.labels_mut().extend(label);
            assert_eq!(own_node(&feature), node, "{name}");
        }
    }
}
