//! The table "What decides", a row each.

use jiff::{SignedDuration, Timestamp};

use super::{KERNEL, module};
use crate::api::{Finding, Rule, VerificationStage, VerificationStatus};
use crate::image::{Digest, LookFailure, LookFailureKind};
use crate::kernel::KernelVersion;
use crate::plan::{KnownSecret, Look, Pods, Subject, Supplies, UNREACHABLE_PATIENCE, Verdict, World, decide};

const PLAIN: &str = "{kernelMappings: [{regexp: .}]}";
const BUILT: &str = "{kernelMappings: [{regexp: ., build: {dockerfileConfigMap: {name: df}}}]}";
const SIGNED: &str =
    "{kernelMappings: [{regexp: ., sign: {keySecret: {name: k}, certSecret: {name: c}, unsignedImage: 'r/u:1'}}]}";

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn verdict(container: &str, look: &Look, push: bool, supplies: &Supplies) -> Verdict {
    verdict_where(Pods::None, container, look, push, supplies)
}

fn verdict_where(pods: Pods<'_>, container: &str, look: &Look, push: bool, supplies: &Supplies) -> Verdict {
    let subjects = [Subject::resolve(
        &module(container),
        &KernelVersion::parse(KERNEL).unwrap(),
    )];
    let world = World {
        subjects: &subjects,
        supplies,
        toolkit_image: None,
        push_built_image: push,
        pods,
    };
    decide(&world, |_| look, now()).remove(0)
}

fn failed(kind: LookFailureKind) -> Look {
    Look::Failed {
        failure: LookFailure::new(kind, "the registry said so"),
        since: now(),
    }
}

fn judged(findings: Vec<Finding>) -> Look {
    let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    Look::Judged { digest, findings }
}

fn gone() -> Finding {
    Finding::decides(Rule::SymbolMissing, "needs `foo`")
}

// Rows "st-1", "st-11", "st-12", "st-20", "st-21", "st-22", "st-24", "D01" and "D11".
#[expect(clippy::too_many_lines, reason = "one table")]
#[test]
fn every_state_of_a_target_has_its_verdict() {
    use LookFailureKind::{Damaged, Denied, NoPlatform, NotFound, TooLarge, UnknownPlatform, Unreachable};
    use VerificationStatus::{Failure, InProgress, Success};
    let warned = || judged(vec![Finding::warns(Rule::ModuleInTree, "is in-tree too")]);
    for (row, container, look, push, status, reason) in [
        (
            "no mapping (st-20)",
            "{kernelMappings: []}",
            failed(NotFound),
            false,
            Failure,
            "mapping not found",
        ),
        (
            "invalid Module (D09)",
            "{kernelMappings: [{regexp: (}]}",
            failed(NotFound),
            false,
            Failure,
            "the Module is invalid: spec.moduleLoader",
        ),
        (
            "not looked at yet (st-24)",
            PLAIN,
            Look::Pending,
            false,
            InProgress,
            "verification is not finished yet",
        ),
        (
            "would load (st-21)",
            PLAIN,
            judged(vec![]),
            false,
            Success,
            "verified image exists",
        ),
        (
            "would load, with a warning",
            PLAIN,
            warned(),
            false,
            Success,
            "warning: is in-tree too",
        ),
        (
            "would not load",
            PLAIN,
            judged(vec![gone()]),
            true,
            Failure,
            "would not load: needs `foo` [symbol-missing]",
        ),
        (
            "would not load, could be built, not pushed",
            BUILT,
            judged(vec![gone()]),
            false,
            Failure,
            "set pushBuiltImage",
        ),
        (
            "would not load, could be built and pushed",
            BUILT,
            judged(vec![gone()]),
            true,
            InProgress,
            "It would be replaced; it would be built",
        ),
        (
            "missing (D01, st-22)",
            PLAIN,
            failed(NotFound),
            false,
            Failure,
            "verified image does not exist: the registry said so",
        ),
        (
            "missing, would be built",
            BUILT,
            failed(NotFound),
            false,
            InProgress,
            "it would be built from ConfigMap ns1/df",
        ),
        (
            "missing, would be signed",
            SIGNED,
            failed(NotFound),
            false,
            InProgress,
            "r/u:1 would be signed with Secret ns1/k",
        ),
        (
            "denied",
            PLAIN,
            failed(Denied),
            false,
            Failure,
            "Push it, or give the Module an imageRepoSecret that may pull it",
        ),
        (
            "denied, would be built, unpushed (D11)",
            BUILT,
            failed(Denied),
            true,
            InProgress,
            "nothing would be pushed",
        ),
        (
            "unreachable (D11)",
            PLAIN,
            failed(Unreachable),
            false,
            InProgress,
            "verification is not finished yet: the registry said so",
        ),
        (
            "unreachable is never built (D11)",
            BUILT,
            failed(Unreachable),
            true,
            InProgress,
            "verification is not finished yet: the registry said so",
        ),
        ("damaged", PLAIN, failed(Damaged), false, Failure, "push it again"),
        (
            "damaged, would be built",
            BUILT,
            failed(Damaged),
            false,
            InProgress,
            "No node could pull it",
        ),
        ("no platform", PLAIN, failed(NoPlatform), false, Failure, "architecture"),
        (
            "unknown platform",
            PLAIN,
            failed(UnknownPlatform),
            false,
            InProgress,
            "not finished",
        ),
        (
            "too large",
            BUILT,
            failed(TooLarge),
            true,
            Failure,
            "could not be judged",
        ),
    ] {
        let verdict = verdict(container, &look, push, &Supplies::default());
        let stage = if status == InProgress {
            VerificationStage::Image
        } else {
            VerificationStage::Done
        }; // st-1
        assert_eq!(
            (verdict.status, verdict.stage),
            (status, stage),
            "{row}: {}",
            verdict.reason
        );
        assert!(verdict.reason.contains(reason), "{row}: {}", verdict.reason);
    }
}

