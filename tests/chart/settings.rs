//! The chart's values: all documented, all guarded by the schema.

use serde_json::Value;

use crate::chart::helm::{CHART, Rendered, chart_file, chart_yaml, helm, render, rendered};
use crate::chart::operator::help_after;

/// Values that use every branch of every template, each with a name.
pub(crate) const EVERY_WAY: [(&str, &str); 8] = [
    ("as it comes", ""),
    ("without a webhook", "webhook: {enabled: false}"),
    (
        "one replica",
        "{replicas: 1, networkPolicy: {enabled: false}, rbac: {create: false}}",
    ),
    (
        "cert-manager",
        "certificates: {source: cert-manager}\nserviceMonitor: {enabled: true}\nprometheusRule: {enabled: true}",
    ),
    (
        "service-ca",
        "certificates: {source: service-ca}\nkmm: {silencePreflight: true}\ncrds: {install: never}",
    ),
    (
        "a Secret of one's own",
        "certificates: {source: secret, secretName: mine, caBundle: PEM}\npriorityClassName: high",
    ),
    ("nothing in pods", "jobs: {enabled: false}"),
    (
        "everything set",
        "
commonLabels: {team: kernels}
image: {registry: mirror.example.com/a, repository: b/kmm-preflight, tag: v1}
imagePullSecrets: [pull]
toolkits: {5.14.0-570.el9.x86_64: 'registry.example.com/dtk:1'}
clusterPullSecret: openshift-config/pull-secret
registries: {allow: ['*.example.com', 'quay.io/kmods'], places: [], plainToolkits: ['10.0.0.1:5000', 'dtk.example.com']}
jobs: {image: 'mirror.example.com/p:1', builderImage: 'mirror.example.com/buildah:1', pullPolicy: Always, buildWith: openshift,
  lookBy: runtime, atOnce: 9, deadline: 90m, keepFailed: 0s, serviceAccount: builder, privilegedBuilds: true,
  userNamespaces: true, assignedUsers: true, builderResources: {limits: {cpu: '4', memory: 8Gi}}, disk: 9Gi}
caBundle: {configMap: trusted, key: ca.pem}
proxy: {httpProxy: 'http://proxy:3128', httpsProxy: 'http://proxy:3128', noProxy: .example.com}
log: {format: text, level: 'info,kmm_preflight=debug'}
rbac: {secretNamespaces: [drivers, gpu]}
serviceAccount: {name: answerer, annotations: {a: b}}
podLabels: {a: b}
podAnnotations: {a: b}
deploymentLabels: {a: b}
podSecurityContext: {runAsUser: 1000}
nodeFeatures: {enabled: false}
nodeSelector: {a: b}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {}}
networkPolicy: {apiServerCIDRs: [10.0.0.0/16], metricsFrom: [{podSelector: {}}], deniedCIDRs: []}
",
    ),
];

