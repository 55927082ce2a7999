//! What is known of the modules that nodes have loaded, while somebody asks for it. Pure, as all of [`Known`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ObjectName;
use super::known::{Change, Known};
use super::node_features::{ABOUT, MOST_NODES, SeenNodeFeature};
use crate::kmod::load::LoadedModules;
use crate::plan::Loaders;

impl Known {
    /// Where a Module is loaded. Whether somebody asks for that.
    pub(super) fn module_loaded(&mut self, name: &ObjectName, loaders: Loaders) -> bool {
        let loaders = Some(loaders).filter(|loaders| loaders.available > 0);
        if self.loaders.get(name) == loaders.as_ref() {
            return false;
        }
        match loaders {
            Some(loaders) => self.loaders.insert(name.clone(), loaders),
            None => self.loaders.remove(name),
        };
        self.tell_loaders()
    }

    fn tell_loaders(&mut self) -> bool {
        let is_asked = self.nodes_asked > 0;
        if is_asked {
            Arc::make_mut(&mut self.surroundings).loaders = Some(self.loaders.clone());
        }
        is_asked
    }

    /// One more depends on what nodes have loaded.
    pub(super) fn ask_nodes(&mut self) -> bool {
        self.nodes_asked += 1;
        self.nodes_asked == 1 && self.tell_loaders()
    }

    /// One fewer.
    pub(super) fn ask_nodes_no_more(&mut self) -> bool {
        self.nodes_asked -= 1;
        if self.nodes_asked == 0 {
            Arc::make_mut(&mut self.surroundings).loaders = None;
        }
        false
    }

    /// What was seen of Node Feature Discovery's objects.
    pub(super) fn node_features(&mut self, change: Change<SeenNodeFeature>) -> bool {
        let read = self.node_features_read();
        let changed = match change {
            Change::Put(seen) => self.node_loaded(seen.name, seen.loaded),
            Change::Gone(seen) => self.node_loaded(seen.name, None),
            Change::All(all) => {
                let each = all.into_iter().filter_map(|seen| Some((seen.name, seen.loaded?)));
                self.nodes_loaded(each.take(MOST_NODES).collect())
            }
        };
        changed || read
    }

    fn node_loaded(&mut self, node: String, modules: Option<LoadedModules>) -> bool {
        let known = self.surroundings.loaded.as_ref();
        let has_room = known.is_none_or(|known| known.len() < MOST_NODES || known.contains_key(&node));
        let modules = modules.filter(|_| has_room);
        if known.and_then(|known| known.get(&node)) == modules.as_ref() {
            return false;
        }
        let loaded = Arc::make_mut(&mut self.surroundings).loaded.get_or_insert_default();
        match modules {
            Some(modules) => loaded.insert(node, modules),
            None => loaded.remove(&node),
        };
        true
    }

    fn nodes_loaded(&mut self, all: BTreeMap<String, LoadedModules>) -> bool {
        let changed = self.surroundings.loaded.as_ref() != Some(&all);
        if changed {
            Arc::make_mut(&mut self.surroundings).loaded = Some(all);
        }
        changed
    }

    /// They are read, or there are none to be read.
    pub(super) fn node_features_read(&mut self) -> bool {
        self.mended(ABOUT);
        self.tell_unread(None)
    }

    /// They cannot be read, and nobody has to wait for that. What they said before stands.
    pub(super) fn node_features_unread(&mut self, why: &str) -> bool {
        self.problem(ABOUT.to_owned(), why.to_owned());
        let first = self.no_node_features_yet();
        self.tell_unread(Some(why)) || first
    }

    fn tell_unread(&mut self, why: Option<&str>) -> bool {
        let news = self.surroundings.loaded_unread.as_deref() != why;
        if news {
            Arc::make_mut(&mut self.surroundings).loaded_unread = why.map(str::to_owned);
        }
        news
    }

    /// The API server does not have such objects, or does not any more, which is no problem: Node Feature Discovery is not installed.
    pub(super) fn no_node_features(&mut self) -> bool {
        self.problems.remove(ABOUT);
        let unread = self.tell_unread(None);
        self.nodes_loaded(BTreeMap::new()) || unread
    }

    /// Nothing is known of what nodes have loaded, and nobody has to wait for it. Whether that is news.
    pub(super) fn no_node_features_yet(&mut self) -> bool {
        let news = self.surroundings.loaded.is_none();
        if news {
            Arc::make_mut(&mut self.surroundings).loaded = Some(BTreeMap::new());
        }
        news
    }

