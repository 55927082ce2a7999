//! The decision: from what stands in the Secret, what is remembered and the time, to the one step to take next.
//!
//! A rotation takes three steps, each a write of the Secret that any replica can make and any other can go on from:
//! publish the next authority in the bundle; once that bundle is out, sign and serve with it; once no certificate of
//! the old one can be in service, drop the old one from the bundle.

use crate::authority::Issued;
use crate::certificate::{Certificate, Pair};
use crate::content::Held;
use crate::draft::Draft;
use crate::error::Flaw;
use crate::policy::{Names, Policy};
use jiff::Timestamp;
use std::fmt;

/// What a decision depends on besides the Secret.
pub(crate) struct Situation<'a> {
    pub(crate) now: Timestamp,
    pub(crate) names: &'a Names,
    pub(crate) policy: &'a Policy,
    /// Everybody who verifies has had the bundle that stands in the Secret for long enough.
    pub(crate) bundle_is_out: bool,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All is well.
    Keep,
    /// Nothing usable is left: a new authority and a new serving certificate.
    IssueAnew(Flaw),
    /// What is remembered is good, what is stored is not: write it back.
    Restore(Flaw),
    /// The Secret was deleted: write back what is remembered, and rotate, for that is what people delete it for.
    RestoreAndRotate,
    /// A new serving certificate by the authority that signs now.
    RenewLeaf(Reason),
    /// First step of a rotation: a new authority beside the one that signs.
    PublishNext(Reason),
    /// Second step: the next authority signs from now on.
    ServeNext,
    /// Last step, or leftovers: what nobody needs any more leaves the Secret.
    Tidy,
}

/// Why something is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It has lived long enough.
    Due,
    /// It cannot be used.
    Flawed(Flaw),
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("nothing to do"),
            Self::IssueAnew(flaw) => write!(f, "issuing a new CA and serving certificate: what there is {flaw}"),
            Self::Restore(flaw) => write!(f, "writing back the certificates in memory: what is stored {flaw}"),
            Self::RestoreAndRotate => f.write_str("the Secret was deleted: writing it back and rotating the CA"),
            Self::RenewLeaf(reason) => write!(f, "renewing the serving certificate: it {reason}"),
            Self::PublishNext(reason) => write!(f, "publishing the next CA: the present one {reason}"),
            Self::ServeNext => f.write_str("serving with the next CA: its bundle has been out long enough"),
            Self::Tidy => f.write_str("removing what is no longer needed from the CA bundle"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Due => f.write_str("is due"),
            Self::Flawed(flaw) => flaw.fmt(f),
        }
    }
}

/// Decides the next step. Total: every content, however damaged, has one.
pub(crate) fn plan(stored: Option<&Held>, remembered: Option<&Held>, situation: &Situation<'_>) -> Plan {
    let Some(held) = stored else {
        return match remembered.filter(|held| is_good(held, situation)) {
            Some(_) => Plan::RestoreAndRotate,
            None => Plan::IssueAnew(Flaw::Missing),
        };
    };
    match (held.leaf_at(situation.now, situation.names), held.signer_at(situation.now)) {
        (Ok(leaf), Ok(signer)) => in_order(held, leaf, signer, situation),
        (Ok(_), Err(flaw)) => replace_signer(held, flaw, situation),
        (Err(flaw), Ok(_)) => Plan::RenewLeaf(Reason::Flawed(flaw)),
        (Err(flaw), Err(_)) => start_over(held, flaw, remembered, situation),
    }
}

/// Serving certificate and authority are good: is it time for something?
fn in_order(held: &Held, leaf: &Pair, signer: &Issued, situation: &Situation<'_>) -> Plan {
    let Situation { now, policy, .. } = *situation;
    if next_is_published(held, now) && situation.bundle_is_out {
        return Plan::ServeNext;
    }
    if leaf.certificate.is_due(now, policy) && renewal_gains(&leaf.certificate, signer, situation) {
        return Plan::RenewLeaf(Reason::Due);
    }
    if signer.certificate.is_due(now, policy) && !matches!(held.next_at(now), Some(Ok(_))) {
        return Plan::PublishNext(Reason::Due);
    }
    if is_untidy(held, now) { Plan::Tidy } else { Plan::Keep }
}

/// The serving certificate is good, but its authority cannot sign another: a rotation, before that is needed.
fn replace_signer(held: &Held, flaw: Flaw, situation: &Situation<'_>) -> Plan {
    if !next_is_published(held, situation.now) {
        return Plan::PublishNext(Reason::Flawed(flaw));
    }
    if situation.bundle_is_out { Plan::ServeNext } else { Plan::Keep }
}

/// Neither can be used. The next authority of a half rotation can, perhaps, or what is remembered.
fn start_over(held: &Held, flaw: Flaw, remembered: Option<&Held>, situation: &Situation<'_>) -> Plan {
    if next_is_published(held, situation.now) {
        return Plan::ServeNext;
    }
    match remembered.filter(|held| is_good(held, situation)) {
        Some(_) => Plan::Restore(flaw),
        None => Plan::IssueAnew(flaw),
    }
}

fn is_good(held: &Held, situation: &Situation<'_>) -> bool {
    held.leaf_at(situation.now, situation.names).is_ok() && held.signer_at(situation.now).is_ok()
}

fn next_is_published(held: &Held, now: Timestamp) -> bool {
    matches!(held.next_at(now), Some(Ok(next)) if held.trusts(&next.certificate))
}

/// Near the end of its authority a renewed certificate would end no later than the one there is: leave it.
fn renewal_gains(leaf: &Certificate, signer: &Issued, situation: &Situation<'_>) -> bool {
    let renewed = signer.life_of_leaf(situation.now, situation.policy);
    renewed.to > leaf.not_after && renewed.to.duration_since(leaf.not_after) > renewed.length() / 10
}

/// Something in the Secret is needed by nobody, or the next authority is not published as it should be.
fn is_untidy(held: &Held, now: Timestamp) -> bool {
    let next_is_stray = held.next_at(now).is_some() && !next_is_published(held, now);
    held.bundle_is_damaged || next_is_stray || !Draft::of(held, now).keeps_all(&held.bundle)
}
