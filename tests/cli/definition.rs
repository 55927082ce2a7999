//! The CustomResourceDefinition: committed as it is printed, and compatible with what KMM's users have stored.

use serde_json::Value;

use crate::cli::support::kmm_preflight;

const COMMITTED: &str = include_str!("../../charts/kmm-preflight/files/preflightvalidationsocp.yaml");
const UPSTREAM: &str = include_str!("../compat/crds/preflightvalidationsocp.yaml");

fn ours() -> Value {
    serde_saphyr::from_str(COMMITTED).expect("YAML")
}

fn upstream() -> Value {
    serde_saphyr::from_str(UPSTREAM).expect("YAML")
}

/// The schema of a version.
fn schema(definition: &Value, version: &str) -> Value {
    let versions = definition["spec"]["versions"].as_array().expect("versions");
    let version = versions
        .iter()
        .find(|candidate| candidate["name"] == version)
        .expect("the version");
    version["schema"]["openAPIV3Schema"].clone()
}

#[test]
fn the_committed_definition_is_the_printed_one() {
    assert_eq!(
        COMMITTED,
        kmm_preflight("crd").ends_with(0).out,
        "run: kmm-preflight crd > charts/kmm-preflight/files/preflightvalidationsocp.yaml"
    );
}

#[test]
fn the_reference_in_docs_is_what_is_printed() {
    assert_eq!(
        include_str!("../../docs/api.md"),
        kmm_preflight("crd -o markdown").ends_with(0).out,
        "run: kmm-preflight crd -o markdown > docs/api.md"
    );
}

#[test]
fn names_and_scope_are_those_of_upstream() {
    for field in ["group", "names", "scope"] {
        assert_eq!(ours()["spec"][field], upstream()["spec"][field], "{field}");
    }
    assert_eq!(ours()["metadata"]["name"], upstream()["metadata"]["name"]);
}

#[test]
fn the_status_is_a_subresource_and_v1beta2_is_stored() {
    let version = &ours()["spec"]["versions"][0];
    assert_eq!(
        (&version["name"], &version["served"], &version["storage"]),
        (&"v1beta2".into(), &true.into(), &true.into())
    );
    assert_eq!(version["subresources"]["status"], serde_json::json!({}));
    let columns = version["additionalPrinterColumns"].as_array().expect("columns");
    let names: Vec<_> = columns
        .iter()
        .map(|column| column["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["Kernel", "Verified", "Status", "Age"]);
}

#[test]
fn every_object_that_upstream_stored_fits_our_schema() {
    assert_wider(&schema(&ours(), "v1beta2"), &schema(&upstream(), "v1beta2"), "");
}

/// Whether `wide` admits all that `narrow` admits: the same types, no more required, no fewer words in enums.
fn assert_wider(wide: &Value, narrow: &Value, path: &str) {
    // The API server knows these by itself.
    if matches!(path, ".apiVersion" | ".kind" | ".metadata") {
        return;
    }
    assert_eq!(wide["type"], narrow["type"], "{path}: type");
    assert!(
        words(&wide["required"])
            .iter()
            .all(|name| words(&narrow["required"]).contains(name)),
        "{path}: required"
    );
    if wide["enum"].is_array() {
        assert!(
            words(&narrow["enum"])
                .iter()
                .all(|word| words(&wide["enum"]).contains(word)),
            "{path}: enum"
        );
        assert!(narrow["enum"].is_array(), "{path}: an enum where upstream has none");
    }
    for bound in [
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
    ] {
        assert_eq!(wide[bound], narrow[bound], "{path}: {bound}");
    }
    for (name, narrow) in narrow["properties"].as_object().into_iter().flatten() {
        assert_wider(&wide["properties"][name], narrow, &format!("{path}.{name}"));
    }
    if narrow["items"].is_object() {
        assert_wider(&wide["items"], &narrow["items"], &format!("{path}[]"));
    }
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

#[test]
fn rules_of_the_schema_never_lock_a_stored_value() {
    let schema = schema(&ours(), "v1beta2");
    let rules = schema["properties"]["spec"]["properties"]["kernelVersion"]["x-kubernetes-validations"].clone();
    for rule in rules.as_array().expect("rules") {
        assert_eq!(rule["optionalOldSelf"], true);
        let text = rule["rule"].as_str().expect("a rule");
        assert!(
            text.starts_with("oldSelf.hasValue() && oldSelf.value() == self || "),
            "{text}"
        );
    }
}

#[test]
fn the_rows_are_one_list_for_server_side_apply() {
    let modules = &schema(&ours(), "v1beta2")["properties"]["status"]["properties"]["modules"];
    assert_eq!(modules["x-kubernetes-list-type"], "atomic");
    assert!(modules.get("x-kubernetes-list-map-keys").is_none());
}

#[test]
fn the_schema_is_structural() {
    assert_structural(&schema(&ours(), "v1beta2"), "");
}

/// Every value has exactly one type, and nothing that the API server refuses in a structural schema.
fn assert_structural(schema: &Value, path: &str) {
    assert!(schema["type"].is_string(), "{path}: no type");
    for refused in [
        "$ref",
        "oneOf",
        "anyOf",
        "allOf",
        "definitions",
        "patternProperties",
        "const",
        "examples",
    ] {
        assert!(schema.get(refused).is_none(), "{path}: {refused}");
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        assert_structural(schema, &format!("{path}.{name}"));
    }
    if schema["type"] == "array" {
        assert_structural(&schema["items"], &format!("{path}[]"));
    }
}