#[test]
fn what_may_pass_fails_after_a_bounded_time() {
    for kind in [LookFailureKind::Unreachable, LookFailureKind::UnknownPlatform] {
        let since = |ago: SignedDuration| Look::Failed {
            failure: LookFailure::new(kind, "no route"),
            since: now() - ago,
        };
        let status = |look| verdict(PLAIN, &look, false, &Supplies::default()).status;
        assert_eq!(
            status(since(UNREACHABLE_PATIENCE - SignedDuration::from_secs(1))),
            VerificationStatus::InProgress
        );
        assert_eq!(status(since(UNREACHABLE_PATIENCE)), VerificationStatus::Failure);
    }
}

#[test]
fn what_would_be_made_in_a_cluster_without_pods_is_a_failure_that_says_what_to_do() {
    use LookFailureKind::{Damaged, Denied, NotFound};
    for (container, look, would) in [
        (BUILT, failed(NotFound), "it would be built from ConfigMap ns1/df"),
        (BUILT, failed(Denied), "it would be built from ConfigMap ns1/df"),
        (BUILT, failed(Damaged), "it would be built from ConfigMap ns1/df"),
        (BUILT, judged(vec![gone()]), "it would be built from ConfigMap ns1/df"),
        (SIGNED, failed(NotFound), "r/u:1 would be signed with Secret ns1/k"),
    ] {
        let on = |pods| verdict_where(pods, container, &look, true, &Supplies::default());
        let (files, cluster) = (on(Pods::None), on(Pods::Forbidden));
        assert_eq!(files.status, VerificationStatus::InProgress, "{}", files.reason);
        assert_eq!(
            (cluster.status, cluster.stage),
            (VerificationStatus::Failure, VerificationStage::Done),
            "{}",
            cluster.reason
        );
        for part in [would, "switched off in this cluster (jobs.enabled", "push it"] {
            assert!(cluster.reason.contains(part), "{part}: {}", cluster.reason);
        }
    }
}

