//! The pods: restricted as the Pod Security Standard of that name wants it, spread, and told what the values say.

use serde_json::{Value, json};

use crate::chart::helm::{CHART, helm, rendered, text};
use crate::chart::settings::EVERY_WAY;

#[test]
fn every_container_keeps_to_the_restricted_standard_and_writes_nothing() {
    for (name, values) in EVERY_WAY {
        let Some(release) = rendered(values) else { return };
        let pod = &release.the("Deployment")["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(
            pod["securityContext"]["seccompProfile"],
            json!({"type": "RuntimeDefault"}),
            "{name}"
        );
        for field in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
            assert!(pod.get(field).is_none(), "{name}: {field}");
        }
        for container in pod["containers"].as_array().expect("containers") {
            let context = &container["securityContext"];
            assert_eq!(
                context,
                &json!({
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                }),
                "{name}"
            );
            for mount in container["volumeMounts"].as_array().into_iter().flatten() {
                assert_eq!(mount["readOnly"], true, "{name}: {mount}");
            }
        }
        for volume in pod["volumes"].as_array().into_iter().flatten() {
            assert!(
                volume.get("secret").or(volume.get("configMap")).is_some(),
                "{name}: {volume}"
            );
        }
    }
}

#[test]
fn a_security_context_of_ones_own_adds_to_the_standard() {
    let Some(release) = rendered("podSecurityContext: {runAsUser: 1000}") else {
        return;
    };
    let context = &release.the("Deployment")["spec"]["template"]["spec"]["securityContext"];
    assert_eq!(
        context,
        &json!({"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}})
    );
}

#[test]
fn two_pods_stand_apart_and_go_one_at_a_time() {
    let Some(release) = rendered("") else { return };
    let spec = &release.the("Deployment")["spec"];
    assert_eq!(spec["replicas"], 2);
    assert_eq!(
        spec["strategy"]["rollingUpdate"],
        json!({"maxUnavailable": 0, "maxSurge": 1})
    );
    let spread = spec["template"]["spec"]["topologySpreadConstraints"]
        .as_array()
        .expect("constraints");
    let keys: Vec<_> = spread
        .iter()
        .map(|constraint| text(&constraint["topologyKey"]))
        .collect();
    assert_eq!(keys, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
    assert!(
        spread
            .iter()
            .all(|constraint| constraint["labelSelector"] == spec["selector"])
    );
    assert_eq!(release.the("PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    assert_eq!(spec["template"]["spec"]["terminationGracePeriodSeconds"], 45);
}

#[test]
fn one_replica_has_no_budget_that_would_block_every_drain() {
    let Some(release) = rendered("replicas: 1") else { return };
    assert!(release.has_no("PodDisruptionBudget"));
}

#[test]
fn probes_ask_the_plain_port() {
    let Some(release) = rendered("") else { return };
    let container = release.container();
    assert_eq!(
        container["livenessProbe"]["httpGet"],
        json!({"path": "/healthz", "port": "metrics"})
    );
    assert_eq!(
        container["readinessProbe"]["httpGet"],
        json!({"path": "/readyz", "port": "metrics"})
    );
}

#[test]
fn the_image_is_put_together_from_registry_repository_and_digest() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let cases = [
        ("{}".to_owned(), "kmm-preflight:0.1.0".to_owned()),
        ("{repository: a/b, tag: v2}".to_owned(), "a/b:v2".to_owned()),
        (
            "{registry: 'mirror:5000/', repository: a/b}".to_owned(),
            "mirror:5000/a/b:0.1.0".to_owned(),
        ),
        (
            format!("{{repository: a/b, tag: v2, digest: '{digest}'}}"),
            format!("a/b@{digest}"),
        ),
    ];
    for (values, expected) in cases {
        let Some(release) = rendered(&format!("image: {values}")) else {
            return;
        };
        assert_eq!(release.container()["image"], expected);
    }
}

#[test]
fn settings_that_nobody_changed_become_arguments() {
    let Some(release) = rendered("") else { return };
    assert_eq!(
        release.arguments(),
        [
            "operator",
            "--webhook-port=9443",
            "--metrics-port=8080",
            "--leader-election-lease=preflight-kmm-preflight",
            "--toolkits-config-map=preflight-kmm-preflight-toolkits",
            "--node-features-namespace=node-feature-discovery",
            "--service-name=preflight-kmm-preflight",
            "--certificates=self",
            "--certificate-secret=preflight-kmm-preflight-tls",
            "--webhook-configuration=preflight-kmm-preflight",
            "--allow-places=private",
            "--work-image=kmm-preflight:0.1.0",
            "--builder-image=quay.io/buildah/stable:v1.42.2",
            "--work-pull-policy=IfNotPresent",
            "--build-with=job",
            "--look-by=auto",
            "--jobs-at-once=4",
            "--job-deadline=1h",
            "--keep-failed-jobs=1h",
            "--work-disk=20Gi",
            "--builder-limits=",
            "--builder-requests=cpu=500m,memory=512Mi",
            "--work-limits=memory=512Mi",
            "--work-requests=cpu=50m,memory=64Mi",
            "--log-format=json",
            "--log-level=info",
        ]
    );
}

#[test]
fn settings_that_somebody_changed_become_arguments() {
    let (_, everything) = EVERY_WAY[7];
    let Some(release) = rendered(everything) else { return };
    for argument in [
        "--cluster-pull-secret=openshift-config/pull-secret",
        "--ca-file=/etc/kmm-preflight/ca/ca-bundle.crt",
        "--allow-places=none",
        "--plain-toolkit-registry=10.0.0.1:5000",
        "--plain-toolkit-registry=dtk.example.com",
        "--allow-registries=*.example.com,quay.io/kmods",
        "--work-image=mirror.example.com/p:1",
        "--jobs-at-once=9",
        "--keep-failed-jobs=0s",
        "--work-service-account=builder",
        "--privileged-builds",
        "--user-namespaces",
        "--assigned-users",
        "--builder-limits=cpu=4,memory=8Gi",
        "--work-disk=9Gi",
        "--log-format=text",
        "--log-level=info,kmm_preflight=debug",
    ] {
        assert!(
            release.arguments().contains(&argument),
            "{argument}: {:?}",
            release.arguments()
        );
    }
}

#[test]
fn users_are_left_to_a_cluster_that_has_security_context_constraints_unless_a_setting_says_otherwise() {
    for (api, values, expected) in [
        ("security.openshift.io/v1", "jobs.assignedUsers=auto", true),
        ("security.openshift.io/v1", "jobs.assignedUsers=null", true),
        ("security.openshift.io/v1", "jobs.assignedUsers=false", false),
        ("batch/v1", "jobs.assignedUsers=auto", false),
        ("batch/v1", "jobs.assignedUsers=true", true),
    ] {
        let Some(output) = helm(["template", "p", CHART, "--api-versions", api, "--set", values]) else {
            return;
        };
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(
            text.contains("--work-image="),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(text.contains("--assigned-users"), expected, "{api}, {values}");
    }
}

#[test]
fn what_is_switched_off_gets_no_arguments() {
    let Some(release) = rendered("webhook: {enabled: false}") else {
        return;
    };
    assert!(release.arguments().contains(&"--no-webhook"));
    assert!(
        !release
            .arguments()
            .iter()
            .any(|argument| argument.starts_with("--certificate"))
    );
    let Some(release) = rendered("jobs: {enabled: false}") else {
        return;
    };
    let about_work = |argument: &&str| argument.contains("work") || argument.contains("job");
    assert!(!release.arguments().iter().any(about_work));
}

#[test]
fn proxies_come_by_the_usual_variables_and_the_api_server_without_one() {
    let Some(release) = rendered("proxy: {httpsProxy: 'http://proxy:3128', noProxy: .example.com}") else {
        return;
    };
    let environment = release.container()["env"].as_array().expect("variables");
    let variable = |name: &str| {
        environment
            .iter()
            .find(|variable| variable["name"] == name)
            .map(|found| &found["value"])
    };
    assert_eq!(variable("HTTPS_PROXY"), Some(&json!("http://proxy:3128")));
    assert_eq!(variable("HTTP_PROXY"), None);
    let without = text(variable("NO_PROXY").expect("exceptions"));
    for host in ["$(KUBERNETES_SERVICE_HOST)", ".svc", ".example.com"] {
        assert!(without.split(',').any(|exception| exception == host), "{without}");
    }
    let Some(release) = rendered("") else { return };
    let names: Vec<_> = release.container()["env"]
        .as_array()
        .expect("variables")
        .iter()
        .map(|own| text(&own["name"]))
        .collect();
    assert_eq!(names, ["POD_NAMESPACE", "POD_NAME"]);
}

#[test]
fn certificates_to_trust_are_mounted_from_the_config_map() {
    let Some(release) = rendered("caBundle: {configMap: trusted, key: ca.pem}") else {
        return;
    };
    let pod = &release.the("Deployment")["spec"]["template"]["spec"];
    assert_eq!(
        pod["volumes"],
        json!([{"name": "ca", "configMap": {"name": "trusted", "items": [{"key": "ca.pem", "path": "ca-bundle.crt"}]}}])
    );
    assert_eq!(mount_paths(release.container()), ["/etc/kmm-preflight/ca"]);
}

fn mount_paths(container: &Value) -> Vec<&str> {
    let mounts = container["volumeMounts"].as_array().into_iter().flatten();
    mounts.map(|mount| text(&mount["mountPath"])).collect()
}

#[test]
fn pull_secrets_are_named() {
    let Some(release) = rendered("imagePullSecrets: [a, b]") else {
        return;
    };
    let pod = &release.the("Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "a"}, {"name": "b"}]));
}
