//! What Node Feature Discovery tells of the modules that nodes have loaded: watched while an answer depends on it, since its
//! objects are large, where it is installed, and where somebody has allowed it.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::api::Api;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::Shared;
use super::follow::{News, Watched, follow};
use super::known::Known;
use super::lean::Lean;
use super::seen::Readable;
use crate::api::node_feature::{NodeFeature, NodeFeatureSpec, own_node};
use crate::cluster::CallError;
use crate::kmod::load::LoadedModules;

/// How long until an API server is asked again that does not serve these objects.
const NOT_SERVED: Duration = Duration::from_secs(15);
/// Objects in one page of a list; each lists the options of a kernel's configuration and the features of a processor, some 150 KiB.
const PAGE: u32 = 20;
/// Of so many nodes it is kept what they have loaded: Kubernetes supports no more in one cluster. Where each has other modules, that
/// is 15 KiB a node.
pub(super) const MOST_NODES: usize = 5_000;
pub(super) const ABOUT: &str = "watching NodeFeatures";

/// An object on the wire.
pub(super) type WireNodeFeature = Lean<NodeFeature, Readable<NodeFeatureSpec>>;

/// What one object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenNodeFeature {
    /// Its name, and that of the node where it is that node's own.
    pub(super) name: String,
    /// The modules that are loaded there; `None` where it does not say, or is not the node's own.
    pub(super) loaded: Option<LoadedModules>,
}

impl SeenNodeFeature {
    pub(super) fn new(wire: &WireNodeFeature, sets: &Sets) -> Self {
        let spec = wire.spec.0.as_ref().filter(|_| own_node(wire).is_some());
        let loaded = spec.and_then(NodeFeatureSpec::loaded_modules).map(LoadedModules::of);
        Self {
            name: wire.metadata.name.clone().unwrap_or_default(),
            loaded: loaded.map(|loaded| sets.one_for_all(loaded)),
        }
    }
}

/// What nodes have loaded, each set of modules once, however many nodes have it: most nodes of a kind have the same.
#[derive(Debug, Default)]
pub(super) struct Sets(Mutex<BTreeSet<LoadedModules>>);

impl Sets {
    /// The same set, as it is in memory already. Those that nobody has any more are let go.
    fn one_for_all(&self, loaded: LoadedModules) -> LoadedModules {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sets.get(&loaded) {
            return known.clone();
        }
        sets.retain(LoadedModules::is_shared);
        sets.insert(loaded.clone());
        loaded
    }
}

/// Held by who depends on what nodes have loaded. While nobody does, that is not watched.
pub struct NodesAsked(Arc<Shared>);

impl NodesAsked {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.apply(Known::ask_nodes);
        shared.asking.notify_one();
        Self(Arc::clone(shared))
    }
}

impl Drop for NodesAsked {
    fn drop(&mut self) {
        self.0.apply(Known::ask_nodes_no_more);
        self.0.asking.notify_one();
    }
}

impl Shared {
    /// Watches those of a namespace for as long as somebody asks, again and again, for ever.
    pub(super) async fn node_features(self: Arc<Self>, client: Client, namespace: String) {
        loop {
            self.until_asked(true).await;
            let watching = async {
                loop {
                    self.follow_node_features(client.clone(), &namespace).await;
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
    async fn follow_node_features(&self, client: Client, namespace: &str) {
        let (gone, sets) = (Notify::new(), Sets::default());
        let watched = Watched {
            api: Api::<WireNodeFeature>::namespaced(client, namespace),
            fields: None,
            labels: None,
            page: PAGE,
        };
        let tell = |news| match news {
            News::Seen(change) => self.apply(|known| known.node_features(change)),
            News::Stuck(CallError::NotFound(_)) => {
                self.apply(Known::no_node_features);
                gone.notify_one();
            }
            News::Stuck(error) => self.apply(|known| known.node_features_unread(&error.to_string())),
            News::Calm => self.apply(Known::node_features_read),
        };
        tokio::select! {
            () = follow(watched, |wire| SeenNodeFeature::new(&wire, &sets), tell) => {}
            () = gone.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    fn object(name: &str, node: &str, spec: &Value) -> WireNodeFeature {
        let labels = json!({"nfd.node.kubernetes.io/node-name": node});
        let wire = json!({"metadata": {"namespace": "nfd", "name": name, "labels": labels}, "spec": spec});
        serde_json::from_value(wire).expect("read")
    }

    fn with_modules(name: &str, node: &str, modules: &[&str]) -> WireNodeFeature {
        let elements: BTreeMap<&str, Value> = modules.iter().map(|module| (*module, json!({}))).collect();
        let spec = json!({"features": {"flags": {"kernel.loadedmodule": {"elements": elements}}}});
        object(name, node, &spec)
    }

    fn names(wire: &WireNodeFeature) -> Option<Vec<String>> {
        let loaded = SeenNodeFeature::new(wire, &Sets::default()).loaded?;
        Some(loaded.names().map(str::to_owned).collect())
    }

    #[test]
    fn a_nodes_own_object_says_what_it_has_loaded_and_no_other_does() {
        let rows = [
            (
                "its own",
                with_modules("n1", "n1", &["a", "c-d"]),
                Some(vec!["a", "c_d"]),
            ),
            ("none is loaded", with_modules("n1", "n1", &[]), Some(vec![])),
            ("somebody else's about it", with_modules("forged", "n1", &["a"]), None),
            ("in the name of another", with_modules("n1", "n2", &["a"]), None),
            ("silent", object("n1", "n1", &json!({"labels": {"vendor": "x"}})), None),
            (
                "unreadable",
                object("n1", "n1", &json!({"features": {"flags": 7}})),
                None,
            ),
            (
                "words that are no names",
                with_modules("n1", "n1", &["fine", "no name", "../x", &"long".repeat(30)]),
                Some(vec!["fine", "no"]),
            ),
        ];
        for (row, wire, says) in rows {
            let says: Option<Vec<String>> = says.map(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(names(&wire), says, "{row}");
        }
    }

    #[test]
    fn nodes_with_the_same_modules_share_them_and_what_nobody_has_is_let_go() {
        let sets = Sets::default();
        let seen = |name: &str, modules: &[&str]| SeenNodeFeature::new(&with_modules(name, name, modules), &sets);
        let kept = |sets: &Sets| sets.0.lock().expect("sets").len();
        let alone = seen("n1", &["a", "b"]).loaded.expect("modules");
        let others: Vec<_> = (0..100).map(|_| seen("n2", &["a", "b"])).collect();
        assert_eq!(kept(&sets), 1);
        drop(others);
        assert!(alone.is_shared(), "with the sets");
        let other = seen("n3", &["c"]);
        assert_eq!(kept(&sets), 2);
        drop((alone, other));
        seen("n4", &["d"]);
        assert_eq!(kept(&sets), 1, "the last alone");
    }
}
