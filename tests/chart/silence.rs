//! The policy that silences KMM's preflight controllers, as the chart writes it.

use serde_json::json;

use crate::chart::helm::rendered;

#[test]
fn kmm_is_left_alone_unless_asked_otherwise() {
    let Some(release) = rendered("") else { return };
    assert!(release.has_no("ValidatingAdmissionPolicy") && release.has_no("ValidatingAdmissionPolicyBinding"));
}

#[test]
fn exactly_the_writes_of_the_preflight_controllers_are_refused_to_exactly_kmm() {
    let Some(release) = rendered("kmm: {silencePreflight: true, namespace: kmm-operator-system}") else {
        return;
    };
    let spec = &release.the("ValidatingAdmissionPolicy")["spec"];
    assert_eq!(
        spec["matchConstraints"]["resourceRules"],
        json!([
            {
                "apiGroups": ["kmm.sigs.x-k8s.io"],
                "apiVersions": ["*"],
                "resources": ["preflightvalidations"],
                "operations": ["CREATE", "UPDATE"],
            },
            {
                "apiGroups": ["kmm.sigs.x-k8s.io"],
                "apiVersions": ["*"],
                "resources": ["preflightvalidations/status", "preflightvalidationsocp/status"],
                "operations": ["UPDATE"],
            },
        ])
    );
    assert_eq!(
        spec["matchConditions"][0]["expression"],
        "request.userInfo.username == 'system:serviceaccount:kmm-operator-system:kmm-operator-controller'"
    );
    assert_eq!(spec["validations"][0]["expression"], "false");
    let binding = &release.the("ValidatingAdmissionPolicyBinding")["spec"];
    assert_eq!(
        binding["policyName"],
        release.the("ValidatingAdmissionPolicy")["metadata"]["name"]
    );
    assert_eq!(binding["validationActions"], json!(["Deny"]));
}
