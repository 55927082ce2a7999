//! Prediction against fact: the confusion table, and every disagreement with the kernel's own words.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::configured::{Compared, Configuration};
use super::guest::{Fact, Outcome};
use super::need::needs_toolkit;
use super::predict::Verdict;

/// One case on one kernel, with all that was said of it.
pub(crate) struct Row {
    pub(crate) kernel: String,
    pub(crate) boot: &'static str,
    pub(crate) group: &'static str,
    pub(crate) id: String,
    pub(crate) fact: Fact,
    pub(crate) with_toolkit: Verdict,
    pub(crate) without_toolkit: Verdict,
    pub(crate) out_of_reach: Option<&'static str>,
}

/// How a prediction stands to a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It loads, and was said to.
    Loads,
    /// It does not, and was said not to.
    Refused,
    /// It does not load, and nobody can tell from the files that were given: it takes a toolkit, or no file tells.
    NotChecked,
    /// It loads, and was said not to.
    FalseAlarm,
    /// It does not load, and was said to.
    FalseAllClear,
}

impl Standing {
    pub(crate) const fn agrees(self) -> bool {
        !matches!(self, Self::FalseAlarm | Self::FalseAllClear)
    }
}

impl Row {
    /// The case's group and name.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.group, self.id)
    }

    pub(crate) fn loads(&self) -> bool {
        self.fact.outcome == Outcome::Loaded
    }

    /// Whether the kernel and `check` say the same.
    pub(crate) fn agrees(&self) -> bool {
        self.disagreements().is_empty()
    }

    pub(crate) fn with_toolkit(&self) -> Standing {
        self.standing(&self.with_toolkit, false)
    }

    /// What only a toolkit tells is excused: `check` knows it as soon as it has one.
    pub(crate) fn without_toolkit(&self) -> Standing {
        let deciding = &self.with_toolkit.deciding;
        let takes_a_toolkit = !deciding.is_empty() && deciding.iter().all(|rule| needs_toolkit(rule));
        self.standing(&self.without_toolkit, takes_a_toolkit)
    }

    /// That no file tells excuses nothing where the kernel names a cause that files do tell.
    fn standing(&self, verdict: &Verdict, excused: bool) -> Standing {
        let excused = excused || (self.out_of_reach.is_some() && !self.fact.names_what_files_tell());
        match (self.loads(), verdict.loads) {
            (true, true) => Standing::Loads,
            (false, false) => Standing::Refused,
            (true, false) => Standing::FalseAlarm,
            (false, true) if excused => Standing::NotChecked,
            (false, true) => Standing::FalseAllClear,
        }
    }

    fn disagreements(&self) -> Vec<(&'static str, Standing, &Verdict)> {
        let both = [
            ("with the toolkit", self.with_toolkit(), &self.with_toolkit),
            ("without a toolkit", self.without_toolkit(), &self.without_toolkit),
        ];
        both.into_iter().filter(|(_, standing, _)| !standing.agrees()).collect()
    }
}

/// Whether every row agrees.
pub(crate) fn agrees(rows: &[Row]) -> bool {
    rows.iter().all(Row::agrees)
}

/// Every disagreement, with what the kernel and what the prediction said.
pub(crate) fn disagreements(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for (how, standing, verdict) in row.disagreements() {
            let _ = writeln!(
                text,
                "{:?} {how}: {}/{} on {} ({})\n    fact: {:?}: {}\n    said: {}",
                standing,
                row.group,
                row.id,
                row.kernel,
                row.boot,
                row.fact.outcome,
                row.fact.reason(),
                verdict.reason,
            );
        }
    }
    text
}

/// The names of the cases that disagree, in Markdown.
pub(crate) fn listed_disagreements(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for (how, standing, _) in row.disagreements() {
            let _ = writeln!(
                text,
                "- `{}/{}` on {}, {how}: {standing:?}",
                row.group, row.id, row.kernel
            );
        }
    }
    if text.is_empty() { "Nowhere.\n".to_owned() } else { text }
}

/// Every case with its fact and what was said of it, one a line.
pub(crate) fn everything(rows: &[&Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(
            text,
            "{} {} {}/{}\t{:?}\t{:?}\t{:?}\t{}\t{}\t{}",
            row.kernel,
            row.boot,
            row.group,
            row.id,
            row.fact.outcome,
            row.with_toolkit(),
            row.without_toolkit(),
            row.fact.reason(),
            row.with_toolkit.reason,
            row.with_toolkit.rules.join(" "),
        );
    }
    text
}

/// The confusion table, in Markdown.
pub(crate) fn confusion(rows: &[Row]) -> String {
    let mut table: BTreeMap<(&str, bool), BTreeMap<Standing, usize>> = BTreeMap::new();
    for row in rows {
        for (toolkit, standing) in [(true, row.with_toolkit()), (false, row.without_toolkit())] {
            *table
                .entry((&row.kernel, !toolkit))
                .or_default()
                .entry(standing)
                .or_default() += 1;
        }
    }
    let mut text = String::from(
        "| kernel | driver toolkit | cases | loads, said so | refused, said so | refused, not checked | false alarm | \
         false all-clear |\n|---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for ((kernel, without), counts) in &table {
        let count = |standing| counts.get(&standing).copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "| {kernel} | {} | {} | {} | {} | {} | {} | {} |",
            if *without { "without" } else { "with" },
            counts.values().sum::<usize>(),
            count(Standing::Loads),
            count(Standing::Refused),
            count(Standing::NotChecked),
            count(Standing::FalseAlarm),
            count(Standing::FalseAllClear),
        );
    }
    text
}

