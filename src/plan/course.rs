//! What the state of an image leads to: an answer, a look by a node, or a build. Where something runs in pods, a node
//! counts where the registry gives no answer; elsewhere the operator's own look is all there is.

use jiff::{SignedDuration, Timestamp};

use super::decide::{Look, UNREACHABLE_PATIENCE, World, decides};
use super::making;
use super::reason::{self, Made};
use super::resolve::Target;
use super::supplies::ObjectName;
use super::verdict::Verdict;
use super::work::{ATTEMPTS, Ended, Errand, LookBy, Push, Work, Works};
use crate::api::Finding;
use crate::image::{Digest, LookFailure, LookFailureKind};

/// How long a registry may be out of the operator's reach, after a look that tried for long itself, before a node is asked. One that is
/// begun anew is back by then; behind a mirror that only nodes know it never is.
const NODE_ASKED_AFTER: SignedDuration = SignedDuration::from_secs(20);

/// How long after a push the operator's look at what stood there before still may be the last one.
const PUSH_SETTLES: SignedDuration = SignedDuration::from_mins(2);

/// What the state of an image leads to.
pub(super) enum Course {
    /// The answer, for good or for the time being.
    Answer(Verdict),
    /// Its image is to be built or signed.
    Make(Make),
    /// A node is to look at it.
    Look {
        /// Why.
        because: String,
    },
}

/// An image that is to be made.
pub(super) struct Make {
    /// Whether it goes to the final tag.
    pub(super) push: Push,
    /// Why it is made, as a clause.
    pub(super) because: String,
    /// The image that stands under the final tag and would not load, where that is the reason.
    pub(super) stands: Option<Standing>,
}

/// An image that stands under the final tag.
pub(super) struct Standing {
    /// Its digest, where it is known.
    pub(super) digest: Option<Digest>,
    /// What the rules found.
    pub(super) findings: Vec<Finding>,
}

/// What is known of an image, by whoever looked at it.
enum Sight<'a> {
    /// Nothing yet.
    None,
    /// A node is to look at it, for that reason.
    Wanted(String),
    /// It was judged.
    Judged {
        digest: Option<&'a Digest>,
        findings: &'a [Finding],
        job: Option<&'a ObjectName>,
    },
    /// It could not be seen, for so long.
    Failed {
        failure: LookFailure,
        lasted: SignedDuration,
        job: Option<&'a ObjectName>,
    },
}

/// What the state of a target's image leads to.
pub(super) fn course(world: &World<'_>, target: &Target, look: &Look, works: &Works, now: Timestamp) -> Course {
    if let Some(verdict) = pushed(world, target, look, &works.make, now) {
        return Course::Answer(verdict);
    }
    let sight = sight(world, target, look, &works.look, now);
    match (sight, &works.make) {
        (Sight::None | Sight::Wanted(_), Work::Remembered(row)) => Course::Answer(Verdict::of_row(row)),
        (sight @ (Sight::None | Sight::Wanted(_)), made) if made.errand().is_some() => {
            Course::Make(Make::begun(&sight, made))
        }
        (Sight::None, _) => Course::Answer(Verdict::in_progress(reason::PENDING)),
        (Sight::Wanted(because), _) => Course::Look { because },
        (Sight::Judged { digest, findings, job }, _) => judged(world, target, digest, findings).resting_on(job),
        (Sight::Failed { failure, lasted, job }, _) => failed(world, target, &failure, lasted).resting_on(job),
    }
}

