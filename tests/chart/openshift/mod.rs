//! What OpenShift admits: the chart's pods and those of Jobs, by the answers of its own admission plugin, which
//! `tests/fixtures/openshift_scc` holds with the program that asked for them. Compiling that takes minutes; docs/building.md tells
//! how to ask anew, and a test fails where that is due.

mod answers;
mod pods;
mod questions;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use answers::{ANSWERS, FOR_BUILDS, OURS, about, admitting, fingerprint};
use pods::{ASSIGNED, BUILT_AND_SIGNED, BUILT_ELSEWHERE, IN_NAMESPACE, LOOKED_AT, PRIVILEGED, SIGNED};
use pods::{containers, of_jobs, of_others, of_the_chart};
use questions::{ASKED, questions, written};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/openshift_scc");

#[test]
fn openshift_was_asked_about_the_pods_that_are_made_today() {
    let Some(of_the_chart) = of_the_chart() else { return };
    let pods = [of_jobs(), of_the_chart, of_others()];
    let text = written(&questions(pods.into_iter().flatten().collect()));
    if text != ASKED {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/openshift_pods.json");
        std::fs::write(&path, text).expect("a file in target");
        panic!(
            "the pods have changed: put {} in place of pods.json, and have {FOLDER} ask anew",
            path.display()
        );
    }
    assert_eq!(
        ANSWERS.about,
        fingerprint(),
        "pods.json or the constraint for builds has changed: have {FOLDER} ask anew"
    );
}

#[test]
fn where_openshift_assigns_users_a_job_that_builds_nothing_needs_what_every_account_may_use() {
    for kind in [BUILT_ELSEWHERE, SIGNED, LOOKED_AT] {
        let pod = format!("{kind}{ASSIGNED}");
        let chosen = &about(&pod).chosen;
        assert!(
            chosen.values().all(|constraint| constraint == "restricted-v2"),
            "{pod}, whatever else its account may use: {chosen:?}"
        );
        let adds = &about(&pod).of["restricted-v2"].adds;
        for container in containers(&of_jobs()[&pod]) {
            let user = &adds[&format!("{}.runAsUser", container["name"].as_str().expect("a name"))];
            assert_eq!(user, 1_000_650_000, "{pod}: the first of the namespace's own");
        }
    }
}

#[test]
fn elsewhere_its_fixed_user_takes_nonroot_v2() {
    for kind in [BUILT_ELSEWHERE, SIGNED, LOOKED_AT] {
        assert_eq!(
            admitting(kind),
            [
                FOR_BUILDS,
                "nested-container",
                "nonroot-v2",
                "privileged",
                "restricted-v3"
            ],
            "{kind}"
        );
        let because = &about(kind).of["restricted-v2"].because;
        assert!(because.contains("runAsUser: Invalid value: 65532"), "{kind}: {because}");
    }
}

#[test]
fn in_a_user_namespace_it_keeps_to_what_restricted_v3_asks_for() {
    let undecided = &ANSWERS.undecided["restricted-v3"];
    assert_eq!(
        undecided,
        &["runAsGroup", "userNamespaceLevel"],
        "what the plugin's version does not decide"
    );
    let jobs = of_jobs();
    for kind in [BUILT_ELSEWHERE, SIGNED] {
        let pod = &jobs[&format!("{kind}{IN_NAMESPACE}")];
        assert_eq!(
            pod,
            &jobs[&format!("{kind}{IN_NAMESPACE}{ASSIGNED}")],
            "its user is its own"
        );
        assert!(
            about(&format!("{kind}{IN_NAMESPACE}")).of["restricted-v3"].admitted,
            "{kind}"
        );
        assert_eq!(pod["spec"]["hostUsers"], false, "{kind}: userNamespaceLevel");
        for container in containers(pod) {
            let group = container["securityContext"]["runAsGroup"].as_i64();
            assert!(
                group.is_some_and(|group| (1000..=65534).contains(&group)),
                "{kind}: runAsGroup"
            );
        }
    }
}

#[test]
fn a_build_needs_the_constraint_that_the_documentation_gives_or_the_privileged_one() {
    for setting in ["", IN_NAMESPACE] {
        let pod = format!("{BUILT_AND_SIGNED}{setting}");
        assert_eq!(admitting(&pod), [FOR_BUILDS, "privileged"], "{pod}");
        let verdicts = about(&pod);
        assert_eq!(verdicts.chosen[FOR_BUILDS], FOR_BUILDS, "{pod}");
        let adds: Vec<_> = verdicts.of[FOR_BUILDS].adds.keys().collect();
        assert_eq!(
            adds,
            ["pod.seLinuxOptions.level"],
            "{pod}: no seccomp profile, no group"
        );
    }
    assert_eq!(admitting(&format!("{BUILT_AND_SIGNED}{PRIVILEGED}")), ["privileged"]);
    let jobs = of_jobs();
    for setting in ["", PRIVILEGED, IN_NAMESPACE] {
        let pod = format!("{BUILT_AND_SIGNED}{setting}");
        assert_eq!(
            jobs[&pod],
            jobs[&format!("{pod}{ASSIGNED}")],
            "{pod}: its users are its own"
        );
    }
}

