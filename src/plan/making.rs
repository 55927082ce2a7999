//! How the making of an image stands: its verdict, and when it is started.

use jiff::Timestamp;

use super::course::Make;
use super::decide::{Pods, World, decides};
use super::looking::{SHORT_PAUSE, after, pause};
use super::reason::{self, Made};
use super::resolve::Target;
use super::supplies::ObjectName;
use super::verdict::Verdict;
use super::work::{ATTEMPTS, Ended, Errand, Next, Push, Step, Work};

/// What is missing for it, each as a sentence.
pub(super) fn lacks(world: &World<'_>, target: &Target) -> Vec<String> {
    world.supplies.lacks(target, world.toolkit_image)
}

/// The verdict on a target whose image is to be made: first whether that could work at all.
pub(super) fn verdict(world: &World<'_>, target: &Target, make: &Make, work: &Work) -> Verdict {
    let lacks = lacks(world, target);
    let verdict = if lacks.is_empty() {
        stands(world, target, make, work)
    } else {
        Verdict::failure(reason::cannot_be_made(&make.because, &lacks))
    };
    match &make.stands {
        Some(standing) if verdict.findings.is_empty() => verdict.with(standing.digest.clone(), &standing.findings),
        _ => verdict,
    }
}

fn stands(world: &World<'_>, target: &Target, make: &Make, work: &Work) -> Verdict {
    let because = &make.because;
    match work {
        Work::None => unmade(world, target, make),
        Work::Queued { ahead, .. } => Verdict::in_progress(reason::making_waits(target, because, *ahead)),
        Work::Refused { why, .. } => Verdict::failure(reason::refused(because, &target.namespace, why)),
        Work::Underway {
            job, step, hindrance, ..
        } => {
            let reason = reason::being_made(because, *step, job, hindrance.as_deref());
            Verdict::in_progress(reason)
                .by_job(job)
                .doing(step.or(Some(Step::Place)))
        }
        Work::Ended {
            job, attempt, ended, ..
        } => ended_with(target, make, job, *attempt, ended).by_job(job),
        Work::Remembered(row) => Verdict::of_row(row),
    }
}

/// Where nothing may run in pods, nobody will ever make it: that is an answer, and not one to wait for.
fn unmade(world: &World<'_>, target: &Target, make: &Make) -> Verdict {
    let would = reason::would_be_made(target, world, &make.push);
    match world.pods {
        Pods::Forbidden => Verdict::failure(reason::may_not_be_made(&make.because, &would)),
        Pods::None | Pods::Run(_) => Verdict::in_progress(reason::not_made_yet(&make.because, &would)),
    }
}

fn ended_with(target: &Target, make: &Make, job: &ObjectName, attempt: u32, ended: &Ended) -> Verdict {
    match ended {
        Ended::Judged { pushed: true, .. } => Verdict::failure(reason::pushed_but_gone(&make.because, target, job)),
        Ended::Judged {
            digest,
            findings,
            left_out,
            warnings,
            ..
        } => {
            let made = Made {
                digest: digest.as_ref(),
                findings,
                warnings,
                is_pushed: false,
            };
            match reason::would_not_load(findings, *left_out) {
                Some((why, _)) => Verdict::failure(reason::made_badly(target, &make.because, job, &why)),
                None => Verdict::success(reason::made(target, job, &made)),
            }
            .with(digest.clone(), findings)
        }
        Ended::Failed { step, why } => Verdict::failure(reason::making_failed(&make.because, *step, why, job)),
        Ended::Interrupted { why } if attempt < ATTEMPTS => {
            Verdict::in_progress(reason::making_again(&make.because, why, job, attempt))
        }
        Ended::Interrupted { why } => Verdict::failure(reason::making_given_up(&make.because, why, job, attempt)),
        Ended::Unseen(failure) => Verdict::failure(reason::making_failed(&make.because, None, &failure.message, job)),
    }
}

/// The verdict on what a Job judged good and pushed, where the operator cannot look at it itself.
pub(super) fn pushed(target: &Target, job: &ObjectName, made: &Made<'_>) -> Verdict {
    let verdict = Verdict::success(reason::made(target, job, made)).by_job(job);
    verdict.with(made.digest.cloned(), made.findings)
}

/// When an image is made: once for the same inputs, and a few times more where that came to nothing for a reason that
/// may pass. What was made unpushed is made again where it turns out that it may be pushed.
pub(super) fn next(make: &Make, work: &Work, now: Timestamp) -> Next {
    let start = |attempt| Next::Start {
        errand: Errand::Make {
            push: make.push.clone(),
        },
        attempt,
    };
    match work {
        Work::None => start(1),
        Work::Queued { attempt, .. } => start(*attempt),
        Work::Refused { attempt, at, .. } => after(*at + SHORT_PAUSE, now, start(*attempt)),
        Work::Ended {
            attempt,
            at,
            ended: Ended::Interrupted { .. },
            ..
        } if *attempt < ATTEMPTS => after(
            *at + pause(SHORT_PAUSE, *attempt),
            now,
            start(attempt.saturating_add(1)),
        ),
        Work::Ended {
            errand: Errand::Make { push: Push::Never },
            ended: Ended::Judged { findings, .. },
            ..
        } if make.push.is_wanted() && !decides(findings) => start(1),
        Work::Ended { .. } | Work::Underway { .. } | Work::Remembered(_) => Next::Nothing,
    }
}
