//! What Node Feature Discovery tells of the modules that nodes have loaded: watched while an answer depends on it, since its
//! objects are large, where it is installed, and where somebody has allowed it.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::Api;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::follow::{News, Watched, follow};
use super::known::{Change, Known};
use super::lean::Lean;
use super::seen::{Readable, object_name};
use super::{ObjectName, Shared, stuck};
use crate::api::node_feature::{NodeFeature, NodeFeatureSpec, node_name};
use crate::cluster::CallError;
use crate::kmod::load::LoadedModules;

/// How long until an API server is asked again that does not serve these objects.
const NOT_SERVED: Duration = Duration::from_secs(15);
/// Objects in one page of a list; each lists the options of a kernel's configuration and the features of a processor, some 150 KiB.
const PAGE: u32 = 20;
const ABOUT: &str = "watching NodeFeatures";

/// An object on the wire.
pub(super) type WireNodeFeature = Lean<NodeFeature, Readable<NodeFeatureSpec>>;

/// What one object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenNodeFeature {
    name: ObjectName,
    /// The node that it speaks of, and the modules that are loaded there; `None` where it says nothing of that.
    says: Option<(String, LoadedModules)>,
}

impl SeenNodeFeature {
    pub(super) fn new(wire: &WireNodeFeature) -> Self {
        let node = node_name(wire).map(str::to_owned);
        let says = node.zip(
            wire.spec
                .0
                .as_ref()
                .and_then(NodeFeatureSpec::loaded_modules)
                .map(LoadedModules::of),
        );
        Self {
            name: object_name(&wire.metadata),
            says,
        }
    }
}

/// What all of them say.
#[derive(Debug, Default)]
pub(super) struct NodeFeatures(BTreeMap<ObjectName, (String, LoadedModules)>);

impl NodeFeatures {
    /// Takes in what was seen, and returns the nodes of which something else may be said now.
    pub(super) fn change(&mut self, change: Change<SeenNodeFeature>) -> BTreeSet<String> {
        let mut nodes = BTreeSet::new();
        match change {
            Change::Put(seen) => self.put(seen, &mut nodes),
            Change::Gone(SeenNodeFeature { name, .. }) => self.put(SeenNodeFeature { name, says: None }, &mut nodes),
            Change::All(all) => {
                let before = std::mem::take(&mut self.0);
                nodes.extend(before.into_values().map(|(node, _)| node));
                for seen in all {
                    self.put(seen, &mut nodes);
                }
            }
        }
        nodes
    }

    fn put(&mut self, seen: SeenNodeFeature, nodes: &mut BTreeSet<String>) {
        nodes.extend(seen.says.iter().map(|(node, _)| node.clone()));
        let before = match seen.says {
            Some(says) => self.0.insert(seen.name, says),
            None => self.0.remove(&seen.name),
        };
        nodes.extend(before.map(|(node, _)| node));
    }

    /// The modules of a node. Where several objects speak of it, in whatever namespaces, all must name a module: who may
    /// write one of them can take a module away, but not add one.
    pub(super) fn of(&self, node: &str) -> Option<LoadedModules> {
        let mut said = self.0.values().filter(|(of, _)| of == node).map(|(_, modules)| modules);
        let first = said.next()?;
        let others: Vec<&LoadedModules> = said.collect();
        if others.is_empty() {
            return Some(first.clone());
        }
        let agreed = first
            .names()
            .filter(|name| others.iter().all(|other| other.contains(name)));
        Some(LoadedModules::of(agreed))
    }
}

/// Held by who depends on what nodes have loaded. While nobody does, that is not watched.
pub struct NodesAsked(Arc<Shared>);

impl NodesAsked {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.known().nodes_asked += 1;
        shared.asking.notify_one();
        Self(Arc::clone(shared))
    }
}

impl Drop for NodesAsked {
    fn drop(&mut self) {
        self.0.known().nodes_asked -= 1;
        self.0.asking.notify_one();
    }
}

impl Shared {
    /// Watches for as long as somebody asks, again and again, for ever.
    pub(super) async fn node_features(self: Arc<Self>, client: Client) {
        loop {
            self.until_asked(true).await;
            let watching = async {
                loop {
                    self.follow_node_features(client.clone()).await;
                    sleep(NOT_SERVED).await;
                }
            };
            tokio::select! {
                () = watching => {}
                () = self.until_asked(false) => {}
            }
            self.apply(Known::forget_node_features);
        }
    }

