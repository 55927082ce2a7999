use super::*;

fn variables() -> Variables {
    [("A", "AAA"), ("B", "BBB"), ("E", "")].into_iter().collect()
}

fn expand(text: &str) -> Result<String, TemplateError> {
    Template::expand(text, &variables())
}

#[test]
fn a_variable_that_is_not_defined_is_named() {
    let error = expand("img:${NOPE}").unwrap_err();
    assert_eq!(
        error,
        TemplateError::Unset {
            variable: "NOPE".to_owned(),
            defined: "A, B, E".to_owned()
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
