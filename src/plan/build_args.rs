//! The arguments of a build: the user's, and those that KMM sets whatever the user says
//! (upstream `internal/module/buildargoverrider.go`, `internal/buildsign/resource/common.go`).

use super::resolve::Target;
use super::supplies::DTK_AUTO;
use crate::api::module::BuildArg;

/// The arguments that a target is built with. `toolkit` is the driver toolkit, where the Dockerfile asks for one.
pub fn build_args(target: &Target, toolkit: Option<&str>) -> Vec<BuildArg> {
    // A node's kernel without its trailing `+`, as KMM's own builds have it.
    let kernel = target.kernel.without_plus();
    let injected: Vec<BuildArg> = [
        ("KERNEL_FULL_VERSION", Some(kernel)),
        ("KERNEL_VERSION", Some(kernel)),
        ("MOD_NAME", Some(target.name.as_str())),
        ("MOD_NAMESPACE", Some(target.namespace.as_str())),
        (DTK_AUTO, toolkit),
    ]
    .into_iter()
    .filter_map(|(name, value)| {
        Some(BuildArg {
            name: name.to_owned(),
            value: value?.to_owned(),
        })
    })
    .collect();
    let of_user = target
        .build
        .as_ref()
        .map(|build| build.build_args.as_slice())
        .unwrap_or_default();
    overridden(of_user, &injected)
}

/// Arguments, with each that an override names replaced in place; the overrides that replace nothing follow, by name.
pub(super) fn overridden(args: &[BuildArg], overrides: &[BuildArg]) -> Vec<BuildArg> {
    let last = |name: &str| overrides.iter().rev().find(|arg| arg.name == name);
    let mut merged: Vec<BuildArg> = args.iter().map(|arg| last(&arg.name).unwrap_or(arg).clone()).collect();
    let is_new = |arg: &&BuildArg| args.iter().all(|old| old.name != arg.name);
    let mut new: Vec<BuildArg> = overrides
        .iter()
        .filter(is_new)
        .filter_map(|arg| last(&arg.name))
        .cloned()
        .collect();
    new.sort_by(|a, b| a.name.cmp(&b.name));
    new.dedup_by(|a, b| a.name == b.name);
    merged.append(&mut new);
    merged
}
