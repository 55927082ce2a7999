//! All that the watches know, and how each thing they see changes it. Pure; whoever changes it holds the lock.
//!
//! The [`Surroundings`] are kept ready in an `Arc` and changed in place as long as nobody else holds them; who does
//! keeps what was true when it asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use tokio::time::Instant;

use super::ObjectName;
use super::dockerfiles::Dockerfiles;
use super::seen::{SeenConfigMap, SeenModule, SeenPreflight};
use super::toolkits::toolkits;
use crate::api::{Module, PreflightValidationOCP};
use crate::plan::{Loaders, Node, ReleasedToolkits, Surroundings, Unreadable};

/// What a watch saw.
pub(super) enum Change<T> {
    /// One was made or changed.
    Put(T),
    /// One is gone.
    Gone(T),
    /// These are all that there are.
    All(Vec<T>),
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) preflights: BTreeMap<String, Arc<PreflightValidationOCP>>,
    pub(super) dockerfiles: Dockerfiles,
    /// Where KMM says that Modules are loaded. Among the surroundings it stands only while somebody asks: it changes with every
    /// node that boots.
    pub(super) loaders: BTreeMap<ObjectName, Loaders>,
    /// How many depend on what nodes have loaded.
    pub(super) nodes_asked: usize,
    /// Whether the ConfigMap of toolkits was looked for.
    pub(super) toolkits_listed: bool,
    /// What is wrong with what, until it is mended.
    pub(super) problems: BTreeMap<String, String>,
}

/// The text of a Dockerfile, read with its ConfigMap.
#[derive(Debug)]
pub(super) enum ReadDockerfile {
    /// The ConfigMap of this version has this text under the key, or no such key.
    Found(String, Option<String>),
    /// There is no such ConfigMap.
    Absent,
    /// Not read, and why.
    Failed(String),
}

/// Something that stands in a list sorted by its key.
trait Keyed: Clone + PartialEq {
    fn key(&self) -> (&str, &str);
}

impl Keyed for Arc<Module> {
    fn key(&self) -> (&str, &str) {
        let ObjectMeta { namespace, name, .. } = &self.metadata;
        (
            namespace.as_deref().unwrap_or_default(),
            name.as_deref().unwrap_or_default(),
        )
    }
}

impl Keyed for Unreadable {
    fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}

impl Keyed for Node {
    fn key(&self) -> (&str, &str) {
        ("", &self.name)
    }
}

impl Keyed for (String, String) {
    fn key(&self) -> (&str, &str) {
        ("", &self.0)
    }
}

impl Known {
    /// Whether everything was read once.
    pub(super) fn is_synced(&self) -> bool {
        let surroundings = &self.surroundings;
        surroundings.modules.is_some()
            && surroundings.nodes.is_some()
            && surroundings.preflights.is_some()
            && self.toolkits_listed
            && self.dockerfiles.all_tried()
    }

    /// What was seen of Modules. Whether that changed anything that matters; so do the others.
    pub(super) fn modules(&mut self, change: Change<SeenModule>, now: Instant) -> bool {
        let changed = match change {
            Change::Put(module) => self.module(module, now),
            Change::Gone(module) => self.module(SeenModule::Leaving(module.name()), now),
            Change::All(modules) => self.all_modules(modules, now),
        };
        self.settle_dockerfiles() || changed
    }

    fn all_modules(&mut self, modules: Vec<SeenModule>, now: Instant) -> bool {
        let first = self.surroundings.modules.is_none();
        if first {
            Arc::make_mut(&mut self.surroundings).modules = Some(Vec::new());
        }
        let present: BTreeSet<ObjectName> = modules.iter().map(SeenModule::name).collect();
        let known = self
            .surroundings
            .modules
            .iter()
            .flatten()
            .map(|module| owned(module.key()));
        let unreadable = self.surroundings.unreadable.iter().map(|module| owned(module.key()));
        let gone: Vec<ObjectName> = known.chain(unreadable).filter(|name| !present.contains(name)).collect();
        let mut changed = first;
        for seen in gone.into_iter().map(SeenModule::Leaving).chain(modules) {
            changed |= self.module(seen, now);
        }
        changed
    }

    fn module(&mut self, seen: SeenModule, now: Instant) -> bool {
        let name = seen.name();
        let (readable, unreadable, loaders) = match seen {
            SeenModule::Readable(module, loaders) => (Some(module), None, loaders),
            SeenModule::Unreadable(module) => (None, Some(module), Loaders::default()),
            SeenModule::Leaving(_) => (None, None, Loaders::default()),
        };
        let moved = self.module_loaded(&name, loaders);
        let modules = self.surroundings.modules.as_deref().unwrap_or_default();
        let before = find(modules, borrowed(&name)).cloned();
        let same_unreadable = find(&self.surroundings.unreadable, borrowed(&name)) == unreadable.as_ref();
        if before == readable && same_unreadable {
            return moved;
        }
        if let Some(module) = &readable {
            self.dockerfiles.name(module, now);
        }
        let forgotten = before
            .map(|module| self.dockerfiles.unname(&module))
            .unwrap_or_default();
        let surroundings = Arc::make_mut(&mut self.surroundings);
        for name in &forgotten {
            surroundings.supplies.dockerfiles.remove(name);
            surroundings.supplies.unread.remove(name);
        }
        set(surroundings.modules.get_or_insert_default(), borrowed(&name), readable);
        set(&mut surroundings.unreadable, borrowed(&name), unreadable);
        true
    }

