//! Which Jobs are of no more use. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::api::VerificationStatus;
use crate::cluster::OwnJob;
use crate::plan::work::{ContainerState, Ended, Errand, FINGERPRINT, MODULE, Step, Work, WorkSeen, Works};
use crate::plan::{self, Look, Verdict};

/// What becomes of a Job that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is needed.
    Stays,
    /// It is kept for a person to look at.
    StaysUntil(Timestamp),
    /// It is of no more use, and why.
    Goes(&'static str),
}

/// How the target stands that a Job is of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    /// The fingerprint of its work; not known before its Secrets are.
    pub(super) work: Option<&'a str>,
    /// Whether another process had its final answer.
    pub(super) was_verified: bool,
    /// Whether its answer is Success.
    pub(super) is_verified: bool,
    /// Whether what the Job came to is known, and stands in the status with all it led to, so that it would be known after a
    /// restart as well.
    pub(super) is_told: bool,
}

/// What becomes of a Job; `standing` is that of its target, where there is one.
pub(super) fn fate(own: &OwnJob, standing: Option<&Standing<'_>>, keep: SignedDuration, now: Timestamp) -> Fate {
    let seen = &own.work;
    if own.is_followed {
        return Fate::Goes("its Job goes on from here");
    }
    let Some(standing) = standing else {
        return Fate::Goes("its Module has no image for this kernel any more");
    };
    if standing.was_verified {
        return Fate::Goes("its answer was written");
    }
    match standing.work {
        None => return Fate::Stays,
        Some(work) if seen.labels.get(FINGERPRINT).is_none_or(|label| label != work) => {
            return Fate::Goes("what it was made from has changed");
        }
        Some(_) => {}
    }
    match own.progress() {
        Work::Underway { errand, .. } if standing.is_verified && !is_finishing(own, &errand) => {
            Fate::Goes("the answer is known without it")
        }
        Work::Ended { ended, .. } if standing.is_told => of_ended(own, &ended, keep, now),
        _ => Fate::Stays,
    }
}

/// Whether a Job has built what it makes and is about to push it: the image that was seen may be its own, and in a moment it says what
/// there is to be said of it.
fn is_finishing(own: &OwnJob, errand: &Errand) -> bool {
    let containers = own.work.pod.iter().flat_map(|pod| &pod.containers);
    let has_begun = |state: &ContainerState| matches!(state, ContainerState::Running | ContainerState::Ended { .. });
    let mut last_steps =
        containers.filter(|container| matches!(Step::named(&container.name), Some(Step::Sign | Step::Judge)));
    errand.makes() && last_steps.any(|container| has_begun(&container.state))
}

fn of_ended(own: &OwnJob, ended: &Ended, keep: SignedDuration, now: Timestamp) -> Fate {
    let at = match &own.build {
        Some(build) => Some(build.ended.unwrap_or(build.created)),
        None => own.work.end.as_ref().map(|end| end.at),
    };
    match at.map(|at| at.saturating_add(keep)) {
        _ if matches!(ended, Ended::Judged { .. }) => Fate::Goes("its answer is written"),
        // What waits for an image that does not come has told all it can.
        None => Fate::Goes("its answer is written"),
        Some(Ok(until)) if now < until => Fate::StaysUntil(until),
        Some(_) => Fate::Goes("it was kept as long as the settings say"),
    }
}

/// Whether nothing but this Job would tell the next process what it came to; `remembers`: whether a row has room for an answer and what
/// it rests on. An answer that rests on what nodes have loaded today is never remembered by a row.
pub(super) fn is_memory(own: &OwnJob, answer: &Verdict, remembers: bool) -> bool {
    let (namespace, name) = &own.work.job;
    let work = own.progress();
    let makes = work.errand().is_some_and(Errand::makes);
    let works = Works {
        make: work,
        ..Works::default()
    };
    let wants_evidence = plan::wants_evidence(&Look::Pending, &works);
    // While nodes are asked, the answer is none that names a Job.
    let is_basis = answer.job == Some(format!("{namespace}/{name}"))
        || (wants_evidence && makes && answer.status == VerificationStatus::InProgress);
    // What was made would be made again; a node that found an image bad looks again anyway.
    let is_costly = makes || answer.status == VerificationStatus::Success;
    is_basis && is_costly && (!remembers || wants_evidence)
}

