//! The schema of PreflightValidationOCP that is installed, which may be KMM's own with fewer fields; and what of a
//! status fits it. Server-side apply refuses a whole status for one field that the schema does not declare.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::api::Api;
use kube::core::crd::v1::CustomResourceExt;
use kube::{Client, Resource};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::call::{CALL_DEADLINE, CallError, within};
use crate::api::{PreflightStatus, PreflightValidationOCP};

/// How long a schema is believed. It changes when somebody upgrades KMM or this program.
const BELIEVED_FOR: Duration = Duration::from_mins(5);

/// The field of a status that holds the rows.
const ROWS: &str = "modules";

/// What of a status the installed CRD has room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledSchema {
    status: Shape,
    rows_are_atomic: bool,
}

/// What a schema lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// Any value: a scalar, or an object whose fields are not declared but kept.
    Anything,
    /// An object with these fields.
    Object(BTreeMap<String, Self>),
    /// An object with any fields of one shape.
    Map(Box<Self>),
    /// A list of one shape.
    List(Box<Self>),
}

impl InstalledSchema {
    /// The schema of a definition, or `None` where it does not serve the version that this program speaks.
    pub fn of(definition: &CustomResourceDefinition) -> Option<Self> {
        let ours = PreflightValidationOCP::version(&());
        let version = (definition.spec.versions.iter()).find(|version| version.served && version.name == ours)?;
        let schema = version.schema.as_ref()?.open_api_v3_schema.as_ref()?;
        let status = schema.properties.as_ref().and_then(|fields| fields.get("status"));
        let rows = status.and_then(|status| status.properties.as_ref()?.get(ROWS));
        let list_type = rows.and_then(|rows| rows.x_kubernetes_list_type.as_deref());
        Some(Self {
            status: status.map_or(Shape::Object(BTreeMap::new()), Shape::of),
            rows_are_atomic: matches!(list_type, None | Some("atomic")),
        })
    }

    /// Whether a status may have this field (like `conditions`).
    pub fn has(&self, field: &str) -> bool {
        self.status.field(field).is_some()
    }

    /// Whether a row of `status.modules` may have this field (like `digest`).
    pub fn row_has(&self, field: &str) -> bool {
        match self.status.field(ROWS) {
            Some(Shape::List(row)) => row.field(field).is_some(),
            Some(Shape::Anything) => true,
            _ => false,
        }
    }

    /// Whether there is room for all that this program writes: two statuses that differ then differ as they are
    /// written, too.
    pub fn takes_everything(&self) -> bool {
        static OURS: LazyLock<Option<InstalledSchema>> =
            LazyLock::new(|| InstalledSchema::of(&PreflightValidationOCP::crd()));
        OURS.as_ref().is_some_and(|ours| ours.status == self.status)
    }

    /// Whether there is room for `status.conditions`.
    pub fn has_conditions(&self) -> bool {
        self.has("conditions")
    }

    /// Whether the rows are one value for server-side apply. Where each row has an owner of its own (as in KMM's
    /// schema), its managed fields would double the object: merge patches are written there.
    pub fn rows_are_atomic(&self) -> bool {
        self.rows_are_atomic
    }

    /// The fields that a status may have at its top.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        let fields = match &self.status {
            Shape::Object(fields) => Some(fields.keys().map(String::as_str)),
            _ => None,
        };
        fields.into_iter().flatten()
    }
}

/// What of a status an installed schema has room for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Fitting<'a> {
    /// All of it, as it is: as a tree of values, a thousand rows would take several MiB.
    Whole(&'a PreflightStatus),
    /// Some of its fields.
    Part(Value),
}

/// What of a status the schema has room for. Its rows are always named, even if there are none: rows that somebody
/// else wrote would otherwise stay.
pub fn fit<'a>(status: &'a PreflightStatus, schema: &InstalledSchema) -> Fitting<'a> {
    if schema.takes_everything() && !status.modules.is_empty() {
        return Fitting::Whole(status);
    }
    let whole = serde_json::to_value(status).unwrap_or_default();
    let mut fitting = match schema.status.fitting(whole) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    if schema.has(ROWS) {
        fitting.entry(ROWS).or_insert_with(|| Value::Array(Vec::new()));
    }
    Fitting::Part(Value::Object(fitting))
}

impl Shape {
    fn of(schema: &JSONSchemaProps) -> Self {
        if schema.x_kubernetes_preserve_unknown_fields == Some(true) {
            return Self::Anything;
        }
        if let Some(fields) = &schema.properties {
            return Self::Object(
                fields
                    .iter()
                    .map(|(name, field)| (name.clone(), Self::of(field)))
                    .collect(),
            );
        }
        match (&schema.additional_properties, &schema.items) {
            (Some(JSONSchemaPropsOrBool::Schema(values)), _) => Self::Map(Box::new(Self::of(values))),
            (None, Some(JSONSchemaPropsOrArray::Schema(items))) => Self::List(Box::new(Self::of(items))),
            (None, None) if schema.type_.as_deref() == Some("object") => Self::Object(BTreeMap::new()),
            _ => Self::Anything,
        }
    }

    fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Anything => Some(self),
            Self::Object(fields) => fields.get(name),
            Self::Map(values) => Some(values),
            Self::List(_) => None,
        }
    }

    fn fitting(&self, value: Value) -> Value {
        match (self, value) {
            (Self::List(items), Value::Array(values)) => {
                Value::Array(values.into_iter().map(|value| items.fitting(value)).collect())
            }
            (Self::Object(_) | Self::Map(_), Value::Object(fields)) => {
                let fitting = |(name, value): (String, Value)| {
                    let value = self.field(&name)?.fitting(value);
                    Some((name, value))
                };
                Value::Object(fields.into_iter().filter_map(fitting).collect())
            }
            (_, value) => value,
        }
    }
}

