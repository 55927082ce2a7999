//! What each thing that is seen changes, and what changes nothing.

use serde_json::{Value, json};

use super::*;

fn wire<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("any object is read")
}

fn module(name: &str, selector: &str, dockerfile: &str) -> SeenModule {
    SeenModule::new(wire(json!({
        "metadata": {"name": name, "namespace": "ns"},
        "spec": {"selector": {"a": selector}, "moduleLoader": {"container": {
            "modprobe": {"moduleName": "m"},
            "build": {"dockerfileConfigMap": {"name": dockerfile}},
        }}},
    })))
}

fn broken(name: &str) -> SeenModule {
    SeenModule::new(wire(json!({"metadata": {"name": name, "namespace": "ns"}, "spec": 7})))
}

fn preflight(name: &str, kernel: &str, version: &str) -> SeenPreflight {
    SeenPreflight::new(wire(json!({
        "metadata": {"name": name, "resourceVersion": version}, "spec": {"kernelVersion": kernel},
    })))
}

fn node(name: &str, zone: &str) -> Node {
    super::super::seen::node(wire(json!({"metadata": {"name": name, "labels": {"zone": zone}}})))
}

fn map(name: &str) -> ObjectName {
    ("ns".to_owned(), name.to_owned())
}

fn listed() -> Known {
    let mut known = Known {
        toolkits_listed: true,
        ..Known::default()
    };
    let now = Instant::now();
    assert!(
        known.modules(Change::All(Vec::new()), now),
        "none is news, the first time"
    );
    known.config_maps(Change::All(Vec::new()), now);
    assert!(known.nodes(Change::All(Vec::new())));
    assert!(!known.is_synced());
    assert!(known.preflights(Change::All(Vec::new())));
    assert!(known.is_synced());
    known
}

fn names(known: &Known) -> Vec<&str> {
    let modules = known.surroundings.modules.iter().flatten();
    modules.filter_map(|module| module.metadata.name.as_deref()).collect()
}

#[test]
fn modules_stand_sorted_and_only_what_differs_counts() {
    let now = Instant::now();
    let mut known = listed();
    for name in ["b", "c", "a"] {
        assert!(known.modules(Change::Put(module(name, "1", "df")), now));
    }
    assert_eq!(names(&known), ["a", "b", "c"]);
    assert!(
        !known.modules(Change::Put(module("b", "1", "df")), now),
        "the same again"
    );
    assert!(known.modules(Change::Put(module("b", "2", "df")), now));
    assert!(known.modules(Change::Gone(module("b", "2", "df")), now));
    assert!(
        !known.modules(Change::Gone(module("b", "2", "df")), now),
        "gone already"
    );
    assert_eq!(names(&known), ["a", "c"]);
    let again = vec![module("d", "1", "df"), module("a", "1", "df")];
    assert!(known.modules(Change::All(again), now));
    assert_eq!(names(&known), ["a", "d"], "what a new list does not have is gone");
    let again = vec![module("d", "1", "df"), module("a", "1", "df")];
    assert!(!known.modules(Change::All(again), now));
}

#[test]
fn a_module_is_readable_or_unreadable_and_never_both() {
    let now = Instant::now();
    let mut known = listed();
    assert!(known.modules(Change::Put(broken("m")), now));
    assert_eq!((names(&known).len(), known.surroundings.unreadable.len()), (0, 1));
    assert!(!known.modules(Change::Put(broken("m")), now));
    assert!(known.modules(Change::Put(module("m", "1", "df")), now));
    assert_eq!((names(&known).len(), known.surroundings.unreadable.len()), (1, 0));
    assert!(known.modules(Change::Put(broken("m")), now));
    assert!(known.modules(Change::All(Vec::new()), now));
    assert_eq!((names(&known).len(), known.surroundings.unreadable.len()), (0, 0));
}

#[test]
fn who_holds_the_surroundings_keeps_what_was_true() {
    let mut known = listed();
    known.modules(Change::Put(module("a", "1", "df")), Instant::now());
    let before = Arc::clone(&known.surroundings);
    known.modules(Change::Put(module("b", "1", "df")), Instant::now());
    assert_eq!(before.modules.as_ref().map(Vec::len), Some(1));
    assert_eq!(names(&known), ["a", "b"]);
}

