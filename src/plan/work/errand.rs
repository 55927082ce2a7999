//! What is to be done for a target, and when it is done again.

use crate::image::Digest;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Build the image, sign it, or both; judge the result; push it where that is wanted and it was judged good.
    Make {
        /// Whether the result goes to the final tag.
        push: Push,
    },
    /// Look at the image by the container runtime of a node.
    Look,
}

/// How often what came to nothing for a reason that may pass is tried. A look is tried again after that too, but seldom.
pub const ATTEMPTS: u32 = 3;

/// Whether the result of a [`Errand::Make`] goes to the final tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// It stays in the Job.
    Never,
    /// To the final tag, if nothing stands there.
    IfFree,
    /// To the final tag, if nothing stands there, or this image, which would not load.
    Over(Digest),
}

impl Push {
    /// Whether it is wanted at all.
    pub const fn is_wanted(&self) -> bool {
        !matches!(self, Self::Never)
    }
}

impl Errand {
    /// One word for names and labels.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Make { push: Push::Never } => "make",
            Self::Make { .. } => "make-and-push",
            Self::Look => "look",
        }
    }

    /// The errand of that name. Which image was to be replaced is no part of it.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "make" => Some(Self::Make { push: Push::Never }),
            "make-and-push" => Some(Self::Make { push: Push::IfFree }),
            "look" => Some(Self::Look),
            _ => None,
        }
    }

    /// Whether it pushes what it makes.
    pub const fn pushes(&self) -> bool {
        matches!(self, Self::Make { push } if push.is_wanted())
    }

    /// Whether it makes an image.
    pub const fn makes(&self) -> bool {
        matches!(self, Self::Make { .. })
    }
}

/// What is to be started for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it has its answer, or waits for one.
    Nothing,
    /// This, now. Where the Job exists already, it has been started.
    Start {
        /// What is to be done.
        errand: Errand,
        /// For which time, from 1.
        attempt: u32,
    },
    /// Something, but not before this moment.
    Later(jiff::Timestamp),
}

impl Next {
    /// Whether something is started that pushes what it makes.
    pub const fn pushes(&self) -> bool {
        matches!(self, Self::Start { errand, .. } if errand.pushes())
    }
}
