//! No row is forgotten: each id stands in a test, or in `not_here.yaml` with the reason why not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::rows::ROWS;

/// `not_here.yaml`
#[derive(Deserialize)]
struct NotHere {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    reason: String,
    rows: Vec<String>,
}

/// Row → the reason why no test carries it.
fn listed() -> BTreeMap<String, String> {
    let list: NotHere = serde_saphyr::from_str(include_str!("not_here.yaml")).expect("the list is YAML");
    let mut listed = BTreeMap::new();
    for group in list.groups {
        for row in group.rows {
            let twice = listed.insert(row.clone(), group.reason.clone());
            assert!(twice.is_none(), "{row} is listed twice");
        }
    }
    listed
}

/// The ids that stand in quotes in a Rust file of tests.
fn tested() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    for folder in ["src", "tests"] {
        read_tests(&root.join(folder), &mut sources);
    }
    ROWS.keys()
        .filter(|id| sources.contains(&format!("\"{id}\"")))
        .cloned()
        .collect()
}

fn read_tests(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_tests(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            if text.contains("#[test]") || text.contains("#[tokio::test") {
                sources.push_str(&text);
            }
        }
    }
}

#[test]
fn every_row_is_tested_or_listed() {
    let (tested, listed) = (tested(), listed());
    let forgotten: Vec<&String> = ROWS
        .keys()
        .filter(|id| !tested.contains(*id) && !listed.contains_key(*id))
        .collect();
    assert!(forgotten.is_empty(), "neither tested nor listed: {forgotten:?}");
}

#[test]
fn the_list_is_up_to_date() {
    let (tested, listed) = (tested(), listed());
    let unknown: Vec<&String> = listed.keys().filter(|id| !ROWS.contains_key(*id)).collect();
    assert!(unknown.is_empty(), "listed, but no row: {unknown:?}");
    let both: Vec<&String> = listed.keys().filter(|id| tested.contains(*id)).collect();
    assert!(both.is_empty(), "listed, though a test carries them: {both:?}");
    assert!(
        listed.values().all(|reason| reason.len() > 20),
        "a reason is a sentence"
    );
}