/// The answer after a Job has pushed what it judged good: the operator's own look at it decides, as soon as there is one.
fn pushed(world: &World<'_>, target: &Target, look: &Look, made: &Work, now: Timestamp) -> Option<Verdict> {
    let Work::Ended {
        job,
        at,
        ended:
            Ended::Judged {
                pushed: true,
                digest,
                findings,
                warnings,
                ..
            },
        ..
    } = made
    else {
        return None;
    };
    let decides_itself = match look {
        Look::Judged { findings, .. } if !decides(findings) => return None,
        Look::Pending => world.look_by(target) != LookBy::Runtime,
        Look::Judged { .. } => true,
        Look::Failed { failure, .. } => failure.kind == LookFailureKind::NotFound,
    };
    if !decides_itself {
        let made = Made {
            digest: digest.as_ref(),
            findings,
            warnings,
            is_pushed: true,
        };
        return Some(making::pushed(target, job, &made));
    }
    let is_old = now < *at + PUSH_SETTLES || matches!(look, Look::Pending);
    is_old.then(|| Verdict::in_progress(reason::pushed_not_seen(target, job)).by_job(job))
}

fn sight<'a>(world: &World<'_>, target: &Target, look: &'a Look, by_node: &'a Work, now: Timestamp) -> Sight<'a> {
    let own = Sight::of(look, now);
    if asks_a_node(world, target, &own) {
        own.completed_by(by_node)
    } else {
        own
    }
}

/// Whether a node is asked for a target's image.
pub(super) fn needs_a_node(world: &World<'_>, target: &Target, look: &Look, now: Timestamp) -> bool {
    asks_a_node(world, target, &Sight::of(look, now))
}

fn asks_a_node(world: &World<'_>, target: &Target, own: &Sight<'_>) -> bool {
    match world.look_by(target) {
        LookBy::Registry => false,
        LookBy::Runtime => true,
        LookBy::Auto => own.says_nothing(),
    }
}

impl<'a> Sight<'a> {
    /// What the operator itself saw.
    fn of(look: &'a Look, now: Timestamp) -> Self {
        match look {
            Look::Pending => Self::None,
            Look::Judged { digest, findings } => Self::Judged {
                digest: Some(digest),
                findings,
                job: None,
            },
            Look::Failed { failure, since } => Self::Failed {
                failure: failure.clone(),
                lasted: now.duration_since(*since),
                job: None,
            },
        }
    }

    /// Whether the registry gave the operator no answer that a node could not give.
    fn says_nothing(&self) -> bool {
        use LookFailureKind::{
            Damaged, Denied, NoPlatform, NotFound, OffLimits, TooLarge, UnknownPlatform, Unreachable,
        };
        let Self::Failed { failure, lasted, .. } = self else {
            return false;
        };
        match failure.kind {
            Denied | OffLimits | TooLarge | UnknownPlatform => true,
            Unreachable => *lasted >= NODE_ASKED_AFTER,
            NotFound | NoPlatform | Damaged => false,
        }
    }

    /// What a node saw; where none has looked, that it is to be asked.
    fn completed_by(self, node: &'a Work) -> Self {
        let Work::Ended {
            job, attempt, ended, ..
        } = node
        else {
            return Self::Wanted(self.said());
        };
        match ended {
            Ended::Judged { digest, findings, .. } => Self::Judged {
                digest: digest.as_ref(),
                findings,
                job: Some(job),
            },
            Ended::Unseen(failure) => Self::Failed {
                failure: LookFailure::new(failure.kind, reason::also_on_a_node(&self.said(), &failure.message)),
                lasted: if *attempt < ATTEMPTS {
                    SignedDuration::ZERO
                } else {
                    UNREACHABLE_PATIENCE
                },
                job: Some(job),
            },
            Ended::Interrupted { why } if *attempt < ATTEMPTS => {
                Self::Wanted(reason::also_on_a_node(&self.said(), why))
            }
            Ended::Failed { why, .. } | Ended::Interrupted { why } => self.and_no_node(job, why),
        }
    }

    /// The same, where no node could look either: what the registry said stands.
    fn and_no_node(self, job: &'a ObjectName, why: &str) -> Self {
        let kind = match &self {
            Self::Failed { failure, .. } => failure.kind,
            _ => LookFailureKind::OffLimits,
        };
        Self::Failed {
            failure: LookFailure::new(kind, reason::also_on_a_node(&self.said(), why)),
            lasted: UNREACHABLE_PATIENCE,
            job: Some(job),
        }
    }

