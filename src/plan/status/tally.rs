//! Rows → how many say what: the word for the whole preflight, and the conditions that `kubectl wait` reads.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{COMPLETE, VERIFIED};
use crate::api::{ModuleStatus, VerificationStatus};
use crate::plan::work::Step;

/// How many rows say what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Rows with Success.
    pub verified: usize,
    /// Rows with Failure.
    pub failed: usize,
    /// Rows without an answer.
    pub open: usize,
}

impl Tally {
    /// Counts the rows of a status.
    pub fn of(modules: &[ModuleStatus]) -> Self {
        let count = |status| modules.iter().filter(|row| row.verification_status == status).count();
        Self {
            verified: count(VerificationStatus::Success),
            failed: count(VerificationStatus::Failure),
            open: count(VerificationStatus::InProgress),
        }
    }

    pub(super) fn phase(self) -> &'static str {
        match (self.failed, self.open) {
            (0, 0) => "Verified",
            (_, 0) => "Failed",
            _ => "InProgress",
        }
    }

    pub(super) fn conditions(self, generation: Option<i64>, now: Timestamp) -> [Condition; 2] {
        let counts = format!(
            "{} verified, {} failed, {} not known yet",
            self.verified, self.failed, self.open
        );
        let condition = |type_: &str, holds: bool, reason: &str| Condition {
            type_: type_.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            reason: reason.to_owned(),
            message: counts.clone(),
            last_transition_time: Time(now),
            observed_generation: generation,
        };
        let (complete, why_complete) = match self.open {
            0 => (true, "AllModulesAnswered"),
            _ => (false, "ModulesInProgress"),
        };
        let why_verified = match (self.failed, self.open) {
            (0, 0) => "AllModulesVerified",
            (0, _) => "ModulesInProgress",
            _ => "ModulesFailed",
        };
        [
            condition(COMPLETE, complete, why_complete),
            condition(VERIFIED, complete && self.failed == 0, why_verified),
        ]
    }
}

/// How many Modules are at which step of work in pods.
#[derive(Default)]
pub(super) struct Doing {
    building: usize,
    signing: usize,
    judging: usize,
}

impl Doing {
    pub(super) fn count(&mut self, step: Option<Step>) {
        match step {
            Some(Step::Build) => self.building += 1,
            Some(Step::Sign) => self.signing += 1,
            Some(Step::Place | Step::Toolkit | Step::Judge) => self.judging += 1,
            None => {}
        }
    }
}

/// What is done, after the word for the whole preflight; nothing where nothing is.
impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            ("building", self.building),
            ("signing", self.signing),
            ("judging", self.judging),
        ];
        let mut before = ": ";
        for (word, count) in all.into_iter().filter(|(_, count)| *count > 0) {
            write!(f, "{before}{word} {count}")?;
            before = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::status::status;
    use crate::plan::status::tests::{answer, at, verdict};

    #[test]
    fn conditions_and_phase_follow_the_rows() {
        // "st-7", "st-8", "st-9".
        use VerificationStatus::{Failure, InProgress, Success};
        let rows = [
            (&[][..], "Verified", ["True", "True"]),
            (&[Success], "Verified", ["True", "True"]),
            (&[Success, Failure], "Failed", ["True", "False"]),
            (&[Success, InProgress], "InProgress", ["False", "False"]),
            (&[Failure, InProgress], "InProgress", ["False", "False"]),
        ];
        for (statuses, phase, conditions) in rows {
            let answers = statuses
                .iter()
                .enumerate()
                .map(|(at, status)| answer(&at.to_string(), verdict(*status, "")));
            let status = status(None, Some(3), answers, at(1));
            assert_eq!(status.phase.as_deref(), Some(phase), "{statuses:?}");
            let found: Vec<_> = status
                .conditions
                .iter()
                .map(|condition| condition.status.as_str())
                .collect();
            assert_eq!(found, conditions, "{statuses:?}");
            assert!(
                status
                    .conditions
                    .iter()
                    .all(|condition| condition.observed_generation == Some(3))
            );
        }
    }

    #[test]
    fn what_runs_in_pods_is_counted_after_the_phase() {
        let doing = |step| {
            let mut verdict = verdict(VerificationStatus::InProgress, "");
            verdict.doing = step;
            verdict
        };
        let phase = |steps: &[Option<Step>]| {
            let answers = steps
                .iter()
                .enumerate()
                .map(|(number, step)| answer(&number.to_string(), doing(*step)));
            status(None, None, answers, at(1)).phase
        };
        let (building, signing, judging) = (Some(Step::Build), Some(Step::Sign), Some(Step::Judge));
        for (steps, expected) in [
            (&[None][..], "InProgress"),
            (
                &[building, None, signing, building],
                "InProgress: building 2, signing 1",
            ),
            (&[judging, Some(Step::Place)], "InProgress: judging 2"),
        ] {
            assert_eq!(phase(steps).as_deref(), Some(expected));
        }
    }
}
