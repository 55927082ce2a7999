//! Verdicts → the preflight as a cluster would show it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::{ModuleStatus, PreflightStatus, PreflightValidationOCP, VerificationStatus};
use crate::plan::{Subject, Verdict};

/// Writes the verdicts into the preflight's status, one row per subject, in the subjects' order.
pub(super) fn answered(
    preflight: &PreflightValidationOCP,
    subjects: &[Subject],
    verdicts: Vec<Verdict>,
    now: Timestamp,
) -> PreflightValidationOCP {
    let modules: Vec<ModuleStatus> = subjects
        .iter()
        .zip(verdicts)
        .map(|(subject, verdict)| row(subject, verdict, now))
        .collect();
    let tally = Tally::of(&modules);
    let status = PreflightStatus {
        phase: Some(tally.phase().to_owned()),
        summary: Some(format!("{}/{}", tally.verified, modules.len())),
        observed_generation: preflight.metadata.generation,
        conditions: tally.conditions(preflight.metadata.generation, now),
        modules,
    };
    PreflightValidationOCP {
        status: Some(status),
        ..preflight.clone()
    }
}

fn row(subject: &Subject, verdict: Verdict, now: Timestamp) -> ModuleStatus {
    ModuleStatus {
        name: subject.name.clone(),
        namespace: subject.namespace.clone(),
        verification_stage: verdict.stage,
        verification_status: verdict.status,
        status_reason: Some(verdict.reason),
        last_transition_time: Time(now),
        image: verdict.image,
        digest: verdict.digest.map(|digest| digest.to_string()),
        findings: verdict.findings,
    }
}

/// How many rows say what.
struct Tally {
    verified: usize,
    failed: usize,
    open: usize,
}

impl Tally {
    fn of(modules: &[ModuleStatus]) -> Self {
        let count = |status| modules.iter().filter(|row| row.verification_status == status).count();
        Self {
            verified: count(VerificationStatus::Success),
            failed: count(VerificationStatus::Failure),
            open: count(VerificationStatus::InProgress),
        }
    }

    fn phase(&self) -> &'static str {
        match (self.failed, self.open) {
            (0, 0) => "Verified",
            (_, 0) => "Failed",
            _ => "InProgress",
        }
    }

    fn conditions(&self, generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
        let condition = |type_: &str, holds: bool, reason: &str, message: String| Condition {
            type_: type_.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            reason: reason.to_owned(),
            message,
            last_transition_time: Time(now),
            observed_generation: generation,
        };
        let complete = self.open == 0;
        let counts = format!(
            "{} verified, {} failed, {} not known yet",
            self.verified, self.failed, self.open
        );
        let why_verified = match self.phase() {
            "Verified" => "AllModulesVerified",
            "Failed" => "ModulesFailed",
            _ => "ModulesInProgress",
        };
        vec![
            condition(
                "Complete",
                complete,
                if complete {
                    "AllModulesAnswered"
                } else {
                    "ModulesInProgress"
                },
                counts.clone(),
            ),
            condition("Verified", complete && self.failed == 0, why_verified, counts),
        ]
    }
}
