//! Every output format on the same two preflights, with awkward texts among them.

use super::{Layout, Tally, json, junit, markdown, table, yaml};
use crate::api::{
    Finding, ModuleStatus, PreflightStatus, PreflightValidationOCP, PreflightValidationOCPSpec, Rule,
    VerificationStage, VerificationStatus,
};

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn row(name: &str, status: VerificationStatus, reason: &str, findings: Vec<Finding>) -> ModuleStatus {
    ModuleStatus {
        name: name.to_owned(),
        namespace: "drivers".to_owned(),
        verification_stage: match status {
            VerificationStatus::InProgress => VerificationStage::Image,
            _ => VerificationStage::Done,
        },
        verification_status: status,
        status_reason: Some(reason.to_owned()),
        last_transition_time: serde_json::from_str("\"2026-11-22T12:00:00Z\"").expect("a time"),
        image: Some(format!("registry.example.com/drivers/{name}:5.14")),
        digest: (status == VerificationStatus::Success).then(|| DIGEST.to_owned()),
        findings,
        inputs: None,
        job: None,
    }
}

fn preflight(name: &str, dtk_image: Option<&str>, modules: Vec<ModuleStatus>) -> PreflightValidationOCP {
    let spec = PreflightValidationOCPSpec {
        kernel_version: "5.14.0-570.19.1.el9_6.x86_64".to_owned(),
        dtk_image: dtk_image.map(str::to_owned),
        push_built_image: Some(false),
    };
    let mut preflight = PreflightValidationOCP::new(name, spec);
    preflight.status = Some(PreflightStatus {
        modules,
        ..PreflightStatus::default()
    });
    preflight
}

fn mixed() -> PreflightValidationOCP {
    use VerificationStatus::{Failure, InProgress, Success};
    let unknown = Finding::warns(
        Rule::ParameterUnknown,
        "the module has no parameter `fast`; the kernel ignores it",
    )
    .in_file("extra/nic.ko.xz")
    .of_symbol("fast");
    let missing = Finding::decides(
        Rule::SymbolMissing,
        "nobody exports `dma_buf_fd`; rebuild against this kernel",
    )
    .in_file("extra/gpu.ko")
    .of_symbol("dma_buf_fd");
    let rows = vec![
        row(
            "gpu",
            Failure,
            "extra/gpu.ko: nobody exports `dma_buf_fd`; rebuild against this kernel",
            vec![missing],
        ),
        row(
            "nic",
            Success,
            "verified image exists; extra/nic.ko.xz loads on 5.14.0-570.19.1.el9_6.x86_64",
            vec![unknown],
        ),
        row(
            "odd",
            Failure,
            "line one\nline | two <b>&</b> \u{1} [x](y) @all \"quoted\"",
            Vec::new(),
        ),
        row(
            "slow",
            InProgress,
            "registry.example.com did not answer within 10s; check the network",
            Vec::new(),
        ),
    ];
    preflight("upgrade", Some("registry.example.com/dtk@sha256:00"), rows)
}

fn all_good() -> PreflightValidationOCP {
    preflight(
        "small",
        None,
        vec![row(
            "nic",
            VerificationStatus::Success,
            "no kernel module to load",
            Vec::new(),
        )],
    )
}

#[test]
fn the_table_as_it_is_piped() {
    insta::assert_snapshot!(table(&[mixed(), all_good()], Layout::default()));
}

