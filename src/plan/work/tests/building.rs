//! The OpenShift Build of an order, field by field against upstream's rows, and what becomes of it.

use serde_json::{Value, json};

use super::{BOTH, BUILT, DOCKERFILE, PLAIN, SIGNED, TOOLKIT, make, ordered};
use crate::plan::tests::{now, workshop};
use crate::plan::work::{BuildSeen, BuildWith, Ended, Errand, Push, Step, Work, Workshop, build_progress};

fn openshift() -> Workshop {
    Workshop {
        build_with: BuildWith::OpenShift,
        ..workshop()
    }
}

#[test]
fn a_build_has_upstreams_fields_and_a_temporary_tag_as_its_output() {
    let order = ordered(BOTH, make(Push::IfFree));
    let build = order.build(&openshift()).unwrap();
    let kernel = "5.14.0-427.el9.x86_64";
    let arg = |name: &str, value: &str| json!({"name": name, "value": value});
    assert_eq!(
        build["spec"],
        json!({
            "serviceAccount": "builder",
            "source": {"type": "Dockerfile", "dockerfile": DOCKERFILE},
            "strategy": {"type": "Docker", "dockerStrategy": {
                "buildArgs": [
                    arg("A", "$(B) $$"), arg("DTK_AUTO", TOOLKIT), arg("KERNEL_FULL_VERSION", kernel),
                    arg("KERNEL_VERSION", kernel), arg("MOD_NAME", "kmod"), arg("MOD_NAMESPACE", "ns1"),
                ],
                "volumes": [{
                    "name": "secret-s",
                    "source": {"type": "Secret", "secret": {"secretName": "s", "optional": false}},
                    "mounts": [{"destinationPath": "/run/secrets/s"}],
                }],
                "pullSecret": {"name": "pull"},
            }},
            "output": {
                "to": {"kind": "DockerImage", "name": format!("r.example.com/kmod:kmm-preflight-{}", order.fingerprint)},
                "pushSecret": {"name": "pull"},
            },
            "nodeSelector": {"build": "here", "kubernetes.io/arch": "amd64"},
            "mountTrustedCA": true,
            "completionDeadlineSeconds": 3600,
        })
    );
    assert_eq!(
        (&build["apiVersion"], &build["kind"]),
        (&json!("build.openshift.io/v1"), &json!("Build"))
    );
    let metadata = &build["metadata"];
    assert_eq!(
        (&metadata["name"], &metadata["namespace"]),
        (&json!(order.job.1), &json!("ns1"))
    );
    for (label, value) in [
        ("app.kubernetes.io/name", "kmm"),
        ("app.kubernetes.io/component", "BuildImage"),
        ("app.kubernetes.io/part-of", "kmm"),
        ("app.kubernetes.io/managed-by", "kmm-preflight"),
        ("kmm.node.kubernetes.io/module.name", "kmod"),
        ("kmm.node.kubernetes.io/target-kernel", "5-14-0-427-el9-x86-64"),
        ("kmm.openshift.io/build.type", "BuildImage"),
        ("preflight.kmm.sigs.x-k8s.io/errand", "make-and-push"),
    ] {
        assert_eq!(metadata["labels"][label], json!(value), "{label}");
    }
    assert_eq!(metadata["ownerReferences"][0]["uid"], json!("1a2b"));
}

#[test]
fn there_is_no_build_where_nothing_is_built_or_nothing_could_be_judged() {
    for (row, order, workshop) in [
        ("a Job builds", ordered(BUILT, make(Push::IfFree)), workshop()),
        ("no output", ordered(BUILT, make(Push::Never)), openshift()),
        ("nothing to build", ordered(SIGNED, make(Push::IfFree)), openshift()),
        ("a look", ordered(PLAIN, Errand::Look), openshift()),
    ] {
        assert_eq!(order.build(&workshop), None, "{row}");
    }
}

#[test]
fn what_is_not_set_is_left_out() {
    let mut order = ordered(BUILT, make(Push::IfFree));
    order.target.pull_secret = None;
    let spec = order.build(&openshift()).unwrap()["spec"].clone();
    assert_eq!(spec["strategy"]["dockerStrategy"].get("pullSecret"), None);
    assert_eq!(spec["output"].get("pushSecret"), None);
    assert_eq!(spec["strategy"]["dockerStrategy"]["volumes"], Value::Array(vec![]));
}

fn seen(phase: &str, reason: &str) -> BuildSeen {
    let label = |name: &str, value: &str| (format!("preflight.kmm.sigs.x-k8s.io/{name}"), value.to_owned());
    BuildSeen {
        name: ("ns1".to_owned(), "job".to_owned()),
        labels: [label("errand", "make-and-push"), label("attempt", "2")].into(),
        created: now(),
        ended: None,
        phase: phase.to_owned(),
        reason: reason.to_owned(),
        message: if reason.is_empty() {
            String::new()
        } else {
            "OpenShift says so".to_owned()
        },
        log: "error: building\nmake: *** [all] Error 2\n".to_owned(),
    }
}

// Rows "is-116", "is-130", "is-131", "is-132", "is-133".
#[test]
fn every_phase_of_a_build_is_known() {
    assert!(
        matches!(build_progress(&seen("Complete", "")), Work::None),
        "is-130: its Job is next"
    );
    for (row, phase) in [
        ("is-131", "New"),
        ("is-131", "Pending"),
        ("is-131", "Running"),
        ("is-133", ""),
        ("is-116", "Unheard"),
    ] {
        let work = build_progress(&seen(phase, ""));
        assert!(
            matches!(
                work,
                Work::Underway {
                    step: Some(Step::Build),
                    hindrance: None,
                    ..
                }
            ),
            "{row}: {work:?}"
        );
    }
    for (row, phase, reason, passes) in [
        ("is-132", "Failed", "DockerBuildFailed", false),
        ("is-132", "Failed", "PushImageToRegistryFailed", true),
        ("is-132", "Error", "BuildPodDeleted", true),
        ("is-132", "Error", "", false),
        ("is-132", "Cancelled", "CancelledBuild", true),
    ] {
        let work = build_progress(&seen(phase, reason));
        let Work::Ended { ended, attempt: 2, .. } = &work else {
            panic!("{row}: {work:?}")
        };
        let (Ended::Failed { why, .. } | Ended::Interrupted { why }) = ended else {
            panic!("{row}: {ended:?}")
        };
        assert_eq!(matches!(ended, Ended::Interrupted { .. }), passes, "{row}: {why}");
        assert!(
            why.contains("OpenShift Build ns1/job") && why.contains("make: *** [all] Error 2"),
            "{row}: {why}"
        );
    }
    let waits = build_progress(&seen("New", "InvalidOutputReference"));
    assert!(
        matches!(&waits, Work::Underway { hindrance: Some(why), .. } if why.contains("InvalidOutputReference")),
        "{waits:?}"
    );
    let others = BuildSeen {
        labels: [].into(),
        ..seen("Failed", "")
    };
    assert!(matches!(build_progress(&others), Work::None));
}
