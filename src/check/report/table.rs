//! The table that a person reads at a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};

use super::{Tally, finding_line, name, one_line, reason, rows, stage_word, status_word, subject};
use crate::api::{ModuleStatus, PreflightValidationOCP, Severity, VerificationStatus};

/// The heading of the column that is coloured.
const STATUS: &str = "STATUS";

/// How the table is laid out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// Images, digests and every finding as well.
    pub wide: bool,
    /// Columns of the terminal; without one, lines are as long as they are.
    pub width: Option<u16>,
    /// Whether verdicts are coloured.
    pub colours: bool,
}

/// One table for each preflight.
pub fn table(preflights: &[PreflightValidationOCP], layout: Layout) -> String {
    let tables: Vec<_> = preflights.iter().map(|preflight| one(preflight, layout)).collect();
    tables.join("\n")
}

fn one(preflight: &PreflightValidationOCP, layout: Layout) -> String {
    let mut text = format!("Preflight {}: {}\n\n", name(preflight), subject(preflight));
    let grid = grid(rows(preflight), layout).to_string();
    text.push_str(&if layout.colours {
        coloured(&grid)
    } else {
        trimmed(&grid)
    });
    if layout.wide {
        for row in rows(preflight) {
            findings(&mut text, row);
        }
    }
    text.push('\n');
    text.push_str(&Tally::of(preflight).sentence(&preflight.spec.kernel_version));
    text.push_str(&warnings(preflight, layout));
    text.push('\n');
    text
}

fn grid(rows: &[ModuleStatus], layout: Layout) -> Table {
    let mut grid = Table::new();
    grid.load_style(presets::NOTHING);
    grid.set_content_arrangement(match layout.width {
        Some(_) => ContentArrangement::Dynamic,
        None => ContentArrangement::Disabled,
    });
    if let Some(width) = layout.width {
        grid.set_width(width);
    }
    let wide = if layout.wide { &["IMAGE", "DIGEST"][..] } else { &[] };
    grid.set_header(
        ["NAMESPACE/NAME", "STAGE", STATUS]
            .iter()
            .chain(wide)
            .chain(&["REASON"]),
    );
    for row in rows {
        let mut cells = vec![
            one_line(&format!("{}/{}", row.namespace, row.name)),
            stage_word(row.verification_stage).to_owned(),
            status_word(row.verification_status).to_owned(),
        ];
        if layout.wide {
            cells.extend([&row.image, &row.digest].map(|cell| cell.clone().unwrap_or_else(|| "-".to_owned())));
        }
        cells.push(one_line(reason(row)));
        grid.add_row(cells);
    }
    grid
}

/// Every finding of a Module, beneath the table.
fn findings(text: &mut String, row: &ModuleStatus) {
    if row.findings.is_empty() {
        return;
    }
    let _ = write!(text, "\n{}/{}\n", row.namespace, row.name);
    for finding in &row.findings {
        let _ = writeln!(text, "  {}", finding_line(finding));
    }
}

/// How many warnings the table does not show.
fn warnings(preflight: &PreflightValidationOCP, layout: Layout) -> String {
    let findings = rows(preflight).iter().flat_map(|row| &row.findings);
    match findings.filter(|finding| finding.severity == Severity::Warns).count() {
        0 => String::new(),
        _ if layout.wide => String::new(),
        1 => " (1 warning: see it with -o wide)".to_owned(),
        count => format!(" ({count} warnings: see them with -o wide)"),
    }
}

/// The table without the blanks that fill its last column.
fn trimmed(grid: &str) -> String {
    grid.lines().fold(String::new(), |mut text, line| {
        text.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
        text.push('\n');
        text
    })
}

/// The table with its verdicts in colour, which are found by the place of their heading.
fn coloured(grid: &str) -> String {
    let grid = trimmed(grid);
    let heading = grid.find(STATUS);
    let lines = grid.lines().map(|line| {
        heading
            .and_then(|at| painted(line, at))
            .unwrap_or_else(|| line.to_owned())
    });
    lines.fold(String::new(), |text, line| text + &line + "\n")
}

/// A line with the verdict that begins at a column in its colour.
fn painted(line: &str, at: usize) -> Option<String> {
    let (before, rest) = line.split_at_checked(at)?;
    let statuses = [
        VerificationStatus::Success,
        VerificationStatus::Failure,
        VerificationStatus::InProgress,
    ];
    statuses.into_iter().find_map(|status| {
        let style = style(status);
        let after = rest.strip_prefix(status_word(status))?;
        Some(format!("{before}{style}{}{style:#}{after}", status_word(status)))
    })
}

fn style(status: VerificationStatus) -> Style {
    let colour = match status {
        VerificationStatus::Success => AnsiColor::Green,
        VerificationStatus::Failure => AnsiColor::Red,
        VerificationStatus::InProgress => AnsiColor::Yellow,
    };
    colour.on_default().bold()
}
