//! `explain`, for people who have just met a finding.

use crate::cli::support::kmm_preflight;

#[test]
fn a_rule_is_explained() {
    let text = kmm_preflight("explain symbol-missing").ends_with(0).out;
    assert!(text.starts_with("symbol-missing: "), "{text}");
    let headings: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_uppercase()))
        .collect();
    assert_eq!(
        headings,
        [
            "MEANING",
            "SEE IT BY HAND",
            "MEND IT",
            "DEPENDS ON",
            "HOW SURE",
            "SOURCE",
            "SHOWN BY"
        ]
    );
    assert!(text.lines().all(|line| line.len() <= 120), "{text}");
}

#[test]
fn every_rule_is_listed_and_every_listed_name_is_a_rule() {
    let list = kmm_preflight("explain").ends_with(0).out;
    assert_eq!(list.lines().count(), kmm_preflight::api::Rule::ALL.len());
    for line in list.lines() {
        let name = line.split_whitespace().next().expect("a name");
        assert!(name.parse::<kmm_preflight::api::Rule>().is_ok(), "{line}");
    }
}

#[test]
fn the_page_in_docs_is_what_is_printed() {
    let page = kmm_preflight("explain -o markdown").ends_with(0).out;
    assert_eq!(
        page,
        include_str!("../../docs/findings.md"),
        "run: kmm-preflight explain -o markdown > docs/findings.md"
    );
}

#[test]
fn one_rule_as_markdown_is_its_section() {
    let section = kmm_preflight("explain -o markdown crc-mismatch").ends_with(0).out;
    let heading = "### <a id=\"crc-mismatch\"></a>`crc-mismatch`: ";
    assert!(section.starts_with(heading), "{section}");
    assert_eq!(section.matches("### ").count(), 1, "{section}");
}

#[test]
fn an_unknown_rule_is_answered_with_the_nearest() {
    kmm_preflight("explain symbol-mising")
        .fails_with("there is no rule `symbol-mising`; did you mean `symbol-missing`");
    kmm_preflight("explain 12345").fails_with("there is no rule `12345`; `kmm-preflight explain` lists them all");
}
