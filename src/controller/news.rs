//! What a person should hear of: Modules whose verdict turned, and a preflight that has all its answers. Not every
//! pass is news. Pure.

use std::collections::HashMap;

use crate::api::{ModuleStatus, PreflightStatus, VerificationStatus};
use crate::plan::work::{Ended, Errand};
use crate::plan::{ObjectName, Tally, decides};

/// The most Modules that one write of the status has news of; the rest stands in the status.
const MODULES_AT_ONCE: usize = 50;
/// The most Modules that a summary names.
const NAMED: usize = 5;

/// Something to be told as an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    /// The Module that it is about (namespace, name); the preflight itself where there is none.
    pub(super) module: Option<ObjectName>,
    /// The Job that it is about too.
    pub(super) job: Option<ObjectName>,
    /// Whether it is bad news.
    pub(super) warns: bool,
    /// One word for machines.
    pub(super) reason: &'static str,
    /// The sentence.
    pub(super) note: String,
}

/// What is new in a status, compared with the one before.
pub(super) fn news(
    preflight: &str,
    kernel: &str,
    before: Option<&PreflightStatus>,
    after: &PreflightStatus,
) -> Vec<News> {
    let old: HashMap<_, _> = before.map(statuses).unwrap_or_default();
    let turned = |row: &&ModuleStatus| {
        let before = old.get(&(row.namespace.as_str(), row.name.as_str())).copied();
        turned(before, row.verification_status)
    };
    let modules = after.modules.iter().filter(turned).take(MODULES_AT_ONCE);
    let modules = modules.map(|row| of_module(preflight, kernel, row));
    modules.chain(of_preflight(kernel, before, after)).collect()
}

fn statuses(status: &PreflightStatus) -> HashMap<(&str, &str), VerificationStatus> {
    let rows = status.modules.iter();
    rows.map(|row| ((row.namespace.as_str(), row.name.as_str()), row.verification_status))
        .collect()
}

/// A Module fails that did not, or one that failed is verified.
fn turned(before: Option<VerificationStatus>, now: VerificationStatus) -> bool {
    use VerificationStatus::{Failure, Success};
    match now {
        Failure => before != Some(Failure),
        Success => before == Some(Failure),
        VerificationStatus::InProgress => false,
    }
}

fn of_module(preflight: &str, kernel: &str, row: &ModuleStatus) -> News {
    let failed = row.verification_status == VerificationStatus::Failure;
    let reason = row.status_reason.as_deref().unwrap_or_default();
    News {
        module: Some((row.namespace.clone(), row.name.clone())),
        job: None,
        warns: failed,
        reason: if failed { "PreflightFailed" } else { "PreflightVerified" },
        note: format!("on {kernel} (preflight {preflight}): {reason}"),
    }
}

fn of_preflight(kernel: &str, before: Option<&PreflightStatus>, after: &PreflightStatus) -> Option<News> {
    let tally = Tally::of(&after.modules);
    let was = before.map(|status| Tally::of(&status.modules));
    let had_answers = before.is_some_and(|status| status.summary.is_some() || !status.modules.is_empty());
    if tally.open > 0 || (had_answers && was == Some(tally)) {
        return None;
    }
    let total = after.modules.len();
    let (warns, reason, note) = match tally.failed {
        0 => (false, "Verified", format!("all {total} Modules will load on {kernel}")),
        failed => (
            true,
            "ModulesFailed",
            format!(
                "{failed} of {total} Modules would not load on {kernel}: {}",
                named(after)
            ),
        ),
    };
    Some(News {
        module: None,
        job: None,
        warns,
        reason,
        note,
    })
}

/// A Job was begun for a Module: news of both it and its preflight.
pub(super) fn of_started(module: &ObjectName, job: &ObjectName, errand: &Errand) -> [News; 2] {
    let note = format!(
        "{} of {}/{} has begun: Job {}/{}",
        noun(errand),
        module.0,
        module.1,
        job.0,
        job.1
    );
    of_both(module, Some(job), (false, "JobStarted"), &note)
}

/// The API server refuses a Job.
pub(super) fn of_refused(module: &ObjectName, errand: &Errand, why: &str) -> [News; 2] {
    let note = format!(
        "{} of {}/{} cannot begin, and is tried again: {why}",
        noun(errand),
        module.0,
        module.1
    );
    of_both(module, None, (true, "JobRefused"), &note)
}

/// A Job has ended.
pub(super) fn of_ended(module: &ObjectName, job: &ObjectName, errand: &Errand, ended: &Ended) -> [News; 2] {
    let (kind, what) = match ended {
        Ended::Judged { findings, warnings, .. } if decides(findings) => (
            (true, "JobSucceeded"),
            with("has ended; the module would not load", warnings),
        ),
        Ended::Judged { pushed, warnings, .. } => {
            let ended = if *pushed {
                "has ended, and its image is pushed"
            } else {
                "has ended"
            };
            ((!warnings.is_empty(), "JobSucceeded"), with(ended, warnings))
        }
        Ended::Unseen(failure) => ((true, "JobFailed"), format!("came to nothing: {}", failure.message)),
        Ended::Failed { why, .. } => ((true, "JobFailed"), format!("failed: {why}")),
        Ended::Interrupted { why } => ((true, "JobInterrupted"), format!("was interrupted: {why}")),
    };
    let note = format!(
        "{} of {}/{} {what} (Job {}/{})",
        noun(errand),
        module.0,
        module.1,
        job.0,
        job.1
    );
    of_both(module, Some(job), kind, &note)
}