    /// What was seen of preflights. A new version of one counts, whoever wrote it.
    pub(super) fn preflights(&mut self, change: Change<SeenPreflight>) -> bool {
        match change {
            Change::Put(preflight) => self.preflight(preflight),
            Change::Gone(preflight) => self.preflight_gone(&preflight.name()),
            Change::All(preflights) => {
                let first = self.surroundings.preflights.is_none();
                if first {
                    Arc::make_mut(&mut self.surroundings).preflights = Some(Vec::new());
                }
                let present: BTreeSet<String> = preflights.iter().map(SeenPreflight::name).collect();
                let known = self.preflights.keys().filter(|name| !present.contains(*name));
                let gone: Vec<String> = known.cloned().collect();
                let mut changed = first;
                for name in gone {
                    changed |= self.preflight_gone(&name);
                }
                for preflight in preflights {
                    changed |= self.preflight(preflight);
                }
                changed
            }
        }
    }

    fn preflight(&mut self, seen: SeenPreflight) -> bool {
        match seen {
            SeenPreflight::Readable(preflight) => {
                let name = preflight.name_any();
                self.mended(&preflight_problem(&name));
                let kernel = preflight.spec.kernel_version.clone();
                let before = self.preflights.insert(name.clone(), Arc::clone(&preflight));
                self.preflight_kernel(&name, Some((name.clone(), kernel)));
                before != Some(preflight)
            }
            SeenPreflight::Unreadable(name, why) => {
                let changed = self.preflight_gone(&name);
                self.problem(preflight_problem(&name), why);
                changed
            }
        }
    }

    fn preflight_gone(&mut self, name: &str) -> bool {
        self.mended(&preflight_problem(name));
        self.preflight_kernel(name, None);
        self.preflights.remove(name).is_some()
    }

    fn preflight_kernel(&mut self, name: &str, kernel: Option<(String, String)>) {
        let known = self.surroundings.preflights.as_deref().unwrap_or_default();
        if find(known, ("", name)) != kernel.as_ref() {
            let surroundings = Arc::make_mut(&mut self.surroundings);
            set(surroundings.preflights.get_or_insert_default(), ("", name), kernel);
        }
    }

    /// What was seen of nodes.
    pub(super) fn nodes(&mut self, change: Change<Node>) -> bool {
        match change {
            Change::Put(node) => self.node(&node.name.clone(), Some(node)),
            Change::Gone(node) => self.node(&node.name, None),
            Change::All(mut nodes) => {
                nodes.sort_by(|a, b| a.name.cmp(&b.name));
                let changed = self.surroundings.nodes.as_ref() != Some(&nodes);
                if changed {
                    Arc::make_mut(&mut self.surroundings).nodes = Some(nodes);
                }
                changed
            }
        }
    }

    fn node(&mut self, name: &str, node: Option<Node>) -> bool {
        let nodes = self.surroundings.nodes.as_deref().unwrap_or_default();
        if find(nodes, ("", name)) == node.as_ref() {
            return false;
        }
        let surroundings = Arc::make_mut(&mut self.surroundings);
        set(surroundings.nodes.get_or_insert_default(), ("", name), node);
        true
    }

    /// What was seen of ConfigMaps. It changes nothing by itself: what differs is to be read.
    pub(super) fn config_maps(&mut self, change: Change<SeenConfigMap>, now: Instant) -> bool {
        match change {
            Change::Put(map) => self.dockerfiles.changed(&map.name, map.version.as_deref(), now),
            Change::Gone(map) => self.dockerfiles.changed(&map.name, None, now),
            Change::All(maps) => {
                let versions = maps.into_iter().map(|map| (map.name, map.version)).collect();
                self.dockerfiles.all_listed(&versions, now);
            }
        }
        self.settle_dockerfiles()
    }

    /// A Dockerfile was read, or was not.
    pub(super) fn dockerfile(&mut self, name: &ObjectName, read: ReadDockerfile, now: Instant) -> bool {
        let about = format!("ConfigMap {}/{}", name.0, name.1);
        let (named, why) = match &read {
            ReadDockerfile::Found(version, _) => (self.dockerfiles.was_read(name, Some(version.clone())), None),
            ReadDockerfile::Absent => (self.dockerfiles.was_read(name, None), None),
            ReadDockerfile::Failed(why) => (self.dockerfiles.failed(name, now), Some(why.clone())),
        };
        match why.filter(|_| named) {
            Some(why) => self.problem(about, why),
            None => self.mended(&about),
        }
        let changed = named && self.keep_dockerfile(name, read);
        self.settle_dockerfiles() || changed
    }

