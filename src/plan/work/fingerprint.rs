//! What the work for a target rests on, as one fingerprint: the names of its objects, and what is remembered of them,
//! hold it. Other inputs are other work.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ATTEMPT, ERRAND, Errand, FINGERPRINT, MODULE, Owner, Workshop};
use crate::kernel::Architecture;
use crate::plan::inputs::hash as hash_of_text;
use crate::plan::{ObjectName, Target, World, inputs, making_secrets};

/// Bytes of a Job's name: its pods carry it in a label.
const NAME_LIMIT: usize = 63;

/// How the names of our objects begin.
const PREFIX: &str = "kmm-preflight-";

/// The fingerprint of the work for a target: its preflight, its Module, all its inputs (`plan::inputs`), which content its
/// Secrets have, and the settings that it is done by. `None` while one of these is not known.
pub fn fingerprint(
    world: &World<'_>,
    target: &Target,
    owner: &Owner,
    architecture: Option<Architecture>,
) -> Option<String> {
    let versions = secrets(target).into_iter().map(|secret| {
        let known = world
            .supplies
            .secrets
            .get(&(target.namespace.clone(), secret.to_owned()))?;
        Some(known.version().into())
    });
    let versions: Vec<Value> = versions.collect::<Option<_>>()?;
    Some(hash(&[
        owner.uid.clone().into(),
        target.namespace.clone().into(),
        target.name.clone().into(),
        inputs(target, world, architecture).into(),
        versions.into(),
        world.pods.workshop().map(Workshop::stakes).into(),
    ]))
}

/// The Secrets that building, signing, pulling and pushing need.
pub fn secrets(target: &Target) -> BTreeSet<&str> {
    let pull = target.pull_secret.iter().filter(|_| target.can_be_made());
    let mut secrets = making_secrets(target);
    secrets.extend(pull.map(String::as_str));
    secrets
}

/// The name of the Job that does this for the work of that fingerprint, for that time.
pub fn job_name(target: &Target, fingerprint: &str, errand: &Errand, attempt: u32) -> ObjectName {
    named((&target.namespace, &target.name), fingerprint, errand, attempt)
}

/// The Job that was ordered, by the labels and annotations of one: it stands in its Module's namespace, under the name that its
/// fingerprint, errand and attempt make. What has the same labels and stands elsewhere was ordered by nobody.
pub fn job_of(labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> Option<ObjectName> {
    let module = annotations.get(MODULE)?.split_once('/')?;
    let errand = Errand::named(labels.get(ERRAND)?)?;
    let attempt = labels.get(ATTEMPT)?.parse().ok()?;
    Some(named(module, labels.get(FINGERPRINT)?, &errand, attempt))
}

fn named((namespace, name): (&str, &str), fingerprint: &str, errand: &Errand, attempt: u32) -> ObjectName {
    let hash = hash(&[fingerprint.into(), errand.name().into(), attempt.into()]);
    let room = NAME_LIMIT - PREFIX.len() - hash.len() - 1;
    // A Module's name is a DNS name: dots are no part of a label.
    let module = name.chars().take(room).map(|c| if c == '.' { '-' } else { c });
    let module: String = module.collect();
    (namespace.to_owned(), format!("{PREFIX}{module}-{hash}"))
}

fn hash(parts: &[Value]) -> String {
    hash_of_text(&Value::from(parts.to_vec()).to_string())
}
