//! What changes where in-tree modules turn out to be loaded already. Evidence of that may come later than the image, and go
//! again, so it is weighed after everything else was judged.

use super::settle_missing_dependencies;
use crate::api::{Finding, Rule, Severity};

/// The in-tree modules without which it does not load, and which modprobe does not load on the way.
pub fn unmet_dependencies(findings: &[Finding]) -> impl Iterator<Item = &str> {
    let unmet = findings.iter().filter(|finding| is_unmet(finding));
    unmet.filter_map(|finding| finding.symbol.as_deref())
}

/// The same findings where some of these modules are there all the same: `evidence` says of a module why that is
/// believed, as a clause, or nothing.
pub fn given_loaded(findings: &[Finding], evidence: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = findings.to_vec();
    for finding in findings.iter_mut().filter(|finding| is_unmet(finding)) {
        if let Some(why) = finding.symbol.as_deref().and_then(&evidence) {
            finding.severity = Severity::Warns;
            finding.message = format!("{why}; without that it would not load: {}", finding.message);
        }
    }
    // Only where all exporters are known does one see that a module is in-tree.
    if findings
        .iter()
        .any(|finding| finding.rule == Rule::DependencyInTreeUnlinked)
    {
        settle_missing_dependencies(&mut findings);
    }
    findings
}

fn is_unmet(finding: &Finding) -> bool {
    finding.rule == Rule::DependencyInTreeUnlinked && finding.severity == Severity::Decides
}
