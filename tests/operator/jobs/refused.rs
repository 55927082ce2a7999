//! A namespace that refuses the pod of a Job: the API server's own words are the reason.

use serde_json::Value;

use super::{Fate, buildable, judged, reason, verdict};
use crate::stage::{KERNEL, Stage, eventually, is_complete, row};

impl Stage {
    /// Waits until the API server refuses this, with these words.
    #[track_caller]
    fn wait_until_refused(&self, yaml: &str, words: &str) {
        let mut last = Ok(Value::Null);
        let is_refused = eventually(|| {
            last = self.dry_run_of(yaml);
            last.as_ref().is_err_and(|why| why.contains(words))
        });
        assert!(is_refused, "{last:?}");
    }

    /// A policy of somebody else's that refuses everything of that kind in namespace `a`.
    fn refuse(&self, group: &str, kind: &str, message: &str) {
        self.apply(&format!(
            "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: costs}}
spec:
  matchConstraints:
    resourceRules:
    - {{apiGroups: ['{group}'], apiVersions: [v1], operations: [CREATE], resources: [{kind}]}}
  validations:
  - {{expression: \"object.metadata.namespace != 'a'\", message: '{message}'}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: costs}}
spec: {{policyName: costs, validationActions: [Deny]}}
"
        ));
    }
}

/// A pod with one container.
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {namespace: a, name: probe}\nspec: {containers: [{name: x, image: x, \
                   resources: {limits: {memory: 512Mi}}}]}\n";
/// A Job with one.
const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata: {namespace: a, name: probe}\nspec: {template: {spec: \
                   {restartPolicy: Never, containers: [{name: x, image: x}]}}}\n";

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
    let told = |row: &Value| reason(row).contains("violates PodSecurity");
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
    let told = |row: &Value| reason(row).contains("exceeded quota: none");
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

#[test]
fn a_limit_range_that_wants_more_than_is_asked_for_is_the_reason_while_a_job_waits_for_its_pod() {
    let Some((stage, _kubelet)) = Stage::with_kubelet(&Fate::new(judged(false))) else {
        return;
    };
    stage.kubectl(["create", "serviceaccount", "default", "-n", "a"]);
    stage.apply(
        "apiVersion: v1\nkind: LimitRange\nmetadata: {namespace: a, name: generous}\nspec: {limits: [{type: Container, min: {memory: 1Gi}}]}\n",
    );
    let words = "minimum memory usage per Container is 1Gi";
    stage.wait_until_refused(POD, words);
    stage.buildable(&["nic"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let open = stage.wait_for_row("upgrade", "nic", |row| reason(row).contains(words));
    assert!(
        verdict(&open) == "InProgress" && reason(&open).contains("the cluster refuses its pod"),
        "{open:#}"
    );
    stage.kubectl(["delete", "limitrange", "generous", "-n", "a"]);
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
}

#[test]
fn a_policy_of_somebody_elses_on_jobs_or_pods_is_the_reason_until_it_is_gone() {
    let words = "every one needs a cost centre";
    for (group, kind, probe, expected) in [("batch", "jobs", JOB, "Failure"), ("", "pods", POD, "InProgress")] {
        let Some((stage, _kubelet)) = Stage::with_kubelet(&Fate::new(judged(false))) else {
            return;
        };
        stage.kubectl(["create", "serviceaccount", "default", "-n", "a"]);
        stage.refuse(group, kind, words);
        stage.wait_until_refused(probe, words);
        stage.buildable(&["nic"]);
        let _operator = stage.operator_with_jobs(&[]);
        stage.preflight("upgrade", KERNEL);
        let refused = stage.wait_for_row("upgrade", "nic", |row| reason(row).contains(words));
        assert_eq!(verdict(&refused), expected, "{kind}: {refused:#}");
        stage.kubectl([
            "delete",
            "validatingadmissionpolicybinding,validatingadmissionpolicy",
            "costs",
        ]);
        stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
        stage.wait_until_nothing_is_left();
    }
}
