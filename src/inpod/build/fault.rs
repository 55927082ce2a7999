//! Why a build came to nothing, from what buildah said and how it ended. Its words are those of buildah 1.28 to 1.41 and of
//! the libraries that it is made of (containers/image, containers/storage, openshift/imagebuilder).

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::buildah::PROGRAM;
use super::story::{Step, Story};
use super::supervise::Ended;
use crate::inpod::Failure;

/// buildah itself could not be started.
pub(super) fn not_started(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        Failure::lasting(format!(
            "the builder's image has no {PROGRAM} in its PATH; name an image that has it (the operator's --builder-image)"
        ))
    } else {
        Failure::of_file(&format!("{PROGRAM} cannot be started"), error)
    }
}

/// Why a build that did not end well came to nothing.
pub(super) fn of(ended: &Ended, story: &Story) -> Failure {
    let failure = match ended {
        Ended::TooLate(limit) => Failure::lasting(format!(
            "the build took longer than {} s{}; give it more time (the operator's deadline of Jobs), or let it do less",
            limit.as_secs(),
            at(story)
        )),
        Ended::Stopped => Failure::passing(format!("the build's pod was told to end{}", at(story))),
        Ended::Exited(status) => exited(*status, story),
    };
    failure.with_log(story.last_lines())
}

fn exited(status: ExitStatus, story: &Story) -> Failure {
    let complaint = story.complaint.as_deref().unwrap_or_default();
    if story.signs.disk_full || complaint.to_ascii_lowercase().contains("no space left on device") {
        return Failure::passing(format!(
            "the build ran out of disk{}: no space left on device; give the node more, or build less into the image",
            at(story)
        ));
    }
    if status.signal().is_some() || story.signs.killed {
        return Failure::passing(format!(
            "the build was killed{}, most likely since it needs more memory than its container or node has",
            at(story)
        ));
    }
    if let Some(failure) = of_base_image(complaint) {
        return failure;
    }
    match &story.step {
        Some(step) => Failure {
            again: story.signs.retried,
            ..at_a_step(step, complaint, status)
        },
        None => before_the_first_step(complaint, status),
    }
}

fn at_a_step(step: &Step, complaint: &str, status: ExitStatus) -> Failure {
    let how = match failed_step(step, complaint) {
        _ if complaint.is_empty() => format!("{PROGRAM} ended with {}", ending(status)),
        Some(how) if how.contains(EMPTY_CONTEXT) => {
            format!("{how}; KMM builds without files beside the Dockerfile: COPY from another stage, or ADD a URL")
        }
        Some(how) => how.to_owned(),
        None => complaint.to_owned(),
    };
    Failure::lasting(format!("build failed at {}: {how}", named(step)))
}

/// `at step 4/7 (RUN make)`, where a step had begun.
fn at(story: &Story) -> String {
    let step = story.step.as_ref();
    step.map_or_else(String::new, |step| format!(" at {}", named(step)))
}

fn named(step: &Step) -> String {
    let Step {
        number, instruction, ..
    } = step;
    match &step.stage {
        Some(stage) => format!("step {number} of stage {stage} ({instruction})"),
        None => format!("step {number} ({instruction})"),
    }
}

/// How a step failed: what follows `building at STEP "…": `. An instruction that buildah does not know is told with
/// all of its insides, which help nobody.
fn failed_step<'a>(step: &Step, complaint: &'a str) -> Option<&'a str> {
    let rest = complaint.strip_prefix("building at STEP \"")?;
    let after = rest.strip_prefix(step.instruction.as_str());
    let how = match after.and_then(|after| after.strip_prefix("\": ")) {
        Some(how) => how,
        None => rest.split_once("\": ").map_or(rest, |(_, how)| how),
    };
    let unknown = rest.find("Unknown instruction: ").and_then(|at| rest.get(at..));
    Some(match unknown {
        Some(unknown) => unknown.split(" &imagebuilder").next().unwrap_or(unknown),
        None => how.strip_prefix("while running runtime: ").unwrap_or(how),
    })
}

/// What buildah says of a COPY of a file that the context does not have.
const EMPTY_CONTEXT: &str = "checking on sources under ";

/// What buildah says of a Dockerfile that it cannot read.
const OF_THE_DOCKERFILE: [&str; 6] = [
    "no FROM statement found",
    "no contents in ",
    "parse error",
    "parsing ",
    "syntax error",
    "Unknown instruction",
];

/// Before the first step only the Dockerfile itself is read.
fn before_the_first_step(complaint: &str, status: ExitStatus) -> Failure {
    if complaint.is_empty() {
        return Failure::lasting(format!(
            "{PROGRAM} ended with {} and said nothing of why",
            ending(status)
        ));
    }
    if OF_THE_DOCKERFILE.iter().any(|words| complaint.contains(words)) {
        Failure::lasting(format!("the Dockerfile cannot be understood: {complaint}"))
    } else {
        Failure::lasting(format!("{PROGRAM} failed: {complaint}"))
    }
}

fn ending(status: ExitStatus) -> String {
    status
        .code()
        .map_or_else(|| status.to_string(), |code| format!("exit status {code}"))
}

/// What a registry's answer means for a base image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Missing,
    Denied,
    WrongPlatform,
    Unreachable,
}

/// A base image that could not be pulled; none where the complaint is of something else.
fn of_base_image(complaint: &str) -> Option<Failure> {
    if complaint.contains("short-name ") {
        return Some(Failure::lasting(format!(
            "a base image has no registry in its name: {complaint}; write it in full in the Dockerfile, as in \
             registry.example.com/name:tag"
        )));
    }
    let (_, rest) = complaint.split_once("docker://")?;
    let (image, why) = rest.split_once(": ").unwrap_or((rest, "no reason was given"));
    let why = why.trim_end();
    Some(match answer(why) {
        Answer::Missing => Failure::lasting(format!(
            "the base image {image} does not exist: {why}; correct the Dockerfile or its build arguments"
        )),
        Answer::Denied => Failure::lasting(format!(
            "the base image {image} is missing, or not accessible with the Module's imageRepoSecret: {why}"
        )),
        Answer::WrongPlatform => Failure::lasting(format!(
            "the base image {image} is not there for this architecture: {why}"
        )),
        Answer::Unreachable => Failure::passing(format!("the base image {image} could not be pulled: {why}")),
    })
}

/// What a registry's words mean. What is not known may pass: nobody gives a build up for a word that is new.
fn answer(why: &str) -> Answer {
    let why = why.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&[
        "no image found in manifest list",
        "no image found in image index",
        "choosing an image from manifest list",
    ]) {
        Answer::WrongPlatform
    } else if says(&["toomanyrequests", "too many requests"]) {
        Answer::Unreachable
    } else if says(&[
        "manifest unknown",
        "name unknown",
        "repository name not known",
        "404 (not found)",
    ]) {
        Answer::Missing
    } else if says(&[
        "unauthorized",
        "denied",
        "forbidden",
        "authentication required",
        "invalid username/password",
    ]) {
        Answer::Denied
    } else {
        Answer::Unreachable
    }
}