/// The installed schema, read when it is asked for and believed for five minutes.
pub struct Schemas {
    client: Client,
    known: Mutex<Option<(Instant, Arc<InstalledSchema>)>>,
}

impl Schemas {
    /// Nothing is read yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    /// The schema that is installed. If it cannot be read again, the last one is still believed.
    ///
    /// # Errors
    /// Those of the call; [`CallError::NotFound`] also where the definition does not serve our version.
    pub async fn current(&self) -> Result<Arc<InstalledSchema>, CallError> {
        let known = self.lock().clone();
        match known {
            Some((read, schema)) if read.elapsed() < BELIEVED_FOR => Ok(schema),
            Some((_, schema)) => Ok(self.read().await.unwrap_or(schema)),
            None => self.read().await,
        }
    }

    /// Forgets it, for a write was refused: the next caller reads it anew.
    pub fn doubt(&self) {
        *self.lock() = None;
    }

    async fn read(&self) -> Result<Arc<InstalledSchema>, CallError> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let name = PreflightValidationOCP::crd_name();
        let definition = within(CALL_DEADLINE, definitions.get(name)).await?;
        let schema = InstalledSchema::of(&definition).ok_or_else(|| {
            let version = PreflightValidationOCP::version(&());
            CallError::NotFound(format!("the CustomResourceDefinition {name} does not serve {version}"))
        })?;
        let schema = Arc::new(schema);
        *self.lock() = Some((Instant::now(), Arc::clone(&schema)));
        Ok(schema)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<InstalledSchema>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schemas")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KMM: &str = include_str!("../../tests/compat/crds/preflightvalidationsocp.yaml");

    fn kmm() -> CustomResourceDefinition {
        serde_saphyr::from_str(KMM).expect("a definition")
    }

    fn status() -> PreflightStatus {
        serde_json::from_value(json!({
            "phase": "Failed", "summary": "0/1", "observedGeneration": 3,
            "conditions": [{"type": "Complete", "status": "True", "reason": "r", "message": "",
                            "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "modules": [{"name": "m", "namespace": "ns", "verificationStage": "Done", "verificationStatus": "Failure",
                         "statusReason": "why", "lastTransitionTime": "2026-01-01T00:00:00Z", "digest": "sha256:0",
                         "findings": [{"rule": "crc-mismatch", "severity": "Decides", "message": "x"}]}],
        }))
        .expect("a status")
    }

    #[test]
    fn everything_fits_our_own_schema() {
        let ours = InstalledSchema::of(&PreflightValidationOCP::crd()).expect("a schema");
        assert_eq!(fit(&status(), &ours), Fitting::Whole(&status()));
        assert!(ours.takes_everything() && ours.rows_are_atomic() && ours.has_conditions() && ours.row_has("findings"));
        assert_eq!(
            fit(&PreflightStatus::default(), &ours),
            Fitting::Part(json!({"modules": []}))
        );
    }

    #[test]
    fn of_kmms_schema_only_the_rows_fit_and_of_them_what_kmm_knows() {
        let kmms = InstalledSchema::of(&kmm()).expect("a schema");
        assert!(!kmms.rows_are_atomic() && !kmms.has_conditions() && !kmms.has("phase"));
        assert!(kmms.row_has("statusReason") && !kmms.row_has("image"));
        assert_eq!(
            fit(&status(), &kmms),
            Fitting::Part(json!({"modules": [{
                "name": "m", "namespace": "ns", "verificationStage": "Done", "verificationStatus": "Failure",
                "statusReason": "why", "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]}))
        );
    }

    #[test]
    fn our_definition_with_a_field_less_has_room_for_the_rest() {
        let mut definition = serde_json::to_value(PreflightValidationOCP::crd()).expect("JSON");
        let rows = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/modules/items/properties";
        let fields = definition
            .pointer_mut(rows)
            .and_then(Value::as_object_mut)
            .expect("rows");
        fields.remove("findings");
        let older = InstalledSchema::of(&serde_json::from_value(definition).expect("a definition")).expect("a schema");
        let fitting = serde_json::to_value(fit(&status(), &older)).expect("JSON");
        assert_eq!(fitting.pointer("/modules/0/findings"), None);
        assert_eq!(fitting.pointer("/modules/0/digest"), Some(&json!("sha256:0")));
        assert!(older.rows_are_atomic());
    }

    #[test]
    fn a_definition_that_keeps_unknown_fields_has_room_for_everything() {
        let mut definition = serde_json::to_value(PreflightValidationOCP::crd()).expect("JSON");
        let status_at = "/spec/versions/0/schema/openAPIV3Schema/properties/status";
        *definition.pointer_mut(status_at).expect("a status") =
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let open = InstalledSchema::of(&serde_json::from_value(definition).expect("a definition")).expect("a schema");
        let whole = serde_json::to_value(status()).expect("JSON");
        assert_eq!(fit(&status(), &open), Fitting::Part(whole));
    }

    #[test]
    fn a_definition_without_our_version_is_none() {
        let mut definition = kmm();
        definition.spec.versions.retain(|version| version.name == "v1beta1");
        assert_eq!(InstalledSchema::of(&definition), None);
        let mut definition = kmm();
        for version in &mut definition.spec.versions {
            version.served = false;
        }
        assert_eq!(InstalledSchema::of(&definition), None);
    }
}
