//! Beside KMM on a real API server: its preflight controllers silenced, its definition left alone.

use serde_json::json;

use crate::chart::helm::CHART;
use crate::chart::release::{Cluster, NAME};

/// KMM's service account, with every right to its own objects, and somebody else who has the same.
const ACCOUNTS: &str = include_str!("../fixtures/kmm.yaml");

const KMM: &str = "--as=system:serviceaccount:openshift-kmm:kmm-operator-controller";
const SOMEBODY_ELSE: &str = "--as=system:serviceaccount:openshift-kmm:somebody-else";

const PREFLIGHT: &str = include_str!("../../examples/operator/preflight.yaml");
const MODULE: &str = include_str!("../../examples/operator/module.yaml");
/// What KMM makes of a PreflightValidationOCP, and answers by.
const PREFLIGHT_VALIDATION: &str = "
apiVersion: kmm.sigs.x-k8s.io/v1beta2
kind: PreflightValidation
metadata: {name: upgrade}
spec: {kernelVersion: 6.1.0-50-cloud-amd64, pushBuiltImage: false}
";

/// A cluster with KMM's definitions, its account, a Module and a preflight.
fn cluster_with_kmm() -> Option<Cluster> {
    let cluster = Cluster::with_definitions(&["modules", "preflightvalidations", "preflightvalidationsocp"])?;
    for object in [ACCOUNTS, MODULE, PREFLIGHT, PREFLIGHT_VALIDATION] {
        cluster.apply("admin", object).unwrap();
    }
    Some(cluster)
}

/// A write of the status, as KMM's controllers make it.
fn answer(cluster: &Cluster, by: &str, kind: &str) -> Result<String, String> {
    let status = json!({"status": {"modules": [{
        "name": "fastblk", "namespace": "storage", "verificationStatus": "InProgress", "verificationStage": "Image",
        "lastTransitionTime": "2026-11-22T00:00:00Z",
    }]}});
    cluster.patch(&[kind, "upgrade", "--subresource=status", by], &status)
}

fn assert_refused(outcome: &Result<String, String>) {
    let refusal = outcome.as_ref().expect_err("it is let through");
    assert!(
        refusal.contains("preflights are answered by kmm-preflight in this cluster"),
        "{refusal}"
    );
}

