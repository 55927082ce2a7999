//! Installed, changed, rolled back and uninstalled on a real API server.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::chart::helm::{CHART, chart_yaml};
use crate::chart::release::{Cluster, DEPLOYMENT, NAME, NAMESPACE, SECRET};
use crate::chart::settings::NEWER;

const PREFLIGHT: &str = include_str!("../../examples/operator/preflight.yaml");
const MODULE: &str = include_str!("../../examples/operator/module.yaml");

/// Where what the operator fills in is, besides the Secret.
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/kmm-preflight";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/kmm-preflight";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/preflight/leases/kmm-preflight";

/// What the operator fills in, done by hand: the CA bundle (`Q0E=`), the Secret, the Lease.
fn fill_in(cluster: &Cluster) {
    for (kind, webhook) in [("Mutating", "default"), ("Validating", "validate")] {
        let bundle = format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: {kind}WebhookConfiguration\nmetadata: {{name: {NAME}}}\n\
             webhooks:\n- name: {webhook}.preflightvalidationsocp.kmm.sigs.x-k8s.io\n  clientConfig: {{caBundle: Q0E=}}\n"
        );
        cluster.apply("operator", &bundle).unwrap();
    }
    cluster
        .patch(
            &["secret", "kmm-preflight-tls", "-n", NAMESPACE],
            &json!({"data": {"tls.crt": "Q0VSVA=="}}),
        )
        .unwrap();
    cluster
        .patch(
            &["lease", NAME, "-n", NAMESPACE],
            &json!({"spec": {"holderIdentity": "pod-1"}}),
        )
        .unwrap();
}

fn assert_filled_in(cluster: &Cluster) {
    for configuration in [MUTATING, VALIDATING] {
        assert_eq!(
            cluster.get(configuration)["webhooks"][0]["clientConfig"]["caBundle"],
            "Q0E=",
            "{configuration}"
        );
    }
    assert_eq!(cluster.get(SECRET)["data"]["tls.crt"], "Q0VSVA==");
    assert_eq!(cluster.get(LEASE)["spec"]["holderIdentity"], "pod-1");
}

#[test]
fn upgrades_and_rollbacks_leave_alone_what_the_operator_fills_in() {
    let Some(cluster) = Cluster::with_definitions(&["modules"]) else {
        return;
    };
    cluster.install("replicas=2");
    fill_in(&cluster);

    cluster.upgrade("replicas=3,webhook.timeoutSeconds=9,toolkits.6\\.1\\.0-1=registry.example.com/dtk:1");
    assert_filled_in(&cluster);
    assert_eq!(cluster.get(DEPLOYMENT)["spec"]["replicas"], 3);
    assert_eq!(cluster.get(VALIDATING)["webhooks"][0]["timeoutSeconds"], 9);
    let toolkits = cluster.get("/api/v1/namespaces/preflight/configmaps/kmm-preflight-toolkits");
    assert_eq!(
        toolkits["data"]["toolkits.yaml"],
        "6.1.0-1: registry.example.com/dtk:1\n"
    );

    cluster.helm(&["rollback", NAME, "1"]).unwrap();
    assert_filled_in(&cluster);
    assert_eq!(cluster.get(DEPLOYMENT)["spec"]["replicas"], 2);
    assert_eq!(cluster.get(VALIDATING)["webhooks"][0]["timeoutSeconds"], 5);
}

/// The chart as it was before it had some of its settings.
fn older_chart(folder: &Path) -> String {
    let chart = folder.join("older");
    let copied = Command::new("cp").arg("-R").arg(CHART).arg(&chart).status();
    assert!(copied.expect("cp").success());
    let mut values = chart_yaml("values.yaml");
    let missing: Value = serde_saphyr::from_str(NEWER).expect("YAML");
    take_out(&mut values, &missing);
    fs::write(chart.join("values.yaml"), values.to_string()).expect("its values");
    chart.to_str().expect("UTF-8").to_owned()
}

/// Removes what is null in the other.
fn take_out(values: &mut Value, missing: &Value) {
    for (name, missing) in missing.as_object().expect("an object") {
        match missing {
            Value::Null => drop(values.as_object_mut().expect("an object").remove(name)),
            below => take_out(&mut values[name], below),
        }
    }
}

#[test]
fn an_upgrade_that_reuses_an_older_charts_values_takes_nothing_away() {
    let Some(cluster) = Cluster::with_definitions(&["modules"]) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let older = older_chart(folder.path());
    cluster.helm(&["install", NAME, &older, "--create-namespace"]).unwrap();
    cluster.helm(&["upgrade", NAME, CHART, "--reuse-values"]).unwrap();
    let reused = what_the_operator_may(&cluster);
    assert!(
        reused.contains("nodefeatures") && reused.contains("\"jobs\""),
        "{reused}"
    );
    cluster.upgrade("replicas=3");
    assert_eq!(what_the_operator_may(&cluster), reused);
    let operator = cluster.get(DEPLOYMENT)["spec"]["template"]["spec"].to_string();
    assert!(!operator.contains("--ignore-node-features"), "{operator}");
}

