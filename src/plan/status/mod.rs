//! Verdicts → the status that people and `kubectl wait` read. What has not changed keeps its times, so that two equal
//! answers are equal objects.

mod fitting;
mod tally;

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::verdict::Verdict;
use crate::api::{FieldError, ModuleStatus, PreflightStatus};
pub use fitting::{STATUS_LIMIT, fit};
use tally::Doing;
pub use tally::Tally;

/// Every Module has a final answer.
pub const COMPLETE: &str = "Complete";
/// Every answer is Success.
pub const VERIFIED: &str = "Verified";
/// Somebody else writes the status too. Absent where nobody does.
pub const CONTESTED: &str = "Contested";

/// The answer for one Module, with its name.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The Module's namespace.
    pub namespace: String,
    /// The Module's name.
    pub name: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The fingerprint of what the verdict rests on, where that is remembered.
    pub inputs: Option<String>,
}

/// Writes answers into a status, one row each, in their order. Rows and conditions that say what they said before
/// keep their transition time.
pub fn status(
    previous: Option<&PreflightStatus>,
    generation: Option<i64>,
    answers: impl IntoIterator<Item = Answer>,
    now: Timestamp,
) -> PreflightStatus {
    let before = Before::of(previous);
    let mut doing = Doing::default();
    let answers = answers.into_iter().inspect(|answer| doing.count(answer.verdict.doing));
    let modules: Vec<ModuleStatus> = answers.map(|answer| before.row(answer, now)).collect();
    let tally = Tally::of(&modules);
    let conditions = tally.conditions(generation, now);
    PreflightStatus {
        phase: Some(format!("{}{doing}", tally.phase())),
        summary: Some(format!("{}/{}", tally.verified, modules.len())),
        observed_generation: generation,
        conditions: conditions.into_iter().map(|new| before.condition(new)).collect(),
        modules,
    }
}

/// The same status, where somebody else was seen to write it too; `message` says who.
#[must_use]
pub fn contested(
    mut status: PreflightStatus,
    previous: Option<&PreflightStatus>,
    message: String,
    now: Timestamp,
) -> PreflightStatus {
    let condition = Condition {
        type_: CONTESTED.to_owned(),
        status: "True".to_owned(),
        reason: "ForeignStatus".to_owned(),
        message,
        last_transition_time: Time(now),
        observed_generation: status.observed_generation,
    };
    status.conditions.push(Before::of(previous).condition(condition));
    status
}

/// The status of a preflight that admission would have refused: no row, and conditions that say why.
pub fn refused(
    previous: Option<&PreflightStatus>,
    generation: Option<i64>,
    errors: &[FieldError],
    now: Timestamp,
) -> PreflightStatus {
    let before = Before::of(previous);
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let condition = |type_: &str| Condition {
        type_: type_.to_owned(),
        status: "False".to_owned(),
        reason: INVALID.to_owned(),
        message: errors.join("; "),
        last_transition_time: Time(now),
        observed_generation: generation,
    };
    PreflightStatus {
        phase: Some(INVALID.to_owned()),
        observed_generation: generation,
        conditions: [COMPLETE, VERIFIED]
            .map(|type_| before.condition(condition(type_)))
            .into(),
        ..PreflightStatus::default()
    }
}

/// The phase of a preflight that cannot be answered.
const INVALID: &str = "Invalid";

/// What a status said before, to be found by name.
struct Before<'a> {
    rows: HashMap<(&'a str, &'a str), &'a ModuleStatus>,
    conditions: &'a [Condition],
}

impl<'a> Before<'a> {
    fn of(status: Option<&'a PreflightStatus>) -> Self {
        let rows = status.map_or(&[][..], |status| &status.modules);
        Self {
            rows: rows
                .iter()
                .map(|row| ((row.namespace.as_str(), row.name.as_str()), row))
                .collect(),
            conditions: status.map_or(&[], |status| &status.conditions),
        }
    }

    fn row(&self, answer: Answer, now: Timestamp) -> ModuleStatus {
        let verdict = answer.verdict;
        let before = self.rows.get(&(answer.namespace.as_str(), answer.name.as_str()));
        let same = before.filter(|row| row.verification_status == verdict.status);
        let last_transition_time = same.map_or(Time(now), |row| row.last_transition_time.clone());
        ModuleStatus {
            name: answer.name,
            namespace: answer.namespace,
            verification_stage: verdict.stage,
            verification_status: verdict.status,
            status_reason: Some(verdict.reason),
            last_transition_time,
            image: verdict.image,
            digest: verdict.digest.map(|digest| digest.to_string()),
            findings: verdict.findings,
            inputs: answer.inputs,
            job: verdict.job,
        }
    }