    /// Nobody wants to know any more what nodes have loaded.
    pub(super) fn forget_node_features(&mut self) -> bool {
        self.problems.remove(ABOUT);
        let surroundings = Arc::make_mut(&mut self.surroundings);
        surroundings.loaded = None;
        surroundings.loaded_unread = None;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(node: &str, modules: &[&str]) -> SeenNodeFeature {
        SeenNodeFeature {
            name: node.to_owned(),
            loaded: Some(LoadedModules::of(modules.iter().copied())),
        }
    }

    fn has(known: &Known, node: &str) -> Option<usize> {
        Some(known.surroundings.loaded.as_ref()?.get(node)?.names().count())
    }

    fn name() -> ObjectName {
        ("ns".to_owned(), "m".to_owned())
    }

    fn on(available: u32) -> Loaders {
        Loaders { available, desired: 9 }
    }

    #[test]
    fn a_node_has_what_its_object_says_and_nothing_when_that_is_gone() {
        let mut known = Known::default();
        assert!(
            known.node_features(Change::All(Vec::new())),
            "none is news, the first time"
        );
        assert!(!known.node_features(Change::All(Vec::new())));
        assert!(known.node_features(Change::All(vec![says("n1", &["a"]), says("n2", &["b"])])));
        assert!(!known.node_features(Change::Put(says("n1", &["a"]))), "the same again");
        assert!(known.node_features(Change::Put(says("n1", &["a", "c"]))));
        assert_eq!((has(&known, "n1"), has(&known, "n2")), (Some(2), Some(1)));
        let silent = SeenNodeFeature {
            name: "n1".to_owned(),
            loaded: None,
        };
        assert!(known.node_features(Change::Put(silent)));
        assert!(known.node_features(Change::Gone(says("n2", &["b"]))));
        assert_eq!(known.surroundings.loaded, Some(BTreeMap::new()));
    }

    #[test]
    fn of_more_nodes_than_a_cluster_has_nothing_is_kept() {
        let mut known = Known::default();
        let many = (0..=MOST_NODES).map(|at| says(&format!("n{at}"), &["a"]));
        known.node_features(Change::All(many.collect()));
        let kept = |known: &Known| known.surroundings.loaded.as_ref().map(BTreeMap::len);
        assert_eq!(kept(&known), Some(MOST_NODES));
        assert!(!known.node_features(Change::Put(says("one-more", &["a"]))));
        assert!(
            known.node_features(Change::Put(says("n1", &["b", "c"]))),
            "one that is known"
        );
        assert_eq!(kept(&known), Some(MOST_NODES));
    }

    #[test]
    fn what_cannot_be_read_is_said_until_it_is_read_is_gone_or_nobody_asks() {
        type Mend = fn(&mut Known) -> bool;
        let mends: [(&str, Mend); 3] = [
            ("read", |known| known.node_features(Change::All(Vec::new()))),
            ("not served any more", Known::no_node_features),
            ("nobody asks", Known::forget_node_features),
        ];
        for (row, mend) in mends {
            let mut known = Known::default();
            assert!(known.node_features_unread("forbidden"), "{row}: nobody waits for it");
            assert!(
                !known.node_features_unread("forbidden"),
                "{row}: it is no news any more"
            );
            assert_eq!(known.surroundings.loaded_unread.as_deref(), Some("forbidden"), "{row}");
            assert_eq!(known.problems.len(), 1, "{row}");
            mend(&mut known);
            assert_eq!(
                (known.problems.len(), known.surroundings.loaded_unread.as_deref()),
                (0, None),
                "{row}"
            );
        }
    }

    #[test]
    fn what_was_read_before_stands_while_nodes_cannot_be_asked() {
        let mut known = Known::default();
        known.node_features(Change::All(vec![says("n1", &["a"])]));
        assert!(known.node_features_unread("too slow"));
        assert_eq!(has(&known, "n1"), Some(1));
    }

    #[test]
    fn where_modules_are_loaded_is_told_while_somebody_asks_and_moves_nothing_else() {
        let mut known = Known::default();
        let before = Arc::clone(&known.surroundings);
        assert!(!known.module_loaded(&name(), on(1)));
        assert!(
            Arc::ptr_eq(&before, &known.surroundings),
            "nobody has to resolve anything anew"
        );
        assert!(known.ask_nodes());
        assert!(!known.ask_nodes(), "the second one finds it there");
        assert_eq!(known.surroundings.loaders, Some([(name(), on(1))].into()));
        assert!(known.module_loaded(&name(), on(2)));
        assert!(!known.module_loaded(&name(), on(2)));
        known.ask_nodes_no_more();
        assert_eq!(known.surroundings.loaders, Some([(name(), on(2))].into()));
        known.ask_nodes_no_more();
        assert_eq!(known.surroundings.loaders, None);
        assert!(!known.module_loaded(&name(), on(0)));
        assert!(known.ask_nodes());
        assert_eq!(known.surroundings.loaders, Some(BTreeMap::new()), "nowhere");
    }
}
