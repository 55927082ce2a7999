//! Reviews led from the API server to an operator on this machine, as the chart's configurations lead them to its pods.

use std::path::Path;

use crate::stage::{Operator, Stage, eventually, preflight};

/// The name of both configurations: the operator's default, and what the chart calls them in a release of that name.
const CONFIGURATION: &str = "kmm-preflight";
/// Where both kinds of configurations are.
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1";
/// Words with which the operator serves admission here.
const SERVE: [&str; 4] = ["--webhook-port", "0", "--certificate-name", "localhost"];

impl Stage {
    /// Starts the operator with its webhook, and returns when the API server asks it.
    #[track_caller]
    pub(crate) fn admitting_operator(&self, words: &[&str]) -> Operator {
        self.admitting_operator_as(&self.plane.kubeconfig(), words)
    }

    /// The same as whom that kubeconfig says.
    #[track_caller]
    pub(crate) fn admitting_operator_as(&self, kubeconfig: &Path, words: &[&str]) -> Operator {
        let operator = self.operator_as(kubeconfig, &[&SERVE, words].concat());
        let port = operator.port("admission on").expect("the port of admission");
        self.apply(&configurations(port));
        assert!(
            eventually(|| self.has_its_certificates()),
            "the CA was not written into both configurations:\n{}",
            operator.log()
        );
        assert!(
            eventually(|| self.is_admitting()),
            "the API server does not ask:\n{}",
            operator.log()
        );
        operator
    }

    /// Whether the operator wrote its CA into both configurations.
    fn has_its_certificates(&self) -> bool {
        ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]
            .iter()
            .map(|kind| self.object(&format!("{CONFIGURATIONS}/{kind}"), CONFIGURATION))
            .all(|found| found["webhooks"][0]["clientConfig"]["caBundle"].is_string())
    }

    /// Whether a preflight is defaulted and doubted: an API server learns of configurations a moment after they changed.
    fn is_admitting(&self) -> bool {
        let bare = preflight("is-admitting", "6.1.0").replace("  pushBuiltImage: false\n", "");
        let tagged = format!("{bare}  dtkImage: registry.example.com/dtk:1\n");
        let is_defaulted = self
            .dry_run_of(&tagged)
            .is_ok_and(|stored| stored["spec"]["pushBuiltImage"] == false);
        // Only then by kubectl, which shows what is doubted.
        let (admitted, said) = if is_defaulted {
            self.dry_run(&tagged)
        } else {
            return false;
        };
        admitted && said.contains("\"pushBuiltImage\": false") && said.contains("Warning: spec.dtkImage")
    }

    /// What kubectl says to a text that is judged and not stored: whether it was admitted, and the object as JSON.
    pub(crate) fn dry_run(&self, yaml: &str) -> (bool, String) {
        self.try_kubectl(&["apply", "--dry-run=server", "-o", "json", "-f", "-"], yaml)
    }
}

/// What the chart's configurations say, with an address in the place of the Service.
fn configurations(port: u16) -> String {
    let one = |kind: &str, name: &str, path: &str| {
        format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: {kind}WebhookConfiguration\n\
             metadata: {{name: {CONFIGURATION}}}\nwebhooks:\n- name: {name}.preflightvalidationsocp.kmm.sigs.x-k8s.io\n  \
             clientConfig: {{url: 'https://localhost:{port}/{path}/preflightvalidationocp'}}\n  \
             rules: [{{apiGroups: [kmm.sigs.x-k8s.io], apiVersions: [v1beta2], operations: [CREATE, UPDATE], \
             resources: [preflightvalidationsocp], scope: Cluster}}]\n  \
             failurePolicy: Fail\n  sideEffects: None\n  timeoutSeconds: 10\n  admissionReviewVersions: [v1]\n"
        )
    };
    let mutating = one("Mutating", "default", "mutate");
    format!("{mutating}---\n{}", one("Validating", "validate", "validate"))
}
