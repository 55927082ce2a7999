//! Objects as they come from the wire, read only as far as somebody wants to know. What is not wanted (images of a
//! node, managed fields, a status) is skipped while it is parsed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, OwnerReference, Time};
use kube::Resource;
use kube::api::ObjectMeta;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// An object of the kind `K` with as much of its spec and status as the other two want.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "Spec: Default + Deserialize<'de>, Status: Default + Deserialize<'de>"))]
pub(super) struct Lean<K, Spec = IgnoredAny, Status = IgnoredAny> {
    #[serde(default, deserialize_with = "metadata")]
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    pub(super) spec: Spec,
    #[serde(default)]
    pub(super) status: Status,
    #[serde(skip)]
    kind: PhantomData<K>,
}

/// What is read of any object's metadata.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanMetadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "own_annotations")]
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    #[serde(default)]
    managed_fields: Vec<LeanManager>,
}

/// Who wrote, but not what: the fields' names would be as large as the object.
#[derive(Deserialize)]
struct LeanManager {
    manager: Option<String>,
    operation: Option<String>,
    subresource: Option<String>,
}

impl<K, Spec, Status> Resource for Lean<K, Spec, Status>
where
    K: Resource<DynamicType = ()>,
{
    type DynamicType = ();
    type Scope = K::Scope;

    fn metadata_api() -> bool {
        K::metadata_api()
    }

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// How the annotations begin that mean something to this program. Others can be as large as the object.
const OWN_ANNOTATIONS: &str = "preflight.kmm.sigs.x-k8s.io/";

fn own_annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let all: Option<BTreeMap<Cow<'de, str>, Cow<'de, str>>> = Option::deserialize(deserializer)?;
    let all = all.into_iter().flatten();
    let own = all.filter(|(key, _)| key.starts_with(OWN_ANNOTATIONS));
    let own: BTreeMap<String, String> = own.map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    Ok((!own.is_empty()).then_some(own))
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let lean = LeanMetadata::deserialize(deserializer)?;
    let manager = |lean: LeanManager| ManagedFieldsEntry {
        manager: lean.manager,
        operation: lean.operation,
        subresource: lean.subresource,
        ..ManagedFieldsEntry::default()
    };
    Ok(ObjectMeta {
        name: lean.name,
        namespace: lean.namespace,
        uid: lean.uid,
        resource_version: lean.resource_version,
        generation: lean.generation,
        creation_timestamp: lean.creation_timestamp,
        deletion_timestamp: lean.deletion_timestamp,
        labels: lean.labels,
        annotations: lean.annotations,
        owner_references: lean.owner_references,
        managed_fields: Some(lean.managed_fields.into_iter().map(manager).collect()),
        ..ObjectMeta::default()
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Node;
    use serde_json::json;

    use super::*;

    #[test]
    fn of_annotations_our_own_are_kept() {
        let annotations = json!({"preflight.kmm.sigs.x-k8s.io/image-check": "runtime", "kubectl.kubernetes.io/last-applied-configuration": "{}"});
        let node: Lean<Node> = serde_json::from_value(json!({"metadata": {"annotations": annotations}})).expect("read");
        let own = (
            "preflight.kmm.sigs.x-k8s.io/image-check".to_owned(),
            "runtime".to_owned(),
        );
        assert_eq!(node.metadata.annotations, Some([own].into()));
    }

    #[test]
    fn what_nobody_wants_is_not_kept() {
        let node: Lean<Node> = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": "n1",
                "resourceVersion": "7",
                "labels": {"a": "b"},
                "annotations": {"large": "text"},
                "managedFields": [{"manager": "kubelet", "operation": "Update", "subresource": "status",
                                   "fieldsV1": {"f:status": {}}}],
            },
            "status": {"images": [{"names": ["x"]}]},
        }))
        .expect("read");
        assert_eq!(node.metadata.annotations, None);
        let entries = node.metadata.managed_fields.expect("managers");
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].fields_v1, None);
        assert_eq!(entries[0].manager.as_deref(), Some("kubelet"));
        assert_eq!(node.metadata.labels, Some([("a".to_owned(), "b".to_owned())].into()));
    }
}