#[test]
fn silenced_kmm_cannot_answer_preflights_and_goes_on_with_all_else() {
    let Some(cluster) = cluster_with_kmm() else { return };
    answer(&cluster, KMM, "preflightvalidationocp").expect("nobody has silenced it yet");
    cluster.install("kmm.silencePreflight=true,webhook.enabled=false");
    cluster.eventually("the policy is heeded", |cluster| {
        match answer(cluster, KMM, "preflightvalidationocp") {
            Err(refusal) if refusal.contains("kmm-preflight") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });

    assert_refused(&answer(&cluster, KMM, "preflightvalidationocp"));
    assert_refused(&answer(&cluster, KMM, "preflightvalidation"));
    let other_kernel = json!({"spec": {"kernelVersion": "6.1.0-51-cloud-amd64"}});
    assert_refused(&cluster.patch(&["preflightvalidation", "upgrade", KMM], &other_kernel));
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    assert_refused(&cluster.patch(
        &["preflightvalidations.v1beta1.kmm.sigs.x-k8s.io", "upgrade", KMM],
        &label,
    ));
    cluster
        .kubectl(&["delete", "preflightvalidation", "upgrade", KMM])
        .expect("it may clean up");
    let create = PREFLIGHT_VALIDATION.replace("name: upgrade", "name: another");
    assert_refused(&cluster.create(KMM, &create));

    cluster
        .patch(&["module", "fastblk", "-n", "storage", KMM], &label)
        .expect("Modules are KMM's");
    let loaded = json!({"status": {"moduleLoader": {"availableNumber": 1, "desiredNumber": 1, "nodesMatchingSelectorNumber": 1}}});
    cluster
        .patch(
            &["module", "fastblk", "-n", "storage", "--subresource=status", KMM],
            &loaded,
        )
        .expect("and their status");
    cluster
        .patch(&["preflightvalidationocp", "upgrade", KMM], &label)
        .expect("finalizers and labels of preflights");
    cluster.create(SOMEBODY_ELSE, &create).expect("others are not meant");
    answer(&cluster, SOMEBODY_ELSE, "preflightvalidationocp").expect("others are not meant");

    cluster.upgrade("kmm.silencePreflight=false");
    cluster.eventually("KMM answers again", |cluster| {
        answer(cluster, KMM, "preflightvalidationocp")
    });
}

#[test]
fn who_is_told_to_silence_kmm_where_it_is_not_is_told_where_it_is() {
    let Some(cluster) = Cluster::with_definitions(&["modules"]) else {
        return;
    };
    let silence = |settings: &str| {
        let words = ["upgrade", "--install", NAME, CHART, "--create-namespace", "--set"];
        cluster.helm(&[&words[..], &[settings]].concat()).unwrap()
    };
    let notes = silence("kmm.silencePreflight=true");
    for words in [
        "WARNING: KMM is not silenced",
        "no service account kmm-operator-controller in the namespace openshift-kmm",
    ] {
        assert!(notes.contains(words), "{notes}");
    }
    cluster
        .kubectl(&["create", "namespace", "kmm-operator-system"])
        .unwrap();
    let account = ["create", "serviceaccount", "kmm-operator-controller", "-n"];
    cluster
        .kubectl(&[&account[..], &["kmm-operator-system"]].concat())
        .unwrap();
    let notes = silence("kmm.silencePreflight=true");
    assert!(
        notes.contains("KMM's is in the namespace kmm-operator-system"),
        "{notes}"
    );
    let notes = silence("kmm.silencePreflight=false");
    assert!(
        notes.contains("kmm.silencePreflight=true,kmm.namespace=kmm-operator-system"),
        "{notes}"
    );
    let notes = silence("kmm.silencePreflight=true,kmm.namespace=kmm-operator-system");
    assert!(!notes.contains("WARNING"), "{notes}");
}

#[test]
fn a_definition_that_kmm_brought_stays_kmms() {
    let Some(cluster) = cluster_with_kmm() else { return };
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = format!("{definitions}/preflightvalidationsocp.kmm.sigs.x-k8s.io");
    let before = cluster.get(&definition);
    cluster.install("replicas=1");
    cluster.upgrade("replicas=2");
    assert_eq!(cluster.get(&definition), before);
    cluster.helm(&["uninstall", NAME]).unwrap();
    assert_eq!(cluster.get(&definition), before);

    let complaint = cluster
        .helm(&["install", NAME, CHART, "--set", "crds.install=always"])
        .expect_err("it is not ours to replace");
    assert!(
        complaint.contains("exists and cannot be imported into the current release"),
        "{complaint}"
    );
}

#[test]
fn with_kmms_definition_one_can_wait_for_an_answer_as_the_guide_says() {
    let Some(cluster) = cluster_with_kmm() else { return };
    let row = |name: &str, status: &str, stage: &str| {
        json!({"name": name, "namespace": "storage", "verificationStatus": status, "verificationStage": stage,
            "statusReason": "why", "lastTransitionTime": "2026-11-22T00:00:00Z"})
    };
    let wait = |module: &str, answer: &str| {
        let path = format!(r#"--for=jsonpath={{.status.modules[?(@.name=="{module}")].verificationStatus}}={answer}"#);
        cluster.kubectl(&["wait", "preflightvalidationocp/upgrade", "--timeout=1s", &path])
    };
    let get = |path: &str| {
        cluster
            .kubectl(&[
                "get",
                "preflightvalidationocp",
                "upgrade",
                "-o",
                &format!("jsonpath={path}"),
            ])
            .unwrap()
    };

    assert_eq!(
        get("{.status.modules[*].verificationStage}"),
        "",
        "nothing to find yet, so the loop goes on"
    );
    let rows = json!({"status": {"modules": [row("fastblk", "Success", "Done"), row("tuned", "Failure", "Done")]}});
    cluster
        .patch(&["preflightvalidationocp", "upgrade", "--subresource=status"], &rows)
        .unwrap();
    wait("fastblk", "Success").expect("it is so");
    wait("tuned", "Success").expect_err("it failed");
    assert_eq!(get("{.status.modules[*].verificationStage}"), "Done Done");
    let failed = r#"{range .status.modules[?(@.verificationStatus=="Failure")]}{.namespace}/{.name}: {.statusReason}{"\n"}{end}"#;
    assert_eq!(get(failed), "storage/tuned: why\n");
    let guide = include_str!("../../docs/administrator.md");
    assert!(guide.contains(failed) && guide.contains("{.status.modules[*].verificationStage}"));
    assert!(guide.contains(r#"{.status.modules[?(@.name=="fastblk")].verificationStatus}'=Success"#));
}