fn with(ended: &str, warnings: &[String]) -> String {
    match warnings {
        [] => ended.to_owned(),
        warnings => format!("{ended}; warning: {}", warnings.join("; ")),
    }
}

/// A build was given up whose temporary tag stands in its registry.
pub(super) fn of_abandoned((namespace, name): (&str, &str), job: &ObjectName, tag: &str) -> News {
    News {
        module: Some((namespace.to_owned(), name.to_owned())),
        job: Some(job.clone()),
        warns: true,
        reason: "TemporaryTagLeft",
        note: format!(
            "the build {}/{} was given up before what it made was judged; its temporary tag {tag} is left: remove it from \
             the registry",
            job.0, job.1
        ),
    }
}

/// What is done, as the beginning of a sentence.
fn noun(errand: &Errand) -> &'static str {
    if errand.makes() {
        "the making of the image"
    } else {
        "a node's look at the image"
    }
}

fn of_both(
    module: &ObjectName,
    job: Option<&ObjectName>,
    (warns, reason): (bool, &'static str),
    note: &str,
) -> [News; 2] {
    [Some(module.clone()), None].map(|module| News {
        module,
        job: job.cloned(),
        warns,
        reason,
        note: note.to_owned(),
    })
}

fn named(status: &PreflightStatus) -> String {
    let failed = |row: &&ModuleStatus| row.verification_status == VerificationStatus::Failure;
    let names: Vec<String> = status
        .modules
        .iter()
        .filter(failed)
        .map(|row| format!("{}/{}", row.namespace, row.name))
        .collect();
    match names.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.get(..NAMED).unwrap_or_default().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::VerificationStage;
    use VerificationStatus::{Failure, InProgress, Success};

    fn status(rows: &[(&str, VerificationStatus)]) -> PreflightStatus {
        let row = |(name, status): &(&str, VerificationStatus)| ModuleStatus {
            name: (*name).to_owned(),
            namespace: "drivers".to_owned(),
            verification_stage: VerificationStage::Done,
            verification_status: *status,
            status_reason: Some("because".to_owned()),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            image: None,
            digest: None,
            findings: Vec::new(),
            inputs: None,
            job: None,
        };
        PreflightStatus {
            modules: rows.iter().map(row).collect(),
            ..Default::default()
        }
    }

    fn told(
        before: Option<&PreflightStatus>,
        after: &[(&str, VerificationStatus)],
    ) -> Vec<(Option<String>, &'static str)> {
        let news = news("upgrade", "6.1.0", before, &status(after));
        let name = |news: News| (news.module.map(|(_, name)| name), news.reason);
        news.into_iter().map(name).collect()
    }

    #[test]
    fn a_module_that_turns_is_news_and_one_that_stays_is_none() {
        let before = status(&[("a", Success), ("b", Failure), ("c", Failure), ("d", InProgress)]);
        let after = [("a", Failure), ("b", Failure), ("c", Success), ("d", InProgress)];
        assert_eq!(
            told(Some(&before), &after),
            [
                (Some("a".into()), "PreflightFailed"),
                (Some("c".into()), "PreflightVerified")
            ]
        );
        assert_eq!(told(Some(&status(&after)), &after), []);
    }

    #[test]
    fn the_last_answer_is_news_of_the_preflight() {
        let open = status(&[("a", InProgress), ("b", Success)]);
        assert_eq!(
            told(Some(&open), &[("a", Success), ("b", Success)]),
            [(None, "Verified")]
        );
        assert_eq!(
            told(Some(&open), &[("a", Failure), ("b", Success)]),
            [(Some("a".into()), "PreflightFailed"), (None, "ModulesFailed")]
        );
        assert_eq!(told(None, &[]), [(None, "Verified")]);
    }

    #[test]
    fn many_failures_are_counted_not_listed() {
        let names: Vec<String> = (0..200).map(|at| format!("m{at}")).collect();
        let rows: Vec<_> = names.iter().map(|name| (name.as_str(), Failure)).collect();
        let news = news("upgrade", "6.1.0", None, &status(&rows));
        assert_eq!(news.len(), MODULES_AT_ONCE + 1);
        let last = news.last().map(|news| news.note.as_str());
        assert_eq!(
            last,
            Some(
                "200 of 200 Modules would not load on 6.1.0: drivers/m0, drivers/m1, drivers/m2, drivers/m3, drivers/m4 and 195 more"
            )
        );
    }
}
