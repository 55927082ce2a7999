//! What one preflight knows of its targets: what was seen of each, for which inputs, and when to look again. Pure.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::examples::Examples;
use super::ledger::Ledger;
use super::pace::SHORTEST;
use super::schedule;
use crate::api::{ModuleStatus, PreflightStatus, VerificationStatus};
use crate::examine::Seen;
use crate::image::LookFailureKind;
use crate::plan::work::Works;
use crate::plan::{self, Look, ObjectName};

/// What stands in a row between the fingerprint of its inputs and that of its Secrets.
const WITH_SECRETS: char = '-';

/// What is known of the targets.
#[derive(Debug, Default)]
pub(super) struct Memory {
    entries: HashMap<ObjectName, Entry>,
    /// What the images of today tell, where answers may rest on them.
    pub(super) examples: Examples,
}

/// What is asked of one target.
#[derive(Clone, Debug)]
pub(super) struct Inquiry<'a> {
    /// The Module.
    pub(super) name: ObjectName,
    /// The fingerprint of what its verdict rests on, beside the content of Secrets.
    pub(super) inputs: &'a str,
    /// Whether the content of Secrets has a part in it.
    pub(super) needs_secrets: bool,
    /// The fingerprint of that, once it is known.
    pub(super) secrets: Option<&'a str>,
}

/// What is known of one target.
#[derive(Debug)]
struct Entry {
    inputs: String,
    needs_secrets: bool,
    secrets: Option<String>,
    known: Known,
    attempts: u32,
    /// Whether the answer stands until an input changes.
    is_final: bool,
    due: Due,
    /// Whether what the look under way comes to may be an answer to the question of before.
    outdated: bool,
    ledger: Ledger,
}

/// What is known of a target's image.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// What looking at it came to, or that it was not looked at.
    Look(Look),
    /// It was verified by another process for the same inputs: the row that says so.
    Row(Box<ModuleStatus>),
}

/// What looking at one target came to.
pub(super) struct Sight {
    /// The Module.
    pub(super) name: ObjectName,
    /// The fingerprint of what was asked.
    pub(super) inputs: String,
    /// The result.
    pub(super) seen: Seen,
}

/// When to look, or where the answer is final, when to ask for its Secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    At(Timestamp),
    /// That is on its way.
    Underway,
    /// Whatever the answer rests on tells by itself when it changes.
    Never,
}

