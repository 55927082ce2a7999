//! Answered preflights as text: for people, for scripts, for CI, for pull requests. Pure functions.

mod junit;
mod markdown;
mod object;
mod table;

use crate::api::{Finding, ModuleStatus, PreflightValidationOCP, Severity, VerificationStage, VerificationStatus};

pub use junit::junit;
pub use markdown::markdown;
pub use object::{json, yaml};
pub use table::{Layout, table};

/// The rows of a preflight; none where it has no status yet.
fn rows(preflight: &PreflightValidationOCP) -> &[ModuleStatus] {
    preflight.status.as_ref().map_or(&[], |status| &status.modules)
}

/// The preflight's name.
fn name(preflight: &PreflightValidationOCP) -> &str {
    preflight.metadata.name.as_deref().unwrap_or("preflight")
}

/// Which kernel with which driver toolkit, in words.
fn subject(preflight: &PreflightValidationOCP) -> String {
    let toolkit = preflight.spec.dtk_image.as_ref();
    let toolkit = toolkit.map_or("no driver toolkit".to_owned(), |image| {
        format!("driver toolkit {image}")
    });
    format!("kernel {}, {toolkit}", preflight.spec.kernel_version)
}

/// How many Modules have which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Modules that will load, or have nothing to load.
    pub verified: usize,
    /// Modules that will not load.
    pub failed: usize,
    /// Modules of which nobody knows yet.
    pub unknown: usize,
}

impl Tally {
    /// Counts the rows of a preflight.
    pub fn of(preflight: &PreflightValidationOCP) -> Self {
        rows(preflight).iter().fold(Self::default(), |mut tally, row| {
            match row.verification_status {
                VerificationStatus::Success => tally.verified += 1,
                VerificationStatus::Failure => tally.failed += 1,
                VerificationStatus::InProgress => tally.unknown += 1,
            }
            tally
        })
    }

    /// All of them.
    pub fn total(self) -> usize {
        self.verified + self.failed + self.unknown
    }

    /// `7 of 10 Modules verified for 5.14…; 2 failed, 1 without an answer`.
    fn sentence(self, kernel: &str) -> String {
        let modules = if self.total() == 1 { "Module" } else { "Modules" };
        let counted = format!("{} of {} {modules} verified for {kernel}", self.verified, self.total());
        let rest = [(self.failed, "failed"), (self.unknown, "without an answer")];
        let rest: Vec<_> = rest
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}"))
            .collect();
        if rest.is_empty() {
            counted
        } else {
            format!("{counted}; {}", rest.join(", "))
        }
    }
}

/// The name that scripts and people know a verdict by.
fn status_word(status: VerificationStatus) -> &'static str {
    match status {
        VerificationStatus::Success => "Success",
        VerificationStatus::Failure => "Failure",
        VerificationStatus::InProgress => "InProgress",
    }
}

/// The name that scripts and people know a stage by.
fn stage_word(stage: VerificationStage) -> &'static str {
    match stage {
        VerificationStage::Image => "Image",
        VerificationStage::Done => "Done",
    }
}

/// The name that scripts and people know a severity by.
fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Informs => "informs",
        Severity::Warns => "warns",
        Severity::Decides => "decides",
    }
}

/// The reason, or a word where there is none.
fn reason(row: &ModuleStatus) -> &str {
    row.status_reason.as_deref().unwrap_or("-")
}

/// A finding with its file and symbol, in one line.
fn finding_line(finding: &Finding) -> String {
    let about: Vec<_> = [&finding.file, &finding.symbol]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let about = if about.is_empty() {
        String::new()
    } else {
        format!(" ({})", about.join(", "))
    };
    format!(
        "{} [{}] {}{about}",
        severity_word(finding.severity),
        finding.rule,
        one_line(&finding.message)
    )
}

/// A text on one line. What comes from images and registries must not reach a terminal as escape sequences.
fn one_line(text: &str) -> String {
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
