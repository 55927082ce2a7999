//! What the API server sends to the webhooks, and who makes their certificates.

use serde_json::{Value, json};

use crate::chart::helm::{Rendered, rendered};
use crate::chart::settings::EVERY_WAY;

const CONFIGURATIONS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The only webhook of each configuration.
fn webhooks(release: &Rendered) -> Vec<&Value> {
    let lists = CONFIGURATIONS.map(|kind| release.the(kind)["webhooks"].as_array().expect("webhooks"));
    assert!(lists.iter().all(|list| list.len() == 1));
    lists.into_iter().flatten().collect()
}

#[test]
fn preflights_are_intercepted_when_created_or_changed_and_nothing_else_is() {
    let Some(release) = rendered("") else { return };
    for webhook in webhooks(&release) {
        assert_eq!(
            webhook["rules"],
            json!([{
                "apiGroups": ["kmm.sigs.x-k8s.io"],
                "apiVersions": ["v1beta2"],
                "resources": ["preflightvalidationsocp"],
                "operations": ["CREATE", "UPDATE"],
                "scope": "Cluster",
            }])
        );
        assert_eq!(webhook["sideEffects"], "None");
        assert_eq!(webhook["matchPolicy"], "Equivalent");
        assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]));
        for exception in ["namespaceSelector", "objectSelector", "matchConditions"] {
            assert!(
                webhook.get(exception).is_none(),
                "{exception} would let some of them pass"
            );
        }
    }
}

#[test]
fn failure_policy_and_patience_are_settings() {
    let Some(release) = rendered("") else { return };
    assert!(
        webhooks(&release)
            .iter()
            .all(|webhook| webhook["failurePolicy"] == "Fail" && webhook["timeoutSeconds"] == 5)
    );
    let Some(release) = rendered("webhook: {failurePolicy: Ignore, timeoutSeconds: 2}") else {
        return;
    };
    assert!(
        webhooks(&release)
            .iter()
            .all(|webhook| webhook["failurePolicy"] == "Ignore" && webhook["timeoutSeconds"] == 2)
    );
}

#[test]
fn the_service_in_their_address_exists_and_has_the_port() {
    for (name, values) in EVERY_WAY {
        let Some(release) = rendered(values) else { return };
        if release.has_no(CONFIGURATIONS[0]) {
            assert_eq!(name, "without a webhook");
            continue;
        }
        for webhook in webhooks(&release) {
            let address = &webhook["clientConfig"]["service"];
            let service = release.the("Service");
            assert_eq!(address["name"], service["metadata"]["name"], "{name}");
            assert_eq!(address["namespace"], service["metadata"]["namespace"], "{name}");
            let ports = service["spec"]["ports"].as_array().expect("ports");
            assert!(ports.iter().any(|port| port["port"] == address["port"]), "{name}");
        }
    }
}

#[test]
fn without_a_webhook_nothing_is_intercepted_and_no_certificate_made() {
    let Some(release) = rendered("webhook: {enabled: false}") else {
        return;
    };
    for kind in CONFIGURATIONS.into_iter().chain(["Secret", "Certificate"]) {
        assert!(release.has_no(kind), "{kind}");
    }
}

#[test]
fn the_bundle_is_left_to_whoever_makes_the_certificates() {
    let cases = [
        ("self", json!(null)),
        (
            "cert-manager",
            json!({"cert-manager.io/inject-ca-from": "checks/preflight-kmm-preflight"}),
        ),
        (
            "service-ca",
            json!({"service.beta.openshift.io/inject-cabundle": "true"}),
        ),
    ];
    for (source, annotations) in cases {
        let Some(release) = rendered(&format!("certificates: {{source: {source}}}")) else {
            return;
        };
        for kind in CONFIGURATIONS {
            assert_eq!(release.the(kind)["metadata"]["annotations"], annotations, "{source}");
        }
        for webhook in webhooks(&release) {
            assert!(
                webhook["clientConfig"].get("caBundle").is_none(),
                "{source}: an upgrade would fight over it"
            );
        }
    }
}

#[test]
fn certificates_of_others_are_mounted_and_their_secret_needs_no_right() {
    for source in ["cert-manager", "service-ca", "secret"] {
        let values = format!("certificates: {{source: {source}, secretName: mine, caBundle: PEM}}");
        let Some(release) = rendered(&values) else { return };
        let volumes = &release.the("Deployment")["spec"]["template"]["spec"]["volumes"];
        assert_eq!(
            volumes,
            &json!([{"name": "certificates", "secret": {"secretName": "mine"}}]),
            "{source}"
        );
        for argument in ["--certificates=files", "--certificate-dir=/etc/kmm-preflight/tls"] {
            assert!(release.arguments().contains(&argument), "{source}: {argument}");
        }
        assert!(release.has_no("Secret"), "{source}");
        let role = release.the("Role").to_string();
        assert!(!role.contains("secrets"), "{source}: {role}");
        let cluster = release.the("ClusterRole").to_string();
        assert!(!cluster.contains("webhookconfigurations"), "{source}: {cluster}");
    }
}

#[test]
fn a_bundle_of_ones_own_is_encoded() {
    let Some(release) = rendered("certificates: {source: secret, secretName: mine, caBundle: PEM}") else {
        return;
    };
    assert!(
        webhooks(&release)
            .iter()
            .all(|webhook| webhook["clientConfig"]["caBundle"] == "UEVN")
    );
}

#[test]
fn cert_manager_makes_a_certificate_for_the_service() {
    let Some(release) = rendered("certificates: {source: cert-manager}") else {
        return;
    };
    let certificates: Vec<_> = release.of_kind("Certificate").collect();
    assert_eq!(certificates.len(), 2, "a CA, and what it signs");
    assert_eq!(certificates[1]["spec"]["secretName"], "preflight-kmm-preflight-tls");
    assert_eq!(
        certificates[1]["spec"]["dnsNames"][0],
        "preflight-kmm-preflight.checks.svc"
    );
    let issuers: Vec<_> = release
        .of_kind("Issuer")
        .map(|issuer| &issuer["metadata"]["name"])
        .collect();
    for certificate in certificates {
        assert!(issuers.contains(&&certificate["spec"]["issuerRef"]["name"]));
    }
    let values =
        "certificates: {source: cert-manager, certManager: {issuerRef: {name: corporate, kind: ClusterIssuer}}}";
    let Some(release) = rendered(values) else { return };
    assert!(release.has_no("Issuer"));
    assert_eq!(
        release.the("Certificate")["spec"]["issuerRef"],
        json!({"name": "corporate", "kind": "ClusterIssuer"})
    );
}

#[test]
fn openshift_makes_one_for_the_service_and_puts_it_where_it_is_mounted() {
    let Some(release) = rendered("certificates: {source: service-ca}") else {
        return;
    };
    let annotations = &release.the("Service")["metadata"]["annotations"];
    assert_eq!(
        annotations["service.beta.openshift.io/serving-cert-secret-name"],
        "preflight-kmm-preflight-tls"
    );
}