    /// What whoever looked said of it.
    fn said(&self) -> String {
        match self {
            Self::Failed { failure, .. } => failure.message.clone(),
            Self::Wanted(said) => said.clone(),
            Self::None | Self::Judged { .. } => String::new(),
        }
    }
}

impl Make {
    fn of(push: Push, because: String) -> Self {
        Self {
            push,
            because,
            stands: None,
        }
    }

    /// What was begun for a reason that is not known any more.
    fn begun(sight: &Sight<'_>, work: &Work) -> Self {
        let push = match work.errand() {
            Some(Errand::Make { push }) => push.clone(),
            _ => Push::Never,
        };
        Self::of(push, sight.said())
    }
}

impl Course {
    fn resting_on(self, job: Option<&ObjectName>) -> Self {
        match (self, job) {
            (Self::Answer(verdict), Some(job)) => Self::Answer(verdict.by_job(job)),
            (course, _) => course,
        }
    }
}

/// An image that can be pulled: KMM never rebuilds it, so only a wish to replace it leads to a build.
fn judged(world: &World<'_>, target: &Target, digest: Option<&Digest>, findings: &[Finding]) -> Course {
    let answer = |verdict: Verdict| Course::Answer(verdict.with(digest.cloned(), findings));
    let Some((why, rule)) = reason::would_not_load(findings, 0) else {
        return answer(Verdict::success(reason::loads(target, digest, findings)));
    };
    if !target.can_be_made() {
        return answer(Verdict::failure(why));
    }
    if !world.push_built_image {
        return answer(Verdict::failure(format!("{why}. {}", reason::mend_by_pushing(rule))));
    }
    Course::Make(Make {
        push: digest.cloned().map_or(Push::IfFree, Push::Over),
        because: format!("{why}. It would be replaced"),
        stands: Some(Standing {
            digest: digest.cloned(),
            findings: findings.to_vec(),
        }),
    })
}

fn failed(world: &World<'_>, target: &Target, failure: &LookFailure, lasted: SignedDuration) -> Course {
    let said = &failure.message;
    let if_free = if world.push_built_image {
        Push::IfFree
    } else {
        Push::Never
    };
    let verdict = match failure.kind {
        LookFailureKind::NotFound if target.can_be_made() => return Course::Make(Make::of(if_free, said.clone())),
        LookFailureKind::NotFound => Verdict::failure(reason::does_not_exist(target, said)),
        LookFailureKind::Denied if target.can_be_made() => {
            return Course::Make(Make::of(Push::Never, reason::denied_so_unpushed(said)));
        }
        LookFailureKind::Denied => Verdict::failure(reason::denied(said)),
        LookFailureKind::Damaged if target.can_be_made() => {
            return Course::Make(Make::of(Push::Never, reason::damaged_so_made(said)));
        }
        LookFailureKind::Damaged => Verdict::failure(reason::damaged(said)),
        LookFailureKind::NoPlatform => Verdict::failure(reason::no_platform(said)),
        LookFailureKind::TooLarge | LookFailureKind::OffLimits => Verdict::failure(reason::not_judged(said)),
        LookFailureKind::UnknownPlatform if lasted >= UNREACHABLE_PATIENCE => {
            Verdict::failure(reason::not_judged(said))
        }
        LookFailureKind::UnknownPlatform => Verdict::in_progress(reason::unknown_platform(said)),
        LookFailureKind::Unreachable if lasted >= UNREACHABLE_PATIENCE => {
            Verdict::failure(reason::unreachable_for_long(said, UNREACHABLE_PATIENCE))
        }
        LookFailureKind::Unreachable => Verdict::in_progress(reason::unreachable(said)),
    };
    Course::Answer(verdict)
}