impl Memory {
    /// Learns what the targets are now: those that went are forgotten, and those with other inputs are other
    /// questions. What another process verified for the same inputs stands in `previous`, and stays verified.
    pub(super) fn learn<'a>(
        &mut self,
        targets: impl IntoIterator<Item = Inquiry<'a>>,
        previous: Option<&PreflightStatus>,
        now: Timestamp,
    ) {
        let mut present = HashSet::new();
        for question in targets {
            present.insert(question.name.clone());
            match self.entries.get_mut(&question.name) {
                Some(entry) if entry.inputs == question.inputs => entry.learn(question.secrets, now),
                _ => {
                    let mut entry = Entry::new(&question, row(previous, &question), now);
                    entry.learn(question.secrets, now);
                    self.entries.insert(question.name, entry);
                }
            }
        }
        self.entries.retain(|name, _| present.contains(name));
    }

    /// What the answer on a target rests on, as a row remembers it.
    pub(super) fn inputs(&self, name: &ObjectName) -> Option<String> {
        let entry = self.entries.get(name)?;
        Some(match &entry.secrets {
            Some(secrets) => format!("{}{WITH_SECRETS}{secrets}", entry.inputs),
            None => entry.inputs.clone(),
        })
    }

    /// What is known of a target.
    pub(super) fn known(&self, name: &ObjectName) -> Known {
        let entry = self.entries.get(name);
        entry.map_or(Known::Look(Look::Pending), |entry| entry.known.clone())
    }

    /// Whether the answer on a target depends on what its nodes have loaded.
    pub(super) fn wants_evidence(&self, name: &ObjectName) -> bool {
        let wants = |entry: &Entry| match &entry.known {
            Known::Look(look) => plan::wants_evidence(look, &entry.ledger.told()),
            Known::Row(_) => false,
        };
        self.entries.get(name).is_some_and(wants)
    }

    /// What is known of a target's work in pods.
    pub(super) fn ledger(&self, name: &ObjectName) -> Option<&Ledger> {
        self.entries.get(name).map(|entry| &entry.ledger)
    }

    /// The same, to be written on; none where another process had the final answer.
    pub(super) fn ledger_mut(&mut self, name: &ObjectName) -> Option<&mut Ledger> {
        let entry = self.entries.get_mut(name);
        entry
            .filter(|entry| matches!(entry.known, Known::Look(_)))
            .map(|entry| &mut entry.ledger)
    }

    /// What is told of a target's work in pods.
    pub(super) fn told(&self, name: &ObjectName) -> Works {
        self.ledger(name).map(Ledger::told).unwrap_or_default()
    }

    /// Whether another process had the final answer for a target.
    pub(super) fn was_verified(&self, name: &ObjectName) -> bool {
        let known = self.entries.get(name).map(|entry| &entry.known);
        matches!(known, Some(Known::Row(_)))
    }

    /// Whether the answer on a target stands until an input changes.
    pub(super) fn is_final(&self, name: &ObjectName) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.is_final)
    }

    /// A Job has ended: with the final answer, or with something that is to be looked at.
    pub(super) fn job_ended(&mut self, name: &ObjectName, is_final: bool, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(name).filter(|entry| entry.due != Due::Underway) {
            entry.settle(is_final, now, now);
        }
    }

    /// A Job has pushed the image: what was seen before is of another one, or of none. What cannot be seen still cannot.
    pub(super) fn image_changed(&mut self, name: &ObjectName) {
        let is_outdated = |known: &Known| match known {
            Known::Look(Look::Failed { failure, .. }) => failure.kind == LookFailureKind::NotFound,
            Known::Look(Look::Judged { .. }) => true,
            Known::Look(Look::Pending) | Known::Row(_) => false,
        };
        if let Some(entry) = self.entries.get_mut(name).filter(|entry| is_outdated(&entry.known)) {
            entry.known = Known::Look(Look::Pending);
        }
    }

    /// There is nothing more to see of this target through its registry, or nothing at all; its Secrets are asked for again after a
    /// while.
    pub(super) fn asked(&mut self, name: &ObjectName, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(name).filter(|entry| entry.due == Due::Underway) {
            entry.due = Due::At(now + schedule::SECRETS);
        }
    }

    /// Whether a target is to be looked at now.
    pub(super) fn is_due(&self, name: &ObjectName, now: Timestamp) -> bool {
        let entry = self.entries.get(name);
        entry.is_some_and(|entry| !entry.is_final && entry.is_due(now))
    }

    /// The targets with a final answer whose Secrets are to be asked for again now: if any are, also those that would soon be, for
    /// many name the same.
    pub(super) fn secrets_due(&self, now: Timestamp) -> Vec<ObjectName> {
        let answered = || self.entries.iter().filter(|(_, entry)| entry.is_final);
        if !answered().any(|(_, entry)| entry.is_due(now)) {
            return Vec::new();
        }
        let due = answered().filter(|(_, entry)| entry.is_due(now + schedule::SECRETS_TOGETHER));
        due.map(|(name, _)| name.clone()).collect()
    }

    /// A look at these targets is on its way.
    pub(super) fn started<'a>(&mut self, names: impl IntoIterator<Item = &'a ObjectName>) {
        for name in names {
            if let Some(entry) = self.entries.get_mut(name) {
                entry.due = Due::Underway;
            }
        }
    }

    /// The looks at these targets ended. What brought nothing is due again.
    pub(super) fn ended<'a>(&mut self, names: impl IntoIterator<Item = &'a ObjectName>, now: Timestamp) {
        for name in names {
            if let Some(entry) = self.entries.get_mut(name).filter(|entry| entry.due == Due::Underway) {
                entry.due = Due::At(now + SHORTEST);
            }
        }
    }

    /// A look came to something; what was asked for other inputs is an answer to another question. `is_final` says of
    /// a look whether its answer stands until an input changes.
    pub(super) fn record(&mut self, sight: Sight, now: Timestamp, is_final: impl Fn(&ObjectName, &Look) -> bool) {
        let Sight { name, inputs, seen } = sight;
        let Some(entry) = self.entries.get_mut(&name).filter(|entry| entry.inputs == inputs) else {
            return;
        };
        let look = seen.into_look(now);
        entry.attempts = match &entry.known {
            Known::Look(before) if is_alike(before, &look) => entry.attempts.saturating_add(1),
            _ => 0,
        };
        let look = entry.since_when(look);
        let pause = schedule::pause(&look, entry.attempts, &format!("{}/{}", name.0, name.1));
        if std::mem::take(&mut entry.outdated) {
            entry.settle(false, now, now);
        } else {
            entry.settle(is_final(&name, &look), now + pause, now);
        }
        entry.known = Known::Look(look);
    }

    /// How many looks are on their way.
    pub(super) fn underway(&self) -> usize {
        let underway = self.entries.values().filter(|entry| entry.due == Due::Underway);
        underway.count()
    }

    /// How many targets wait for a look, or are looked at.
    pub(super) fn waiting(&self, now: Timestamp) -> usize {
        let waits = |entry: &&Entry| !entry.is_final && (entry.due == Due::Underway || entry.is_due(now));
        self.entries.values().filter(waits).count()
    }

    /// When the next target is due, if any is.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let due = |entry: &Entry| match entry.due {
            Due::At(time) => Some(time),
            Due::Underway | Due::Never => None,
        };
        self.entries.values().filter_map(due).min()
    }
}