/// The cases by group, in Markdown.
pub(crate) fn groups(rows: &[Row]) -> String {
    let mut table: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for row in rows {
        let (loads, refused) = table.entry(row.group).or_default();
        if row.loads() {
            *loads += 1;
        } else {
            *refused += 1;
        }
    }
    let mut text = String::from("| group | cases | load | are refused |\n|---|---:|---:|---:|\n");
    for (group, (loads, refused)) in table {
        let _ = writeln!(text, "| {group} | {} | {loads} | {refused} |", loads + refused);
    }
    text
}

/// What check said of configurations that are derived, in Markdown.
pub(crate) fn configurations(rows: &[Compared]) -> String {
    let mut table: BTreeMap<&str, (Configuration, usize, usize, usize)> = BTreeMap::new();
    for row in rows {
        let configuration = row.expected.configuration;
        let (_, loads, refused, agree) = table.entry(configuration.name).or_insert((configuration, 0, 0, 0));
        *if row.expected.loads { loads } else { refused } += 1;
        *agree += usize::from(row.agrees());
    }
    let mut text = String::from(
        "| configuration | what it is | seen on | rows | load | are refused | check agrees |\n\
         |---|---|---|---:|---:|---:|---:|\n",
    );
    for (name, (configuration, loads, refused, agree)) in table {
        let Configuration { meaning, seen, .. } = configuration;
        let _ = writeln!(
            text,
            "| {name} | {meaning} | {seen} | {} | {loads} | {refused} | {agree} |",
            loads + refused
        );
    }
    text
}

/// Each of these rows with its source, in Markdown.
pub(crate) fn configured_rows(rows: &[Compared]) -> String {
    let mut text = String::from("| row | such a kernel | source | check says |\n|---|---|---|---|\n");
    for row in rows {
        let word = |loads| if loads { "loads it" } else { "refuses it" };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            row.expected.case.id,
            word(row.expected.loads),
            row.expected.source,
            if row.agrees() { "the same" } else { "something else" },
        );
    }
    text
}

/// Where check says something else than the source.
pub(crate) fn configured_disagreements(rows: &[Compared]) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| !row.agrees()) {
        let (expected, verdict) = (&row.expected, &row.verdict);
        let _ = writeln!(
            text,
            "configured/{}: {} ({}){}\n    said: {}\n    found: {}",
            expected.case.id,
            if expected.loads { "loads" } else { "is refused" },
            expected.source,
            expected
                .words
                .map(|words| format!(", and check should say `{words}`"))
                .unwrap_or_default(),
            verdict.reason,
            verdict.findings,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(deciding: &[&str]) -> Verdict {
        let deciding: Vec<String> = deciding.iter().map(|rule| (*rule).to_owned()).collect();
        Verdict {
            loads: deciding.is_empty(),
            reason: String::new(),
            rules: deciding.clone(),
            deciding,
            findings: String::new(),
        }
    }

    /// A module that a kernel refuses with these words, and the rules that decide with a toolkit and without.
    fn refused(words: &str, with: &[&str], without: &[&str]) -> Row {
        Row {
            kernel: "6.1.0-0".to_owned(),
            boot: "plain",
            group: "group",
            id: "case".to_owned(),
            fact: Fact {
                outcome: Outcome::Refused,
                said: Vec::new(),
                kernel: vec![words.to_owned()],
            },
            with_toolkit: verdict(with),
            without_toolkit: verdict(without),
            out_of_reach: None,
        }
    }

    #[test]
    fn without_a_toolkit_only_what_takes_one_is_excused() {
        for (sentence, with, standing) in [
            ("a toolkit tells", &["symbol-missing"] as &[_], Standing::NotChecked),
            ("the image alone tells", &["elf-truncated"], Standing::FalseAllClear),
            (
                "so does one of two rules",
                &["symbol-missing", "elf-truncated"],
                Standing::FalseAllClear,
            ),
            ("nobody tells at all", &[], Standing::FalseAllClear),
        ] {
            assert_eq!(refused("", with, &[]).without_toolkit(), standing, "{sentence}");
        }
    }

    #[test]
    fn what_no_file_tells_is_excused_until_the_kernel_says_what_files_tell() {
        let row = |words| Row {
            out_of_reach: Some("its own code refuses"),
            ..refused(words, &[], &[])
        };
        assert_eq!(row("x: no such device").with_toolkit(), Standing::NotChecked);
        assert_eq!(
            row("x: Unknown symbol y (err -2)").with_toolkit(),
            Standing::FalseAllClear
        );
    }
}
