//! A status that fits into an object of Kubernetes, shortened where there is too much to say.

use std::io::{self, Write};

use crate::api::{PreflightStatus, Severity};

/// The longest status, in bytes of JSON. With its metadata and managed fields an object then stays below 1 MiB, which
/// etcd takes (1.5 MiB) with room to spare.
pub const STATUS_LIMIT: usize = 900 * 1024;

/// What a shortened reason ends with.
const SHORTENED: &str = " … (shortened; `kmm-preflight check` tells all)";

/// Shortens a status until it fits: first the findings that do not decide, then all findings, then long reasons, and
/// those evenly. What is left of a reason still begins with what decides.
pub fn fit(mut status: PreflightStatus, limit: usize) -> PreflightStatus {
    if size(&status) <= limit {
        return status;
    }
    for row in &mut status.modules {
        row.findings.retain(|finding| finding.severity == Severity::Decides);
    }
    if size(&status) > limit {
        status.modules.iter_mut().for_each(|row| row.findings.clear());
    }
    let mut longest = 1024;
    while size(&status) > limit && longest >= 64 {
        for row in &mut status.modules {
            row.status_reason = row.status_reason.take().map(|reason| shortened(reason, longest));
        }
        longest /= 2;
    }
    status
}

fn size(status: &PreflightStatus) -> usize {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, status).map_or(usize::MAX, |()| length.0)
}

/// Counts what is written, and keeps none of it: a status has some 800 KiB.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shortened(reason: String, longest: usize) -> String {
    let text = reason.strip_suffix(SHORTENED).unwrap_or(&reason);
    if text.len() <= longest {
        return reason;
    }
    let end = text.floor_char_boundary(longest);
    format!("{}{SHORTENED}", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Finding, Rule, VerificationStatus};
    use crate::plan::status::status;
    use crate::plan::status::tests::{answer, at, verdict};

    fn large(rows: usize, reason: usize, findings: usize) -> PreflightStatus {
        let finding = |at: usize| Finding {
            rule: Rule::SymbolMissing,
            severity: if at == 0 { Severity::Decides } else { Severity::Warns },
            file: Some("x.ko".to_owned()),
            symbol: Some(format!("symbol_{at}")),
            message: "needs a symbol that is not there".to_owned(),
        };
        let answers = (0..rows).map(|at| {
            let mut verdict = verdict(VerificationStatus::Failure, &"ä".repeat(reason / 2));
            verdict.findings = (0..findings).map(finding).collect();
            answer(&format!("module-{at}"), verdict)
        });
        status(None, Some(1), answers, at(1))
    }

    #[test]
    fn a_small_status_is_left_alone() {
        let status = large(10, 200, 3);
        assert_eq!(fit(status.clone(), STATUS_LIMIT), status);
    }

    #[test]
    fn a_large_status_is_shortened_until_it_fits_and_loses_no_row() {
        for (rows, reason, findings) in [(1500, 300, 20), (1500, 5_000, 0), (1500, 700, 1), (3000, 100, 4)] {
            let status = fit(large(rows, reason, findings), STATUS_LIMIT);
            assert!(
                size(&status) <= STATUS_LIMIT,
                "{rows} {reason} {findings}: {}",
                size(&status)
            );
            assert_eq!(status.modules.len(), rows);
        }
    }

    #[test]
    fn what_decides_is_the_last_finding_to_go_and_a_short_reason_says_that_it_is_short() {
        let status = fit(large(100, 5_000, 3), 150_000);
        let row = &status.modules[0];
        let reason = row.status_reason.as_deref().unwrap();
        assert!(
            reason.ends_with(SHORTENED) && reason.matches(SHORTENED).count() == 1,
            "{reason}"
        );
        let status = fit(large(100, 100, 20), 90_000);
        assert_eq!(status.modules[0].findings.len(), 1);
        assert_eq!(status.modules[0].findings[0].severity, Severity::Decides);
    }
}
