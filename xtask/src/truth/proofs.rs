//! `docs/findings.md` names for each rule the cases that show it: they must exist, their rule must speak in them, and the
//! kernel must do what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context;

use super::report::Row;

/// Rules that speak on kernels of one configuration alone, and those of ours that have it: others cannot show them.
const SHOWN_BY: [(&str, &[&str]); 1] = [("livepatch-unsupported", &["6.1.0-50-cloud-arm64", "7.3.4-own-strict"])];

/// What the page says.
pub(crate) struct Proofs {
    /// The rules and the cases that are said to show them.
    rules: Vec<(String, Vec<String>)>,
}

impl Proofs {
    /// `docs/findings.md`, as it stands in this repository.
    pub(crate) fn of_the_page() -> anyhow::Result<Self> {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md");
        Self::read(&fs::read_to_string(page).context("no docs/findings.md")?)
    }

    /// From the table of the page.
    fn read(page: &str) -> anyhow::Result<Self> {
        let rows = page.lines().filter_map(row);
        let rules = rows.map(|(rule, cases)| Ok((rule, cases?)));
        Ok(Self {
            rules: rules.collect::<anyhow::Result<_>>()?,
        })
    }

    /// All of the cases, as `group/case`.
    pub(crate) fn cases(&self) -> BTreeSet<String> {
        self.rules.iter().flat_map(|(_, cases)| cases).cloned().collect()
    }

    /// What is said to show a rule and does not, one sentence each. A case that was not asked is not judged, but it must
    /// be among those that are known.
    pub(crate) fn unfounded(&self, rows: &[Row], known: &BTreeSet<String>) -> Vec<String> {
        let mut by_case: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            by_case.entry(row.name()).or_default().push(row);
        }
        let said = self
            .rules
            .iter()
            .flat_map(|(rule, cases)| cases.iter().map(move |case| (rule, case)));
        let unfounded = said.filter_map(|(rule, case)| {
            let why = match by_case.get(case) {
                None if known.contains(case) => return None,
                None => "there is no such case",
                Some(rows) if rows.iter().any(|row| shows(row, rule)) => return None,
                Some(rows) if !rows.iter().any(|row| can_show(row, rule)) => return None,
                Some(_) => "it does so on no kernel that was asked",
            };
            Some(format!("{case} is said to show {rule}, and {why}"))
        });
        unfounded.collect()
    }
}

/// Whether the kernel has what the rule depends on.
fn can_show(row: &Row, rule: &str) -> bool {
    let needed = SHOWN_BY.iter().find(|(of, _)| *of == rule);
    needed.is_none_or(|(_, kernels)| kernels.contains(&row.kernel.as_str()))
}

/// Whether the rule speaks, and the kernel does what it says.
fn shows(row: &Row, rule: &str) -> bool {
    row.with_toolkit.rules.iter().any(|spoken| spoken == rule) && row.with_toolkit().agrees()
}

/// A row of the table: the rule in its first cell, the cases in its last one, all in backticks.
fn row(line: &str) -> Option<(String, anyhow::Result<Vec<String>>)> {
    let cells: Vec<&str> = line.strip_prefix("| [`")?.split(" | ").collect();
    let (rule, _) = cells.first()?.split_once('`')?;
    let quoted = cells.last()?.split('`').skip(1).step_by(2);
    let cases = quoted.filter(|text| text.contains('/')).map(case);
    Some((rule.to_owned(), cases.collect()))
}

/// `group/case`, of a group that there is: else a slip of the pen would go unseen.
fn case(text: &str) -> anyhow::Result<String> {
    let is_case = text
        .split_once('/')
        .is_some_and(|(group, _)| super::cases::has_group(group));
    anyhow::ensure!(
        is_case,
        "docs/findings.md has `{text}`, and there is no such group of cases"
    );
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::guest::{Fact, Outcome};
    use crate::truth::predict::Verdict;

    const ROW: &str =
        "| [`crc-mismatch`](#crc-mismatch) | Sure. | – | `kernel/module/version.c` | `crcs/one-symbol`, `crcs/all` |";

    /// A case that a kernel refused, and of which check said so by this rule.
    fn refused(id: &str, rule: &str) -> Row {
        let verdict = Verdict {
            loads: false,
            reason: String::new(),
            rules: vec![rule.to_owned()],
            deciding: vec![rule.to_owned()],
            findings: String::new(),
        };
        Row {
            kernel: "6.1.0-0".to_owned(),
            boot: "plain",
            group: "crcs",
            id: id.to_owned(),
            fact: Fact {
                outcome: Outcome::Refused,
                said: Vec::new(),
                kernel: Vec::new(),
            },
            with_toolkit: verdict.clone(),
            without_toolkit: verdict,
            out_of_reach: None,
        }
    }

    #[test]
    fn a_rule_that_one_kernel_alone_can_show_is_not_asked_of_the_others() {
        let proofs = Proofs::read(&ROW.replace("crc-mismatch", "livepatch-unsupported")).unwrap();
        let known = proofs.cases();
        let on = |kernel: &str| Row {
            kernel: kernel.to_owned(),
            ..refused("all", "crc-mismatch")
        };
        assert_eq!(proofs.unfounded(&[on("6.1.0-0")], &known), [""; 0]);
        assert_eq!(proofs.unfounded(&[on("6.1.0-50-cloud-arm64")], &known).len(), 1);
    }

    #[test]
    fn the_table_of_findings_is_read() {
        let cases = ["crcs/one-symbol", "crcs/all"].map(str::to_owned);
        assert_eq!(
            Proofs::read(ROW).unwrap().rules,
            [("crc-mismatch".to_owned(), cases.to_vec())]
        );
    }

    #[test]
    fn a_group_that_there_is_not_is_an_error() {
        let error = Proofs::read(&ROW.replace("crcs/all", "crc/all")).err().unwrap();
        assert!(error.to_string().contains("`crc/all`"), "{error}");
    }

    #[test]
    fn what_was_asked_must_show_its_rule_and_the_rest_must_exist() {
        let proofs = Proofs::read(ROW).unwrap();
        let known = proofs.cases();
        assert_eq!(proofs.unfounded(&[refused("all", "crc-mismatch")], &known), [""; 0]);
        assert_eq!(
            proofs.unfounded(&[refused("all", "crc-missing")], &known),
            ["crcs/all is said to show crc-mismatch, and it does so on no kernel that was asked"]
        );
        assert_eq!(
            proofs.unfounded(&[refused("all", "crc-mismatch")], &BTreeSet::new()),
            ["crcs/one-symbol is said to show crc-mismatch, and there is no such case"]
        );
    }

    #[test]
    fn the_page_shows_most_of_its_rules_by_cases() {
        let proofs = Proofs::of_the_page().unwrap();
        let shown = proofs.rules.iter().filter(|(_, cases)| !cases.is_empty()).count();
        assert!(shown * 3 > proofs.rules.len() * 2, "{shown} of {}", proofs.rules.len());
    }
}
