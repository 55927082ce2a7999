//! What the author of an admissible preflight should know all the same. Each warning is told only where what it rests
//! on is known.

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::toolkit::Resolved;
use super::words;
use crate::api::{PreflightValidationOCP, PreflightValidationOCPSpec};
use crate::image::Reference;
use crate::kernel::KernelVersion;
use crate::plan::{Node, Surroundings};

/// The longest warning, in characters: what Kubernetes recommends (`AdmissionResponse.warnings`). The API server cuts
/// longer ones off.
pub const MAX_WARNING: usize = 120;
/// The most warnings that one object can have.
pub const MAX_WARNINGS: usize = 7;

/// Every warning, in the order of the fields that they are about.
pub(super) fn of(preflight: &PreflightValidationOCP, cluster: &Resolved<'_>, around: &Surroundings) -> Vec<String> {
    let (spec, kernel) = (&preflight.spec, cluster.kernel);
    let nodes = around.nodes.as_deref().unwrap_or_default();
    [
        matches_no_module(cluster, around),
        runs_already(kernel, nodes),
        is_for_no_node(kernel, nodes),
        is_asked_elsewhere(preflight, around),
        names_a_tag(spec),
        names_anothers_toolkit(spec, kernel, around),
        is_not_pushed(spec, cluster),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn matches_no_module(cluster: &Resolved<'_>, around: &Surroundings) -> Option<String> {
    let modules = around.modules.as_ref().filter(|_| cluster.has_image == Some(false))?;
    Some(match modules.len() {
        0 => "the cluster has no Module yet, so there is nothing to answer".to_owned(),
        1 => "spec.kernelVersion: the cluster's only Module has no image for this kernel".to_owned(),
        n => format!("spec.kernelVersion: none of the cluster's {n} Modules has an image for this kernel"),
    })
}

fn runs_already(kernel: &KernelVersion, nodes: &[Node]) -> Option<String> {
    let running = nodes.iter().filter(|node| node.kernel == kernel.raw()).count();
    match (running, nodes.len()) {
        (0, _) => None,
        (1, 1) => Some("spec.kernelVersion: the only node runs this kernel already".to_owned()),
        (n, all) if n == all => Some(format!("spec.kernelVersion: all {all} nodes run this kernel already")),
        (n, all) => Some(format!(
            "spec.kernelVersion: {n} of {all} nodes run this kernel already"
        )),
    }
}

fn is_for_no_node(kernel: &KernelVersion, nodes: &[Node]) -> Option<String> {
    let wanted = kernel.architecture()?;
    if nodes.is_empty() || nodes.iter().any(|node| node.architecture == Some(wanted)) {
        return None;
    }
    let others: BTreeSet<_> = nodes.iter().filter_map(|node| node.architecture).collect();
    let others: Vec<String> = others.into_iter().map(|other| other.go_name().to_owned()).collect();
    let wanted = wanted.go_name();
    Some(if others.is_empty() {
        format!("spec.kernelVersion: this kernel is for {wanted}, and no node is")
    } else {
        let others = words::listed(&others, others.len());
        format!("spec.kernelVersion: this kernel is for {wanted}, and the nodes are {others}")
    })
}

fn is_asked_elsewhere(preflight: &PreflightValidationOCP, around: &Surroundings) -> Option<String> {
    let own = (preflight.name_any(), preflight.spec.kernel_version.as_str());
    let is_same = |(name, kernel): &&(String, String)| *name != own.0 && kernel == own.1;
    let others = around.preflights.iter().flatten().filter(is_same);
    let mut others: Vec<String> = others.map(|(name, _)| name.clone()).collect();
    others.sort_unstable();
    let verb = if others.len() == 1 { "has" } else { "have" };
    naming(&others, "preflight", |who| {
        format!("spec.kernelVersion: {who} {verb} the same kernel")
    })
}

fn names_a_tag(spec: &PreflightValidationOCPSpec) -> Option<String> {
    let image = Reference::parse(spec.dtk_image.as_deref()?).ok()?;
    let warning = "spec.dtkImage: names a tag, which can move to another image; a digest cannot";
    image.digest().is_none().then(|| warning.to_owned())
}

/// A toolkit that was filled in for the kernel that stood there before stays when only the kernel is changed: it is not
/// told from one that the user wrote.
fn names_anothers_toolkit(
    spec: &PreflightValidationOCPSpec,
    kernel: &KernelVersion,
    around: &Surroundings,
) -> Option<String> {
    let image = spec.dtk_image.as_ref()?;
    let is_named = around.toolkits.values().any(|named| named == image);
    let is_own = around.toolkits_for(kernel).any(|named| named == image);
    let warning = "spec.dtkImage: the operator's settings name this image for another kernel, and not for this one";
    (is_named && !is_own).then(|| warning.to_owned())
}

fn is_not_pushed(spec: &PreflightValidationOCPSpec, cluster: &Resolved<'_>) -> Option<String> {
    if spec.push_built_image == Some(true) {
        return None;
    }
    let names: Vec<String> = cluster.made.iter().map(words::name).collect();
    naming(&names, "Module", |who| {
        format!("spec.pushBuiltImage: it is false, so missing images are built but not pushed: {who}")
    })
}

/// A warning about these, if there are any: it names as many as there is room for and counts the others.
fn naming(names: &[String], noun: &str, sentence: impl Fn(&str) -> String) -> Option<String> {
    let most = names.len().min(super::NAMED_MODULES);
    let named = (1..=most).rev().map(|shown| sentence(&words::listed(names, shown)));
    let fitting = named.into_iter().find(|text| text.len() <= MAX_WARNING);
    let plural = if names.len() == 1 { "" } else { "s" };
    let counted = || sentence(&format!("{} {noun}{plural}", names.len()));
    (!names.is_empty()).then(|| fitting.unwrap_or_else(counted))
}
