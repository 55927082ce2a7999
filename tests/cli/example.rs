//! `check -f examples/upgrade`, the first command of the README, in every format.

use serde_json::Value;

use crate::cli::support::{Said, check};

/// Modules of the example.
const MODULES: usize = 17;

/// Some Modules of the example fail on purpose, hence the code.
fn example(format: &str) -> Said {
    check(&format!("-f examples/upgrade --no-cache -o {format}"))
        .in_repository()
        .ends_with(1)
}

/// What is another at each run or on each machine: times, and how far the registry of the example is.
fn settled(text: &str, name: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"could not be asked \(.*\)([;.])", "could not be asked (…)$1");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn the_table() {
    let said = example("table");
    settled(&said.out, "table");
    assert_eq!(said.err, "", "nothing to note, and nobody watches");
}

#[test]
fn the_wide_table_names_every_finding() {
    settled(&example("wide").out, "wide");
}

#[test]
fn json_and_yaml_are_the_same_object() {
    let json = example("json").out;
    settled(&json, "json");
    let mut json: Value = serde_json::from_str(&json).expect("JSON");
    let mut yaml: Value = serde_saphyr::from_str(&example("yaml").out).expect("YAML");
    assert_eq!(json["status"]["modules"].as_array().map(Vec::len), Some(MODULES));
    [&mut json, &mut yaml].into_iter().for_each(forget_times);
    assert_eq!(json, yaml);
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("lastTransitionTime");
            fields.values_mut().for_each(forget_times);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        _ => {}
    }
}

#[test]
fn the_junit_report() {
    let report = example("junit").out;
    assert_eq!(report.matches("<testcase ").count(), MODULES);
    settled(&report, "junit");
}

#[test]
fn the_markdown() {
    settled(&example("markdown").out, "markdown");
}

#[test]
fn one_namespace_alone() {
    let said = check("-f examples/upgrade --no-cache -n gpu -n network")
        .in_repository()
        .ends_with(1);
    let rows = said
        .out
        .lines()
        .filter(|line| line.starts_with("gpu/") || line.starts_with("network/"));
    assert_eq!(rows.count(), 5);
    assert!(!said.out.contains("storage/"), "{}", said.out);
}
