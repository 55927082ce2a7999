//! A step of the plan, carried out: the content that the Secret gets.

use crate::authority::Issued;
use crate::content::{Content, Held};
use crate::draft::Draft;
use crate::error::{Flaw, IssueError};
use crate::plan::{Plan, Reason, Situation};
use crate::policy::Names;

/// The content to write for `plan`; `None` if there is nothing to write.
pub(crate) fn carry_out(
    plan: &Plan,
    stored: Option<&Held>,
    remembered: Option<&Held>,
    situation: &Situation<'_>,
) -> Result<Option<Content>, IssueError> {
    let content = match (plan, stored, remembered) {
        (Plan::Keep, ..) => return Ok(None),
        (Plan::Restore(_), _, Some(remembered)) => remembered.content.clone(),
        (Plan::RestoreAndRotate, _, Some(remembered)) => restore_and_rotate(remembered, situation)?,
        (Plan::RenewLeaf(reason), Some(held), _) => renew_leaf(held, reason, situation)?,
        (Plan::PublishNext(_), Some(held), _) => publish_next(held, situation)?,
        (Plan::ServeNext, Some(held), _) => serve_next(held, situation)?,
        (Plan::Tidy, Some(held), _) => Draft::of(held, situation.now).content(),
        _ => issue_anew(stored, situation)?,
    };
    Ok(Some(content))
}

fn issue_anew(stored: Option<&Held>, situation: &Situation<'_>) -> Result<Content, IssueError> {
    let Situation { now, names, policy, .. } = *situation;
    let authority = Issued::authority(now, policy)?;
    let leaf = authority.sign(names, now, policy)?;
    let Some(held) = stored else {
        return Ok(Draft::anew(&authority, &leaf, now).content());
    };
    let mut draft = Draft::of(held, now).serving(&leaf);
    (draft.signer, draft.next) = (Some(&authority), None);
    Ok(draft.content())
}

fn restore_and_rotate(remembered: &Held, situation: &Situation<'_>) -> Result<Content, IssueError> {
    match remembered.next_at(situation.now) {
        Some(Ok(_)) => Ok(remembered.content.clone()),
        _ => publish_next(remembered, situation),
    }
}

fn renew_leaf(held: &Held, reason: &Reason, situation: &Situation<'_>) -> Result<Content, IssueError> {
    let Situation { now, policy, .. } = *situation;
    let draft = Draft::of(held, now);
    let Some(signer) = draft.signer else {
        return issue_anew(Some(held), situation);
    };
    let leaf = signer.sign(&names_to_sign(held, reason, situation), now, policy)?;
    Ok(draft.serving(&leaf).content())
}

/// A certificate that is merely for other names keeps them until it is due: while an upgrade rolls out, replicas that
/// want different names would else take turns in replacing it.
fn names_to_sign(held: &Held, reason: &Reason, situation: &Situation<'_>) -> Names {
    match (&held.leaf, reason) {
        (Ok(leaf), Reason::Flawed(Flaw::OtherName { .. })) => situation.names.with(&leaf.certificate.names),
        _ => situation.names.clone(),
    }
}

fn publish_next(held: &Held, situation: &Situation<'_>) -> Result<Content, IssueError> {
    let next = Issued::authority(situation.now, situation.policy)?;
    let mut draft = Draft::of(held, situation.now);
    draft.next = Some(&next);
    Ok(draft.content())
}

