//! One release from its install to its uninstall. One test, for a node is this whole machine.

use crate::node::asking::while_asked;
use crate::node::confined::{Confinement, confinements};
use crate::node::release::{NAME, Release, example, project};

#[test]
#[ignore = "takes root, minutes and a static program: cargo test --test node -- --ignored"]
fn a_release_answers_from_its_install_to_its_uninstall() {
    let Some(release) = Release::install(2, "jobs.enabled=true") else {
        return;
    };
    its_pods_are_confined();
    a_malformed_preflight_is_refused_with_its_fields(&release);
    the_example_gets_its_verdicts(&release);
    certificates_are_replaced_and_nobody_is_refused(&release);
    pods_are_replaced_and_nobody_is_refused(&release);
    an_upgrade_changes_a_value_and_nobody_is_refused(&release);
    an_uninstall_leaves_the_answers_and_nothing_that_refuses(&release);
}

/// The namespace enforces the restricted standard; this is what comes of it.
fn its_pods_are_confined() {
    let confined = || Confinement {
        users: ["65532"; 4].join(" "),
        capabilities: "0".repeat(16),
        no_new_privileges: "1".to_owned(),
        root: "ro".to_owned(),
    };
    assert_eq!(confinements(), [confined(), confined()]);
}

fn a_malformed_preflight_is_refused_with_its_fields(release: &Release) {
    let refusal = release
        .apply(&example("operator/malformed.yaml"))
        .unwrap_err()
        .to_string();
    // The API server's own check of the definition would name the first alone.
    for words in ["* spec.kernelVersion: ", "* spec.dtkImage: "] {
        assert!(refusal.contains(words), "{words}: {refusal}");
    }
}

fn the_example_gets_its_verdicts(release: &Release) {
    release.apply_modules();
    release
        .apply(&release.here(&example("operator/preflight.yaml")))
        .unwrap();
    release.kubectl("wait --for=condition=Complete preflightvalidationocp/upgrade --timeout=3m");
    let table = release.kubectl("get preflightvalidationsocp");
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "KERNEL", "VERIFIED", "STATUS", "AGE"], "{table}");
    assert_eq!(rows[1][..3], ["upgrade", "6.1.0-50-cloud-amd64", "5/15"], "{table}");
    let verified = release.kubectl(
        "get preflightvalidationocp upgrade -o=jsonpath={.status.modules[?(@.verificationStatus=='Success')].name}",
    );
    assert_eq!(verified, "gpio-plugin vectra quicknic fastblk raidmesh");
    release.eventually("an event tells how it ended", |release| {
        let told = release.kubectl("describe preflightvalidationocp upgrade");
        told.contains("10 of 15 Modules would not load")
            .then_some(())
            .ok_or(told)
    });
}

/// A deleted Secret is written back with what is served, and a new CA: trusted for a minute, then serving.
fn certificates_are_replaced_and_nobody_is_refused(release: &Release) {
    let served = || {
        release.kubectl(&format!(
            "get secret {NAME}-tls -n {NAME} --ignore-not-found -o=jsonpath={{.data.tls\\.crt}}"
        ))
    };
    let former = served();
    assert!(!former.is_empty());
    while_asked(release.cluster(), || {
        release.kubectl(&format!("delete secret {NAME}-tls -n {NAME}"));
        release.eventually("another certificate is served", |_| {
            let now = served();
            (!now.is_empty() && now != former).then_some(()).ok_or(now)
        });
    });
    let trusted = release.kubectl(&format!(
        "get secret {NAME}-tls -n {NAME} -o=jsonpath={{.data.ca\\.crt}}"
    ));
    for kind in ["mutating", "validating"] {
        let bundle = "-o=jsonpath={.webhooks[*].clientConfig.caBundle}";
        let injected = release.kubectl(&format!("get {kind}webhookconfiguration {NAME} {bundle}"));
        assert_eq!(injected, trusted, "{kind}");
    }
}

fn pods_are_replaced_and_nobody_is_refused(release: &Release) {
    let former = release.pods();
    while_asked(release.cluster(), || {
        release.kubectl(&format!("rollout restart deployment/{NAME} -n {NAME}"));
        release.wait_for_pods();
    });
    let now = release.pods();
    assert!(former.iter().all(|pod| !now.contains(pod)), "{former:?} {now:?}");
}

fn an_upgrade_changes_a_value_and_nobody_is_refused(release: &Release) {
    let chart = project("charts/kmm-preflight").display().to_string();
    while_asked(release.cluster(), || {
        release.helm(&[
            "upgrade",
            NAME,
            &chart,
            "--reset-then-reuse-values",
            "--set=log.level=debug",
        ]);
        release.wait_for_pods();
    });
    let arguments = release.kubectl(&format!(
        "get pods -n {NAME} -o=jsonpath={{.items[*].spec.containers[0].args}}"
    ));
    assert_eq!(arguments.matches("--log-level=debug").count(), 2, "{arguments}");
}

fn an_uninstall_leaves_the_answers_and_nothing_that_refuses(release: &Release) {
    release.helm(&["uninstall", NAME, "--wait", "--timeout=4m"]);
    let kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,clusterrolebindings,\
                 deployments,services,secrets,configmaps,leases,serviceaccounts";
    let left = release.kubectl(&format!("get {kinds} -A -l app.kubernetes.io/instance={NAME} -o=name"));
    assert_eq!(left, "");
    assert_eq!(
        release.kubectl("get preflightvalidationsocp -o=name").lines().count(),
        1
    );
    let later = example("operator/preflight.yaml").replace("name: upgrade", "name: later");
    release.eventually("preflights are taken without us", |release| {
        release.apply(&later).map_err(|error| format!("{error:?}"))
    });
}
