//! A namespace that refuses the pod of a Job: the API server's own words are the reason.

use super::{Fate, buildable, judged, reason, verdict};
use crate::stage::{KERNEL, Stage, is_complete, row};

#[test]
fn a_namespace_that_enforces_the_restricted_standard_says_so_in_the_row() {
    let Some((stage, _kubelet)) = Stage::with_kubelet(&Fate::new(judged(false))) else {
        return;
    };
    stage.kubectl([
        "label",
        "namespace",
        "a",
        "pod-security.kubernetes.io/enforce=restricted",
    ]);
    stage.buildable(&["nic"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let told = |row: &serde_json::Value| reason(row).contains("violates PodSecurity");
    let open = stage.wait_for_row("upgrade", "nic", told);
    assert_eq!(verdict(&open), "InProgress", "{open:#}");
    assert!(
        reason(&open).contains("the cluster refuses its pod") && reason(&open).contains("restricted"),
        "{open:#}"
    );
    // As docs/building.md says; the controller of Jobs tries again.
    let relaxed = "pod-security.kubernetes.io/enforce=baseline";
    stage.kubectl(["label", "namespace", "a", relaxed, "--overwrite"]);
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
}

#[test]
fn a_quota_on_pods_is_the_reason_while_a_job_waits_for_its_pod() {
    let Some((stage, _kubelet)) = Stage::with_kubelet(&Fate::new(judged(false))) else {
        return;
    };
    stage.give_none_of("pods");
    stage.buildable(&["nic"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let told = |row: &serde_json::Value| reason(row).contains("exceeded quota: none");
    let open = stage.wait_for_row("upgrade", "nic", told);
    assert!(reason(&open).contains("the cluster refuses its pod"), "{open:#}");
    stage.kubectl(["delete", "quota", "none", "-n", "a"]);
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
}

#[test]
fn where_nothing_runs_in_pods_a_missing_image_is_an_answer() {
    let Some(stage) = Stage::set() else { return };
    stage.dockerfile("FROM scratch");
    stage.apply(&buildable("built", &stage.quicknic("missing")));
    stage.preflight("upgrade", KERNEL);
    let operator = stage.operator(&[]);
    let row = row(&stage.wait_for_status("upgrade", is_complete), "built");
    assert_eq!(verdict(&row), "Failure", "{row:#}");
    for words in [
        "would be built from ConfigMap a/dockerfile",
        "switched off in this cluster (jobs.enabled",
    ] {
        assert!(reason(&row).contains(words), "{words}: {row:#}");
    }
    operator.end();
}