    /// Keeps what was read, if that is news. A text that could not be read again is still the last that was.
    fn keep_dockerfile(&mut self, name: &ObjectName, read: ReadDockerfile) -> bool {
        let supplies = &self.surroundings.supplies;
        let (text, unread) = (supplies.dockerfiles.get(name), supplies.unread.contains(name));
        let is_known = match &read {
            ReadDockerfile::Found(_, read) => !unread && text == Some(read),
            ReadDockerfile::Absent => !unread && text.is_none(),
            ReadDockerfile::Failed(_) => unread,
        };
        if is_known {
            return false;
        }
        let supplies = &mut Arc::make_mut(&mut self.surroundings).supplies;
        supplies.unread.remove(name);
        match read {
            ReadDockerfile::Found(_, text) => {
                supplies.dockerfiles.insert(name.clone(), text);
            }
            ReadDockerfile::Absent => {
                supplies.dockerfiles.remove(name);
            }
            ReadDockerfile::Failed(_) => {
                supplies.unread.insert(name.clone());
            }
        }
        true
    }

    /// Says whether all Dockerfiles were tried. Whether that is news.
    fn settle_dockerfiles(&mut self) -> bool {
        let complete = self.dockerfiles.all_tried() && self.surroundings.modules.is_some();
        let news = self.surroundings.supplies.dockerfiles_complete != complete;
        if news {
            Arc::make_mut(&mut self.surroundings).supplies.dockerfiles_complete = complete;
        }
        news
    }

    /// What was seen of the one ConfigMap of toolkits. If it is broken, the last good one stays.
    pub(super) fn toolkits(&mut self, change: Change<ConfigMap>, about: &str) -> bool {
        let map = match change {
            Change::Put(map) => Some(map),
            Change::Gone(_) => None,
            Change::All(maps) => maps.into_iter().next(),
        };
        let first = !self.toolkits_listed;
        self.toolkits_listed = true;
        match map.as_ref().map(toolkits).transpose() {
            Ok(toolkits) => {
                self.mended(about);
                let toolkits = toolkits.unwrap_or_default();
                let changed = self.surroundings.toolkits != toolkits;
                if changed {
                    Arc::make_mut(&mut self.surroundings).toolkits = toolkits;
                }
                changed || first
            }
            Err(why) => {
                self.problem(about.to_owned(), why);
                first
            }
        }
    }

    /// What was seen of OpenShift's image stream of toolkits.
    pub(super) fn released_toolkits(&mut self, change: Change<ReleasedToolkits>) -> bool {
        let released = match change {
            Change::Put(released) => released,
            Change::Gone(_) => ReleasedToolkits::new(),
            Change::All(streams) => streams.into_iter().next().unwrap_or_default(),
        };
        let changed = self.surroundings.released_toolkits != released;
        if changed {
            Arc::make_mut(&mut self.surroundings).released_toolkits = released;
        }
        changed
    }

    /// Something is wrong. It is logged once, and stands until it is mended.
    pub(super) fn problem(&mut self, about: String, why: String) {
        if self.problems.get(&about) != Some(&why) {
            tracing::warn!(about, why, "something in the cluster cannot be read");
            self.problems.insert(about, why);
        }
    }

    /// It is well again, if it was not.
    pub(super) fn mended(&mut self, about: &str) {
        if self.problems.remove(about).is_some() {
            tracing::info!(about, "can be read again");
        }
    }
}

fn preflight_problem(name: &str) -> String {
    format!("PreflightValidationOCP {name}")
}

fn owned((namespace, name): (&str, &str)) -> ObjectName {
    (namespace.to_owned(), name.to_owned())
}

fn borrowed((namespace, name): &ObjectName) -> (&str, &str) {
    (namespace, name)
}

fn find<'a, T: Keyed>(list: &'a [T], key: (&str, &str)) -> Option<&'a T> {
    let at = list.binary_search_by(|item| item.key().cmp(&key)).ok()?;
    list.get(at)
}

/// Puts an item in its place, or takes the one out that is there.
fn set<T: Keyed>(list: &mut Vec<T>, key: (&str, &str), item: Option<T>) {
    match (list.binary_search_by(|item| item.key().cmp(&key)), item) {
        (Ok(at), Some(item)) => {
            if let Some(place) = list.get_mut(at) {
                *place = item;
            }
        }
        (Err(at), Some(item)) => list.insert(at, item),
        (Ok(at), None) => {
            list.remove(at);
        }
        (Err(_), None) => {}
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
