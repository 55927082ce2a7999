//! The watches see what is in the cluster, what changes and what goes, and nothing that does not matter.

use std::sync::Arc;

use kmm_preflight::cluster::{TOOLKITS_KEY, WatchSettings, Watches};
use kmm_preflight::plan::Surroundings;
use serde_json::json;
use xtask::ControlPlane;

use crate::ground::{
    MODULES, OUR_PREFLIGHTS, PREFLIGHTS, SOON, apply, cluster, delete, loose_modules, no_problem, node_status, until,
};

const MODULE: &str = "
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata: {name: pump, namespace: default}
spec:
  selector: {role: worker}
  moduleLoader:
    container:
      modprobe: {moduleName: pump}
      kernelMappings:
      - {literal: 6.1.0, containerImage: 'quay.io/pump:1', build: {dockerfileConfigMap: {name: pump-dockerfile}}}
";
const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {role: worker}}
";

fn names(surroundings: &Surroundings) -> Vec<String> {
    let name = |module: &Arc<kmm_preflight::api::Module>| module.metadata.name.clone().unwrap_or_default();
    surroundings.modules.iter().flatten().map(name).collect()
}

fn dockerfile(watches: &Watches) -> Option<String> {
    let key = ("default".to_owned(), "pump-dockerfile".to_owned());
    watches.surroundings().supplies.dockerfiles.get(&key).cloned().flatten()
}

fn dockerfile_map(text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: pump-dockerfile, namespace: default}}\ndata: {{dockerfile: '{text}'}}\n"
    )
}

fn toolkits(text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: toolkits, namespace: default}}\ndata: {{{TOOLKITS_KEY}: '{text}'}}\n"
    )
}