/// The Module that a Job is of: its namespace and name.
pub(super) fn module_of(seen: &WorkSeen) -> Option<(&str, &str)> {
    seen.annotations.get(MODULE)?.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::VerificationStage;
    use crate::controller::tests::{build_in, ended_job, job_at_work};
    use crate::plan::work::ContainerSeen;

    const KEEP: SignedDuration = SignedDuration::from_secs(60);

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).unwrap()
    }

    const OPEN: Standing<'_> = Standing {
        work: Some("fingerprint"),
        was_verified: false,
        is_verified: false,
        is_told: false,
    };

    /// What becomes of it at that second, as one word.
    fn word(seen: &OwnJob, standing: Option<&Standing<'_>>, at: i64) -> String {
        match fate(seen, standing, KEEP, second(at)) {
            Fate::Stays => "stays".to_owned(),
            Fate::StaysUntil(moment) => format!("stays until {}", moment.as_second()),
            Fate::Goes(_) => "goes".to_owned(),
        }
    }

    #[test]
    fn a_job_stays_as_long_as_it_is_of_use() {
        // "is-140": one that has not ended well stays; here not for ever.
        let told = Standing { is_told: true, ..OPEN };
        let verified = Standing {
            is_verified: true,
            ..OPEN
        };
        let (at_work, good, bad) = (
            job_at_work("j", "make"),
            ended_job("j", "make", true),
            ended_job("j", "make", false),
        );
        for (case, seen, standing, at, expected) in [
            ("its Module is gone", &at_work, None, 0, "goes"),
            ("it is at work", &at_work, Some(OPEN), 0, "stays"),
            ("the image has appeared meanwhile", &at_work, Some(verified), 0, "goes"),
            ("what it came to is not written yet", &good, Some(OPEN), 1000, "stays"),
            ("it is", &good, Some(told), 0, "goes"),
            ("it failed", &bad, Some(told), 59, "stays until 60"),
            ("long ago", &bad, Some(told), 60, "goes"),
            (
                "its inputs are not known yet",
                &bad,
                Some(Standing { work: None, ..told }),
                90,
                "stays",
            ),
            (
                "they are others",
                &at_work,
                Some(Standing {
                    work: Some("x"),
                    ..OPEN
                }),
                0,
                "goes",
            ),
            (
                "they are others, and it failed",
                &bad,
                Some(Standing {
                    work: Some("x"),
                    ..OPEN
                }),
                0,
                "goes",
            ),
            (
                "another process had the answer",
                &bad,
                Some(Standing {
                    work: None,
                    was_verified: true,
                    ..OPEN
                }),
                0,
                "goes",
            ),
        ] {
            assert_eq!(word(seen, standing.as_ref(), at), expected, "{case}");
        }
    }

    #[test]
    fn a_job_that_may_have_pushed_the_image_that_appeared_has_its_last_words() {
        let verified = Standing {
            is_verified: true,
            ..OPEN
        };
        let (waits, runs) = (ContainerState::Unknown, ContainerState::Running);
        for (errand, step, state, expected) in [
            ("make-and-push", "build", &runs, "goes"),
            ("make-and-push", "judge", &waits, "goes"),
            ("make-and-push", "sign", &runs, "stays"),
            ("make-and-push", "judge", &runs, "stays"),
            ("look", "judge", &runs, "goes"),
        ] {
            let mut own = job_at_work("j", errand);
            own.work.pod.get_or_insert_default().containers = vec![ContainerSeen {
                name: step.to_owned(),
                state: state.clone(),
                image_id: String::new(),
            }];
            assert_eq!(word(&own, Some(&verified), 0), expected, "{errand}, {step} {state:?}");
        }
    }

    /// A Job that judged what it made: good, or in need of an in-tree module that its image has no way to.
    fn judged(unmet: bool) -> OwnJob {
        let mut own = ended_job("j", "make", true);
        let said = r#"{"outcome":"judged","findings":[{"rule":"dependency-in-tree-unlinked","severity":"Decides","message":"m","symbol":"libcrc32c"}]}"#;
        let containers = own.work.pod.iter_mut().flat_map(|pod| &mut pod.containers);
        for container in containers.filter(|_| unmet) {
            if let ContainerState::Ended { message, .. } = &mut container.state {
                said.clone_into(message);
            }
        }
        own
    }

    fn answer(status: VerificationStatus, of_job: bool) -> Verdict {
        Verdict {
            stage: VerificationStage::Done,
            status,
            reason: "because".to_owned(),
            image: None,
            digest: None,
            findings: Vec::new(),
            job: of_job.then(|| "a/j".to_owned()),
            doing: None,
        }
    }

    #[test]
    fn a_job_is_kept_where_nothing_else_would_tell_what_it_came_to() {
        use VerificationStatus::{Failure, InProgress, Success};
        let (good, unlinked, look) = (judged(false), judged(true), ended_job("j", "look", true));
        for (case, own, answer, remembers, kept) in [
            ("a row tells it", &good, answer(Success, true), true, false),
            ("no row has room", &good, answer(Success, true), false, true),
            ("another's answer", &good, answer(Success, false), false, false),
            ("nodes have it loaded", &unlinked, answer(Success, true), true, true),
            ("they have not", &unlinked, answer(Failure, true), true, true),
            ("they are asked", &unlinked, answer(InProgress, false), true, true),
            ("the image has come", &unlinked, answer(Success, false), true, false),
            ("a bad look", &look, answer(Failure, true), false, false),
        ] {
            assert_eq!(is_memory(own, &answer, remembers), kept, "{case}");
        }
    }

    #[test]
    fn an_openshift_build_that_failed_is_kept_as_long() {
        let told = Standing { is_told: true, ..OPEN };
        let build = build_in("Failed");
        assert_eq!(word(&build, Some(&told), 59), "stays until 60");
        assert_eq!(word(&build, Some(&told), 60), "goes");
        assert_eq!(build.leaves(), None, "it has left nothing");
        let done = build_in("Complete");
        assert_eq!(done.leaves(), Some("r.example.com/nic:kmm-preflight-1"));
    }
}
