//! What a target's verdict rests on, as one fingerprint. The same fingerprint is the same question, and Success is
//! final for it; another is another question.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use super::decide::World;
use super::resolve::Target;
use super::work::LookBy;
use crate::kernel::Architecture;

/// How many hexadecimal digits of the hash are kept: 64 bits tell the targets of any cluster apart.
const DIGITS: usize = 16;

/// The fingerprint of all that could change a target's verdict and is known without looking: what it loads, how, with
/// which credentials, what it would be built and signed from. Secrets count by name; what stands in them is looked at
/// anew with every look.
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
    let hash = digest(&SHA256, all.to_string().as_bytes());
    let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    digits.take(DIGITS).collect()
}
