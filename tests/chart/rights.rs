//! What the operator may do: as little as it needs, each rule with its reason.

use serde_json::{Value, json};

use crate::chart::helm::{Rendered, chart_file, rendered, texts};
use crate::chart::settings::EVERY_WAY;

/// Every rule of every role.
fn rules(release: &Rendered) -> Vec<&Value> {
    let roles = release.of_kind("ClusterRole").chain(release.of_kind("Role"));
    roles
        .flat_map(|role| role["rules"].as_array().expect("rules"))
        .collect()
}

#[test]
fn no_rule_has_a_wildcard() {
    for (name, values) in EVERY_WAY {
        let Some(release) = rendered(values) else { return };
        for rule in rules(&release) {
            for list in ["apiGroups", "resources", "verbs", "resourceNames"] {
                assert!(
                    !texts(&rule[list]).iter().any(|word| word.contains('*')),
                    "{name}: {rule}"
                );
            }
        }
    }
}

#[test]
fn secrets_are_read_by_name_and_never_listed_or_watched() {
    for (name, values) in EVERY_WAY {
        let Some(release) = rendered(values) else {
            return;
        };
        for role in release.of_kind("ClusterRole").chain(release.of_kind("Role")) {
            let rules = role["rules"].as_array().expect("rules").iter();
            for rule in rules.filter(|rule| texts(&rule["resources"]).contains(&"secrets")) {
                // Of its own Secret, by name and in its own namespace, the operator watches the metadata.
                let own = role["kind"] == "Role" && rule["resourceNames"].is_array();
                let verbs = texts(&rule["verbs"]);
                assert!(own || verbs == ["get"] || verbs == ["create"], "{name}: {rule}");
                assert!(role["kind"] == "Role" || verbs == ["get"], "{name}: {rule}");
            }
        }
    }
}

#[test]
fn the_spec_of_a_preflight_a_module_and_a_node_are_never_written() {
    let Some(release) = rendered("") else { return };
    for rule in rules(&release) {
        let writes = texts(&rule["verbs"])
            .into_iter()
            .any(|verb| !["get", "list", "watch"].contains(&verb));
        let written = ["preflightvalidationsocp/status", "events", "leases", "secrets", "jobs"];
        let own = rule["resourceNames"] == json!(["preflight-kmm-preflight"]);
        assert!(
            !writes || own || texts(&rule["resources"]).iter().all(|name| written.contains(name)),
            "{rule}"
        );
    }
}

#[test]
fn pods_are_seen_and_neither_made_nor_entered_and_without_jobs_not_even_seen() {
    for (values, seen) in [("", true), ("jobs: {enabled: false}", false)] {
        let Some(release) = rendered(values) else { return };
        let rules = rules(&release);
        let about = |name: &str| -> Vec<&Value> {
            let names = |rule: &Value| {
                texts(&rule["resources"])
                    .iter()
                    .any(|resource| resource.starts_with(name))
            };
            rules.iter().copied().filter(|rule| names(rule)).collect()
        };
        let verbs: Vec<_> = about("pods")
            .into_iter()
            .flat_map(|rule| texts(&rule["verbs"]))
            .collect();
        assert_eq!(verbs, if seen { vec!["list", "watch"] } else { vec![] }, "{values}");
        assert!(
            about("pods").iter().all(|rule| rule["resources"] == json!(["pods"])),
            "{values}"
        );
        assert_eq!(!about("jobs").is_empty(), seen, "{values}");
        assert!(about("builds").is_empty(), "{values}");
    }
}

#[test]
fn node_features_are_read_at_most_and_only_where_somebody_wants_that() {
    for (values, verbs) in [
        ("", vec!["list", "watch"]),
        ("nodeFeatures: {namespace: openshift-nfd}", vec!["list", "watch"]),
        ("nodeFeatures: {enabled: false}", vec![]),
    ] {
        let Some(release) = rendered(values) else { return };
        let rules = rules(&release);
        let about = rules
            .iter()
            .filter(|rule| rule["apiGroups"] == json!(["nfd.k8s-sigs.io"]));
        let given: Vec<_> = about.flat_map(|rule| texts(&rule["verbs"])).collect();
        assert_eq!(given, verbs, "{values}");
        let ignores = release.arguments().contains(&"--ignore-node-features");
        assert_eq!(ignores, verbs.is_empty(), "{values}");
        let namespace = ["openshift-nfd", "node-feature-discovery"].map(|name| {
            let option = format!("--node-features-namespace={name}");
            release.arguments().contains(&option.as_str())
        });
        let is_other = values.contains("openshift");
        assert_eq!(namespace, [is_other, !is_other && !ignores], "{values}");
    }
}

#[test]
fn secrets_of_namespaces_that_are_not_named_stay_closed() {
    let Some(release) =
        rendered("rbac: {secretNamespaces: [drivers]}\nclusterPullSecret: openshift-config/pull-secret")
    else {
        return;
    };
    let cluster = release.the("ClusterRole")["rules"].as_array().expect("rules");
    assert!(cluster.iter().all(|rule| rule["resources"] != json!(["secrets"])));
    let role = |namespace: &str| {
        release
            .of_kind("Role")
            .find(|role| role["metadata"]["namespace"] == namespace)
            .expect("a role")
    };
    assert_eq!(
        role("drivers")["rules"],
        json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}])
    );
    assert_eq!(
        role("openshift-config")["rules"][0]["resourceNames"],
        json!(["pull-secret"])
    );
}

#[test]
fn roles_are_bound_to_the_account_of_the_pods_and_to_nobody_else() {
    for (name, values) in EVERY_WAY {
        let Some(release) = rendered(values) else { return };
        let account = &release.the("Deployment")["spec"]["template"]["spec"]["serviceAccountName"];
        for binding in release
            .of_kind("ClusterRoleBinding")
            .chain(release.of_kind("RoleBinding"))
        {
            let subjects = json!([{"kind": "ServiceAccount", "name": account, "namespace": "checks"}]);
            assert_eq!(binding["subjects"], subjects, "{name}");
            let kind = binding["roleRef"]["kind"].as_str().expect("a kind");
            let name = &binding["roleRef"]["name"];
            assert!(
                release.of_kind(kind).any(|role| role["metadata"]["name"] == *name),
                "{binding}"
            );
        }
    }
}

#[test]
fn every_rule_says_why_in_the_chart() {
    let template = chart_file("templates/rbac.yaml");
    let lines: Vec<_> = template.lines().map(str::trim_start).collect();
    for (number, _) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.starts_with("- apiGroups"))
    {
        assert!(
            lines[number - 1].starts_with("# "),
            "line {} of rbac.yaml has no reason",
            number + 1
        );
    }
}

#[test]
fn every_rule_is_told_in_docs_and_none_that_is_gone() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md")).expect("docs/security.md");
    let Some(release) = rendered("jobs: {buildWith: openshift}") else {
        return;
    };
    let mut expected: Vec<_> = rules(&release)
        .into_iter()
        .map(|rule| {
            format!(
                "| `{}` | {} |",
                texts(&rule["resources"]).join("`, `"),
                texts(&rule["verbs"]).join(", ")
            )
        })
        .collect();
    let told = page.lines().filter(|line| line.starts_with("| `"));
    let mut told: Vec<_> = told
        .map(|line| line.split_inclusive('|').take(3).collect::<String>())
        .collect();
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
}