    async fn until_asked(&self, asked: bool) {
        while (self.known().nodes_asked > 0) != asked {
            self.asking.notified().await;
        }
    }

    /// Follows them until they are not served any more.
    async fn follow_node_features(&self, client: Client) {
        let gone = Notify::new();
        let watched = Watched {
            api: Api::<WireNodeFeature>::all(client),
            fields: None,
            labels: None,
            page: PAGE,
        };
        let tell = |news| match news {
            News::Seen(change) => self.apply(|known| {
                known.mended(ABOUT);
                known.node_features(change)
            }),
            News::Stuck(CallError::NotFound(_)) => {
                self.apply(|known| known.node_features(Change::All(Vec::new())));
                gone.notify_one();
            }
            News::Stuck(error) => self.apply(|known| {
                known.problem(ABOUT.to_owned(), stuck(&error));
                known.no_node_features_yet()
            }),
        };
        tokio::select! {
            () = follow(watched, |wire| SeenNodeFeature::new(&wire), tell) => {}
            () = gone.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(namespace: &str, node: &str, modules: &[&str]) -> SeenNodeFeature {
        let elements: BTreeMap<&str, Value> = modules.iter().map(|module| (*module, json!({}))).collect();
        object(
            namespace,
            node,
            &json!({"features": {"flags": {"kernel.loadedmodule": {"elements": elements}}}}),
        )
    }

    fn object(namespace: &str, node: &str, spec: &Value) -> SeenNodeFeature {
        let labels = json!({"nfd.node.kubernetes.io/node-name": node});
        let wire = json!({"metadata": {"namespace": namespace, "name": node, "labels": labels}, "spec": spec});
        SeenNodeFeature::new(&serde_json::from_value(wire).expect("read"))
    }

    fn names(features: &NodeFeatures, node: &str) -> Option<Vec<String>> {
        Some(features.of(node)?.names().map(str::to_owned).collect())
    }

    #[test]
    fn a_node_has_what_its_object_says_and_nothing_when_that_is_gone() {
        let mut features = NodeFeatures::default();
        assert_eq!(
            features
                .change(Change::All(vec![seen("nfd", "n1", &["a"]), seen("nfd", "n2", &["b"])]))
                .len(),
            2
        );
        assert_eq!(names(&features, "n1"), Some(vec!["a".to_owned()]));
        assert_eq!(
            features.change(Change::Put(seen("nfd", "n1", &["a", "c-d"]))),
            ["n1".to_owned()].into()
        );
        assert_eq!(names(&features, "n1"), Some(vec!["a".to_owned(), "c_d".to_owned()]));
        features.change(Change::Gone(seen("nfd", "n1", &[])));
        assert_eq!(
            (names(&features, "n1"), names(&features, "n2")),
            (None, Some(vec!["b".to_owned()]))
        );
        assert_eq!(features.change(Change::All(Vec::new())), ["n2".to_owned()].into());
        assert_eq!(names(&features, "n2"), None);
    }

    #[test]
    fn of_several_objects_of_a_node_all_must_name_a_module() {
        let mut features = NodeFeatures::default();
        let silent = object("other", "n1", &json!({"labels": {"vendor": "x"}}));
        features.change(Change::All(vec![seen("nfd", "n1", &["a", "b"]), silent]));
        assert_eq!(
            names(&features, "n1").map(|names| names.len()),
            Some(2),
            "who says nothing takes nothing away"
        );
        features.change(Change::Put(seen("tenant", "n1", &["b", "forged"])));
        assert_eq!(names(&features, "n1"), Some(vec!["b".to_owned()]));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let mut features = NodeFeatures::default();
        features.change(Change::Put(object("nfd", "n1", &json!({"features": {"flags": 7}}))));
        assert_eq!(names(&features, "n1"), None);
        features.change(Change::Put(seen(
            "nfd",
            "n1",
            &["fine", "no name", "../x", &"long".repeat(30)],
        )));
        assert_eq!(names(&features, "n1"), Some(vec!["fine".to_owned(), "no".to_owned()]));
    }
}
