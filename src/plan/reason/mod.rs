//! The words of verdicts: what, where, why, what next. The first words of each are upstream's, for those who grep.

mod work;

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::decide::World;
use super::resolve::Target;
use super::supplies::ObjectName;
use super::work::Push;
use crate::api::{FieldError, Finding, Rule, Severity};
use crate::image::{Digest, LookFailureKind};

pub(super) use work::*;

pub(super) const NOTHING_TO_LOAD: &str = "no kernel module to load";
pub(super) const PENDING: &str = "verification is not finished yet: its image has not been looked at";

pub(super) const NODES_ARE_ASKED: &str = "verification is not finished yet: it needs in-tree modules that its image has no way to; whether its nodes have them loaded is being asked";

/// Why a module is taken to be loaded, by Node Feature Discovery.
pub(super) fn discovered(module: &str, nodes: usize) -> String {
    let nodes = if nodes == 1 {
        "its one node has".to_owned()
    } else {
        format!("all {nodes} of its nodes have")
    };
    format!("Node Feature Discovery says that {nodes} {module} loaded today")
}

/// The same, because it was so before.
pub(super) fn loaded_today(module: &str, kernels: &BTreeSet<&str>, nodes: u32) -> String {
    let kernels: Vec<&str> = kernels.iter().copied().collect();
    let nodes = if nodes == 1 {
        "1 node".to_owned()
    } else {
        format!("{nodes} nodes")
    };
    format!(
        "its image for {}, the kernel of today, needs {module} in the same way, and KMM says that the Module is loaded on {nodes}",
        kernels.join(" and ")
    )
}

/// Why it is no evidence that nodes have a module.
pub(super) fn loaded_by_itself(module: &str, kernels: &[&str]) -> String {
    format!(
        "that its nodes have {module} loaded today counts for nothing: its own image for {} loads it",
        kernels.join(" and ")
    )
}

/// Why nobody knows what nodes have loaded.
pub(super) fn nodes_unread(why: &str) -> String {
    format!("what its nodes have loaded is not known, for Node Feature Discovery could not be read: {why}")
}

pub(super) fn no_mapping(mappings: usize, kernel: &str) -> String {
    match mappings {
        0 => format!("mapping not found: the Module has no kernelMappings; add one that matches {kernel}"),
        1 => format!("mapping not found: its kernel mapping does not match {kernel}; add one that does"),
        n => format!("mapping not found: none of its {n} kernel mappings matches {kernel}; add one that does"),
    }
}

pub(super) fn invalid(problems: &[FieldError]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    format!("the Module is invalid: {}", problems.join("; "))
}

pub(super) fn unreadable(why: &str) -> String {
    format!("the Module cannot be read: {why}. Correct it; KMM cannot use it either")
}

pub(super) fn loads(target: &Target, digest: Option<&Digest>, findings: &[Finding]) -> String {
    let sentence = format!(
        "verified image exists: {}{} loads {} on {}",
        target.image_text,
        in_brackets(digest),
        target.what_loads(),
        target.kernel.raw()
    );
    with_doubts(sentence, findings)
}