fn serve_next(held: &Held, situation: &Situation<'_>) -> Result<Content, IssueError> {
    let Situation { now, names, policy, .. } = *situation;
    let mut draft = Draft::of(held, now);
    let Some(next) = draft.next.take() else {
        return issue_anew(Some(held), situation);
    };
    let leaf = next.sign(names, now, policy)?;
    draft.signer = Some(next);
    Ok(draft.serving(&leaf).content())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Certificate;
    use crate::content::{CA_CRT, CA_KEY, TLS_CRT, TLS_KEY};
    use crate::fixture::{Replica, after_days, fresh, rotating, start, verifies, with};
    use crate::plan::plan;

    fn first(held: &Held) -> &Certificate {
        held.bundle.first().unwrap()
    }

    #[test]
    fn a_fresh_secret_verifies_and_needs_nothing_more() {
        let held = fresh();
        assert!(verifies(&held, &held, start()));
        assert_eq!(held.bundle.len(), 1);
        assert_eq!(Replica::default().settle(held, start(), false).0, [""; 0]);
    }

    #[test]
    fn at_every_step_of_a_rotation_each_bundle_that_may_be_out_takes_each_certificate_that_may_be_served() {
        let replica = Replica::default();
        let old = fresh();
        let (steps, published) = replica.settle(old, after_days(300), false);
        assert_eq!(steps.len(), 2, "{steps:?}");
        let (steps, served) = replica.settle(Held::read(published.content.clone()), after_days(300), true);
        assert_eq!(steps, ["serving with the next CA: its bundle has been out long enough"]);
        for bundle in [&published, &served] {
            for serving in [&published, &served] {
                assert!(verifies(bundle, serving, after_days(300)));
            }
        }
        assert_eq!((published.bundle.len(), served.bundle.len()), (2, 2));
        assert_ne!(
            first(&published),
            first(&served),
            "the authority that signs stands first"
        );
        assert!(served.next.is_none());
    }

    #[test]
    fn the_old_ca_leaves_once_the_last_certificate_of_it_has_expired() {
        let replica = Replica::default();
        let (_, served) = replica.settle(rotating(), after_days(300), true);
        let (_, still) = replica.settle(served, after_days(329), true);
        assert_eq!(
            still.bundle.len(),
            2,
            "its last certificate was issued on day 300 for 30 days"
        );
        let (_, after) = replica.settle(still, after_days(331), true);
        assert_eq!(after.bundle.len(), 1);
        assert!(verifies(&after, &after, after_days(331)));
        assert_eq!(first(&after).not_before, after_days(300) - crate::policy::BACKDATE);
    }

    #[test]
    fn the_private_key_of_the_old_ca_is_gone_once_the_new_one_serves() {
        let (rotating, replica) = (rotating(), Replica::default());
        let old_key = rotating.content.get(CA_KEY).unwrap().to_vec();
        let (_, served) = replica.settle(rotating, after_days(300), true);
        assert!(served.content.iter().all(|(_, bytes)| bytes != old_key));
    }

    #[test]
    fn years_of_rotations_verify_every_day_and_never_pile_up_authorities() {
        let replica = Replica::default();
        let mut held = fresh();
        for day in (0..1_500).step_by(5) {
            let before = held.content.clone();
            held = replica.settle(held, after_days(day), true).1;
            let before = Held::read(before);
            assert!(
                verifies(&held, &before, after_days(day)),
                "day {day}: what was served is not trusted any more"
            );
            assert!(held.bundle.len() <= 2, "day {day}: {} authorities", held.bundle.len());
        }
    }

    #[test]
    fn a_lost_ca_key_is_replaced_with_overlap_while_the_certificate_serves_on() {
        let (replica, held) = (Replica::default(), with(&fresh(), CA_KEY, b"garbage"));
        let (_, published) = replica.settle(held, start(), false);
        assert!(verifies(&published, &published, start()));
        assert_eq!(published.bundle.len(), 2);
        let (_, served) = replica.settle(published, start(), true);
        assert!(served.signer.is_ok() && verifies(&served, &served, start()));
    }

    #[test]
    fn a_deleted_secret_comes_back_with_the_certificate_that_is_served_and_a_next_ca() {
        let (replica, remembered) = (Replica::default(), fresh());
        let situation = replica.at(start(), false);
        let content = carry_out(&Plan::RestoreAndRotate, None, Some(&remembered), &situation)
            .unwrap()
            .unwrap();
        assert_eq!(content.get(TLS_CRT), remembered.content.get(TLS_CRT));
        assert_eq!(content.get(TLS_KEY), remembered.content.get(TLS_KEY));
        let held = Held::read(content);
        assert!(held.bundle.len() == 2 && matches!(held.next, Some(Ok(_))));
    }

    #[test]
    fn replicas_that_want_different_names_do_not_take_turns() {
        let (old, new) = (Replica::wanting("old.default.svc"), Replica::wanting("new.default.svc"));
        let held = old.take(&Plan::IssueAnew(Flaw::Missing), None, start());
        let (steps, held) = new.settle(held, start(), false);
        assert_eq!(steps.len(), 1);
        assert_eq!(plan(Some(&held), None, &old.at(start(), false)), Plan::Keep);
        assert_eq!(plan(Some(&held), None, &new.at(start(), false)), Plan::Keep);
        // Once it is due, names that nobody wants any more are gone.
        let (_, held) = new.settle(held, after_days(21), false);
        assert_eq!(
            held.leaf.as_ref().map(|leaf| leaf.certificate.names.clone()).ok(),
            Some(vec!["new.default.svc".into()])
        );
    }

    #[test]
    fn every_single_damage_heals_to_a_secret_that_verifies() {
        let replica = Replica::default();
        for whole in [fresh(), rotating()] {
            for (key, _) in whole.content.iter() {
                for damage in [
                    &b""[..],
                    b"garbage",
                    b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
                ] {
                    let (_, healed) = replica.settle(with(&whole, key, damage), after_days(300), true);
                    let (_, healed) = replica.settle(healed, after_days(300), true);
                    assert!(verifies(&healed, &healed, after_days(300)), "{key}");
                    assert!(healed.signer_at(after_days(300)).is_ok(), "{key}");
                }
            }
        }
    }

    #[test]
    fn every_flipped_byte_heals_to_a_secret_that_verifies() {
        let (replica, whole) = (Replica::default(), rotating());
        for (key, bytes) in whole.content.iter() {
            for at in (0..bytes.len()).step_by(17) {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 0x05;
                let (steps, healed) = replica.settle(with(&whole, key, &flipped), after_days(300), true);
                assert!(verifies(&healed, &healed, after_days(300)), "{key} at {at}: {steps:?}");
            }
        }
    }

    #[test]
    fn a_clock_that_comes_back_from_the_future_heals() {
        let replica = Replica::default();
        let (_, in_the_future) = replica.settle(fresh(), after_days(3_000), true);
        let (_, healed) = replica.settle(in_the_future, start(), true);
        assert!(verifies(&healed, &healed, start()));
    }

    #[test]
    fn repairs_without_end_do_not_fill_the_secret() {
        let replica = Replica::default();
        let mut held = fresh();
        for _ in 0..30 {
            let broken = with(&with(&held, TLS_KEY, b""), CA_KEY, b"");
            held = replica.settle(broken, start(), true).1;
        }
        assert!(held.bundle.len() <= 8 && held.content.get(CA_CRT).unwrap().len() < 10_000);
        assert!(verifies(&held, &held, start()));
    }
}
