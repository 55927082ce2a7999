//! The CustomResourceDefinition, as `kubectl apply` takes it, and its reference for people.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::args::CrdFormat;
use crate::api::{PreflightValidationOCP, reference};

/// The definition as somebody wants to see it.
pub(super) fn print(format: CrdFormat) -> String {
    match format {
        CrdFormat::Yaml => yaml(),
        CrdFormat::Markdown => {
            let definition = serde_json::to_value(definition());
            reference::markdown(&definition.expect("invariant: a definition of texts and numbers is JSON"))
        }
    }
}

fn yaml() -> String {
    let yaml = serde_saphyr::to_string(&definition()).expect("invariant: a definition of texts and numbers is YAML");
    format!("# Printed by `kmm-preflight crd`.\n{}\n", yaml.trim_end())
}

fn definition() -> CustomResourceDefinition {
    let mut definition = PreflightValidationOCP::crd();
    definition.spec.names.list_kind = Some("PreflightValidationOCPList".to_owned());
    definition
}
