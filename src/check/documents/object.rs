//! Untyped values → the objects that the check uses, with the path of every field that does not fit.

use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::locate::Step;
use super::text::Origin;
use super::unknown;
use super::{Documents, Reading};
use crate::api::GROUP;
use crate::api::field_error::quoting_advice;

/// How deep lists of lists may nest; kubectl writes one.
const MAX_LIST_DEPTH: usize = 4;
/// The namespace of objects that name none, as in a cluster for a user who chose none.
const DEFAULT_NAMESPACE: &str = "default";

/// What is wrong with a value of a document.
#[derive(Debug)]
pub(super) struct Flaw {
    /// The way to the value.
    pub(super) steps: Vec<Step>,
    /// What is wrong.
    pub(super) message: String,
    /// What to do about it, if there is more to say.
    pub(super) advice: Option<String>,
}

/// An untyped object, and the way to it through lists.
pub(super) struct Object<'a> {
    origin: &'a Origin<'a>,
    steps: Vec<Step>,
    api_version: String,
    kind: String,
    value: Value,
}

/// The kinds that the check uses.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Preflight,
    Module,
    Secret,
    ConfigMap,
    NodeFeature,
}

impl Kind {
    fn of(api_version: &str, kind: &str) -> Option<Self> {
        let version = api_version.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('/'));
        match (version, api_version, kind) {
            (Some("v1beta1" | "v1beta2"), _, "PreflightValidationOCP") => Some(Self::Preflight),
            (Some("v1beta1"), _, "Module") => Some(Self::Module),
            (_, "v1", "Secret") => Some(Self::Secret),
            (_, "v1", "ConfigMap") => Some(Self::ConfigMap),
            (_, "nfd.k8s-sigs.io/v1alpha1", "NodeFeature") => Some(Self::NodeFeature),
            _ => None,
        }
    }

    /// The kind and version that somebody who wrote this may have meant.
    fn meant(kind: &str) -> Option<&'static str> {
        match kind.to_lowercase().as_str() {
            "preflightvalidationocp" | "preflightvalidation" => {
                Some("PreflightValidationOCP (kmm.sigs.x-k8s.io/v1beta2)")
            }
            "module" => Some("Module (kmm.sigs.x-k8s.io/v1beta1)"),
            "secret" => Some("Secret (v1)"),
            "configmap" => Some("ConfigMap (v1)"),
            "nodefeature" => Some("NodeFeature (nfd.k8s-sigs.io/v1alpha1)"),
            _ => None,
        }
    }
}

impl Reading {
    /// Takes an object, or every object of a list.
    pub(super) fn object(&mut self, origin: &Origin<'_>, value: Value) -> Result<(), Flaw> {
        self.nested(Object {
            origin,
            steps: Vec::new(),
            api_version: String::new(),
            kind: String::new(),
            value,
        })
    }

    fn nested(&mut self, mut object: Object<'_>) -> Result<(), Flaw> {
        object.learn_type()?;
        drop_nulls(&mut object.value);
        if object.kind.ends_with("List") && object.value.get("items").is_some() {
            return self.list(object);
        }
        match Kind::of(&object.api_version, &object.kind) {
            Some(kind @ Kind::Preflight) => self.take(kind, object, |documents| &mut documents.preflights),
            Some(kind @ Kind::Module) => self.take(kind, object, |documents| &mut documents.modules),
            Some(kind @ Kind::Secret) => self.take(kind, object, |documents| &mut documents.secrets),
            Some(kind @ Kind::ConfigMap) => self.take(kind, object, |documents| &mut documents.config_maps),
            Some(kind @ Kind::NodeFeature) => self.take(kind, object, |documents| &mut documents.node_features),
            None => {
                let meant = Kind::meant(&object.kind).map(|meant| format!("; it uses {meant}"));
                let skipped = format!(
                    "of kind {} ({}), which the check does not use{}",
                    object.kind,
                    object.api_version,
                    meant.unwrap_or_default()
                );
                *self.skipped.entry(skipped).or_default() += 1;
                Ok(())
            }
        }
    }

    /// The items of a list; those of a typed list need not name their type.
    fn list(&mut self, mut list: Object<'_>) -> Result<(), Flaw> {
        let items = list.value.get_mut("items").map(Value::take);
        let at = [Step::Key("items".to_owned())];
        let Some(Value::Array(items)) = items else {
            return Err(list.problem(&at, "items: not a list"));
        };
        if list.steps.len() >= MAX_LIST_DEPTH * 2 {
            return Err(list.problem(&at, "items: lists nest too deep"));
        }
        let item_kind = list.kind.strip_suffix("List").unwrap_or_default();
        for (index, value) in items.into_iter().enumerate() {
            let steps = [&list.steps, at.as_slice(), &[Step::Index(index)]].concat();
            let (api_version, kind) = (list.api_version.clone(), item_kind.to_owned());
            if let Err(problem) = self.nested(Object {
                origin: list.origin,
                steps,
                api_version,
                kind,
                value,
            }) {
                self.flaws.push(problem);
            }
        }
        Ok(())
    }

