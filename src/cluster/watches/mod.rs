//! Watches on everything a preflight depends on, and what is known by them.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

mod dockerfiles;
mod follow;
mod image_stream;
mod jobs;
mod known;
mod lean;
mod loaded;
mod node_features;
mod reading;
mod seen;
mod toolkits;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DynamicObject};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

pub use self::jobs::{JobWatches, OwnJob};
pub use self::node_features::NodesAsked;
pub use self::toolkits::TOOLKITS_KEY;

use self::follow::{News, Watched, follow};
use self::known::{Change, Known};
use self::seen::{SeenConfigMap, SeenModule, SeenPreflight, WireConfigMap, WireModule, WireNode, WirePreflight};
use super::call::CallError;
use crate::api::PreflightValidationOCP;
use crate::plan::Surroundings;

/// Namespace and name.
pub type ObjectName = (String, String);

/// Preflights in one page of a list; each may carry a thousand rows.
const PREFLIGHT_PAGE: u32 = 20;
/// Modules in one page of a list.
const MODULE_PAGE: u32 = 250;
/// Nodes in one page of a list; each carries the list of its images, some 30 KiB.
const NODE_PAGE: u32 = 50;
/// ConfigMaps in one page of a list, as metadata.
const CONFIG_MAP_PAGE: u32 = 500;

/// What is watched besides what always is.
#[derive(Clone, Debug, Default)]
pub struct WatchSettings {
    /// The ConfigMap that maps kernels to driver toolkits under [`TOOLKITS_KEY`], where there is one.
    pub toolkits: Option<ObjectName>,
    /// OpenShift's image stream of driver toolkits, which is watched where image streams are served.
    pub image_stream: Option<ObjectName>,
    /// The namespace in which Node Feature Discovery's objects are watched, where they are served and while an answer depends on
    /// them; `None` does without. Who may write them there speaks for all nodes.
    pub node_features: Option<String>,
}

/// Something in the cluster that cannot be read, until it is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about, like `ConfigMap kmm/toolkits` or `watching Modules`.
    pub about: String,
    /// What is wrong, for a person.
    pub why: String,
}

/// The running watches. Dropped, they stop.
pub struct Watches {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// What the tasks and the readers share.
struct Shared {
    known: Mutex<Known>,
    changes: watch::Sender<u64>,
    /// Told when a Dockerfile may be due.
    due: Notify,
    /// Told when somebody begins or ceases to ask what nodes have loaded.
    asking: Notify,
}

impl Watches {
    /// Starts to watch. What is known grows from then on; nothing waits for anything.
    pub fn start(client: &Client, settings: WatchSettings) -> Arc<Self> {
        let shared = Arc::new(Shared {
            known: Mutex::default(),
            changes: watch::channel(0).0,
            due: Notify::new(),
            asking: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).preflights(client.clone()));
        tasks.spawn(Arc::clone(&shared).modules(client.clone()));
        tasks.spawn(Arc::clone(&shared).nodes(client.clone()));
        tasks.spawn(Arc::clone(&shared).config_maps(client.clone()));
        tasks.spawn(reading::read_dockerfiles(Arc::clone(&shared), client.clone()));
        if let Some(name) = settings.image_stream {
            tasks.spawn(Arc::clone(&shared).image_stream(client.clone(), name));
        }
        match settings.node_features {
            Some(namespace) => {
                tasks.spawn(Arc::clone(&shared).node_features(client.clone(), namespace));
            }
            None => shared.apply(Known::no_node_features_yet),
        }
        match settings.toolkits {
            Some(name) => {
                tasks.spawn(Arc::clone(&shared).toolkits(client.clone(), name));
            }
            None => shared.known().toolkits_listed = true,
        }
        Arc::new(Self { shared, _tasks: tasks })
    }

    /// The cluster as far as it is known now.
    pub fn surroundings(&self) -> Arc<Surroundings> {
        Arc::clone(&self.shared.known().surroundings)
    }

    /// Every preflight that can be read, by name. Of its metadata name, uid, versions, times and managers are kept.
    pub fn preflights(&self) -> Vec<Arc<PreflightValidationOCP>> {
        self.shared.known().preflights.values().cloned().collect()
    }

    /// The preflight of that name.
    pub fn preflight(&self, name: &str) -> Option<Arc<PreflightValidationOCP>> {
        self.shared.known().preflights.get(name).cloned()
    }

    /// Counts the changes that matter: to specs, kernels, labels, Dockerfiles, toolkits, and to any part of a
    /// preflight. A node's heartbeat is none, and a Module's status only while somebody asks what nodes have loaded.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Whether everything was read once.
    pub fn synced(&self) -> bool {
        self.shared.known().is_synced()
    }