fn what_the_operator_may(cluster: &Cluster) -> String {
    cluster.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/kmm-preflight")["rules"].to_string()
}

#[test]
fn a_secret_that_was_made_anew_with_another_type_is_no_obstacle_to_an_upgrade() {
    let Some(cluster) = Cluster::with_definitions(&["modules"]) else {
        return;
    };
    cluster.install("replicas=2");
    let secret = ["secret", "kmm-preflight-tls", "-n", NAMESPACE];
    cluster.kubectl(&[&["delete"], &secret[..]].concat()).unwrap();
    let anew = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: kmm-preflight-tls, namespace: {NAMESPACE}}}\n\
         type: kubernetes.io/tls\ndata: {{tls.crt: Q0VSVA==, tls.key: S0VZ}}\n"
    );
    cluster.apply("operator", &anew).unwrap();
    cluster.upgrade("replicas=3");
    assert_eq!(cluster.get(SECRET)["data"]["tls.key"], "S0VZ");
    cluster.helm(&["uninstall", NAME]).unwrap();
    cluster
        .kubectl(&[&["get"], &secret[..]].concat())
        .expect_err("it goes with the release");
}

#[test]
fn the_pods_are_admitted_where_the_restricted_standard_is_enforced() {
    let Some(cluster) = Cluster::with_definitions(&["modules"]) else {
        return;
    };
    cluster.kubectl(&["create", "namespace", NAMESPACE]).unwrap();
    let enforce = "pod-security.kubernetes.io/enforce=restricted";
    cluster.kubectl(&["label", "namespace", NAMESPACE, enforce]).unwrap();
    cluster.install("caBundle.configMap=trusted");
    let mut pod = cluster.get(DEPLOYMENT)["spec"]["template"].clone();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "one".into();
    pod["metadata"]["namespace"] = NAMESPACE.into();
    let dry = "--dry-run=server";
    cluster.create(dry, &pod.to_string()).unwrap();
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    let refusal = cluster
        .create(dry, &pod.to_string())
        .expect_err("the standard is enforced");
    assert!(refusal.contains("violates PodSecurity"), "{refusal}");
}

#[test]
fn an_uninstall_leaves_the_definition_and_nothing_that_blocks_the_api() {
    let Some(cluster) = Cluster::with_definitions(&["modules"]) else {
        return;
    };
    cluster.kubectl(&["create", "namespace", NAMESPACE]).unwrap();
    cluster.kubectl(&["create", "namespace", "drivers"]).unwrap();
    let before = cluster.objects();
    let notes =
        cluster.install("kmm.silencePreflight=true,rbac.secretNamespaces={drivers},clusterPullSecret=drivers/pull");
    assert!(
        notes.contains("kubectl wait --for=condition=Complete preflightvalidationocp/upgrade"),
        "{notes}"
    );
    fill_in(&cluster);
    assert!(cluster.objects().len() > before.len() + 15);

    cluster.helm(&["uninstall", NAME]).unwrap();
    let after = cluster.objects();
    let left: Vec<_> = after.iter().filter(|object| !before.contains(object)).collect();
    let definition = [
        "<none> APIService v1beta2.kmm.sigs.x-k8s.io",
        "<none> CustomResourceDefinition preflightvalidationsocp.kmm.sigs.x-k8s.io",
    ];
    assert_eq!(left, definition);
    cluster.eventually("preflights are stored without a webhook", |cluster| {
        cluster.apply("admin", PREFLIGHT)
    });
}

