//! `docs/findings.md` names for each rule the cases that show it: they must exist, their rule must speak in them, and the
//! kernel must do what it says.

use std::collections::BTreeMap;

use super::report::Row;

/// The rules and the cases that are said to show them, from the table of the page.
pub(crate) fn read(page: &str) -> Vec<(String, Vec<String>)> {
    page.lines().filter_map(row).collect()
}

/// A row of the table: the rule in its first cell, the cases in its last one, all in backticks.
fn row(line: &str) -> Option<(String, Vec<String>)> {
    let cells: Vec<&str> = line.strip_prefix("| [`")?.split(" | ").collect();
    let (rule, _) = cells.first()?.split_once('`')?;
    let quoted = cells.last()?.split('`').skip(1).step_by(2);
    let cases = quoted.filter(|text| is_case(text)).map(str::to_owned);
    Some((rule.to_owned(), cases.collect()))
}

/// `group/case`, and no path of a file.
fn is_case(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(group, _)| super::cases::has_group(group))
}

/// What is said to show a rule and does not, one sentence each, once all cases were asked of all kernels: a rule may need
/// the one kernel whose configuration it depends on.
pub(crate) fn unfounded(page: &str, rows: &[Row]) -> Vec<String> {
    let mut by_case: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_case
            .entry(format!("{}/{}", row.group, row.id))
            .or_default()
            .push(row);
    }
    let shows = |row: &&&Row, rule: &str| {
        let speaks = row.with_toolkit.rules.iter().any(|spoken| spoken == rule);
        speaks && row.with_toolkit().agrees()
    };
    let mut unfounded = Vec::new();
    for (rule, cases) in read(page) {
        for case in cases {
            match by_case.get(&case) {
                None => {
                    unfounded.push(format!("{case} is said to show {rule}, and there is no such case"));
                }
                Some(rows) if !rows.iter().any(|row| shows(&row, &rule)) => {
                    unfounded.push(format!("{case} is said to show {rule}, and does so on no kernel"));
                }
                Some(_) => {}
            }
        }
    }
    unfounded
}

#[cfg(test)]
mod tests {
    use super::read;

    const PAGE: &str = include_str!("../../../docs/findings.md");

    #[test]
    fn the_table_of_findings_is_read() {
        let row = "| [`crc-mismatch`](#crc-mismatch) | Sure. | – | `kernel/module/version.c` | `crcs/one-symbol`, `crcs/all` |";
        assert_eq!(
            read(row),
            [(
                "crc-mismatch".to_owned(),
                vec!["crcs/one-symbol".to_owned(), "crcs/all".to_owned()]
            )]
        );
    }

    #[test]
    fn the_page_shows_most_of_its_rules_by_cases() {
        let proofs = read(PAGE);
        let shown = proofs.iter().filter(|(_, cases)| !cases.is_empty()).count();
        assert!(shown * 3 > proofs.len() * 2, "{shown} of {}", proofs.len());
    }
}
