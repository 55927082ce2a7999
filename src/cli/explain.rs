//! `explain`: what a finding means, how to see it by hand, how to mend it.

use anyhow::bail;

use super::args::{ExplainArgs, ExplainFormat};
use super::{Ending, output};
use crate::api::Rule;
use crate::kmod::explain::{Explanation, explanation, markdown, proof};

/// How many names are offered instead of an unknown one.
const MAX_OFFERED: usize = 3;
/// From which likeness on a name is offered.
const ALIKE: f64 = 0.6;
/// The width of text, as manual pages have it.
const WIDTH: usize = 100;

/// Prints one explanation, the list of rules, or the whole page.
pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Ending> {
    let text = match (&args.rule, args.output) {
        (None, ExplainFormat::Text) => list(),
        (None, ExplainFormat::Markdown) => markdown(),
        (Some(name), ExplainFormat::Text) => text(explanation(rule(name)?)),
        (Some(name), ExplainFormat::Markdown) => explanation(rule(name)?).markdown().trim_start().to_owned(),
    };
    output::print(&text)
}

fn rule(name: &str) -> anyhow::Result<Rule> {
    let Ok(rule) = name.parse() else {
        bail!(
            "there is no rule `{name}`{}; `kmm-preflight explain` lists them all",
            offered(name)
        )
    };
    Ok(rule)
}

/// The names that are most like an unknown one.
fn offered(name: &str) -> String {
    let scored = Rule::ALL
        .iter()
        .map(|rule| (strsim::jaro_winkler(name, rule.name()), rule));
    let mut alike: Vec<_> = scored.filter(|(likeness, _)| *likeness >= ALIKE).collect();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let names: Vec<_> = alike
        .iter()
        .take(MAX_OFFERED)
        .map(|(_, rule)| format!("`{rule}`"))
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", names.join(" or "))
    }
}

/// Every rule with its headline.
fn list() -> String {
    let width = Rule::ALL.iter().map(|rule| rule.name().len()).max().unwrap_or_default();
    let line = |rule: &Rule| format!("{:width$}  {}\n", rule.name(), explanation(*rule).title);
    Rule::ALL.iter().map(line).collect()
}

fn text(explanation: &Explanation) -> String {
    let shown = proof(explanation.rule).markdown();
    let sections = [
        ("MEANING", explanation.meaning),
        ("MEND IT", explanation.mend),
        ("DEPENDS ON", explanation.depends_on),
        ("HOW SURE", explanation.certainty),
        ("SOURCE", explanation.source),
        ("SHOWN BY", &shown),
    ];
    let see = format!("\nSEE IT BY HAND\n  {}\n", explanation.see.replace('\n', "\n  "));
    let mut text = format!("{}: {}\n", explanation.rule, explanation.title);
    for (heading, body) in sections.into_iter().filter(|(_, body)| !body.is_empty()) {
        text.extend(["\n", heading, "\n", &wrapped(body), "\n"]);
        if heading == "MEANING" {
            text.push_str(&see);
        }
    }
    text
}

/// Words in lines of at most [`WIDTH`] columns, indented by two.
fn wrapped(body: &str) -> String {
    let mut lines = vec![String::from(" ")];
    for word in body.split_whitespace() {
        let full = lines
            .last()
            .is_some_and(|line| line.len() > 1 && line.len() + 1 + word.len() > WIDTH);
        if full {
            lines.push(String::from(" "));
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n")
}
