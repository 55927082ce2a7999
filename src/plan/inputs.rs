//! What a target's verdict rests on, as one fingerprint. The same fingerprint is the same question, and Success is
//! final for it; another is another question.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::decide::World;
use super::resolve::Target;
use super::supplies::Supplies;
use super::work::LookBy;
use crate::kernel::Architecture;

/// How many hexadecimal digits of the hash are kept: 64 bits tell the targets and objects of any cluster apart.
const DIGITS: usize = 16;

/// The fingerprint of all that could change a target's verdict and is known without looking: what it loads, how, with
/// which credentials, what it would be built and signed from. Secrets count by name: which content they have is not known
/// before they were asked for, and is [`secret_versions()`].
pub fn inputs(target: &Target, world: &World<'_>, architecture: Option<Architecture>) -> String {
    let dockerfile = target.build.as_ref().and_then(|build| {
        let name = (target.namespace.clone(), build.dockerfile_config_map.name.clone());
        world.supplies.dockerfiles.get(&name)
    });
    let all = json!({
        "image": target.image_text,
        "kernel": target.kernel.raw(),
        "architecture": target.architecture.or(architecture).map(Architecture::go_name),
        "registryTLS": target.registry_tls,
        "pullSecret": target.pull_secret,
        "serviceAccount": target.service_account,
        "build": target.build,
        "dockerfile": dockerfile,
        "sign": target.sign,
        "modprobe": target.modprobe,
        "inTreeModulesToRemove": target.in_tree_to_remove,
        "toolkit": world.toolkit_image,
        "push": world.push_built_image,
        "lookBy": target.look_by.map(LookBy::name),
    });
    hash(&all.to_string())
}

/// Which content the Secrets have that a target is built with and signed by, as one fingerprint; `None` where there are none, and
/// while that of one of them is not known. Another content is another question, though the image is there.
pub fn secret_versions(target: &Target, supplies: &Supplies) -> Option<String> {
    let of = |name: &str| {
        let known = supplies.secrets.get(&(target.namespace.clone(), name.to_owned()))?;
        Some(json!([name, known.version()]))
    };
    let versions: Vec<Value> = making_secrets(target).into_iter().map(of).collect::<Option<_>>()?;
    (!versions.is_empty()).then(|| hash(&Value::from(versions).to_string()))
}

/// The Secrets that a target is built with and signed by, each once.
pub fn making_secrets(target: &Target) -> BTreeSet<&str> {
    let of_build = target.build.iter().flat_map(|build| &build.secrets);
    let sign = target.sign.iter();
    let of_sign = sign.flat_map(|sign| [&sign.key_secret, &sign.cert_secret]);
    of_build.chain(of_sign).map(|secret| secret.name.as_str()).collect()
}

/// A text's hash, as far as it is kept.
pub(super) fn hash(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    digits.take(DIGITS).collect()
}
