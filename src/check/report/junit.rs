//! JUnit's XML, in the form that Jenkins, GitLab and GitHub's reporters read: a suite for each preflight, a case for each Module.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{finding_line, name, one_line, reason, rows};
use crate::api::{ModuleStatus, PreflightValidationOCP, Severity, VerificationStatus};

/// The report of every preflight. What could not be answered is an error, what would not load a failure.
pub fn junit(preflights: &[PreflightValidationOCP]) -> String {
    let mut report = Report::new("kmm-preflight");
    report.add_test_suites(preflights.iter().map(suite));
    report.to_string().expect("invariant: XML is written to memory")
}

fn suite(preflight: &PreflightValidationOCP) -> TestSuite {
    let mut suite = TestSuite::new(name(preflight));
    suite.add_property(("kernelVersion", preflight.spec.kernel_version.as_str()));
    if let Some(image) = &preflight.spec.dtk_image {
        suite.add_property(("dtkImage", image.as_str()));
    }
    suite.add_test_cases(rows(preflight).iter().map(case));
    suite
}

fn case(row: &ModuleStatus) -> TestCase {
    let status = match row.verification_status {
        VerificationStatus::Success => TestCaseStatus::success(),
        VerificationStatus::Failure => unsuccessful(NonSuccessKind::Failure, decisive_rule(row), row),
        VerificationStatus::InProgress => unsuccessful(NonSuccessKind::Error, "no-answer", row),
    };
    let mut case = TestCase::new(row.name.as_str(), status);
    case.set_classname(row.namespace.as_str());
    if row.verification_status == VerificationStatus::Success {
        case.set_system_out(description(row));
    }
    case
}

fn unsuccessful(kind: NonSuccessKind, rule: &str, row: &ModuleStatus) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_type(rule)
        .set_message(one_line(reason(row)))
        .set_description(description(row));
    status
}

/// The rule that decided, or a word where no inspection was made.
fn decisive_rule(row: &ModuleStatus) -> &'static str {
    let decisive = row
        .findings
        .iter()
        .find(|finding| finding.severity == Severity::Decides);
    decisive.map_or("not-verified", |finding| finding.rule.name())
}

/// The reason, the image and every finding.
fn description(row: &ModuleStatus) -> String {
    let mut lines = vec![reason(row).to_owned()];
    lines.extend(row.image.iter().map(|image| format!("image: {image}")));
    lines.extend(row.digest.iter().map(|digest| format!("digest: {digest}")));
    lines.extend(row.findings.iter().map(finding_line));
    lines.join("\n")
}
