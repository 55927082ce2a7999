//! What of a pod OpenShift is asked about, as text for the program that asks.

use serde_json::{Map, Value, json};

use super::pods::Templates;

/// The questions as they were asked.
pub(super) const ASKED: &str = include_str!("../../fixtures/openshift_scc/pods.json");
/// What of a pod and of a container a constraint looks at. The rest (images, arguments, resources) may change without a new question.
const OF_PODS: [&str; 7] = [
    "automountServiceAccountToken",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "securityContext",
    "volumes",
];
const OF_CONTAINERS: [&str; 3] = ["name", "ports", "securityContext"];

/// The questions about these pods, each once, under its shortest name.
pub(super) fn questions(pods: Templates) -> Templates {
    let mut all: Vec<_> = pods.into_iter().collect();
    all.sort_by_key(|(name, _)| name.len());
    let mut once = Templates::new();
    for (name, template) in all {
        let question = question(&template);
        if !once.values().any(|known| *known == question) {
            once.insert(name, question);
        }
    }
    once
}

fn question(template: &Value) -> Value {
    let kept = |object: &Value, fields: &[&str]| -> Map<String, Value> {
        let fields = fields
            .iter()
            .filter_map(|field| Some(((*field).to_owned(), object.get(field)?.clone())));
        fields.collect()
    };
    let mut spec = kept(&template["spec"], &OF_PODS);
    for kind in ["initContainers", "containers"] {
        let containers = template["spec"][kind].as_array().into_iter().flatten();
        let containers: Vec<_> = containers.map(|container| kept(container, &OF_CONTAINERS)).collect();
        spec.insert(kind.to_owned(), json!(containers));
    }
    let required = template["metadata"]["annotations"].get("openshift.io/required-scc");
    let annotations = required.map(|constraint| json!({ "openshift.io/required-scc": constraint }));
    json!({"metadata": {"annotations": annotations}, "spec": spec})
}

/// One pod a line.
pub(super) fn written(templates: &Templates) -> String {
    let lines: Vec<_> = templates
        .iter()
        .map(|(name, template)| format!("{}: {template}", json!(name)))
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}