    /// Types an object and keeps it, in place of an earlier one of the same name.
    fn take<K: DeserializeOwned + ResourceExt>(
        &mut self,
        kind: Kind,
        mut object: Object<'_>,
        kept: impl Fn(&mut Documents) -> &mut Vec<K>,
    ) -> Result<(), Flaw> {
        self.prepare(kind, &mut object);
        let (typed, ignored) = object.typed::<K>()?;
        let name = object.name();
        let notes = unknown::notes(kind, &ignored)
            .into_iter()
            .map(|note| format!("{}: {name}: {note}", object.file()));
        self.documents.notes.extend(notes);
        let kept = kept(&mut self.documents);
        match self
            .places
            .insert((kind, typed.namespace(), typed.name_any()), kept.len())
        {
            None => kept.push(typed),
            Some(earlier) => {
                self.places.insert((kind, typed.namespace(), typed.name_any()), earlier);
                kept.splice(earlier..=earlier, [typed]);
                self.documents
                    .notes
                    .push(format!("{}: {name} replaces an earlier one", object.file()));
            }
        }
        Ok(())
    }

    /// What a cluster would add or drop before anybody reads the object.
    fn prepare(&mut self, kind: Kind, object: &mut Object<'_>) {
        let name = object.name();
        let Some(fields) = object.value.as_object_mut() else {
            return;
        };
        if matches!(kind, Kind::Preflight | Kind::Module) {
            fields.remove("status");
        }
        match kind {
            Kind::Preflight => admit_missing_kernel(fields),
            Kind::Module | Kind::Secret | Kind::ConfigMap | Kind::NodeFeature => {
                let metadata = fields.get_mut("metadata").and_then(Value::as_object_mut);
                if let Some(metadata) = metadata.filter(|metadata| !metadata.contains_key("namespace")) {
                    metadata.insert("namespace".to_owned(), DEFAULT_NAMESPACE.into());
                    self.unplaced.push(name);
                }
            }
        }
    }
}

/// A preflight without `spec.kernelVersion` is read all the same: `--kernel-version` may supply it, and if not,
/// validation says the same as admission would.
fn admit_missing_kernel(fields: &mut Map<String, Value>) {
    let spec = fields.entry("spec").or_insert_with(|| Map::new().into());
    if let Some(spec) = spec.as_object_mut() {
        spec.entry("kernelVersion").or_insert_with(|| "".into());
    }
}

/// A cluster takes a field that is `null` for one that is not there.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

impl Object<'_> {
    /// Reads `apiVersion` and `kind`, where the object has its own.
    fn learn_type(&mut self) -> Result<(), Flaw> {
        if !self.value.is_object() {
            return Err(self.problem(&[], "not a Kubernetes object: it has no fields"));
        }
        for (field, known) in [("apiVersion", &mut self.api_version), ("kind", &mut self.kind)] {
            if let Some(own) = self.value.get(field).and_then(Value::as_str) {
                own.clone_into(known);
            }
        }
        for (field, known) in [("apiVersion", &self.api_version), ("kind", &self.kind)] {
            if known.is_empty() {
                return Err(self.problem(&[], &format!("not a Kubernetes object: it has no `{field}`")));
            }
        }
        Ok(())
    }

    fn file(&self) -> &str {
        self.origin.file
    }

    /// Kind, namespace and name.
    fn name(&self) -> String {
        let of = |field| {
            self.value
                .get("metadata")
                .and_then(|metadata| metadata.get(field))
                .and_then(Value::as_str)
        };
        let name = of("name").unwrap_or("without a name");
        match of("namespace") {
            Some(namespace) => format!("{} {namespace}/{name}", self.kind),
            None => format!("{} {name}", self.kind),
        }
    }

    /// The typed object, and the paths of the fields that its type does not have.
    fn typed<K: DeserializeOwned>(&self) -> Result<(K, Vec<Vec<String>>), Flaw> {
        if self.value.pointer("/metadata/name").is_none() {
            return Err(self.problem(&[Step::Key("metadata".to_owned())], "metadata.name: missing"));
        }
        let mut ignored = Vec::new();
        let mut note = |path: serde_ignored::Path<'_>| ignored.push(unknown::parts(&path));
        let mut track = serde_path_to_error::Track::new();
        let deserializer = serde_path_to_error::Deserializer::new(&self.value, &mut track);
        let typed = K::deserialize(serde_ignored::Deserializer::new(deserializer, &mut note));
        match typed {
            Ok(typed) => Ok((typed, ignored)),
            Err(error) => Err(self.mismatch(&track.path(), &error.to_string())),
        }
    }

    /// A field that does not fit the type. What a Secret holds stays out of the message.
    fn mismatch(&self, path: &serde_path_to_error::Path, message: &str) -> Flaw {
        let steps: Vec<Step> = path.iter().filter_map(step).collect();
        if self.kind == "Secret" {
            return self.problem(
                &steps,
                &format!("{path}: not what a Secret has there (its value is not shown)"),
            );
        }
        let field = if steps.is_empty() {
            String::new()
        } else {
            format!("{path}: ")
        };
        Flaw {
            advice: quoting_advice(message).map(str::to_owned),
            ..self.problem(&steps, &format!("{field}{message}"))
        }
    }

    fn problem(&self, steps: &[Step], message: &str) -> Flaw {
        let name = if self.kind.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.name())
        };
        Flaw {
            steps: [&self.steps, steps].concat(),
            message: format!("{name}{message}"),
            advice: None,
        }
    }
}

fn step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}