#[test]
fn what_a_build_lacks_is_said_at_once() {
    // Rows "D20", "st-23", and those of the table.
    let name = |name: &str| ("ns1".to_owned(), name.to_owned());
    let complete = Supplies {
        dockerfiles_complete: true,
        secrets: ["k", "c"].map(|secret| (name(secret), KnownSecret::Absent)).into(),
        ..Supplies::default()
    };
    let dockerfile = |text: Option<&str>| Supplies {
        dockerfiles: [(name("df"), text.map(str::to_owned))].into(),
        ..complete.clone()
    };
    let keyless = Supplies {
        secrets: [(
            name("k"),
            KnownSecret::Keys {
                keys: ["wrong".to_owned()].into(),
                version: String::new(),
            },
        )]
        .into(),
        ..Supplies::default()
    };
    for (row, container, supplies, reason) in [
        ("br-3", BUILT, complete.clone(), "the ConfigMap ns1/df does not exist"),
        (
            "br-4",
            BUILT,
            dockerfile(None),
            "the ConfigMap ns1/df has no key `dockerfile`",
        ),
        (
            "ba-5",
            BUILT,
            dockerfile(Some("FROM ${DTK_AUTO}")),
            "uses DTK_AUTO, and no driver toolkit is known",
        ),
        (
            "br-1",
            SIGNED,
            complete.clone(),
            "the Secret ns1/k does not exist; the Secret ns1/c does not exist",
        ),
        ("br-2", SIGNED, keyless, "the Secret ns1/k has no key `key`"),
    ] {
        let verdict = verdict(container, &failed(LookFailureKind::NotFound), false, &supplies);
        assert_eq!(verdict.status, VerificationStatus::Failure, "{row}");
        assert!(verdict.reason.contains(reason), "{row}: {}", verdict.reason);
    }
    let fine = verdict(
        BUILT,
        &failed(LookFailureKind::NotFound),
        false,
        &dockerfile(Some("FROM scratch")),
    );
    assert_eq!(fine.status, VerificationStatus::InProgress);
}

#[test]
fn a_dockerfile_that_could_not_be_read_is_not_called_missing() {
    let supplies = Supplies {
        dockerfiles_complete: true,
        unread: [("ns1".to_owned(), "df".to_owned())].into(),
        ..Supplies::default()
    };
    let verdict = verdict(BUILT, &failed(LookFailureKind::NotFound), false, &supplies);
    assert_eq!(verdict.status, VerificationStatus::InProgress, "{}", verdict.reason);
}

#[test]
fn findings_that_decide_come_first_and_the_rest_keep_their_order() {
    let findings = vec![
        Finding::informs(Rule::ToolkitMissing, "a"),
        Finding::warns(Rule::ModuleInTree, "b"),
        gone(),
        Finding::decides(Rule::CrcMismatch, "d"),
    ];
    let verdict = verdict(PLAIN, &judged(findings), false, &Supplies::default());
    let rules: Vec<Rule> = verdict.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(
        rules,
        [
            Rule::SymbolMissing,
            Rule::CrcMismatch,
            Rule::ModuleInTree,
            Rule::ToolkitMissing
        ]
    );
    assert!(verdict.reason.contains("(and 1 more finding)"), "{}", verdict.reason);
}

#[test]
fn one_broken_module_does_not_hide_the_others() {
    // D08, D09, st-13
    let kernel = KernelVersion::parse(KERNEL).unwrap();
    let mut device_plugin = module(PLAIN);
    device_plugin.spec.module_loader = None;
    let modules = [module("{kernelMappings: [{regexp: (}]}"), device_plugin, module(PLAIN)];
    let subjects: Vec<Subject> = modules.iter().map(|module| Subject::resolve(module, &kernel)).collect();
    let world = World {
        subjects: &subjects,
        supplies: &Supplies::default(),
        toolkit_image: None,
        push_built_image: false,
        pods: Pods::None,
    };
    let look = judged(vec![]);
    let verdicts = decide(&world, |_| &look, now());
    let statuses: Vec<_> = verdicts.iter().map(|verdict| verdict.status).collect();
    assert_eq!(
        statuses,
        [
            VerificationStatus::Failure,
            VerificationStatus::Success,
            VerificationStatus::Success
        ]
    );
    assert_eq!(verdicts[1].reason, "no kernel module to load");
}
