//! What the tests stand on: a control plane with CRDs, a client, and waiting for what comes.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::time::Duration;

use kmm_preflight::cluster::{Watches, connect};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use xtask::ControlPlane;

/// How long anything may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(1);
/// Between two looks at what nothing tells of.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// KMM's own definition of Modules.
pub(crate) const MODULES: &str = include_str!("../compat/crds/modules.yaml");
/// KMM's own definition of preflights.
pub(crate) const KMM_PREFLIGHTS: &str = include_str!("../compat/crds/preflightvalidationsocp.yaml");
/// Where preflights are.
pub(crate) const PREFLIGHTS: &str = "/apis/kmm.sigs.x-k8s.io/v1beta2/preflightvalidationsocp";
/// Our definition of preflights.
pub(crate) const OUR_PREFLIGHTS: &str = include_str!("../../charts/kmm-preflight/files/preflightvalidationsocp.yaml");

/// A control plane with these objects, and a client of somebody who may do everything.
pub(crate) async fn cluster(objects: &[&str]) -> Option<(ControlPlane, Client)> {
    let cluster = tokio::task::spawn_blocking(ControlPlane::for_test)
        .await
        .expect("started")?;
    for object in objects {
        apply(&cluster, object);
    }
    let client = client(&cluster.kubeconfig()).await;
    Some((cluster, client))
}

pub(crate) async fn client(kubeconfig: &std::path::Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    connect(config.expect("a configuration")).expect("a client")
}

/// Applies YAML or JSON; definitions are served when it returns.
pub(crate) fn apply(cluster: &ControlPlane, yaml: &str) {
    let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
    for object in objects.iter().filter(|object| object.is_object()) {
        if object["kind"] == "CustomResourceDefinition" {
            let file = cluster.folder().join("definition.json");
            std::fs::write(&file, object.to_string()).expect("written");
            cluster.define(&file).expect("a definition");
        } else {
            cluster.client().apply(object).expect("applied");
        }
    }
}

pub(crate) fn delete(cluster: &ControlPlane, path: &str) {
    cluster.client().delete(path).expect("deleted");
}

/// Writes the status of the node `n1`, as its kubelet would.
pub(crate) fn node_status(cluster: &ControlPlane, status: &Value) {
    let patch = json!({"status": status});
    cluster
        .client()
        .merge("/api/v1/nodes/n1/status", &patch)
        .expect("patched");
}

/// A definition whose Modules may hold anything, as an older or newer KMM's might.
pub(crate) fn loose_modules() -> String {
    let mut definition: Value = serde_saphyr::from_str(MODULES).expect("YAML");
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    definition.to_string()
}

/// Waits until the watches know something, which a change tells.
pub(crate) async fn until(watches: &Watches, what: &str, is_so: impl Fn(&Watches) -> bool) {
    let mut changes = watches.changes();
    let so = tokio::time::timeout(SOON, changes.wait_for(|_| is_so(watches)));
    assert!(so.await.is_ok(), "not seen in time: {what}; {:?}", watches.problems());
}

/// Waits until nothing is amiss: an API server that has just got a definition asks watches for patience. No change tells.
pub(crate) async fn no_problem(watches: &Watches) {
    let looking = async {
        while !watches.problems().is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let looked = tokio::time::timeout(SOON, looking).await;
    assert!(looked.is_ok(), "{:?}", watches.problems());
}
