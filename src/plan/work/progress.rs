//! What became of an order: a Job and its pod → [`Work`]. What a node says of the module image is an answer; what keeps
//! our own images from running may pass, until the Job's deadline.

use super::outcome;
use super::pull;
use super::seen::{ContainerState, PodSeen, Step, WorkSeen};
use super::{ATTEMPT, ERRAND, Ended, Errand, Push, REPLACES, Work};
use crate::image::Digest;

/// What is known of the work of a Job; [`Work::None`] if it is none of ours.
pub fn progress(seen: &WorkSeen) -> Work {
    let Some(errand) = errand(seen) else {
        return Work::None;
    };
    let (ended, at) = match (&seen.end, answered(&errand, seen.pod.as_ref())) {
        (Some(end), _) => (outcome::of(&errand, end, seen), end.at),
        (None, Some(answer)) => (answer, seen.created),
        (None, None) if seen.going => (outcome::deleted(), seen.created),
        (None, None) => {
            return Work::Underway {
                job: seen.job.clone(),
                errand,
                step: seen.pod.as_ref().and_then(PodSeen::step),
                since: seen.created,
                hindrance: hindrance(seen),
            };
        }
    };
    let attempt = seen.labels.get(ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(1);
    Work::Ended {
        job: seen.job.clone(),
        errand,
        attempt,
        at,
        ended,
    }
}

/// What keeps a Job from going on.
fn hindrance(seen: &WorkSeen) -> Option<String> {
    match (&seen.pod, &seen.refused) {
        (Some(pod), _) => pod.hindrance(),
        (None, refused) => refused.as_deref().map(refusal),
    }
}

/// A refusal, for people.
pub(super) fn refusal(why: &str) -> String {
    format!("the cluster refuses its pod: {why}")
}

fn errand(seen: &WorkSeen) -> Option<Errand> {
    let errand = Errand::named(seen.labels.get(ERRAND)?)?;
    let replaced = seen.annotations.get(REPLACES).and_then(|text| Digest::parse(text).ok());
    Some(match (errand, replaced) {
        (Errand::Make { push: Push::IfFree }, Some(digest)) => Errand::Make {
            push: Push::Over(digest),
        },
        (errand, _) => errand,
    })
}

/// What a node says of the module image that it was to look at: an answer, though the Job has not ended.
fn answered(errand: &Errand, pod: Option<&PodSeen>) -> Option<Ended> {
    let judge = pod?
        .containers
        .iter()
        .find(|container| Step::named(&container.name) == Some(Step::Judge))?;
    match (errand, &judge.state) {
        (Errand::Look, ContainerState::Waiting { reason, message }) => pull::answer(reason, message).map(Ended::Unseen),
        _ => None,
    }
}

impl PodSeen {
    /// The step that runs, or waits to run.
    pub(super) fn step(&self) -> Option<Step> {
        let is_over = |state: &ContainerState| matches!(state, ContainerState::Ended { .. });
        let first = self.containers.iter().find(|container| !is_over(&container.state))?;
        Step::named(&first.name)
    }

    /// What keeps it from going on.
    pub(super) fn hindrance(&self) -> Option<String> {
        if let Some((_, message)) = &self.unscheduled {
            return Some(format!("no node takes its pod: {message}"));
        }
        if self.phase == "Unknown" {
            return Some(format!("the node of its pod {} does not answer", self.name));
        }
        self.containers.iter().find_map(|container| match &container.state {
            ContainerState::Waiting { reason, message } => {
                pull::hindrance(Step::named(&container.name), reason, message)
            }
            _ => None,
        })
    }
}