#[test]
fn with_no_pod_that_answers_preflights_wait_and_nothing_else_does() {
    let Some(cluster) = Cluster::with_definitions(&["modules"]) else {
        return;
    };
    cluster.install("webhook.failurePolicy=Ignore");
    cluster.eventually("preflights are stored unchecked", |cluster| {
        cluster.apply("admin", PREFLIGHT)
    });
    cluster.upgrade("webhook.failurePolicy=Fail");
    let change = PREFLIGHT.replace("6.1.0-50", "6.1.0-51");
    cluster.eventually("preflights cannot be changed", |cluster| {
        match cluster.apply("admin", &change) {
            Err(complaint) if complaint.contains("failed calling webhook") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    cluster.apply("admin", MODULE).unwrap();
    let upgrade = ["preflightvalidationocp", "upgrade"];
    cluster
        .patch(
            &[&upgrade[..], &["--subresource=status"]].concat(),
            &json!({"status": {"summary": "0/1"}}),
        )
        .unwrap();
    cluster
        .kubectl(&[&["delete", "--timeout=30s"], &upgrade[..]].concat())
        .unwrap();
}

#[test]
fn the_definition_comes_with_the_release_and_keeps_its_rules() {
    let Some(cluster) = Cluster::with_definitions(&[]) else {
        return;
    };
    cluster.install("webhook.enabled=false");
    cluster.eventually("good preflights are stored", |cluster| {
        cluster.apply("admin", PREFLIGHT)
    });
    let refusal = cluster
        .apply("admin", include_str!("../../examples/operator/malformed.yaml"))
        .unwrap_err();
    assert!(
        refusal.contains("must be a kernel release as `uname -r` prints it"),
        "{refusal}"
    );
    let columns = cluster.kubectl(&["get", "pfvo"]).unwrap();
    assert!(columns.starts_with("NAME      KERNEL "), "{columns}");

    // Deleted by mistake, it comes back with the next upgrade, for the release brought it.
    cluster
        .kubectl(&["delete", "crd", "preflightvalidationsocp.kmm.sigs.x-k8s.io"])
        .unwrap();
    cluster.upgrade("replicas=1");
    cluster.eventually("good preflights are stored again", |cluster| {
        cluster.apply("admin", PREFLIGHT)
    });
}

/// What the operator asks of the API server: a verb, a resource with its group, a name, a namespace. Without a namespace it
/// is in all of them, where the kind has some.
const NEEDED: [&str; 20] = [
    "watch preflightvalidationsocp.kmm.sigs.x-k8s.io",
    "patch preflightvalidationsocp.kmm.sigs.x-k8s.io:status",
    "list modules.kmm.sigs.x-k8s.io",
    "watch modules.kmm.sigs.x-k8s.io",
    "list configmaps",
    "get configmaps in drivers",
    "watch nodes",
    "get serviceaccounts in drivers",
    "get secrets in drivers",
    "create events.events.k8s.io in default",
    "patch events.events.k8s.io in drivers",
    "get customresourcedefinitions.apiextensions.k8s.io/preflightvalidationsocp.kmm.sigs.x-k8s.io",
    "patch mutatingwebhookconfigurations.admissionregistration.k8s.io/kmm-preflight",
    "watch validatingwebhookconfigurations.admissionregistration.k8s.io/kmm-preflight",
    "create leases.coordination.k8s.io in preflight",
    "update leases.coordination.k8s.io/kmm-preflight in preflight",
    "create secrets in preflight",
    "update secrets/kmm-preflight-tls in preflight",
    "watch secrets/kmm-preflight-tls in preflight",
    "watch configmaps/kmm-preflight-toolkits in preflight",
];

/// What somebody who got hold of it would like to do besides.
const UNNEEDED: [&str; 25] = [
    "list secrets",
    "watch secrets",
    "list secrets in preflight",
    "create secrets in drivers",
    "update secrets/other in preflight",
    "delete secrets/kmm-preflight-tls in preflight",
    "create preflightvalidationsocp.kmm.sigs.x-k8s.io",
    "update preflightvalidationsocp.kmm.sigs.x-k8s.io",
    "patch preflightvalidationsocp.kmm.sigs.x-k8s.io",
    "delete preflightvalidationsocp.kmm.sigs.x-k8s.io",
    "patch modules.kmm.sigs.x-k8s.io in drivers",
    "patch modules.kmm.sigs.x-k8s.io:status in drivers",
    "patch configmaps in drivers",
    "patch nodes",
    "create pods in preflight",
    "create pods:exec in preflight",
    "create serviceaccounts:token in preflight",
    "impersonate users",
    "patch mutatingwebhookconfigurations.admissionregistration.k8s.io/other",
    "list validatingwebhookconfigurations.admissionregistration.k8s.io",
    "create validatingwebhookconfigurations.admissionregistration.k8s.io",
    "delete validatingwebhookconfigurations.admissionregistration.k8s.io/kmm-preflight",
    "get customresourcedefinitions.apiextensions.k8s.io/modules.kmm.sigs.x-k8s.io",
    "update leases.coordination.k8s.io in kube-system",
    "patch clusterroles.rbac.authorization.k8s.io",
];

/// Such words as a review of rights takes them.
fn attributes(what: &str) -> Value {
    let (what, namespace) = what.split_once(" in ").unwrap_or((what, ""));
    let (verb, what) = what.split_once(' ').expect("a verb");
    let (what, name) = what.split_once('/').unwrap_or((what, ""));
    let (what, subresource) = what.split_once(':').unwrap_or((what, ""));
    let (resource, group) = what.split_once('.').unwrap_or((what, ""));
    json!({"verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name,
           "namespace": namespace})
}

#[test]
fn the_account_may_do_what_it_needs_and_no_more() {
    let Some(cluster) = Cluster::with_definitions(&["modules"]) else {
        return;
    };
    cluster.install("replicas=2");
    let account = "system:serviceaccount:preflight:kmm-preflight";
    let groups = [
        "system:serviceaccounts",
        "system:serviceaccounts:preflight",
        "system:authenticated",
    ];
    let may = |what: &str| cluster.may(account, &groups, &attributes(what));
    cluster.eventually("the roles are heeded", |_| {
        may(NEEDED[0]).then_some(()).ok_or("not yet".to_owned())
    });
    for what in NEEDED {
        assert!(may(what), "it may not {what}");
    }
    for what in UNNEEDED {
        assert!(!may(what), "it may {what}");
    }
}
