//! The words of verdicts that rest on work in pods. No time is told by the minute: the reason would change with it, and
//! nothing else.

use super::{in_brackets, named, with_doubts};
use crate::api::Finding;
use crate::image::{Digest, LookFailureKind};
use crate::plan::resolve::Target;
use crate::plan::supplies::ObjectName;
use crate::plan::work::{ATTEMPTS, Step};

const OPEN: &str = "verification is not finished yet";

pub(in crate::plan) fn also_on_a_node(said: &str, on_a_node: &str) -> String {
    match said {
        "" => on_a_node.to_owned(),
        said => format!("{said}; and on a node: {on_a_node}"),
    }
}

pub(in crate::plan) fn look_wanted(because: &str) -> String {
    open(because, "a node is to look at the image")
}

pub(in crate::plan) fn look_waits(because: &str, ahead: usize) -> String {
    open(because, &format!("a node is to look at the image: {}", waits(ahead)))
}

pub(in crate::plan) fn look_again(because: &str) -> String {
    open(because, "a node is to look at the image again")
}

pub(in crate::plan) fn looked_at(because: &str, job: &ObjectName, hindrance: Option<&str>) -> String {
    let job = named(job);
    open(
        because,
        &format!("a node looks at the image in Job {job}{}", but(hindrance)),
    )
}

pub(in crate::plan) fn refused(because: &str, namespace: &str, why: &str) -> String {
    let refusal = format!("the Job in namespace {namespace} could not be created: {why}. It will be tried again");
    joined(because, &refusal)
}

pub(in crate::plan) fn making_waits(target: &Target, because: &str, ahead: usize) -> String {
    open(because, &format!("it is to be {}: {}", made_how(target), waits(ahead)))
}

pub(in crate::plan) fn being_made(
    because: &str,
    step: Option<Step>,
    job: &ObjectName,
    hindrance: Option<&str>,
) -> String {
    let (doing, at) = match step {
        Some(Step::Build) => ("building", "build"),
        Some(Step::Sign) => ("signing", "sign"),
        Some(Step::Judge) => ("judging what was made", "judge"),
        Some(step) => ("preparing", step.name()),
        None => ("preparing", "not started"),
    };
    open(
        because,
        &format!("{doing} in Job {} (step {at}){}", named(job), but(hindrance)),
    )
}

pub(in crate::plan) fn making_again(because: &str, why: &str, job: &ObjectName, attempt: u32) -> String {
    let job = named(job);
    open(
        because,
        &format!("attempt {attempt} of {ATTEMPTS} (Job {job}) came to nothing: {why}. It is tried again"),
    )
}

pub(in crate::plan) fn making_given_up(because: &str, why: &str, job: &ObjectName, attempt: u32) -> String {
    failed(
        because,
        &format!("{attempt} attempts came to nothing, the last one for this: {why}"),
        job,
    )
}

pub(in crate::plan) fn making_failed(because: &str, step: Option<Step>, why: &str, job: &ObjectName) -> String {
    let what = match step {
        // A build tells the very step of the Dockerfile by itself.
        Some(step) if why.starts_with(&format!("{} failed", step.name())) => why.to_owned(),
        Some(step) => format!("{} failed: {why}", step.name()),
        None => format!("the Job failed: {why}"),
    };
    failed(because, &what, job)
}

/// What failed comes first: a reason is shortened at its end.
fn failed(because: &str, what: &str, job: &ObjectName) -> String {
    let what = what.trim_end_matches('.');
    let failure = format!(
        "verified image does not exist and build/sign failed: {what}; Job {}",
        named(job)
    );
    match LookFailureKind::NotFound.without_meaning(because) {
        because if because.is_empty() => failure,
        because => format!("{failure}. The image: {because}"),
    }
}

pub(in crate::plan) fn made_badly(target: &Target, because: &str, job: &ObjectName, why: &str) -> String {
    let how = made_how(target);
    joined(
        because,
        &format!("{how} in Job {}, and what came of it {why}", named(job)),
    )
}

/// What was made and would load.
pub(in crate::plan) struct Made<'a> {
    /// Its digest, where it is known.
    pub(in crate::plan) digest: Option<&'a Digest>,
    /// What the rules found.
    pub(in crate::plan) findings: &'a [Finding],
    /// What its owner should know.
    pub(in crate::plan) warnings: &'a [String],
    /// Whether it stands under its final tag.
    pub(in crate::plan) is_pushed: bool,
}

pub(in crate::plan) fn made(target: &Target, job: &ObjectName, made: &Made<'_>) -> String {
    let (how, job) = (made_how(target), named(job));
    let image = format!("{}{}", target.image_text, in_brackets(made.digest));
    let loads = format!("loads {} on {}", target.what_loads(), target.kernel.raw());
    let sentence = if made.is_pushed {
        format!("{how} and pushed in Job {job}: {image} {loads}")
    } else {
        format!("{how} in Job {job}, not pushed: would be {image}, and {loads}")
    };
    with_doubts(warned(sentence, made.warnings), made.findings)
}

pub(in crate::plan) fn pushed_not_seen(target: &Target, job: &ObjectName) -> String {
    let how = made_how(target);
    format!(
        "{OPEN}: {} was {how} and pushed in Job {}, and is to be looked at",
        target.image_text,
        named(job)
    )
}

pub(in crate::plan) fn pushed_but_gone(because: &str, target: &Target, job: &ObjectName) -> String {
    let how = made_how(target);
    let pushed = format!(
        "one that would load was {how} and pushed in Job {}: somebody has changed it since",
        named(job)
    );
    joined(because, &pushed)
}

fn made_how(target: &Target) -> &'static str {
    match (&target.build, &target.sign) {
        (Some(_), Some(_)) => "built and signed",
        (Some(_), None) => "built",
        (None, _) => "signed",
    }
}

fn open(because: &str, what: &str) -> String {
    format!("{OPEN}: {}", joined(because, what))
}

fn joined(because: &str, what: &str) -> String {
    match because {
        "" => what.to_owned(),
        because => format!("{because}; {what}"),
    }
}

fn waits(ahead: usize) -> String {
    match ahead {
        0 => "it is the next".to_owned(),
        1 => "it waits for 1 other".to_owned(),
        n => format!("it waits for {n} others"),
    }
}

fn but(hindrance: Option<&str>) -> String {
    hindrance.map(|why| format!(": {why}")).unwrap_or_default()
}

fn warned(sentence: String, warnings: &[String]) -> String {
    match warnings {
        [] => sentence,
        warnings => format!("{sentence}; warning: {}", warnings.join("; ")),
    }
}