#[test]
fn helm_finds_nothing_to_complain_about() {
    for (name, values) in EVERY_WAY {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("values.yaml");
        std::fs::write(&file, values).expect("a file");
        let file = file.to_str().expect("a path in UTF-8");
        let Some(output) = helm(["lint", "--strict", CHART, "--values", file]) else {
            return;
        };
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[test]
fn what_is_no_setting_is_refused_and_named() {
    let cases = [
        ("replica: 3", "replica"),
        ("webhook: {failurePolicy: fail}", "failurePolicy"),
        ("webhook: {timeoutSeconds: 31}", "timeoutSeconds"),
        ("certificates: {source: certmanager}", "source"),
        ("certificates: {certManager: {issuer: a}}", "issuer"),
        ("registries: {places: [public]}", "places"),
        ("registries: {allow: ['a,b']}", "allow"),
        ("registries: {plainToolkits: ['a b']}", "plainToolkits"),
        ("jobs: {atOnce: 0}", "atOnce"),
        ("jobs: {deadline: 3600}", "deadline"),
        ("jobs: {buildWith: OpenShift}", "buildWith"),
        ("jobs: {builderResources: {limits: {gpu: '1'}}}", "gpu"),
        ("jobs: {disk: much}", "disk"),
        ("kmm: {silence: true}", "silence"),
        ("clusterPullSecret: pull-secret", "clusterPullSecret"),
        ("toolkits: {kernel: image}", "'kernel' does not match"),
        ("networkPolicy: {apiServerCIDRs: [10.0.0.1]}", "apiServerCIDRs"),
        ("resources: {limit: {}}", "limit"),
        ("proxy: {https: a}", "https"),
        ("log: {level: verbose}", "level"),
    ];
    for (values, name) in cases {
        let Some(answer) = render(values) else { return };
        let complaint = answer.err().unwrap_or_else(|| panic!("{values} is taken"));
        assert!(
            complaint.contains("values don't meet the specifications of the schema"),
            "{complaint}"
        );
        assert!(complaint.contains(name), "{values}: {complaint}");
    }
}

#[test]
fn what_a_setting_needs_beside_it_is_asked_for_by_name() {
    let cases = [
        (
            "certificates: {source: secret, caBundle: PEM}",
            "certificates.secretName is needed",
        ),
        (
            "certificates: {source: secret, secretName: mine}",
            "certificates.caBundle is needed",
        ),
        ("serviceAccount: {create: false}", "serviceAccount.name is needed"),
    ];
    for (values, words) in cases {
        let Some(answer) = render(values) else { return };
        let complaint = answer.err().unwrap_or_else(|| panic!("{values} is taken"));
        assert!(complaint.contains(words), "{complaint}");
    }
}

#[test]
fn the_schema_knows_the_settings_that_there_are_and_no_others() {
    let schema: Value = serde_json::from_str(&chart_file("values.schema.json")).expect("JSON");
    let mut settings = schema.clone();
    settings["properties"]
        .as_object_mut()
        .expect("properties")
        .remove("global");
    assert_same_settings(&settings, &chart_yaml("values.yaml"), "");
}

fn assert_same_settings(schema: &Value, values: &Value, path: &str) {
    if schema["additionalProperties"] != false || values.as_object().is_some_and(serde_json::Map::is_empty) {
        return;
    }
    let properties = schema["properties"].as_object().expect("properties");
    let mut expected: Vec<_> = properties
        .keys()
        .filter(|name| !(path == ".resources" && *name == "claims"))
        .collect();
    let mut found: Vec<_> = values.as_object().expect("an object").keys().collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "settings below `{path}`");
    for (name, value) in values.as_object().expect("an object") {
        assert_same_settings(&properties[name], value, &format!("{path}.{name}"));
    }
}

#[test]
fn every_setting_is_explained_above_it() {
    let file = chart_file("values.yaml");
    let lines: Vec<_> = file.lines().collect();
    let schema: Value = serde_json::from_str(&chart_file("values.schema.json")).expect("JSON");
    for start in setting_starts(&schema, "") {
        for (number, _) in lines.iter().enumerate().filter(|(_, line)| line.starts_with(&start)) {
            assert!(
                lines[number - 1].trim_start().starts_with("# "),
                "nothing explains `{start}`"
            );
        }
    }
}

/// How the lines of all settings begin, those of groups in groups included.
fn setting_starts(schema: &Value, indent: &str) -> Vec<String> {
    let properties = schema["properties"].as_object().expect("properties").iter();
    let starts = properties.flat_map(|(name, setting)| match &setting["additionalProperties"] {
        Value::Bool(false) if name != "resources" => setting_starts(setting, &format!("{indent}  ")),
        _ => vec![format!("{indent}{name}:")],
    });
    starts.collect()
}

/// The settings that were not there from the beginning. Values of an older chart lack them, and `helm upgrade --reuse-values` with a
/// newer chart leaves it so.
pub(crate) const NEWER: &str = "{nodeFeatures: null, jobs: null, registries: {plainToolkits: null}}";

#[test]
fn what_values_of_an_older_chart_lack_is_as_it_comes() {
    let (Some(before), Some(now)) = (rendered(NEWER), rendered("")) else {
        return;
    };
    let but_arguments = |release: &Rendered| {
        let mut objects = release.all().to_vec();
        for object in objects.iter_mut().filter(|object| object["kind"] == "Deployment") {
            object["spec"]["template"]["spec"]["containers"][0]["args"].take();
        }
        objects
    };
    assert_eq!(but_arguments(&before), but_arguments(&now));
    let (less, all) = (before.arguments(), now.arguments());
    assert!(less.iter().all(|argument| all.contains(argument)), "{less:?}");
    for left_out in all.iter().filter(|argument| !less.contains(argument)) {
        assert!(is_the_programs_default(left_out), "{left_out}");
    }
}

/// Whether the program does without this argument what it does with it.
fn is_the_programs_default(argument: &str) -> bool {
    let (option, value) = argument.split_once('=').expect("an option with a value");
    let help = help_after(&["operator"]);
    let help = String::from_utf8_lossy(&help.stdout);
    let about = help
        .split("\n      --")
        .find(|about| about.starts_with(&format!("{} ", &option[2..])));
    let about = about.unwrap_or_else(|| panic!("{option} is not in\n{help}"));
    match value {
        "" => !about.contains("[default:"),
        value => about.contains(&format!("[default: {value}]")),
    }
}