/// A sentence, and what speaks against relying on it.
fn with_doubts(sentence: String, findings: &[Finding]) -> String {
    let parts = [Some(sentence), warning(findings), not_checked(findings)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The first warning, and how many more there are; what is only believed comes before all else.
fn warning(findings: &[Finding]) -> Option<String> {
    let warnings = || findings.iter().filter(|finding| finding.severity == Severity::Warns);
    let is_believed = |finding: &&Finding| finding.rule == Rule::DependencyInTreeUnlinked;
    let first = warnings().find(is_believed).or_else(|| warnings().next())?;
    Some(format!(
        "warning: {}{}",
        first.message,
        and_more(warnings().count() - 1)
    ))
}

fn not_checked(findings: &[Finding]) -> Option<String> {
    let says_so = |finding: &&Finding| {
        matches!(
            finding.rule,
            Rule::ToolkitMissing | Rule::NotChecked | Rule::SignaturePresent
        )
    };
    findings.iter().find(says_so).map(|finding| finding.message.clone())
}

/// Why a module would not load, and the rule that decided; `None` if no finding decides. `left_out` findings more are
/// not listed.
pub(super) fn would_not_load(findings: &[Finding], left_out: usize) -> Option<(String, Rule)> {
    let mut deciding = findings.iter().filter(|finding| finding.severity == Severity::Decides);
    let first = deciding.next()?;
    let why = format!(
        "would not load: {}{} [{}]",
        first.message.trim_end_matches('.'),
        and_more(deciding.count() + left_out),
        first.rule
    );
    Some((why, first.rule))
}

pub(super) fn mend_by_pushing(rule: Rule) -> String {
    let hope = if rebuild_mends(rule) {
        "would likely mend it"
    } else {
        "alone may not mend it"
    };
    format!(
        "KMM does not rebuild an image that can be pulled; a rebuild {hope}: set pushBuiltImage to have it replaced, or push a new image"
    )
}

pub(super) fn does_not_exist(target: &Target, said: &str) -> String {
    let said = LookFailureKind::NotFound.without_meaning(said);
    format!(
        "verified image does not exist: {said}. Build it for {} and push it, or give the Module a build section",
        target.kernel.raw()
    )
}

pub(super) fn denied(said: &str) -> String {
    let said = LookFailureKind::Denied.without_meaning(said);
    format!(
        "verified image does not exist, or is not accessible: {said}. Push it, or give the Module an imageRepoSecret that may pull it"
    )
}

pub(super) fn denied_so_unpushed(said: &str) -> String {
    format!("{said}. Whether it exists cannot be told, so nothing would be pushed")
}

pub(super) fn damaged_so_made(said: &str) -> String {
    format!("{said}. No node could pull it")
}

pub(super) fn damaged(said: &str) -> String {
    let said = LookFailureKind::Damaged.without_meaning(said);
    format!("the image is damaged, no node could pull it: {said}. Copy or push it again")
}

pub(super) fn no_platform(said: &str) -> String {
    format!("the image does not fit the kernel's architecture: {said}")
}

pub(super) fn not_judged(said: &str) -> String {
    format!("the image could not be judged: {said}")
}

pub(super) fn unknown_platform(said: &str) -> String {
    format!("verification is not finished yet: {said}")
}

pub(super) fn unreachable(said: &str) -> String {
    format!("verification is not finished yet: {said}")
}

/// The time is not told by the minute: the reason would change with every look, and nothing else.
pub(super) fn unreachable_for_long(said: &str, patience: SignedDuration) -> String {
    let said = LookFailureKind::Unreachable.without_meaning(said);
    format!(
        "the image could not be looked at for more than {} minutes: {said}. It will be tried again",
        patience.as_mins()
    )
}

pub(super) fn cannot_be_made(because: &str, lacks: &[String]) -> String {
    let because = LookFailureKind::NotFound.without_meaning(because);
    format!(
        "verified image does not exist and build/sign failed: {because}; and it cannot be built: {}",
        lacks.join("; ")
    )
}

pub(super) fn not_made_yet(because: &str, would_be_made: &str) -> String {
    format!("verification is not finished yet: {because}; {would_be_made}")
}

/// Where an administrator lets nothing run in pods.
pub(super) fn may_not_be_made(because: &str, would_be_made: &str) -> String {
    format!(
        "{because}; {would_be_made}, but building and signing are switched off in this cluster (jobs.enabled of the chart): switch \
         them on, or make the image elsewhere and push it"
    )
}

/// What would be done to make an image, as a clause.
pub(super) fn would_be_made(target: &Target, world: &World<'_>, push: &Push) -> String {
    let mut steps = Vec::new();
    if let Some(build) = &target.build {
        steps.push(build_step(target, &build.dockerfile_config_map.name, world));
    }
    if let Some(sign) = &target.sign {
        let source = match (&target.build, &sign.unsigned_image) {
            (None, Some(unsigned)) => format!("{unsigned} would be signed"),
            _ => "signed".to_owned(),
        };
        steps.push(format!(
            "{source} with Secret {}/{}",
            target.namespace, sign.key_secret.name
        ));
    }
    let pushed = match (push.is_wanted(), world.push_built_image) {
        (true, _) => "then pushed",
        (false, true) => "not pushed",
        (false, false) => "not pushed (pushBuiltImage is false)",
    };
    format!("{}, {pushed}", steps.join(", then "))
}

fn build_step(target: &Target, config_map: &str, world: &World<'_>) -> String {
    let name = (target.namespace.clone(), config_map.to_owned());
    let known = world.supplies.dockerfiles.contains_key(&name);
    let unknown = if known {
        ""
    } else {
        " (which was not given, so not checked)"
    };
    let toolkit = world
        .toolkit_image
        .map(|image| format!(" with driver toolkit {image}"))
        .unwrap_or_default();
    format!(
        "it would be built from ConfigMap {}/{config_map}{unknown}{toolkit}",
        target.namespace
    )
}

/// Whether building the same sources for the target kernel usually makes a finding go away.
fn rebuild_mends(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::KernelFolderMissing
            | Rule::VermagicMismatch
            | Rule::CrcMismatch
            | Rule::ModuleStructSize
            | Rule::VersionsMissing
            | Rule::ElfMachine
            | Rule::ImageArchitecture
            | Rule::ElfTruncated
            | Rule::FileDamaged
            | Rule::SignatureMissing
            | Rule::SignatureMismatch
            | Rule::SignatureMalformed
    )
}

fn and_more(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => " (and 1 more finding)".to_owned(),
        _ => format!(" (and {others} more findings)"),
    }
}

fn in_brackets(digest: Option<&Digest>) -> String {
    let Some(digest) = digest else {
        return String::new();
    };
    let text = digest.to_string();
    let short = text.get(..19).map_or(text.clone(), |head| format!("{head}…"));
    format!(" ({short})")
}

/// An object of the cluster, as people write it.
pub(super) fn named((namespace, name): &ObjectName) -> String {
    format!("{namespace}/{name}")
}
