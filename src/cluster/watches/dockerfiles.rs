//! Which ConfigMaps Modules name for their Dockerfiles, and which of them must be read. Pure bookkeeping: a watch
//! tells what changed, somebody else reads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::ObjectName;
use crate::api::Module;
use crate::api::module::Build;
use crate::cluster::name;

/// The pause after a first failed reading; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two readings that fail.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The ConfigMaps that are named, and how far each is known.
#[derive(Debug, Default)]
pub(super) struct Dockerfiles {
    named: BTreeMap<ObjectName, Entry>,
    /// Whether the watch has listed ConfigMaps once, so that no change can be missed.
    pub(super) listed: bool,
}

#[derive(Debug)]
struct Entry {
    /// How many Modules name it.
    modules: usize,
    /// The version that was read, or `None` where it does not exist or was not read.
    version: Option<String>,
    /// When it is to be read; `None` if what is known is up to date.
    due: Option<Instant>,
    reading: bool,
    /// Whether a reading ever ended, well or not.
    tried: bool,
    failures: u32,
}

impl Dockerfiles {
    /// A Module came: the ConfigMaps it names are to be read.
    pub(super) fn name(&mut self, module: &Module, now: Instant) {
        for name in named_by(module) {
            let entry = self.named.entry(name).or_insert(Entry {
                modules: 0,
                version: None,
                due: Some(now),
                reading: false,
                tried: false,
                failures: 0,
            });
            entry.modules += 1;
        }
    }

    /// A Module went. The ConfigMaps that nobody names any more come back.
    pub(super) fn unname(&mut self, module: &Module) -> Vec<ObjectName> {
        let mut forgotten = Vec::new();
        for name in named_by(module) {
            let Some(entry) = self.named.get_mut(&name) else {
                continue;
            };
            entry.modules = entry.modules.saturating_sub(1);
            if entry.modules == 0 {
                self.named.remove(&name);
                forgotten.push(name);
            }
        }
        forgotten
    }

    /// A ConfigMap stands in this version, or was deleted (`None`).
    pub(super) fn changed(&mut self, name: &ObjectName, version: Option<&str>, now: Instant) {
        if let Some(entry) = self.named.get_mut(name)
            && (entry.version.as_deref() != version || !entry.tried)
        {
            entry.due = Some(now);
            entry.failures = 0;
        }
    }

    /// All ConfigMaps were listed: what is named and differs is to be read.
    pub(super) fn all_listed(&mut self, versions: &BTreeMap<ObjectName, Option<String>>, now: Instant) {
        self.listed = true;
        let names: Vec<ObjectName> = self.named.keys().cloned().collect();
        for name in names {
            let version = versions.get(&name).and_then(Option::as_deref);
            self.changed(&name, version, now);
        }
    }

    /// The next ConfigMap to read; it is taken to be in somebody's hands until [`Self::was_read`] or
    /// [`Self::failed`].
    pub(super) fn next_due(&mut self, now: Instant) -> Option<ObjectName> {
        let is_due = |entry: &Entry| !entry.reading && entry.due.is_some_and(|due| due <= now);
        let (name, entry) = self.named.iter_mut().find(|(_, entry)| is_due(entry))?;
        entry.reading = true;
        entry.due = None;
        Some(name.clone())
    }

    /// When the next reading is due, if one is.
    pub(super) fn due(&self) -> Option<Instant> {
        let waiting = self.named.values().filter(|entry| !entry.reading);
        waiting.filter_map(|entry| entry.due).min()
    }

    /// A reading ended well: with the version that was read, or `None` where there is no such ConfigMap. Whether
    /// somebody still names it.
    pub(super) fn was_read(&mut self, name: &ObjectName, version: Option<String>) -> bool {
        let Some(entry) = self.named.get_mut(name) else {
            return false;
        };
        entry.reading = false;
        entry.tried = true;
        entry.failures = 0;
        entry.version = version;
        true
    }

    /// A reading failed, and is tried again after a while. Whether somebody still names it.
    pub(super) fn failed(&mut self, name: &ObjectName, now: Instant) -> bool {
        let Some(entry) = self.named.get_mut(name) else {
            return false;
        };
        let pause = FIRST_PAUSE
            .saturating_mul(1 << entry.failures.min(10))
            .min(LONGEST_PAUSE);
        entry.reading = false;
        entry.tried = true;
        entry.failures += 1;
        entry.due.get_or_insert(now + pause);
        true
    }

    /// Whether all that are named were tried.
    pub(super) fn all_tried(&self) -> bool {
        self.listed && self.named.values().all(|entry| entry.tried)
    }
}

