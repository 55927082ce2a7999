//! Verdicts → the status that people and `kubectl wait` read. What has not changed keeps its times, so that two equal
//! answers are equal objects.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::verdict::Verdict;
use super::work::Step;
use crate::api::{FieldError, ModuleStatus, PreflightStatus, Severity, VerificationStatus};

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

/// How many Modules are at which step of work in pods.
#[derive(Default)]
struct Doing {
    building: usize,
    signing: usize,
    judging: usize,
}

impl Doing {
    fn count(&mut self, step: Option<Step>) {
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

    fn phase(self) -> &'static str {
        match (self.failed, self.open) {
            (0, 0) => "Verified",
            (_, 0) => "Failed",
            _ => "InProgress",
        }
    }

    fn conditions(self, generation: Option<i64>, now: Timestamp) -> [Condition; 2] {
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
    use crate::api::{Finding, Rule, VerificationStage};

    fn verdict(status: VerificationStatus, reason: &str) -> Verdict {
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

    fn answer(name: &str, verdict: Verdict) -> Answer {
        Answer {
            namespace: "drivers".to_owned(),
            name: name.to_owned(),
            verdict,
            inputs: None,
        }
    }

    fn at(second: i64) -> Timestamp {
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