#[test]
fn what_openshift_brings_refuses_a_build_for_the_reasons_that_the_documentation_gives() {
    let of = &about(BUILT_AND_SIGNED).of;
    for (constraint, reasons) in [
        (
            "restricted-v2",
            &["runAsUser: Invalid value: 0: must be in the ranges"][..],
        ),
        ("nonroot-v2", &["runAsNonRoot: Invalid value: false: must be true"]),
        (
            "anyuid",
            &[
                "\"SETUID\": capability",
                "\"SETGID\": capability",
                "\"SETFCAP\": capability",
                "seccomp may not be set",
            ],
        ),
    ] {
        let because = &of[constraint].because;
        for reason in reasons {
            assert!(because.contains(reason), "{constraint}, {reason}: {because}");
        }
    }
    let because = &of["nested-container"].because;
    let (_, alone) = because.split_once(": ").expect("a constraint and its reason");
    assert_eq!(
        alone,
        ".initContainers[2].capabilities.add: Invalid value: \"SETFCAP\": capability may not be added"
    );
}

#[test]
fn the_constraint_for_builds_is_no_way_to_anything_else() {
    let mut narrowed = Vec::new();
    for pod in of_others().into_keys() {
        let verdict = &about(&pod).of[FOR_BUILDS];
        if verdict.admitted {
            let drops = verdict.adds.get("c.capabilities.drop");
            assert_eq!(drops, Some(&json!(["ALL"])), "{pod} is admitted as it is");
            narrowed.push(pod);
        }
    }
    let unasking = "somebody's, with nothing asked for";
    assert_eq!(narrowed, [unasking, "somebody's, with the runtime's capabilities"]);
    assert_eq!(about(unasking).chosen[FOR_BUILDS], FOR_BUILDS, "before `restricted-v2`");
}

#[test]
fn the_constraint_for_builds_allows_what_builds_use_and_has_every_field_that_its_definition_requires() {
    let ours: Value = serde_saphyr::from_str(OURS).expect("YAML");
    let jobs = of_jobs();
    let pod = &jobs[BUILT_AND_SIGNED];
    let build = containers(pod)
        .find(|container| container["name"] == "build")
        .expect("a builder");
    assert_eq!(
        ours["allowedCapabilities"],
        build["securityContext"]["capabilities"]["add"]
    );
    let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
    let kinds: BTreeSet<_> = volumes
        .iter()
        .flat_map(|volume| volume.as_object().expect("a volume").keys())
        .collect();
    let kinds: Vec<_> = kinds.into_iter().filter(|key| *key != "name").collect();
    assert_eq!(json!(kinds), ours["volumes"]);
    // github.com/openshift/api security/v1: securitycontextconstraints.crd.yaml, `required`.
    for field in [
        "allowHostDirVolumePlugin",
        "allowHostIPC",
        "allowHostNetwork",
        "allowHostPID",
        "allowHostPorts",
        "allowPrivilegedContainer",
        "allowedCapabilities",
        "defaultAddCapabilities",
        "priority",
        "readOnlyRootFilesystem",
        "requiredDropCapabilities",
        "volumes",
    ] {
        assert!(ours.get(field).is_some(), "{field}");
    }
    let guide = include_str!("../../../docs/building.md");
    assert!(
        guide.contains("examples/openshift/build-constraint.yaml"),
        "the guide gives it"
    );
}

#[test]
fn the_operators_pods_need_what_every_account_may_use_unless_somebody_gives_them_a_user() {
    let operators = ANSWERS.pods.iter().filter(|(pod, _)| pod.starts_with("operator, "));
    let (given, not_given): (Vec<_>, Vec<_>) = operators.partition(|(pod, _)| pod.ends_with("everything set"));
    assert_eq!((given.len(), not_given.is_empty()), (1, false));
    for (pod, verdicts) in not_given {
        assert_eq!(verdicts.chosen["restricted-v2"], "restricted-v2", "{pod}");
    }
    for (pod, verdicts) in given {
        assert_eq!(verdicts.chosen["restricted-v2"], "", "{pod}");
        assert_eq!(verdicts.chosen["nonroot-v2"], "nonroot-v2", "{pod}");
    }
}
