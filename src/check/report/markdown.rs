//! Markdown for a comment on a pull request.

use std::fmt::Write as _;

use super::{Tally, finding_line, name, one_line, reason, rows, status_word};
use crate::api::{ModuleStatus, PreflightValidationOCP, VerificationStatus};

/// A heading, a table and the findings of every preflight.
pub fn markdown(preflights: &[PreflightValidationOCP]) -> String {
    let sections: Vec<_> = preflights.iter().map(section).collect();
    sections.join("\n")
}

fn section(preflight: &PreflightValidationOCP) -> String {
    let tally = Tally::of(preflight);
    let kernel = code(&preflight.spec.kernel_version);
    let mut text = format!(
        "### {} Preflight {}: {}\n\n",
        tally_sign(tally),
        text_of(name(preflight)),
        tally.sentence(&kernel)
    );
    if let Some(image) = &preflight.spec.dtk_image {
        let _ = write!(text, "Driver toolkit: {}\n\n", code(image));
    }
    text.push_str("| | Module | Status | Reason |\n|---|---|---|---|\n");
    for row in rows(preflight) {
        let module = code(&format!("{}/{}", row.namespace, row.name));
        let (sign, status) = (sign(row.verification_status), status_word(row.verification_status));
        let _ = writeln!(text, "| {sign} | {module} | {status} | {} |", text_of(reason(row)));
    }
    for row in rows(preflight) {
        details(&mut text, row);
    }
    text
}

/// The image and the findings of one Module, folded away.
fn details(text: &mut String, row: &ModuleStatus) {
    if row.findings.is_empty() {
        return;
    }
    let _ = write!(
        text,
        "\n<details><summary>{}/{}</summary>\n\n",
        text_of(&row.namespace),
        text_of(&row.name)
    );
    if let Some(image) = &row.image {
        let _ = write!(text, "Image: {}\n\n", code(image));
    }
    for finding in &row.findings {
        let _ = writeln!(text, "- {}", text_of(&finding_line(finding)));
    }
    text.push_str("\n</details>\n");
}

fn tally_sign(tally: Tally) -> &'static str {
    match tally {
        Tally { failed: 1.., .. } => sign(VerificationStatus::Failure),
        Tally { unknown: 1.., .. } => sign(VerificationStatus::InProgress),
        _ => sign(VerificationStatus::Success),
    }
}

fn sign(status: VerificationStatus) -> &'static str {
    match status {
        VerificationStatus::Success => "✅",
        VerificationStatus::Failure => "❌",
        VerificationStatus::InProgress => "⏳",
    }
}

/// A text as code, which Markdown does not interpret; a `|` would still end a table's cell.
fn code(text: &str) -> String {
    format!("`{}`", one_line(text).replace('`', "'").replace('|', "\\|"))
}

/// A text in which nothing is Markdown or HTML.
fn text_of(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in one_line(text).chars() {
        if matches!(
            character,
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '~' | '#' | '@'
        ) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