    fn condition(&self, mut new: Condition) -> Condition {
        let same = |old: &&Condition| old.type_ == new.type_ && old.status == new.status;
        if let Some(old) = self.conditions.iter().find(same) {
            new.last_transition_time = old.last_transition_time.clone();
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{VerificationStage, VerificationStatus};

    /// A verdict that says this.
    pub(super) fn verdict(status: VerificationStatus, reason: &str) -> Verdict {
        Verdict {
            stage: VerificationStage::Done,
            status,
            reason: reason.to_owned(),
            image: Some("registry.example.com/a:1".to_owned()),
            digest: None,
            findings: Vec::new(),
            job: None,
            doing: None,
        }
    }

    /// The answer for a Module of that name.
    pub(super) fn answer(name: &str, verdict: Verdict) -> Answer {
        Answer {
            namespace: "drivers".to_owned(),
            name: name.to_owned(),
            verdict,
            inputs: None,
        }
    }

    /// A moment.
    pub(super) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_answer_that_did_not_change_keeps_its_times() {
        // "st-3", "D21": upstream rewrites every transition time at every pass. "st-2": a row is known by its name.
        use VerificationStatus::{Failure, Success};
        let first = status(
            None,
            Some(1),
            [answer("a", verdict(Success, "x")), answer("b", verdict(Failure, "y"))],
            at(1),
        );
        let same = status(
            Some(&first),
            Some(1),
            [answer("a", verdict(Success, "x")), answer("b", verdict(Failure, "y"))],
            at(9),
        );
        assert_eq!(same, first);
        let mended = status(
            Some(&first),
            Some(1),
            [answer("a", verdict(Success, "x")), answer("b", verdict(Success, "z"))],
            at(9),
        );
        let times: Vec<_> = mended.modules.iter().map(|row| row.last_transition_time.0).collect();
        assert_eq!(times, [at(1), at(9)]);
        let condition_times: Vec<_> = mended
            .conditions
            .iter()
            .map(|condition| (condition.type_.as_str(), condition.last_transition_time.0))
            .collect();
        assert_eq!(condition_times, [(COMPLETE, at(1)), (VERIFIED, at(9))]);
    }

    #[test]
    fn the_row_of_a_module_that_went_goes_with_it() {
        // "st-4", "D17": upstream's rows stay for ever.
        let both = status(
            None,
            None,
            ["a", "b"].map(|name| answer(name, verdict(VerificationStatus::Success, "x"))),
            at(1),
        );
        let one = status(
            Some(&both),
            None,
            [answer("b", verdict(VerificationStatus::Success, "x"))],
            at(2),
        );
        assert_eq!(one.modules, both.modules[1..]);
        assert_eq!(one.summary.as_deref(), Some("1/1"));
    }

    #[test]
    fn who_else_writes_is_a_condition_that_keeps_its_time() {
        let told = |previous: Option<&PreflightStatus>, second| {
            let calm = status(previous, Some(3), [], at(second));
            contested(calm, previous, "manager writes too".to_owned(), at(second))
        };
        let first = told(None, 1);
        let again = told(Some(&first), 9);
        assert_eq!(again, first);
        let condition = again.conditions.last().expect("a condition");
        assert_eq!(
            (
                condition.type_.as_str(),
                condition.message.as_str(),
                condition.last_transition_time.0
            ),
            (CONTESTED, "manager writes too", at(1))
        );
        assert_eq!(status(Some(&first), Some(3), [], at(9)).conditions.len(), 2);
    }

    #[test]
    fn a_preflight_that_admission_never_saw_is_told_what_is_wrong_with_it() {
        let errors = [FieldError::new("spec.kernelVersion", "is required")];
        let status = refused(None, Some(2), &errors, at(1));
        assert_eq!(status.phase.as_deref(), Some("Invalid"));
        assert!(status.modules.is_empty());
        for condition in &status.conditions {
            assert_eq!(
                (condition.status.as_str(), condition.reason.as_str()),
                ("False", "Invalid")
            );
            assert_eq!(condition.message, "spec.kernelVersion: is required");
        }
        assert_eq!(refused(Some(&status), Some(2), &errors, at(9)), status);
    }
}
