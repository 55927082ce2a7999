//! The CustomResourceDefinition, as `kubectl apply` takes it.

use kube::CustomResourceExt;

use crate::api::PreflightValidationOCP;

/// The definition in YAML.
pub(super) fn yaml() -> String {
    let mut definition = PreflightValidationOCP::crd();
    definition.spec.names.list_kind = Some("PreflightValidationOCPList".to_owned());
    let yaml = serde_saphyr::to_string(&definition).expect("invariant: a definition of texts and numbers is YAML");
    format!("# Printed by `kmm-preflight crd`.\n{}\n", yaml.trim_end())
}