/// The ConfigMaps that a Module names. A name that no ConfigMap can have is left out: none has it.
fn named_by(module: &Module) -> BTreeSet<ObjectName> {
    let Some(loader) = &module.spec.module_loader else {
        return BTreeSet::new();
    };
    let namespace = module.metadata.namespace.as_deref().unwrap_or_default();
    let container = &loader.container;
    let of_mappings = container
        .kernel_mappings
        .iter()
        .filter_map(|mapping| mapping.build.as_ref());
    let object_name = |build: &Build| (namespace.to_owned(), build.dockerfile_config_map.name.clone());
    (container.build.iter().chain(of_mappings))
        .map(object_name)
        .filter(|(namespace, name)| name::is_possible(namespace) && name::is_possible(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, maps: &[&str]) -> Module {
        let mapping = |map: &&str| serde_json::json!({"literal": "x", "build": {"dockerfileConfigMap": {"name": map}}});
        let mappings: Vec<_> = maps.iter().map(mapping).collect();
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name, "namespace": "ns"},
            "spec": {"moduleLoader": {"container": {"modprobe": {"moduleName": "m"}, "kernelMappings": mappings}}},
        }))
        .expect("a Module")
    }

    fn map(name: &str) -> ObjectName {
        ("ns".to_owned(), name.to_owned())
    }

    fn listed() -> Dockerfiles {
        let mut dockerfiles = Dockerfiles::default();
        dockerfiles.all_listed(&BTreeMap::new(), Instant::now());
        dockerfiles
    }

    #[test]
    fn a_config_map_is_read_once_however_many_name_it_and_forgotten_with_the_last() {
        let now = Instant::now();
        let mut dockerfiles = listed();
        let (one, other) = (module("one", &["a", "a"]), module("other", &["a"]));
        dockerfiles.name(&one, now);
        dockerfiles.name(&other, now);
        assert!(!dockerfiles.all_tried());
        assert_eq!(dockerfiles.next_due(now), Some(map("a")));
        assert_eq!(dockerfiles.next_due(now), None);
        assert!(dockerfiles.was_read(&map("a"), Some("1".to_owned())));
        assert!(dockerfiles.all_tried());
        assert_eq!(dockerfiles.unname(&one), []);
        assert_eq!(dockerfiles.unname(&other), [map("a")]);
        assert!(!dockerfiles.was_read(&map("a"), None), "nobody names it");
    }

    #[test]
    fn only_what_differs_is_read_again() {
        let now = Instant::now();
        let mut dockerfiles = listed();
        dockerfiles.name(&module("m", &["a"]), now);
        dockerfiles.next_due(now);
        dockerfiles.was_read(&map("a"), Some("1".to_owned()));
        for (case, version, is_due) in [
            ("the version that was read", Some("1"), false),
            ("a newer one", Some("2"), true),
            ("deleted", None, true),
        ] {
            dockerfiles.changed(&map("a"), version, now);
            let due = dockerfiles.next_due(now);
            assert_eq!(due.is_some(), is_due, "{case}");
            if due.is_some() {
                dockerfiles.was_read(&map("a"), version.map(str::to_owned));
            }
        }
        dockerfiles.changed(&map("unnamed"), Some("7"), now);
        assert_eq!(dockerfiles.next_due(now), None, "nobody names it");
        dockerfiles.all_listed(&[(map("a"), Some("9".to_owned()))].into(), now);
        assert_eq!(
            dockerfiles.next_due(now),
            Some(map("a")),
            "made anew while nobody watched"
        );
    }

    #[test]
    fn a_change_during_a_reading_is_read_afterwards() {
        let now = Instant::now();
        let mut dockerfiles = listed();
        dockerfiles.name(&module("m", &["a"]), now);
        assert_eq!(dockerfiles.next_due(now), Some(map("a")));
        dockerfiles.changed(&map("a"), Some("2"), now);
        assert_eq!(dockerfiles.next_due(now), None, "in somebody's hands");
        dockerfiles.was_read(&map("a"), Some("1".to_owned()));
        assert_eq!(dockerfiles.next_due(now), Some(map("a")));
    }

    #[test]
    fn a_failed_reading_is_tried_again_ever_more_slowly() {
        let mut now = Instant::now();
        let mut dockerfiles = listed();
        dockerfiles.name(&module("m", &["a"]), now);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(dockerfiles.next_due(now), Some(map("a")), "{seconds}");
            dockerfiles.failed(&map("a"), now);
            assert!(dockerfiles.all_tried());
            assert_eq!(dockerfiles.due(), Some(now + Duration::from_secs(seconds)));
            assert_eq!(dockerfiles.next_due(now), None);
            now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn a_name_that_no_config_map_can_have_is_never_asked_for() {
        let now = Instant::now();
        let mut dockerfiles = listed();
        dockerfiles.name(&module("m", &["../../kube-system/configmaps/x", ""]), now);
        assert_eq!(dockerfiles.next_due(now), None);
        assert!(dockerfiles.all_tried());
    }
}
