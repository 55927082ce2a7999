//! Why an image could not be looked at. `registry` and `inspect` tell the kinds apart; `plan` decides by them.

use std::fmt;

/// Why an image could not be looked at, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookFailure {
    /// What decides.
    pub kind: LookFailureKind,
    /// One sentence: who said what, and about what.
    pub message: String,
}

/// Kinds of failure, each with a consequence of its own (design: "What decides").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookFailureKind {
    /// The registry says *manifest unknown*, *name unknown* or a bare 404: the image does not exist.
    NotFound,
    /// 401 or 403: it is missing, or not accessible with these credentials.
    Denied,
    /// DNS, connection, TLS, time-out, 429, 5xx: the image may well be there.
    Unreachable,
    /// The image is there, but no platform of it fits the target kernel's architecture.
    NoPlatform,
    /// It is an image index, and nothing tells which architecture's image the node would pull.
    UnknownPlatform,
    /// The image is there, but damaged: wrong digests, broken layers, malformed manifests. A node could not pull it.
    Damaged,
    /// The image is there, but beyond the limits of what this program reads.
    TooLarge,
    /// The administrator does not let this program ask its registry.
    OffLimits,
}

impl LookFailure {
    /// A failure of that kind.
    pub fn new(kind: LookFailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// A failure of that kind, with the image that it is about in front, and what the kind means for it.
    pub fn about(image: &str, kind: LookFailureKind, why: &str) -> Self {
        let message = format!("{image}{}: {why}", kind.meaning());
        Self { kind, message }
    }
}

impl LookFailureKind {
    /// One word for metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
            Self::NoPlatform => "no_platform",
            Self::UnknownPlatform => "unknown_platform",
            Self::Damaged => "damaged",
            Self::TooLarge => "too_large",
            Self::OffLimits => "off_limits",
        }
    }

    /// What it means for the image, to follow the image's name.
    const fn meaning(self) -> &'static str {
        match self {
            Self::NotFound => " does not exist",
            Self::Denied => " is missing, or not accessible",
            Self::Unreachable => " could not be looked at",
            Self::Damaged => " is damaged",
            Self::TooLarge => " is too large to look at",
            Self::NoPlatform | Self::UnknownPlatform | Self::OffLimits => "",
        }
    }

    /// The message of a failure of this kind (see [`LookFailure::about`]) without what the kind means, for a sentence
    /// that has said so already.
    pub fn without_meaning(self, message: &str) -> String {
        match message.split_once(&format!("{}: ", self.meaning())) {
            Some((image, why)) => format!("{image}: {why}"),
            None => message.to_owned(),
        }
    }
}

impl fmt::Display for LookFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LookFailure {}

#[cfg(test)]
mod tests {
    use super::LookFailureKind::{Damaged, Denied, NoPlatform, NotFound, TooLarge, UnknownPlatform, Unreachable};
    use super::*;

    #[test]
    fn what_a_kind_means_is_said_and_can_be_left_out() {
        for kind in [
            NotFound,
            Denied,
            Unreachable,
            NoPlatform,
            UnknownPlatform,
            Damaged,
            TooLarge,
        ] {
            let failure = LookFailure::about("r.example/a:1", kind, "r.example: says no");
            assert_eq!(
                kind.without_meaning(&failure.message),
                "r.example/a:1: r.example: says no"
            );
        }
        let of_a_layer = LookFailure::about("r.example/a:1", Damaged, "its index is damaged: two names");
        assert_eq!(
            Damaged.without_meaning(&of_a_layer.message),
            "r.example/a:1: its index is damaged: two names"
        );
        assert_eq!(
            NotFound.without_meaning("the program is ending"),
            "the program is ending"
        );
    }
}
