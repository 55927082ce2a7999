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
            Self::IssueAnew(flaw) => write!(f, "issuing a new CA and serving certificate: the present one {flaw}"),
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
    match (
        held.leaf_at(situation.now, situation.names),
        held.signer_at(situation.now),
    ) {
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
    if situation.bundle_is_out {
        Plan::ServeNext
    } else {
        Plan::Keep
    }
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

/// What is remembered is worth writing back while its certificate can be served: the rest follows step by step.
fn is_good(held: &Held, situation: &Situation<'_>) -> bool {
    held.leaf_at(situation.now, situation.names).is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{CA_CRT, CA_KEY, NEXT_CA_CRT, NEXT_CA_KEY, TLS_CRT, TLS_KEY};
    use crate::fixture::{Replica, after_days, fresh, only, rotating, start, with};
    use jiff::SignedDuration;
    use rstest::rstest;

    const RENEW: &str = "renewing the serving certificate: it ";
    const PUBLISH: &str = "publishing the next CA: the present one ";
    const ANEW: &str = "issuing a new CA and serving certificate: the present one ";
    const SERVE_NEXT: &str = "serving with the next CA: its bundle has been out long enough";
    const TIDY: &str = "removing what is no longer needed from the CA bundle";
    const KEEP: &str = "nothing to do";

    /// The bundle of a stranger, made at the same time.
    fn stranger() -> Held {
        fresh()
    }

    fn text(held: &Held, key: &str) -> Vec<u8> {
        held.content.get(key).unwrap().to_vec()
    }

    fn planned(held: &Held, now: Timestamp) -> String {
        plan(Some(held), None, &Replica::default().at(now, false)).to_string()
    }

    #[rstest]
    #[case::fresh(0, KEEP)]
    #[case::before_two_thirds_of_thirty_days(19, KEEP)]
    #[case::at_two_thirds_of_thirty_days(20, "renewing the serving certificate: it is due")]
    #[case::expired(31, "renewing the serving certificate: it expired at 2026-12-22T12:00:00Z")]
    #[case::ca_expired(
        366,
        "issuing a new CA and serving certificate: the present one expired at 2026-12-22T12:00:00Z"
    )]
    #[case::clock_jumped_back(-2, "issuing a new CA and serving certificate: the present one is not valid before 2026-11-22T11:50:00Z")]
    fn time_decides_over_a_secret_that_is_whole(#[case] days: i64, #[case] expected: &str) {
        assert_eq!(planned(&fresh(), after_days(days)), expected);
    }

    #[test]
    fn a_clock_that_is_behind_by_minutes_is_no_reason() {
        assert_eq!(planned(&fresh(), start() - SignedDuration::from_mins(9)), KEEP);
    }

    #[rstest]
    #[case::leaf_gone(TLS_CRT, b"", RENEW, "is missing")]
    #[case::leaf_garbage(TLS_CRT, b"garbage", RENEW, "is damaged: no PEM that can be read")]
    #[case::leaf_empty_pem(
        TLS_CRT,
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        RENEW,
        "is damaged: no PEM that can be read"
    )]
    #[case::leaf_key_gone(TLS_KEY, b"", RENEW, "is missing")]
    #[case::leaf_key_garbage(
        TLS_KEY,
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        RENEW,
        "has a private key that cannot be used"
    )]
    #[case::ca_key_gone(CA_KEY, b"", PUBLISH, "is missing")]
    #[case::ca_key_garbage(CA_KEY, b"\xff\xfe", PUBLISH, "is damaged: no PEM that can be read")]
    #[case::bundle_gone(CA_CRT, b"", ANEW, "is not signed by an authority of the bundle")]
    #[case::bundle_garbage(CA_CRT, b"garbage", ANEW, "is not signed by an authority of the bundle")]
    #[case::half_a_next_ca(NEXT_CA_KEY, b"garbage", TIDY, "")]
    #[case::another_half(NEXT_CA_CRT, b"garbage", TIDY, "")]
    fn damage_is_repaired_by_the_smallest_step(
        #[case] key: &str,
        #[case] bytes: &[u8],
        #[case] step: &str,
        #[case] flaw: &str,
    ) {
        assert_eq!(planned(&with(&fresh(), key, bytes), start()), format!("{step}{flaw}"));
    }

    #[rstest]
    #[case::leaf_key(TLS_KEY, RENEW, "does not fit its private key")]
    #[case::ca_key(CA_KEY, PUBLISH, "does not fit its private key")]
    #[case::bundle(CA_CRT, ANEW, "is not signed by an authority of the bundle")]
    fn a_strangers_part_is_noticed(#[case] key: &str, #[case] step: &str, #[case] flaw: &str) {
        let held = with(&fresh(), key, &text(&stranger(), key));
        assert_eq!(planned(&held, start()), format!("{step}{flaw}"));
    }

    #[test]
    fn a_leaf_that_is_not_signed_by_the_bundle_is_renewed() {
        let (held, other) = (fresh(), stranger());
        let held = with(
            &with(&held, TLS_CRT, &text(&other, TLS_CRT)),
            TLS_KEY,
            &text(&other, TLS_KEY),
        );
        assert_eq!(
            planned(&held, start()),
            format!("{RENEW}is not signed by an authority of the bundle")
        );
    }

    #[test]
    fn a_leaf_for_other_names_is_renewed() {
        let replica = Replica::wanting("other.default.svc");
        let plan = plan(Some(&fresh()), None, &replica.at(start(), false));
        assert_eq!(plan.to_string(), format!("{RENEW}is not for other.default.svc"));
    }

    #[test]
    fn a_serving_certificate_is_no_authority() {
        let held = fresh();
        let held = with(
            &with(&held, CA_CRT, &text(&held, TLS_CRT)),
            CA_KEY,
            &text(&held, TLS_KEY),
        );
        assert!(planned(&held, start()).starts_with(ANEW));
    }

    #[test]
    fn an_empty_secret_is_filled() {
        assert_eq!(planned(&only(&fresh(), &[]), start()), format!("{ANEW}is missing"));
    }

    #[rstest]
    #[case::bundle_not_out(false, KEEP)]
    #[case::bundle_out(true, SERVE_NEXT)]
    fn a_next_ca_serves_once_its_bundle_is_out(#[case] out: bool, #[case] expected: &str) {
        let plan = plan(Some(&rotating()), None, &Replica::default().at(after_days(300), out));
        assert_eq!(plan.to_string(), expected);
    }

    #[test]
    fn a_next_ca_that_is_not_in_the_bundle_is_put_there_before_it_serves() {
        let (rotating, bundle) = (rotating(), text(&fresh_at_300(), CA_CRT));
        let held = with(&rotating, CA_CRT, &bundle);
        let replica = Replica::default();
        let plan = plan(Some(&held), None, &replica.at(after_days(300), true));
        assert_ne!(plan, Plan::ServeNext);
    }

    /// A whole Secret that is not older than the rotation.
    fn fresh_at_300() -> Held {
        Replica::default().take(&Plan::IssueAnew(Flaw::Missing), None, after_days(300))
    }

    #[test]
    fn half_a_rotation_goes_on_at_once_when_nothing_else_can_serve() {
        let held = with(&with(&rotating(), TLS_CRT, b""), CA_KEY, b"");
        assert_eq!(planned(&held, after_days(300)), SERVE_NEXT);
    }

    #[test]
    fn a_rotation_that_was_left_lying_goes_on_after_the_old_ca_expired() {
        assert_eq!(planned(&rotating(), after_days(400)), SERVE_NEXT);
    }

    #[test]
    fn near_the_end_of_its_ca_a_leaf_is_not_renewed_for_nothing() {
        let replica = Replica::default();
        let day = SignedDuration::from_hours(24);
        // Renewed an hour before the CA ends: it ends with the CA, and so would any other.
        let held = replica.take(&Plan::RenewLeaf(Reason::Due), Some(&rotating()), after_days(364));
        assert_eq!(
            planned(&held, after_days(364) + day - SignedDuration::from_mins(5)),
            KEEP
        );
    }

    #[test]
    fn a_deleted_secret_is_written_back_and_rotated_where_somebody_remembers_it() {
        let (replica, remembered) = (Replica::default(), fresh());
        let deleted = |remembered, now| plan(None, remembered, &replica.at(now, false));
        assert_eq!(deleted(Some(&remembered), start()), Plan::RestoreAndRotate);
        assert_eq!(
            deleted(Some(&remembered), after_days(40)),
            Plan::IssueAnew(Flaw::Missing)
        );
        assert_eq!(deleted(None, start()), Plan::IssueAnew(Flaw::Missing));
    }

    #[test]
    fn what_is_remembered_is_written_back_even_if_its_ca_cannot_sign_any_more() {
        let (replica, remembered) = (Replica::default(), with(&fresh(), CA_KEY, b""));
        assert_eq!(
            plan(None, Some(&remembered), &replica.at(start(), false)),
            Plan::RestoreAndRotate
        );
    }

    #[test]
    fn a_secret_damaged_beyond_use_is_written_back_where_somebody_remembers_it() {
        let (replica, remembered) = (Replica::default(), fresh());
        let damaged = with(&with(&remembered, CA_KEY, b"x"), TLS_KEY, b"x");
        assert_eq!(
            plan(Some(&damaged), Some(&remembered), &replica.at(start(), false)),
            Plan::Restore(Flaw::Damaged)
        );
    }

    #[test]
    fn strangers_and_garbage_in_the_bundle_are_told_apart() {
        let held = fresh();
        let bundle = text(&held, CA_CRT);
        let with_leaf = [bundle.clone(), text(&held, TLS_CRT)].concat();
        assert_eq!(planned(&with(&held, CA_CRT, &with_leaf), start()), TIDY);
        // Another authority may be one that serves elsewhere: it stays until it expires.
        let with_other = [bundle, text(&stranger(), CA_CRT)].concat();
        assert_eq!(planned(&with(&held, CA_CRT, &with_other), start()), KEEP);
    }
}
