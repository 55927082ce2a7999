//! Why a container does not start, in the kubelet's words (`pkg/kubelet/images/types.go`, `pkg/kubelet/kuberuntime`) and
//! those of container runtimes (containerd `remotes/docker`, CRI-O `containers/image`).

use super::Step;
use crate::image::{LookFailure, LookFailureKind};

/// What the kubelet says of the container with the module image, where that is an answer: the node cannot get at it.
pub(super) fn answer(reason: &str, message: &str) -> Option<LookFailure> {
    let (kind, why) = match (reason, kind(message)) {
        // It may still come.
        ("ErrImagePull", None) => return None,
        (
            "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" | "ErrImageNeverPull" | "ImageInspectError",
            kind,
        ) => {
            // The kubelet has tried more than once, and will only try ever more seldom.
            (kind.unwrap_or(LookFailureKind::Unreachable), "the node cannot pull it")
        }
        ("InvalidImageName", _) => (LookFailureKind::OffLimits, "the node takes its name for no image's"),
        ("SignatureValidationFailed", _) => (
            LookFailureKind::OffLimits,
            "the node's policy refuses the image's signature",
        ),
        _ => return None,
    };
    Some(LookFailure::new(kind, format!("{why} ({reason}): {}", brief(message))))
}

/// What keeps a container from starting; `None` where it is only about to.
pub(super) fn hindrance(step: Option<Step>, reason: &str, message: &str) -> Option<String> {
    match reason {
        "" | "PodInitializing" | "ContainerCreating" => None,
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => {
            let (image, remedy) = whose(step);
            Some(format!(
                "{image} cannot be pulled ({reason}): {}. {remedy}",
                brief(message)
            ))
        }
        "CreateContainerConfigError" => Some(format!(
            "its container names something that is missing: {}",
            brief(message)
        )),
        "CreateContainerError" => Some(format!(
            "its image was pulled, but the container cannot be made: {}",
            brief(message)
        )),
        reason => Some(format!("its container does not start ({reason}): {}", brief(message))),
    }
}

/// Whose image a step runs, and who can mend it.
fn whose(step: Option<Step>) -> (&'static str, &'static str) {
    match step {
        Some(Step::Toolkit) => (
            "the driver toolkit image",
            "Correct spec.dtkImage, or let the namespace pull it",
        ),
        Some(Step::Build) => ("the builder image", "The operator's administrator sets it"),
        Some(Step::Judge) => ("its image", "It is tried again"),
        Some(Step::Place | Step::Sign) | None => (
            "the image of kmm-preflight itself",
            "The operator's administrator sets it, and lets the namespace pull it",
        ),
    }
}

/// What a runtime's message means, where it is one that says so; anything else says nothing of the image.
fn kind(message: &str) -> Option<LookFailureKind> {
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&[
        "no match for platform",
        "no image found in manifest list",
        "no image found in image index",
    ]) {
        return Some(LookFailureKind::NoPlatform);
    }
    // containerd says "repository does not exist or may require authorization" for both.
    if says(&[
        "pull access denied",
        "unauthorized",
        "authentication required",
        "403 forbidden",
        "access to the resource is denied",
    ]) || says(&["authorization failed", "401 ", "denied:"])
    {
        return Some(LookFailureKind::Denied);
    }
    if says(&["manifest unknown", "name unknown", "manifest_unknown", "name_unknown"]) || ends_with_not_found(&message)
    {
        return Some(LookFailureKind::NotFound);
    }
    None
}

/// containerd's words for a 404: the reference, then ": not found", perhaps closed by the kubelet's quote.
fn ends_with_not_found(message: &str) -> bool {
    message
        .trim_end_matches(['"', '\'', '.', ' ', '\n'])
        .ends_with(": not found")
}

/// Characters of a node's message that a reason repeats.
const LONGEST: usize = 300;

/// The end of a message, where the cause stands: runtimes put what they tried in front.
pub(super) fn brief(message: &str) -> String {
    let message = message.trim();
    let from = message.ceil_char_boundary(message.len().saturating_sub(LONGEST));
    let end = message.get(from..).unwrap_or_default().replace('\n', " ");
    if from == 0 { end } else { format!("… {end}") }
}
