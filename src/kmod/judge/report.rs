//! What is found in one file, with a cap: a module for another kernel can lack hundreds of symbols.

use std::collections::BTreeMap;

use crate::api::{Finding, Rule, Severity};
use crate::kmod::modprobe::Role;

/// How many findings of one rule and severity a file may have; the others are counted. More would hide the rest.
const MOST_OF_A_KIND: usize = 20;

/// How many characters of a finding's texts are told. Names and versions in a file can be of any length.
const MOST_CHARACTERS: usize = 1_000;

/// A finding with texts of a length that a person may read, and a status can hold.
pub(super) fn shortened(mut finding: Finding) -> Finding {
    let texts = [
        finding.file.as_mut(),
        finding.symbol.as_mut(),
        Some(&mut finding.message),
    ];
    for text in texts.into_iter().flatten() {
        if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
            text.truncate(end);
            text.push('…');
        }
    }
    finding
}

/// The findings of one file.
pub(super) struct Report {
    file: String,
    role: Role,
    findings: Vec<Finding>,
    counts: BTreeMap<(Rule, Severity), usize>,
}

impl Report {
    pub(super) const fn new(file: String, role: Role) -> Self {
        Self {
            file,
            role,
            findings: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        let count = self.counts.entry((finding.rule, finding.severity)).or_default();
        *count += 1;
        if *count <= MOST_OF_A_KIND {
            self.findings.push(finding);
        }
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// Whether the kernel refuses the file.
    pub(super) fn decides(&self) -> bool {
        self.counts.keys().any(|(_, severity)| *severity == Severity::Decides)
    }

    /// The findings, each with its file; what modprobe ignores no longer decides.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        for ((rule, severity), count) in &self.counts {
            let more = count.saturating_sub(MOST_OF_A_KIND);
            if more > 0 {
                let at = self
                    .findings
                    .iter()
                    .rposition(|f| f.rule == *rule && f.severity == *severity);
                let message = format!("and {more} more of this kind");
                let rest = Finding {
                    rule: *rule,
                    severity: *severity,
                    file: None,
                    symbol: None,
                    message,
                };
                self.findings.insert(at.map_or(0, |at| at + 1), rest);
            }
        }
        let Self {
            file, role, findings, ..
        } = self;
        findings
            .into_iter()
            .map(|finding| soften(finding, role).in_file(file.clone()))
            .collect()
    }
}

/// modprobe ignores the failure of a soft dependency, and of an alias's modules but the last.
fn soften(mut finding: Finding, role: Role) -> Finding {
    let why = match role {
        Role::Soft => "a soft dependency, whose failure modprobe ignores",
        Role::AskedBeside => "one of several modules of an alias, of which modprobe answers for the last alone",
        Role::Asked | Role::Needed => return finding,
    };
    if finding.severity == Severity::Decides {
        finding.severity = Severity::Warns;
        finding.message = format!("{} ({why})", finding.message);
    }
    finding
}