#[test]
fn the_table_on_a_terminal_of_eighty_columns() {
    let text = table(
        &[mixed()],
        Layout {
            width: Some(80),
            ..Layout::default()
        },
    );
    assert!(
        text.lines()
            .skip(1)
            .all(|line| line.chars().count() <= 80 || line.contains("verified for")),
        "{text}"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn the_table_in_colour_differs_by_colour_alone() {
    let coloured = table(
        &[mixed()],
        Layout {
            colours: true,
            ..Layout::default()
        },
    );
    assert!(coloured.contains("\u{1b}[1m\u{1b}[32mSuccess\u{1b}[0m"), "{coloured:?}");
    assert!(coloured.contains("\u{1b}[1m\u{1b}[31mFailure\u{1b}[0m"), "{coloured:?}");
    assert_eq!(
        anstream::adapter::strip_str(&coloured).to_string(),
        table(&[mixed()], Layout::default())
    );
}

#[test]
fn the_wide_table() {
    insta::assert_snapshot!(table(
        &[mixed()],
        Layout {
            wide: true,
            ..Layout::default()
        }
    ));
}

#[test]
fn the_json_of_one_is_the_object() {
    insta::assert_snapshot!(json(&[mixed()]));
}

#[test]
fn the_json_of_several_is_a_list() {
    insta::assert_snapshot!(json(&[all_good(), all_good()]));
}

#[test]
fn the_yaml_is_the_json() {
    let text = yaml(&[mixed(), all_good()]);
    let from_yaml: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
    let from_json: serde_json::Value = serde_json::from_str(&json(&[mixed(), all_good()])).expect("JSON");
    assert_eq!(from_yaml, from_json);
    insta::assert_snapshot!(text);
}

#[test]
fn the_markdown() {
    insta::assert_snapshot!(markdown(&[mixed(), all_good()]));
}

#[test]
fn the_junit_report() {
    insta::assert_snapshot!(junit(&[mixed(), all_good()]));
}

#[test]
fn tallies_count_every_row_once() {
    assert_eq!(
        Tally::of(&mixed()),
        Tally {
            verified: 1,
            failed: 2,
            unknown: 1
        }
    );
    assert_eq!(
        Tally::of(&PreflightValidationOCP::new("x", PreflightValidationOCPSpec::default())),
        Tally::default()
    );
}

/// What an element of JUnit's XML may hold, as `tests/fixtures/junit.xsd` has it: children in order, attributes.
fn allowed(element: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match element {
        "testsuites" => (
            &["testsuite"],
            &["name", "tests", "failures", "errors", "skipped", "time"],
        ),
        "testsuite" => (
            &["properties", "testcase", "system-out", "system-err"],
            &[
                "name",
                "tests",
                "failures",
                "errors",
                "skipped",
                "time",
                "timestamp",
                "hostname",
                "id",
                "package",
            ],
        ),
        "properties" => (&["property"], &[]),
        "property" => (&[], &["name", "value"]),
        "testcase" => (
            &["skipped", "failure", "error", "system-out", "system-err"],
            &["name", "classname", "time"],
        ),
        "skipped" | "failure" | "error" => (&[], &["message", "type"]),
        "system-out" | "system-err" => (&[], &[]),
        other => panic!("JUnit's XML has no element {other}"),
    }
}

#[test]
fn the_junit_report_holds_what_readers_know_in_the_order_they_want() {
    let text = junit(&[mixed(), all_good()]);
    let mut reader = quick_xml::Reader::from_str(&text);
    // The open elements, each with the rank that its last child had among the allowed ones.
    let mut open: Vec<(String, usize)> = Vec::new();
    let mut cases = 0;
    loop {
        let event = reader.read_event().expect("well-formed XML");
        match &event {
            quick_xml::events::Event::Start(element) | quick_xml::events::Event::Empty(element) => {
                let name = String::from_utf8(element.name().as_ref().to_vec()).expect("a name");
                let attributes = allowed(&name).1;
                for attribute in element.attributes() {
                    let key = String::from_utf8(attribute.expect("an attribute").key.as_ref().to_vec()).expect("a key");
                    assert!(attributes.contains(&key.as_str()), "{name} has no attribute {key}");
                }
                if let Some((parent, last)) = open.last_mut() {
                    let rank = allowed(parent).0.iter().position(|child| *child == name);
                    let rank = rank.unwrap_or_else(|| panic!("{name} does not belong into {parent}"));
                    assert!(rank >= *last, "{name} comes too late in {parent}");
                    *last = rank;
                }
                cases += usize::from(name == "testcase");
                if matches!(event, quick_xml::events::Event::Start(_)) {
                    open.push((name, 0));
                }
            }
            quick_xml::events::Event::End(_) => drop(open.pop()),
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!((open.len(), cases), (0, 5));
}

#[test]
fn the_junit_report_is_valid_against_the_schema_where_xmllint_is_installed() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.xml");
    std::fs::write(&report, junit(&[mixed(), all_good()])).expect("a file");
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/junit.xsd");
    let run = std::process::Command::new("xmllint")
        .args(["--noout", "--schema", schema])
        .arg(&report)
        .output();
    match run {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            eprintln!("not checked: xmllint (package libxml2-utils) cannot be run: {error}");
        }
    }
}