impl Entry {
    /// What is known where this row was written for the same inputs, with the Secrets that it tells.
    fn new(question: &Inquiry<'_>, row: Option<&ModuleStatus>, now: Timestamp) -> Self {
        let verified = row.filter(|row| row.verification_status == VerificationStatus::Success);
        let failed = row.filter(|row| row.verification_status == VerificationStatus::Failure && row.job.is_some());
        let secrets = row.and_then(|row| row.inputs.as_deref()?.split_once(WITH_SECRETS));
        let known = verified.map_or(Known::Look(Look::Pending), |row| Known::Row(Box::new(row.clone())));
        Self {
            inputs: question.inputs.to_owned(),
            needs_secrets: question.needs_secrets,
            secrets: secrets.map(|(_, secrets)| secrets.to_owned()),
            is_final: verified.is_some(),
            due: if verified.is_some() && !question.needs_secrets {
                Due::Never
            } else {
                Due::At(now)
            },
            outdated: false,
            known,
            attempts: 0,
            ledger: failed.map(Ledger::remembering).unwrap_or_default(),
        }
    }

    /// Learns which content its Secrets have, as far as that is known. Another content is another question.
    fn learn(&mut self, secrets: Option<&str>, now: Timestamp) {
        let Some(secrets) = secrets.filter(|new| self.secrets.as_deref() != Some(*new)) else {
            return;
        };
        if self.secrets.replace(secrets.to_owned()).is_none() {
            return;
        }
        self.outdated = self.due == Due::Underway;
        self.due = if self.outdated { Due::Underway } else { Due::At(now) };
        self.known = Known::Look(Look::Pending);
        (self.is_final, self.attempts) = (false, 0);
        self.ledger = Ledger::default();
    }

    /// The answer is final, or it is to be looked for again at that moment.
    fn settle(&mut self, is_final: bool, again: Timestamp, now: Timestamp) {
        self.is_final = is_final;
        self.due = match (is_final, self.needs_secrets) {
            (false, _) => Due::At(again),
            (true, true) => Due::At(now + schedule::SECRETS),
            (true, false) => Due::Never,
        };
    }

    fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.due, Due::At(time) if time <= now)
    }

    /// An outage that goes on began when it began.
    fn since_when(&self, look: Look) -> Look {
        match (&self.known, look) {
            (Known::Look(Look::Failed { failure: before, since }), Look::Failed { failure, .. })
                if before.kind == failure.kind =>
            {
                let since = *since;
                Look::Failed { failure, since }
            }
            (_, look) => look,
        }
    }
}

/// Whether two looks came to the same kind of answer.
fn is_alike(before: &Look, after: &Look) -> bool {
    match (before, after) {
        (Look::Failed { failure: before, .. }, Look::Failed { failure: after, .. }) => before.kind == after.kind,
        (Look::Judged { digest: before, .. }, Look::Judged { digest: after, .. }) => before == after,
        _ => false,
    }
}

/// The row that was written for a target with these inputs, whatever its Secrets were.
fn row<'a>(previous: Option<&'a PreflightStatus>, question: &Inquiry<'_>) -> Option<&'a ModuleStatus> {
    let (namespace, name) = &question.name;
    let is_its = |row: &&ModuleStatus| {
        let inputs = row.inputs.as_deref().unwrap_or_default();
        let inputs = inputs.split_once(WITH_SECRETS).map_or(inputs, |(inputs, _)| inputs);
        row.namespace == *namespace && row.name == *name && inputs == question.inputs
    };
    previous?.modules.iter().find(is_its)
}

#[cfg(test)]
mod tests;