    /// Waits until everything was read once, for so long at most. Whether it was; if not, [`Self::problems`] and the
    /// `None`s of [`Self::surroundings`] tell what was not.
    pub async fn wait_synced(&self, limit: Duration) -> bool {
        let mut changes = self.changes();
        let synced = changes.wait_for(|_| self.synced());
        timeout(limit, synced).await.is_ok_and(|waited| waited.is_ok())
    }

    /// Has it watched which modules nodes have loaded, for as long as what it returns is kept.
    pub fn ask_nodes(&self) -> NodesAsked {
        NodesAsked::new(&self.shared)
    }

    /// What cannot be read now.
    pub fn problems(&self) -> Vec<Problem> {
        let known = self.shared.known();
        let problem = |(about, why): (&String, &String)| Problem {
            about: about.clone(),
            why: why.clone(),
        };
        known.problems.iter().map(problem).collect()
    }
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches")
            .field("synced", &self.synced())
            .finish_non_exhaustive()
    }
}

impl Shared {
    async fn preflights(self: Arc<Self>, client: Client) {
        let watched = everything::<WirePreflight>(client, PREFLIGHT_PAGE);
        let keep = |known: &mut Known, change| known.preflights(change);
        self.keep("watching PreflightValidationOCPs", watched, SeenPreflight::new, keep)
            .await;
    }

    async fn modules(self: Arc<Self>, client: Client) {
        let watched = everything::<WireModule>(client, MODULE_PAGE);
        let keep = |known: &mut Known, change| known.modules(change, Instant::now());
        self.keep("watching Modules", watched, SeenModule::new, keep).await;
    }

    async fn nodes(self: Arc<Self>, client: Client) {
        let watched = everything::<WireNode>(client, NODE_PAGE);
        let keep = |known: &mut Known, change| known.nodes(change);
        self.keep("watching Nodes", watched, seen::node, keep).await;
    }

    async fn config_maps(self: Arc<Self>, client: Client) {
        let watched = everything::<WireConfigMap>(client, CONFIG_MAP_PAGE);
        let keep = |known: &mut Known, change| known.config_maps(change, Instant::now());
        self.keep("watching ConfigMaps", watched, SeenConfigMap::new, keep)
            .await;
    }

    async fn toolkits(self: Arc<Self>, client: Client, (namespace, name): ObjectName) {
        let about = format!("ConfigMap {namespace}/{name}");
        let watched = Watched {
            api: Api::<ConfigMap>::namespaced(client, &namespace),
            fields: Some(format!("metadata.name={name}")),
            labels: None,
            page: 1,
        };
        let task = format!("watching {about}");
        let keep = |known: &mut Known, change| known.toolkits(change, &about);
        self.keep(&task, watched, |map| map, keep).await;
    }

    async fn image_stream(self: Arc<Self>, client: Client, (namespace, name): ObjectName) {
        image_stream::served(&client).await;
        let watched = Watched {
            api: Api::<DynamicObject>::namespaced_with(client, &namespace, &image_stream::resource()),
            fields: Some(format!("metadata.name={name}")),
            labels: None,
            page: 1,
        };
        let about = format!("watching ImageStream {namespace}/{name}");
        let read = |stream| image_stream::toolkits(&stream);
        self.keep(&about, watched, read, Known::released_toolkits).await;
    }

    /// Follows a watch and keeps what it tells.
    async fn keep<K, T>(
        &self,
        about: &str,
        watched: Watched<K>,
        read: impl Fn(K) -> T,
        keep: impl Fn(&mut Known, Change<T>) -> bool,
    ) where
        K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
    {
        let tell = |news| {
            self.apply(|known| match news {
                News::Seen(change) => {
                    known.mended(about);
                    keep(known, change)
                }
                News::Stuck(error) => {
                    known.problem(about.to_owned(), stuck(&error));
                    false
                }
                News::Calm => {
                    known.mended(about);
                    false
                }
            });
        };
        follow(watched, read, tell).await;
    }

    /// Changes what is known, and says so if that matters.
    fn apply(&self, change: impl FnOnce(&mut Known) -> bool) {
        let matters = change(&mut self.known());
        if matters {
            self.changes.send_modify(|count| *count += 1);
        }
        self.due.notify_one();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn everything<K: Resource<DynamicType = ()>>(client: Client, page: u32) -> Watched<K> {
    Watched {
        api: Api::all(client),
        fields: None,
        labels: None,
        page,
    }
}

fn stuck(error: &CallError) -> String {
    match error {
        CallError::NotFound(_) => {
            "the API server does not know this kind: install its CustomResourceDefinition".to_owned()
        }
        error => error.to_string(),
    }
}
