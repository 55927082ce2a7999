//! Reads the files that a user names: YAML and JSON documents, folders of them, standard input, OCI layouts.
//!
//! A document that cannot be read never hides the others: every problem is collected, with its place.

mod disguise;
mod excerpt;
mod files;
mod locate;
mod object;
mod problem;
mod text;
mod unknown;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;

use crate::api::node_feature::own_node;
use crate::api::{Module, NodeFeature, PreflightValidationOCP};

pub use problem::DocumentProblem;

/// How many problems of one document are told. What is wrong with thousands of objects is wrong with the first.
const MAX_FLAWS: usize = 100;

/// Where documents come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file or a folder.
    Path(PathBuf),
    /// Standard input (`-`).
    Stdin,
}

/// What was read from the files.
#[derive(Debug, Default)]
pub struct Documents {
    /// The questions, as written: neither defaulted nor validated.
    pub preflights: Vec<PreflightValidationOCP>,
    /// The Modules.
    pub modules: Vec<Module>,
    /// Secrets, of which pull secrets count.
    pub secrets: Vec<Secret>,
    /// ConfigMaps, of which Dockerfiles count.
    pub config_maps: Vec<ConfigMap>,
    /// What Node Feature Discovery found on nodes, of which the loaded modules count; none that tells of a node's modules and is not
    /// that node's own.
    pub node_features: Vec<NodeFeature>,
    /// OCI image layouts that lie in the folders.
    pub layouts: Vec<PathBuf>,
    /// What a user should know although nothing is wrong: kinds that were skipped, namespaces that were assumed …
    pub notes: Vec<String>,
    /// What is wrong; where this is not empty, the rest is incomplete.
    pub problems: Vec<DocumentProblem>,
}

/// Reads every source, in order. `stdin` is read where [`Source::Stdin`] is among them.
pub fn read(sources: &[Source], stdin: &mut dyn Read) -> Documents {
    let listing = files::list(sources);
    let mut reading = Reading::default();
    reading.documents.layouts = listing.layouts;
    reading.documents.notes = listing.notes;
    reading.documents.problems = listing.problems;
    let mut budget = files::Budget::default();
    for file in &listing.files {
        match budget.read(file, stdin) {
            Ok(text) => reading.text(file, &text),
            Err(problem) => reading.documents.problems.push(problem),
        }
    }
    reading.finish()
}

/// The documents so far, and what the notes at the end are made of.
#[derive(Default)]
struct Reading {
    documents: Documents,
    /// What is said of kinds that mean nothing here, with how many objects of each there were.
    skipped: BTreeMap<String, usize>,
    /// Objects without a namespace.
    unplaced: Vec<String>,
    /// What is wrong with the document that is being read.
    flaws: Vec<object::Flaw>,
    /// Where each kind, namespace and name stands in its list.
    places: HashMap<(object::Kind, Option<String>, String), usize>,
}

impl Reading {
    /// Reads the documents of one file.
    fn text(&mut self, file: &files::File, text: &str) {
        let documents = text::split(text);
        if documents.is_empty() && file.named {
            self.documents
                .notes
                .push(format!("{}: there is nothing in it", file.name));
        }
        for document in documents {
            let origin = text::Origin {
                file: &file.name,
                text,
                document: &document,
            };
            match text::parse(&origin) {
                Ok(value) => self.document(&origin, value, file.named),
                Err(problem) => self.documents.problems.push(problem),
            }
        }
    }

    /// One document: an object, a list of objects, or, in a folder, something else altogether.
    fn document(&mut self, origin: &text::Origin<'_>, value: serde_json::Value, named: bool) {
        let is_object = value.get("apiVersion").is_some() || value.get("kind").is_some();
        if !named && !is_object {
            self.documents.notes.push(format!(
                "{}: skipped a document that is no Kubernetes object",
                origin.file
            ));
        } else if let Err(flaw) = self.object(origin, value) {
            self.flaws.push(flaw);
        }
        self.place_flaws(origin);
    }

    /// The flaws of a document become problems, each with its place.
    fn place_flaws(&mut self, origin: &text::Origin<'_>) {
        let mut flaws = std::mem::take(&mut self.flaws);
        let more = flaws.len().saturating_sub(MAX_FLAWS);
        flaws.truncate(MAX_FLAWS);
        let steps: Vec<_> = flaws.iter_mut().map(|flaw| std::mem::take(&mut flaw.steps)).collect();
        let places = locate::locate(origin.document_text(), &steps);
        let problems = flaws.into_iter().zip(places);
        let problems = problems.map(|(flaw, at)| origin.problem(at, &flaw.message).advising(flaw.advice));
        self.documents.problems.extend(problems);
        if more > 0 {
            let message = format!("{}: … and {more} more problems in this document", origin.file);
            self.documents.problems.push(DocumentProblem::new(message));
        }
    }

    fn finish(mut self) -> Documents {
        self.pass_over_foreign_features();
        let notes = &mut self.documents.notes;
        for (kind, count) in self.skipped {
            let objects = if count == 1 { "object" } else { "objects" };
            notes.push(format!("skipped {count} {objects} {kind}"));
        }
        if !self.unplaced.is_empty() {
            notes.push(format!(
                "no namespace, so taken to be in `default`: {}",
                self.unplaced.join(", ")
            ));
        }
        self.documents
    }

    /// What a node has loaded its own object tells, as in a cluster.
    fn pass_over_foreign_features(&mut self) {
        let counts = |feature: &NodeFeature| own_node(feature).is_some() || feature.spec.loaded_modules().is_none();
        let (counting, foreign): (Vec<_>, _) = std::mem::take(&mut self.documents.node_features)
            .into_iter()
            .partition(counts);
        self.documents.node_features = counting;
        for feature in foreign {
            self.documents.notes.push(format!(
                "NodeFeature {}: not named as the node of its label, so not that node's own; the modules that it names do not count",
                feature.name_any()
            ));
        }
    }
}

#[cfg(test)]
mod tests;
