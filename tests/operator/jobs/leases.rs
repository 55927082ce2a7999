//! A replica that loses the Lease and lives on: it stops before another starts, and nothing is done twice.

use super::{Fate, WORK, judged, verdict};
use crate::kubelet::Play;
use crate::stage::{KERNEL, Operator, PREFLIGHTS, Stage, condition, eventually};

/// An account that may do all that the operator does, but for the Lease.
const ACCOUNT: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {namespace: kmm-preflight, name: first}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: first}
rules:
- {apiGroups: ['', apiextensions.k8s.io, batch, events.k8s.io, kmm.sigs.x-k8s.io], resources: ['*'], verbs: ['*']}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: first}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: first}
subjects: [{kind: ServiceAccount, namespace: kmm-preflight, name: first}]
";
/// Its right to the Lease.
const LEASES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {namespace: kmm-preflight, name: leases}
rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {namespace: kmm-preflight, name: leases}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: leases}
subjects: [{kind: ServiceAccount, namespace: kmm-preflight, name: first}]
";

const MODULES: [&str; 3] = ["one", "two", "three"];

fn leads(operator: &Operator) -> bool {
    operator.metric("kmm_preflight_leader ") == Some(1.0)
}

/// How many statuses it has written.
fn written(operator: &Operator) -> Option<f64> {
    operator.metric("kmm_preflight_status_writes_total{outcome=\"written\"}")
}

/// Waits until the second leads, and says whether the first did so at any such moment.
#[track_caller]
fn both_led(first: &Operator, second: &Operator) -> bool {
    let mut both = false;
    let took_over = eventually(|| {
        let is_second = leads(second);
        both |= is_second && leads(first);
        is_second
    });
    assert!(took_over, "{}", second.log());
    both
}

#[test]
fn who_cannot_renew_stops_before_another_starts_and_no_job_is_doubled() {
    let fate = Fate::new(Play::Runs("build"));
    let Some((stage, kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    stage.apply(ACCOUNT);
    stage.apply(LEASES);
    let account = stage.plane.kubeconfig_for_service_account("kmm-preflight", "first");
    stage.buildable(&MODULES);
    let words = [&["--no-webhook", "--jobs-at-once", "2"], &WORK[..]].concat();
    let first = stage.operator_as(&account.expect("the account"), &words);
    stage.preflight("upgrade", KERNEL);
    kubelet.wait_for_jobs(2);
    let second = stage.operator_with_jobs(&["--jobs-at-once", "2"]);
    assert!(leads(&first) && !leads(&second));

    // It lives, and may do everything else: what it does not do is its own doing.
    stage.kubectl(["delete", "rolebinding", "-n", "kmm-preflight", "leases"]);
    assert!(!both_led(&first, &second), "two led at once:\n{}", first.log());
    let written_before = written(&first);
    fate.is(judged(false));
    stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    stage.wait_until_nothing_is_left();
    assert_eq!(kubelet.names().len(), MODULES.len(), "doubled: {:?}", kubelet.names());
    assert_eq!(
        (leads(&first), written(&first)),
        (false, written_before),
        "{}",
        first.log()
    );

    // It leads again when it can.
    stage.apply(LEASES);
    second.end();
    stage.buildable(&["four"]);
    stage.wait_for_row("upgrade", "four", |row| verdict(row) == "Success");
    assert!(leads(&first));
    stage.wait_until_nothing_is_left();
    assert_eq!(kubelet.names().len(), MODULES.len() + 1, "{:?}", kubelet.names());
}

#[test]
fn who_slept_while_another_took_over_does_nothing_when_it_wakes() {
    let fate = Fate::new(Play::Runs("build"));
    let Some((stage, kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    stage.buildable(&MODULES);
    let first = stage.operator_with_jobs(&["--jobs-at-once", "2"]);
    stage.preflight("upgrade", KERNEL);
    kubelet.wait_for_jobs(2);
    let written_before = written(&first);
    first.sleep();
    let second = stage.operator_with_jobs(&["--jobs-at-once", "2"]);
    assert!(eventually(|| leads(&second)), "{}", second.log());
    fate.is(judged(false));
    stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    stage.wait_until_nothing_is_left();
    let version = || stage.object(PREFLIGHTS, "upgrade")["metadata"]["resourceVersion"].clone();
    let before = version();

    first.wake();
    assert!(eventually(|| !leads(&first)), "{}", first.log());
    let third = stage.quicknic(KERNEL);
    stage.apply(&crate::stage::module("a", "quicknic", &third));
    stage.wait_for_row("upgrade", "quicknic", |row| verdict(row) == "Success");
    assert_ne!(version(), before, "the second one goes on");
    assert_eq!(written(&first), written_before, "{}", first.log());
    assert_eq!(kubelet.names().len(), MODULES.len(), "doubled: {:?}", kubelet.names());
}
