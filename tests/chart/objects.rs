//! The objects of a release: how they belong together, and what an uninstall takes along.

use serde_json::{Value, json};

use crate::chart::helm::{rendered, text};
use crate::chart::settings::EVERY_WAY;

#[test]
fn every_object_carries_the_labels_of_the_release() {
    for (name, values) in EVERY_WAY {
        let Some(release) = rendered(values) else { return };
        for object in release.all() {
            let labels = &object["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/instance"], "preflight", "{name}: {object}");
            assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm", "{name}: {object}");
        }
    }
    let Some(release) = rendered("commonLabels: {team: kernels}") else {
        return;
    };
    assert!(
        release
            .all()
            .iter()
            .all(|object| object["metadata"]["labels"]["team"] == "kernels")
    );
}

#[test]
fn names_fit_however_long_the_release_is_called() {
    let long = "a".repeat(120);
    let values = format!(
        "fullnameOverride: {long}\nkmm: {{silencePreflight: true}}\nrbac: {{secretNamespaces: [a]}}\nclusterPullSecret: b/c\n\
         certificates: {{source: cert-manager}}\nserviceMonitor: {{enabled: true}}\nprometheusRule: {{enabled: true}}"
    );
    let Some(release) = rendered(&values) else { return };
    for object in release.all() {
        let name = text(&object["metadata"]["name"]);
        assert!(name.len() <= 63, "{name}");
    }
}

#[test]
fn selectors_find_the_pods_and_ports_have_names_that_exist() {
    for (name, values) in EVERY_WAY {
        let Some(release) = rendered(values) else { return };
        let template = &release.the("Deployment")["spec"]["template"];
        let labels = template["metadata"]["labels"].as_object().expect("labels");
        let ports: Vec<_> = release.container()["ports"]
            .as_array()
            .expect("ports")
            .iter()
            .map(|port| &port["name"])
            .collect();
        for port in release.the("Service")["spec"]["ports"].as_array().expect("ports") {
            assert!(ports.contains(&&port["targetPort"]), "{name}: {port}");
        }
        let selectors = [
            &release.the("Service")["spec"]["selector"],
            &release.the("Deployment")["spec"]["selector"]["matchLabels"],
        ];
        let budgets = release
            .of_kind("PodDisruptionBudget")
            .map(|budget| &budget["spec"]["selector"]["matchLabels"]);
        let policies = release
            .of_kind("NetworkPolicy")
            .map(|policy| &policy["spec"]["podSelector"]["matchLabels"]);
        let monitors = release
            .of_kind("ServiceMonitor")
            .map(|monitor| &monitor["spec"]["selector"]["matchLabels"]);
        for selector in selectors.into_iter().chain(budgets).chain(policies).chain(monitors) {
            let selector = selector.as_object().expect("a selector");
            assert!(
                selector.len() == 2 && selector.iter().all(|(key, value)| labels.get(key) == Some(value)),
                "{name}"
            );
        }
    }
}

#[test]
fn what_the_operator_fills_in_belongs_to_the_release_and_comes_empty() {
    let Some(release) = rendered("") else { return };
    for kind in ["Lease", "Secret"] {
        let object = release.the(kind).as_object().expect("an object");
        let content: Vec<_> = object
            .keys()
            .filter(|key| ["data", "stringData", "spec"].contains(&key.as_str()))
            .collect();
        assert!(content.is_empty(), "an upgrade would reset {content:?} of the {kind}");
    }
    assert!(
        release
            .arguments()
            .contains(&"--certificate-secret=preflight-kmm-preflight-tls"),
        "{:?}",
        release.arguments()
    );
    assert_eq!(release.the("Secret")["metadata"]["name"], "preflight-kmm-preflight-tls");
    assert!(
        release
            .arguments()
            .contains(&"--leader-election-lease=preflight-kmm-preflight")
    );
    assert_eq!(release.the("Lease")["metadata"]["name"], "preflight-kmm-preflight");
}

#[test]
fn toolkits_are_a_config_map_of_one_key() {
    let Some(release) = rendered("toolkits: {6.1.0-50-cloud-amd64: 'registry.example.com/dtk:6.1'}") else {
        return;
    };
    let map = release.the("ConfigMap");
    let toolkits: Value = serde_saphyr::from_str(text(&map["data"]["toolkits.yaml"])).expect("YAML");
    assert_eq!(
        toolkits,
        json!({"6.1.0-50-cloud-amd64": "registry.example.com/dtk:6.1"})
    );
    assert!(
        release
            .arguments()
            .contains(&"--toolkits-config-map=preflight-kmm-preflight-toolkits")
    );
    let Some(release) = rendered("toolkitsConfigMap: mine") else {
        return;
    };
    assert!(release.has_no("ConfigMap"));
    assert!(release.arguments().contains(&"--toolkits-config-map=mine"));
}

#[test]
fn the_definition_is_the_printed_one_and_stays_at_an_uninstall() {
    let Some(release) = rendered("") else { return };
    let definition = release.the("CustomResourceDefinition");
    assert_eq!(
        definition["spec"],
        crate::chart::helm::chart_yaml("files/preflightvalidationsocp.yaml")["spec"]
    );
    assert_eq!(definition["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    let Some(release) = rendered("crds: {keep: false}") else {
        return;
    };
    assert!(
        release.the("CustomResourceDefinition")["metadata"]
            .get("annotations")
            .is_none()
    );
    let Some(release) = rendered("crds: {install: never}") else {
        return;
    };
    assert!(release.has_no("CustomResourceDefinition"));
}