fn settings() -> WatchSettings {
    WatchSettings {
        toolkits: Some(("default".to_owned(), "toolkits".to_owned())),
        ..WatchSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_changed_and_deleted_is_seen_and_nothing_else_counts() {
    let Some((cluster, client)) = cluster(&[MODULES, OUR_PREFLIGHTS, MODULE, NODE]).await else {
        return;
    };
    let info = json!({
        "kernelVersion": "6.1.0", "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "", "kubeProxyVersion": "",
        "kubeletVersion": "", "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": "",
    });
    node_status(&cluster, &json!({"nodeInfo": info}));
    let watches = Watches::start(&client, settings());
    assert!(watches.wait_synced(SOON).await, "{:?}", watches.problems());
    let first = watches.surroundings();
    assert_eq!(names(&first), ["pump"]);
    assert!(
        first.supplies.dockerfiles_complete,
        "the one that is named does not exist, and that is known"
    );
    assert_eq!(dockerfile(&watches), None);
    let node = &first.nodes.as_deref().expect("nodes")[0];
    assert_eq!((node.name.as_str(), node.kernel.as_str()), ("n1", "6.1.0"));
    assert_eq!(node.labels.get("role").map(String::as_str), Some("worker"));

    heartbeats_and_statuses_do_not_count(&cluster, &watches).await;
    dockerfiles_come_change_and_go(&cluster, &watches).await;
    toolkits_come_and_broken_ones_are_reported(&cluster, &watches).await;

    let preflight = "apiVersion: kmm.sigs.x-k8s.io/v1beta2\nkind: PreflightValidationOCP\nmetadata: {name: p}\nspec: {kernelVersion: 6.2.0}\n";
    apply(&cluster, preflight);
    until(&watches, "the preflight", |watches| watches.preflight("p").is_some()).await;
    let pairs = Some(vec![("p".to_owned(), "6.2.0".to_owned())]);
    assert_eq!(watches.surroundings().preflights, pairs);
    delete(&cluster, &format!("{PREFLIGHTS}/p"));
    until(&watches, "the preflight's end", |watches| {
        watches.preflights().is_empty()
    })
    .await;

    delete(
        &cluster,
        "/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/default/modules/pump",
    );
    until(&watches, "the Module's end", |watches| {
        names(&watches.surroundings()).is_empty()
    })
    .await;
    assert_eq!(names(&first), ["pump"], "who asked before keeps what was true then");
}

/// A change that matters follows what does not: when it was seen, it is the only one that was counted.
async fn heartbeats_and_statuses_do_not_count(cluster: &ControlPlane, watches: &Arc<Watches>) {
    let before = *watches.changes().borrow();
    let ready = json!({"type": "Ready", "status": "True", "reason": "r", "message": "m"});
    node_status(cluster, &json!({"conditions": [ready]}));
    let available =
        r#"{"status":{"moduleLoader":{"availableNumber":1,"desiredNumber":1,"nodesMatchingSelectorNumber":1}}}"#;
    let module = "modules.kmm.sigs.x-k8s.io";
    cluster
        .run_kubectl([
            "patch",
            module,
            "pump",
            "--subresource=status",
            "--type=merge",
            "-p",
            available,
        ])
        .expect("patched");
    cluster
        .run_kubectl(["annotate", module, "pump", "somebody=else"])
        .expect("annotated");
    cluster
        .run_kubectl(["create", "configmap", "unnamed", "--from-literal=a=b"])
        .expect("made");
    cluster
        .run_kubectl(["label", "node", "n1", "zone=a"])
        .expect("labelled");
    until(watches, "the label", |watches| {
        watches
            .surroundings()
            .nodes
            .iter()
            .flatten()
            .any(|node| node.labels.contains_key("zone"))
    })
    .await;
    cluster
        .run_kubectl([
            "patch",
            module,
            "pump",
            "--type=merge",
            "-p",
            r#"{"spec":{"selector":{"zone":"a"}}}"#,
        ])
        .expect("patched");
    until(watches, "the selector", |watches| {
        watches
            .surroundings()
            .modules
            .iter()
            .flatten()
            .any(|module| module.spec.selector.contains_key("zone"))
    })
    .await;
    assert_eq!(*watches.changes().borrow() - before, 2);
}

async fn dockerfiles_come_change_and_go(cluster: &ControlPlane, watches: &Arc<Watches>) {
    for text in ["FROM scratch", "FROM ${DTK_AUTO}"] {
        apply(cluster, &dockerfile_map(text));
        until(watches, text, |watches| dockerfile(watches) == Some(text.to_owned())).await;
    }
    delete(cluster, "/api/v1/namespaces/default/configmaps/pump-dockerfile");
    until(watches, "no Dockerfile", |watches| dockerfile(watches).is_none()).await;
    assert!(watches.surroundings().supplies.dockerfiles_complete);
}

async fn toolkits_come_and_broken_ones_are_reported(cluster: &ControlPlane, watches: &Arc<Watches>) {
    apply(cluster, &toolkits("6.2.0+debug: quay.io/dtk:1"));
    until(watches, "a toolkit", |watches| {
        watches.surroundings().toolkits.contains_key("6.2.0+debug")
    })
    .await;
    apply(cluster, &toolkits("[broken"));
    apply(cluster, &toolkits("6.3.0: quay.io/dtk:2"));
    until(watches, "another toolkit", |watches| {
        watches.surroundings().toolkits.contains_key("6.3.0")
    })
    .await;
    no_problem(watches).await;
    delete(cluster, "/api/v1/namespaces/default/configmaps/toolkits");
    until(watches, "no toolkit", |watches| {
        watches.surroundings().toolkits.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unreadable_module_hides_nothing_and_a_restart_of_the_api_server_loses_nothing() {
    let broken = MODULE
        .replace("pump, ", "broken, ")
        .replace("{moduleName: pump}", "[nonsense]");
    let Some((mut cluster, client)) = cluster(&[&loose_modules(), OUR_PREFLIGHTS, MODULE, &broken]).await else {
        return;
    };
    let watches = Watches::start(&client, WatchSettings::default());
    assert!(watches.wait_synced(SOON).await, "{:?}", watches.problems());
    let surroundings = watches.surroundings();
    assert_eq!(names(&surroundings), ["pump"]);
    let unreadable = &surroundings.unreadable[0];
    assert_eq!(unreadable.name, "broken");
    assert!(
        unreadable.why.starts_with("spec.moduleLoader.container.modprobe: "),
        "{}",
        unreadable.why
    );

    cluster.stop_api_server();
    cluster.start_api_server().expect("started again");
    assert_eq!(
        names(&watches.surroundings()),
        ["pump"],
        "what was known stays known meanwhile"
    );
    apply(&cluster, &MODULE.replace("pump, ", "broken, "));
    until(&watches, "the mended Module", |watches| {
        let surroundings = watches.surroundings();
        surroundings.unreadable.is_empty() && names(&surroundings) == ["broken", "pump"]
    })
    .await;
}