#[test]
fn a_dockerfile_is_known_once_it_was_read_and_goes_with_its_module() {
    let now = Instant::now();
    let mut known = listed();
    assert!(known.surroundings.supplies.dockerfiles_complete);
    known.modules(Change::Put(module("m", "1", "df")), now);
    assert!(
        !known.surroundings.supplies.dockerfiles_complete,
        "not before it was tried"
    );
    assert!(!known.is_synced());
    assert_eq!(known.dockerfiles.next_due(now), Some(map("df")));
    let read = |text: &str| ReadDockerfile::Found("1".to_owned(), Some(text.to_owned()));
    assert!(known.dockerfile(&map("df"), read("FROM a"), now));
    assert!(known.surroundings.supplies.dockerfiles_complete);
    assert_eq!(
        known.surroundings.supplies.dockerfiles.get(&map("df")),
        Some(&Some("FROM a".to_owned()))
    );

    assert!(
        !known.dockerfile(&map("df"), read("FROM a"), now),
        "the same text is no news"
    );
    assert!(known.dockerfile(&map("df"), ReadDockerfile::Absent, now));
    assert!(known.surroundings.supplies.dockerfiles.is_empty());
    assert!(known.dockerfile(&map("df"), read("FROM b"), now));
    assert!(known.modules(Change::Put(module("m", "1", "other")), now));
    assert!(
        known.surroundings.supplies.dockerfiles.is_empty(),
        "nobody names it any more"
    );
    assert!(
        !known.dockerfile(&map("df"), read("FROM c"), now),
        "a reading that comes too late"
    );
    assert!(known.surroundings.supplies.dockerfiles.is_empty());
}

#[test]
fn a_dockerfile_that_cannot_be_read_is_neither_known_nor_missing() {
    let now = Instant::now();
    let mut known = listed();
    known.modules(Change::Put(module("m", "1", "df")), now);
    known.dockerfiles.next_due(now);
    assert!(known.dockerfile(&map("df"), ReadDockerfile::Failed("forbidden".to_owned()), now));
    let supplies = &known.surroundings.supplies;
    assert!(supplies.dockerfiles_complete && supplies.unread.contains(&map("df")));
    assert_eq!(
        known.problems.get("ConfigMap ns/df").map(String::as_str),
        Some("forbidden")
    );
    assert!(known.dockerfile(&map("df"), ReadDockerfile::Found("1".to_owned(), None), now));
    assert!(known.surroundings.supplies.unread.is_empty());
    assert_eq!(known.problems.len(), 0);
}

#[test]
fn nodes_count_when_what_is_kept_of_them_differs() {
    let mut known = listed();
    for (case, change, counts) in [
        ("made", Change::Put(node("n", "1")), true),
        ("heartbeat", Change::Put(node("n", "1")), false),
        ("label", Change::Put(node("n", "2")), true),
        ("listed again", Change::All(vec![node("n", "2")]), false),
        (
            "another in the list",
            Change::All(vec![node("o", "2"), node("n", "2")]),
            true,
        ),
        ("gone", Change::Gone(node("o", "2")), true),
        ("gone already", Change::Gone(node("o", "2")), false),
    ] {
        assert_eq!(known.nodes(change), counts, "{case}");
    }
    assert_eq!(known.surroundings.nodes.as_deref(), Some(&[node("n", "2")][..]));
}

#[test]
fn preflights_come_change_and_go() {
    let mut known = listed();
    assert!(known.preflights(Change::Put(preflight("p", "6.1.0", "1"))));
    assert!(
        known.preflights(Change::Put(preflight("p", "6.1.0", "2"))),
        "a new version"
    );
    assert!(!known.preflights(Change::Put(preflight("p", "6.1.0", "2"))));
    let pair = ("p".to_owned(), "6.1.0".to_owned());
    assert_eq!(known.surroundings.preflights, Some(vec![pair]));

    let unreadable = || SeenPreflight::new(wire(json!({"metadata": {"name": "p"}, "spec": {}})));
    assert!(known.preflights(Change::Put(unreadable())));
    assert!(known.preflights.is_empty());
    assert!(known.problems.contains_key("PreflightValidationOCP p"));
    assert!(known.preflights(Change::Put(preflight("p", "6.1.0", "3"))));
    assert!(known.problems.is_empty());
    assert!(known.preflights(Change::All(Vec::new())));
    assert_eq!(known.surroundings.preflights, Some(Vec::new()));
}

#[test]
fn of_toolkits_the_last_good_ones_stay() {
    let about = "ConfigMap ns/toolkits";
    let map = |text: &str| ConfigMap {
        data: Some([("toolkits.yaml".to_owned(), text.to_owned())].into()),
        ..ConfigMap::default()
    };
    let mut known = listed();
    assert!(known.toolkits(Change::Put(map("6.1.0: quay.io/dtk:1")), about));
    assert!(
        !known.toolkits(Change::Put(map("6.1.0: 'quay.io/dtk:1'")), about),
        "the same in other words"
    );
    assert!(!known.toolkits(Change::Put(map("[")), about));
    assert_eq!(known.surroundings.toolkits.len(), 1);
    assert!(known.problems.contains_key(about));
    assert!(known.toolkits(Change::Gone(map("[")), about));
    assert_eq!((known.surroundings.toolkits.len(), known.problems.len()), (0, 0));
}
