//! Fields that a kind does not have: a cluster drops them without a word, so we say it.

use std::collections::BTreeSet;

use schemars::JsonSchema;

use super::object::Kind;
use crate::api::PreflightValidationOCPSpec;

/// Fields of a Module that KMM knows and loading does not depend on.
const UNUSED_MODULE_FIELDS: [&str; 4] = ["devicePlugin", "dra", "imageRebuildTriggerGeneration", "kanikoParams"];
/// From which likeness on a known field is offered instead of an unknown one.
const ALIKE: f64 = 0.8;

/// A sentence for each unknown field of our own kinds' `spec`.
pub(super) fn notes(kind: Kind, ignored: &[Vec<String>]) -> Vec<String> {
    let mut in_spec = ignored
        .iter()
        .filter(|path| path.first().is_some_and(|first| first == "spec"));
    match kind {
        Kind::Preflight => in_spec
            .map(|path| format!("{}{}", meaningless(path), meant(path)))
            .collect(),
        Kind::Module => in_spec
            .by_ref()
            .filter(|path| !is_unused(path))
            .map(|path| meaningless(path))
            .collect(),
        Kind::Secret | Kind::ConfigMap | Kind::NodeFeature => Vec::new(),
    }
}

fn is_unused(path: &[String]) -> bool {
    path.last()
        .is_some_and(|field| UNUSED_MODULE_FIELDS.contains(&field.as_str()))
}

fn meaningless(path: &[String]) -> String {
    format!(
        "there is no field `{}`, so it means nothing",
        path.join(".").replace(".[", "[")
    )
}

fn meant(path: &[String]) -> String {
    let field = path.last().map_or("", String::as_str);
    let known = preflight_fields();
    let nearest = nearest(field, known.iter().map(String::as_str));
    nearest
        .map(|known| format!("; did you mean `spec.{known}`?"))
        .unwrap_or_default()
}

/// The fields of a preflight's `spec`, from its schema.
fn preflight_fields() -> BTreeSet<String> {
    let schema = PreflightValidationOCPSpec::json_schema(&mut schemars::SchemaGenerator::default());
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    properties
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

fn nearest<'a>(field: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(&field.to_lowercase(), &known.to_lowercase());
    let scored = known
        .map(|known| (known, likeness(known)))
        .filter(|(_, likeness)| *likeness >= ALIKE);
    scored.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(known, _)| known)
}

/// The fields that a path walks through; a list's item is written `[0]`.
pub(super) fn parts(path: &serde_ignored::Path<'_>) -> Vec<String> {
    use serde_ignored::Path;
    let (parent, part) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(format!("[{index}]"))),
        Path::Map { parent, key } => (parent, Some(key.clone())),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut parts = parts(parent);
    parts.extend(part);
    parts
}
