//! What the work for a target rests on, as one fingerprint: the names of its objects, and what is remembered of them,
//! hold it. Other inputs are other work.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::{Errand, Owner, Workshop};
use crate::kernel::Architecture;
use crate::plan::{ObjectName, Target, World, inputs};

/// How many hexadecimal digits of a hash are kept: 64 bits tell the objects of any cluster apart.
const DIGITS: usize = 16;

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
pub(super) fn secrets(target: &Target) -> Vec<&str> {
    let of_build = target.build.iter().flat_map(|build| &build.secrets);
    let of_sign = target
        .sign
        .iter()
        .flat_map(|sign| [&sign.key_secret, &sign.cert_secret]);
    let named = of_build.chain(of_sign).map(|secret| secret.name.as_str());
    let pull = target.pull_secret.iter().filter(|_| target.can_be_made());
    let mut secrets: Vec<&str> = named.chain(pull.map(String::as_str)).collect();
    secrets.sort_unstable();
    secrets.dedup();
    secrets
}

/// The name of the Job that does this for the work of that fingerprint, for that time.
pub fn job_name(target: &Target, fingerprint: &str, errand: &Errand, attempt: u32) -> ObjectName {
    let hash = hash(&[fingerprint.into(), errand.name().into(), attempt.into()]);
    let room = NAME_LIMIT - PREFIX.len() - hash.len() - 1;
    // A Module's name is a DNS name: dots are no part of a label.
    let module: String = target
        .name
        .chars()
        .take(room)
        .map(|c| if c == '.' { '-' } else { c })
        .collect();
    (target.namespace.clone(), format!("{PREFIX}{module}-{hash}"))
}

fn hash(parts: &[Value]) -> String {
    let text = Value::from(parts.to_vec()).to_string();
    let hash = digest(&SHA256, text.as_bytes());
    let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    digits.take(DIGITS).collect()
}
