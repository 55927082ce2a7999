//! `kernel_version`: what KMM makes of a release.

use kmm_preflight::kernel::{KernelVersion, components, dns_safe, normalize};

use crate::rows::{pairs, row, text};

#[test]
fn components_are_upstreams() {
    for id in ["kv-c1", "kv-c2", "kv-c3", "kv-c4", "kv-c5", "kv-c6"] {
        let row = row(id);
        let found = components(&normalize(text(row, "in")));
        if row["out"] == "error" {
            assert!(found.is_err(), "{id}: {found:?}");
            continue;
        }
        let found = found.unwrap_or_else(|why| panic!("{id}: {why}"));
        for (name, value) in pairs(&row["out"]) {
            assert!(
                found.variables().contains(&(name, value)),
                "{id}: {name} is not {value}: {found:?}"
            );
        }
    }
}

#[test]
fn components_stand_in_upstreams_order() {
    let row = row("kv-c1");
    let found = components(text(row, "in")).unwrap();
    assert_eq!(serde_json::json!(found.variables().map(|(name, _)| name)), row["order"]);
}

#[test]
fn releases_are_normalised_as_upstream_does() {
    for id in [
        "kv-n1", "kv-n2", "kv-n3", "kv-n4", "kv-n5", "kv-n6", "kv-n7", "kv-n8", "kv-n9",
    ] {
        assert_eq!(normalize(text(row(id), "in")), text(row(id), "out"), "{id}");
    }
}

#[test]
fn names_of_objects_are_upstreams() {
    for id in ["kv-d1", "kv-d2", "kv-d3", "kv-d4"] {
        assert_eq!(dns_safe(text(row(id), "in")), text(row(id), "out"), "{id}");
    }
}

/// Two releases meet in one name, so a name alone must never tell kernels apart.
#[test]
fn names_of_objects_can_collide() {
    let row = row("kv-d5");
    for release in row["in"].as_array().unwrap() {
        assert_eq!(dns_safe(release.as_str().unwrap()), text(row, "out"), "kv-d5");
    }
}

#[test]
fn a_nodes_release_loses_one_plus() {
    let row = row("kv-p1");
    assert_eq!(
        KernelVersion::parse(text(row, "in")).unwrap().without_plus(),
        text(row, "out"),
        "kv-p1"
    );
}
