//! envsubst's own answers, kept in `tests/fixtures/envsubst/table.json` with the program that asked for them.

use serde::Deserialize;

use super::*;

fn variables() -> Variables {
    [("A", "AAA"), ("B", "BBB"), ("E", ""), ("KERNEL_XYZ", "5.8.18")]
        .into_iter()
        .collect()
}

fn expand(text: &str) -> Result<String, TemplateError> {
    Template::expand(text, &variables())
}

#[derive(Deserialize)]
struct Row {
    template: String,
    error: Option<String>,
    result: String,
}

/// What one row comes to.
#[derive(Debug, PartialEq, Eq)]
enum Comparison {
    Agree,
    /// We stop where envsubst goes on in silence, on one of the three points of the room's header.
    Stopped,
    Disagree(String),
}

fn compare(row: &Row) -> Comparison {
    use TemplateError::{IgnoredOperator, Nested, Unset};
    match (expand(&row.template), &row.error) {
        (Err(_), Some(_)) => Comparison::Agree,
        (Ok(ours), None) if ours == row.result => Comparison::Agree,
        (Err(Unset { .. } | IgnoredOperator { .. } | Nested), None) => Comparison::Stopped,
        (ours, theirs) => Comparison::Disagree(format!(
            "{:?}: {ours:?}, envsubst: {theirs:?} {:?}",
            row.template, row.result
        )),
    }
}

/// How many rows agree, and how we disagree on others.
fn comparison(table: &str) -> (usize, Vec<String>) {
    let rows: Vec<Row> = serde_json::from_str(table).expect("the table is JSON");
    let (mut agreed, mut disagreements) = (0, Vec::new());
    for row in &rows {
        match compare(row) {
            Comparison::Agree => agreed += 1,
            Comparison::Stopped => {}
            Comparison::Disagree(how) => disagreements.push(how),
        }
    }
    (agreed, disagreements)
}

#[test]
fn templates_give_what_envsubst_makes_of_them() {
    let (agreed, disagreements) = comparison(include_str!("../../../tests/fixtures/envsubst/table.json"));
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    assert!(agreed >= 100, "only {agreed} rows agree");
}

/// `go run . -random 100000 -seed 7 > ../../../target/envsubst.json` in `tests/fixtures/envsubst`, then this.
#[test]
#[ignore = "needs target/envsubst.json, envsubst's answers on templates put together at random"]
fn random_templates_give_what_envsubst_makes_of_them() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/target/envsubst.json");
    let (_, disagreements) = comparison(&std::fs::read_to_string(table).expect("the table is there"));
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

#[test]
fn a_variable_that_is_not_defined_is_named() {
    let error = expand("img:${NOPE}").unwrap_err();
    assert_eq!(
        error,
        TemplateError::Unset {
            variable: "NOPE".to_owned(),
            defined: "A, B, E, KERNEL_XYZ".to_owned()
        }
    );
    assert!(error.to_string().contains("`NOPE` is not defined"), "{error}");
    for text in ["$NOPE", "$A_x", "${NOPE:-$NOPE}", "${A:+$NOPE}", "${ A}"] {
        assert!(matches!(expand(text), Err(TemplateError::Unset { .. })), "{text}");
    }
}

#[test]
fn operators_that_would_be_ignored_are_named() {
    let cases = [
        ("${A%x}", "%x"),
        ("${A#x}", "#x"),
        ("${A:?x}", ":?x"),
        ("${A%%-*}", "%%-*"),
        ("${A/x/y}", "/x/y"),
        ("${A%}", "%"),
        ("${A:-$B%}", "%"),
        ("${A$B}", "$B"),
        ("${A B}", "B"),
    ];
    for (text, ignored) in cases {
        match expand(text) {
            Err(TemplateError::IgnoredOperator { variable, operator }) => {
                assert_eq!((variable.as_str(), operator.as_str()), ("A", ignored), "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(expand("${A }").as_deref(), Ok("AAA"), "white space asks for nothing");
}

#[test]
fn braces_in_braces_are_refused() {
    for text in ["${A:-${B}}", "${A:-x${B}}", "${A-$}", "${A:-$-}"] {
        assert_eq!(expand(text), Err(TemplateError::Nested), "{text}");
    }
}

#[test]
fn what_makes_envsubst_loop_for_ever_is_an_error() {
    for text in ["${A:-$_}", "${A$_", "${A:-$_ ${B"] {
        assert_eq!(expand(text), Err(TemplateError::ClosingBrace), "{text}");
    }
}

#[test]
fn long_templates_are_refused() {
    assert!(expand(&"x".repeat(MAX_TEMPLATE)).is_ok());
    assert_eq!(expand(&"x".repeat(MAX_TEMPLATE + 1)), Err(TemplateError::TooLong));
}
