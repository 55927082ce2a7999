//! Who reaches the pods, and what they reach.

use serde_json::json;

use crate::chart::helm::rendered;

#[test]
fn admission_comes_from_the_api_server_and_metrics_from_the_cluster() {
    let Some(release) = rendered("networkPolicy: {apiServerCIDRs: [10.0.0.0/16, 'fd00::/64']}") else {
        return;
    };
    let ingress = &release.the("NetworkPolicy")["spec"]["ingress"];
    assert_eq!(ingress[0]["ports"], json!([{"port": "webhook", "protocol": "TCP"}]));
    assert_eq!(
        ingress[0]["from"],
        json!([{"ipBlock": {"cidr": "10.0.0.0/16"}}, {"ipBlock": {"cidr": "fd00::/64"}}])
    );
    assert_eq!(ingress[1]["from"], json!([{"namespaceSelector": {}}]));
    let Some(release) = rendered("") else { return };
    let ingress = &release.the("NetworkPolicy")["spec"]["ingress"];
    assert!(
        ingress[0].get("from").is_none(),
        "where the API server is, nobody has said"
    );
}

#[test]
fn metrics_can_be_kept_for_the_monitoring() {
    let values = "networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {name: monitoring}}}]}";
    let Some(release) = rendered(values) else { return };
    let from = &release.the("NetworkPolicy")["spec"]["ingress"][1]["from"];
    assert_eq!(
        from,
        &json!([{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}])
    );
}

#[test]
fn metadata_services_are_out_of_reach_but_names_can_be_asked_for() {
    let Some(release) = rendered("") else { return };
    let egress = &release.the("NetworkPolicy")["spec"]["egress"];
    assert_eq!(
        egress[0],
        json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]})
    );
    assert_eq!(
        egress[1]["to"],
        json!([
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
            {"ipBlock": {"cidr": "::/0", "except": ["fe80::/10", "fd00:ec2::254/128"]}},
        ])
    );
    let Some(release) = rendered("networkPolicy: {deniedCIDRs: []}") else {
        return;
    };
    let egress = &release.the("NetworkPolicy")["spec"]["egress"];
    assert_eq!(
        egress[1]["to"],
        json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}])
    );
}
