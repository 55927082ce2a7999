//! Go's own answers, kept in `tests/fixtures/go_regexp/table.json` with the program that asked for them.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Table {
    subjects: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    pattern: String,
    error: Option<String>,
    found: Option<String>,
}

/// How we disagree with Go on one pattern, if we do.
fn disagreement(row: &Row, subjects: &[String]) -> Option<String> {
    let pattern = &row.pattern;
    match (GoRegexp::new(pattern), &row.error, &row.found) {
        (Err(ours), Some(go), _) => (ours.kind.to_string() != *go).then(|| format!("{pattern:?}: {ours}, Go: {go}")),
        (Err(ours), None, _) => Some(format!("{pattern:?}: refused ({ours}), Go takes it")),
        (Ok(_), Some(go), _) => Some(format!("{pattern:?}: taken, Go: {go}")),
        (Ok(ours), None, Some(go)) => {
            let differ = |(subject, answer): (&String, u8)| ours.is_match(subject) != (answer == b'1');
            let found = subjects.iter().zip(go.bytes()).find(|pair| differ(*pair));
            found.map(|(subject, answer)| format!("{pattern:?} on {subject:?}: Go says {}", answer as char))
        }
        (Ok(_), None, None) => Some(format!("{pattern:?}: the table has no answer")),
    }
}

fn disagreements(table: &str) -> Vec<String> {
    let table: Table = serde_json::from_str(table).expect("the table is JSON");
    assert!(table.rows.len() > 300 && table.subjects.len() > 50, "the table is cut");
    table
        .rows
        .iter()
        .filter_map(|row| disagreement(row, &table.subjects))
        .collect()
}

#[test]
fn patterns_mean_what_they_mean_to_go() {
    let found = disagreements(include_str!("../../../tests/fixtures/go_regexp/table.json"));
    assert!(found.is_empty(), "{} disagreements:\n{}", found.len(), found.join("\n"));
}

#[test]
fn what_is_beyond_our_limits_is_refused() {
    let kind = |pattern: &str| GoRegexp::new(pattern).unwrap_err().kind;
    assert_eq!(kind(&"a".repeat(MAX_PATTERN + 1)), RegexpErrorKind::Large);
    assert_eq!(kind(r"(\pL{100}){10}"), RegexpErrorKind::Large);
    assert_eq!(
        kind(&format!("{}a{}", "(".repeat(4_000), ")".repeat(4_000))),
        RegexpErrorKind::NestingDepth
    );
    assert_eq!(
        kind(&format!("a{}", "*(?i)".repeat(3_000))),
        RegexpErrorKind::NestingDepth
    );
    assert!(GoRegexp::new(&format!("{}a{}", "(".repeat(100), ")".repeat(100))).is_ok());
}

#[test]
fn nesting_up_to_the_limit_needs_no_larger_stack() {
    let nested = |depth: usize| GoRegexp::new(&format!("{}a{}", "(".repeat(depth), ")*".repeat(depth)));
    let deepest = (1..300)
        .rev()
        .find(|depth| nested(*depth).is_ok())
        .expect("some depth is taken");
    assert!(deepest >= 50, "only {deepest} levels");
    assert!(
        nested(deepest).unwrap().is_match("b"),
        "{deepest} levels match nothing, too"
    );
}

#[test]
fn messages_name_the_part_that_is_wrong() {
    let message = |pattern: &str| GoRegexp::new(pattern).unwrap_err().to_string();
    assert_eq!(message("bad("), "error parsing regexp: missing closing ): `bad(`");
    assert_eq!(
        message("^5.*+rt"),
        "error parsing regexp: invalid nested repetition operator: `*+`"
    );
    assert_eq!(message(r"el\y"), r"error parsing regexp: invalid escape sequence: `\y`");
    assert_eq!(
        message("el[9-8]"),
        "error parsing regexp: invalid character class range: `9-8`"
    );
    assert_eq!(
        message("(?=x)"),
        "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"
    );
}

/// `go run main.go -random 60000 -seed 7 > ../../../target/go_regexp.json` in `tests/fixtures/go_regexp`, then this.
#[test]
#[ignore = "needs target/go_regexp.json, Go's answers on patterns put together at random"]
fn random_patterns_mean_what_they_mean_to_go() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/target/go_regexp.json");
    let found = disagreements(&std::fs::read_to_string(table).expect("the table is there"));
    assert!(found.is_empty(), "{} disagreements:\n{}", found.len(), found.join("\n"));
}
