//! What a Job that has ended came to: by what its containers testified, else by what became of its pod.

use super::progress::refusal;
use super::pull::brief;
use super::seen::{ContainerSeen, ContainerState, JobEnd, PodSeen, Step, WorkSeen};
use super::{Ended, Errand, TEMPORARY_IMAGE, Testimony};
use crate::image::Digest;

/// Exit codes of what was killed from outside (128 + SIGKILL, 128 + SIGTERM).
const KILLED: [i32; 2] = [137, 143];

/// What the Job came to.
pub(super) fn of(errand: &Errand, end: &JobEnd, seen: &WorkSeen) -> Ended {
    let mut ended = told(errand, end, seen);
    if let (Ended::Failed { why, .. } | Ended::Interrupted { why }, Some(tag)) = (&mut ended, seen.leaves()) {
        *why = format!(
            "{}; the temporary tag {tag} is left in its registry",
            why.trim_end_matches('.')
        );
    }
    ended
}

impl WorkSeen {
    /// The temporary tag that a Build has made, as long as nothing has removed it: the step that judges does so, and testifies.
    pub fn leaves(&self) -> Option<&str> {
        let tag = self.annotations.get(TEMPORARY_IMAGE)?;
        let containers = self.pod.iter().flat_map(|pod| &pod.containers);
        let mut judges = containers.filter(|container| container.step() == Some(Step::Judge));
        let has_removed_it = judges.any(|judge| testimony(judge).is_some());
        (!has_removed_it).then_some(tag)
    }
}

fn told(errand: &Errand, end: &JobEnd, seen: &WorkSeen) -> Ended {
    let pod = match (&seen.pod, &seen.refused) {
        (Some(pod), _) => pod,
        (None, Some(why)) => return interrupted(refusal(why)),
        (None, None) => return interrupted(format!("its pod is gone before it could be read: {}", said(end))),
    };
    if end.complete {
        return judged(errand, pod);
    }
    if end.reason == "DeadlineExceeded" {
        return too_late(pod);
    }
    evicted(pod)
        .or_else(|| pod.containers.iter().find_map(broken))
        .unwrap_or_else(|| interrupted(said_of(pod).unwrap_or_else(|| said(end))))
}

/// A Job that is being deleted, by somebody else than us.
pub(super) fn deleted() -> Ended {
    interrupted("it was deleted before it ended".to_owned())
}

fn interrupted(why: String) -> Ended {
    Ended::Interrupted { why }
}

fn said(end: &JobEnd) -> String {
    format!("{} ({})", brief(&end.message), end.reason)
}

fn said_of(pod: &PodSeen) -> Option<String> {
    (!pod.reason.is_empty()).then(|| format!("{}: {}", pod.reason, brief(&pod.message)))
}

/// What the containers of a Job that completed say.
fn judged(errand: &Errand, pod: &PodSeen) -> Ended {
    let mut warnings = Vec::new();
    for container in &pod.containers {
        match testimony(container) {
            Some(Testimony::Signed { warnings: told, .. }) => warnings.extend(told),
            Some(Testimony::Judged {
                digest,
                findings,
                left_out,
                pushed,
                warnings: told,
            }) => {
                warnings.extend(told);
                let seen = pulled(&container.image_id).filter(|_| *errand == Errand::Look);
                return Ended::Judged {
                    digest: digest.or(seen),
                    findings,
                    left_out,
                    pushed,
                    warnings,
                };
            }
            Some(Testimony::Built { .. } | Testimony::Failed { .. }) | None => {}
        }
    }
    let why = "it ended well, but says nothing that this version of kmm-preflight understands: are the operator and the \
               image of its Jobs of one version?";
    Ended::Failed {
        step: Some(Step::Judge),
        why: why.to_owned(),
    }
}

/// The digest by which a runtime knows an image that it pulled.
fn pulled(image_id: &str) -> Option<Digest> {
    let (_, digest) = image_id.split_once('@')?;
    Digest::parse(digest).ok()
}

fn testimony(container: &ContainerSeen) -> Option<Testimony> {
    match &container.state {
        ContainerState::Ended { message, .. } => Testimony::parse(message),
        _ => None,
    }
}

/// A Job that was stopped at its deadline. What ran that long will do so again; what never ran may run another time.
fn too_late(pod: &PodSeen) -> Ended {
    let step = pod.step();
    match pod.hindrance() {
        Some(hindrance) => interrupted(format!("it did not start before its deadline: {hindrance}")),
        None if pod.has_run(step) => Ended::Failed {
            step,
            why: "it took longer than a Job may. The operator's settings say how long that is".to_owned(),
        },
        None => interrupted("it did not start before its deadline: `kubectl describe pod` tells why".to_owned()),
    }
}

impl PodSeen {
    /// Whether that step was at work when the pod was last seen.
    fn has_run(&self, step: Option<Step>) -> bool {
        let mut containers = self
            .containers
            .iter()
            .filter(|container| Step::named(&container.name) == step);
        containers.any(|container| !matches!(container.state, ContainerState::Waiting { .. }))
    }
}

/// A pod that its node put out: for what it used itself, it would be put out again.
fn evicted(pod: &PodSeen) -> Option<Ended> {
    if pod.reason != "Evicted" {
        return None;
    }
    let by_its_own_use = [
        "exceeds the limit",
        "exceeds the total limit",
        "exceeded its local ephemeral storage limit",
    ];
    let why = format!("its pod was evicted: {}", brief(&pod.message));
    Some(if by_its_own_use.iter().any(|words| pod.message.contains(words)) {
        let why = format!("out of disk: {why}. The operator's settings say how much a Job may use");
        Ended::Failed {
            step: pod
                .containers
                .iter()
                .find(|container| container.is_broken())
                .and_then(ContainerSeen::step),
            why,
        }
    } else {
        interrupted(why)
    })
}

impl ContainerSeen {
    fn step(&self) -> Option<Step> {
        Step::named(&self.name)
    }

    fn is_broken(&self) -> bool {
        matches!(self.state, ContainerState::Ended { exit_code, .. } if exit_code != 0)
    }
}

/// What a container that failed came to.
fn broken(container: &ContainerSeen) -> Option<Ended> {
    let ContainerState::Ended {
        exit_code,
        reason,
        message,
    } = &container.state
    else {
        return None;
    };
    let step = container.step();
    let failed = |why: String| Ended::Failed { step, why };
    match (Testimony::parse(message), reason.as_str()) {
        (Some(Testimony::Failed { message, log, again }), _) => {
            let why = with_log(message, &log);
            Some(if again { interrupted(why) } else { failed(why) })
        }
        _ if *exit_code == 0 => None,
        (_, "OOMKilled") => Some(failed(
            "out of memory (OOMKilled). The operator's settings say how much a Job may use".to_owned(),
        )),
        (_, "ContainerStatusUnknown") => Some(interrupted("its node was lost".to_owned())),
        _ if KILLED.contains(exit_code) => Some(interrupted(format!("it was killed (exit code {exit_code})"))),
        (_, reason) => Some(failed(format!("exit code {exit_code} ({reason}): {}", brief(message)))),
    }
}

pub(super) fn with_log(message: String, log: &[String]) -> String {
    match log {
        [] => message,
        lines => format!("{}: {}", message.trim_end_matches(['.', ':']), lines.join(" | ")),
    }
}
