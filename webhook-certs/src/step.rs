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
    let Some(held) = stored else { return Ok(Draft::anew(&authority, &leaf, now).content()) };
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
    let Some(signer) = draft.signer else { return issue_anew(Some(held), situation) };
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
    let Some(next) = draft.next.take() else { return issue_anew(Some(held), situation) };
    let leaf = next.sign(names, now, policy)?;
    draft.signer = Some(next);
    Ok(draft.serving(&leaf).content())
}
