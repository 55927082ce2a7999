//! The table of what people ship: modules of one package that fared alike share a row.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Packaging, Shipment, Trial};
use crate::truth::guest::Outcome;
use crate::truth::predict::Verdict;
use crate::truth::report::{Row, Standing};

/// What modules have in common that share a row.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    package: &'static str,
    version: String,
    compiled_for: String,
    kernel: String,
    packaging: Packaging,
    fact: String,
    with_toolkit: String,
    without_toolkit: String,
}

/// The rows, with the modules of each.
#[derive(Default)]
pub(super) struct Table {
    rows: BTreeMap<Key, Vec<String>>,
}

impl Table {
    pub(super) fn add(&mut self, trial: &Trial<'_>, row: &Row) {
        let key = Key {
            package: trial.shipment.package,
            version: trial.shipment.version.clone(),
            compiled_for: trial.shipment.compiled_for.clone(),
            kernel: row.kernel.clone(),
            packaging: trial.packaging,
            fact: fact(row),
            with_toolkit: said(&row.with_toolkit, row.with_toolkit()),
            without_toolkit: said(&row.without_toolkit, row.without_toolkit()),
        };
        self.rows.entry(key).or_default().push(trial.module.to_owned());
    }

    /// The chapter, in Markdown.
    pub(super) fn text(&self, shipments: &[Shipment]) -> String {
        let mut text = String::from(
            "Modules that Debian ships as sources for DKMS, compiled for each of these kernels and tried on each: alone in\n\
             their image (`plain`), and with KMM's link to the node's modules, made before depmod (`host`). The nodes have\n\
             every in-tree module that one of them needs. Written by `cargo xtask truth --shipped --report docs/truth.md`.\n\n\
             | package | modules | compiled for | on | packaged | the kernel | `check` | without a toolkit |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        for (key, modules) in &self.rows {
            let _ = writeln!(
                text,
                "| {} {} | {} | {} | {} | {} | {} | {} | {} |",
                key.package,
                key.version,
                modules.join(", "),
                short(&key.compiled_for),
                short(&key.kernel),
                key.packaging.name(),
                key.fact,
                key.with_toolkit,
                key.without_toolkit,
            );
        }
        for shipment in shipments.iter().filter(|shipment| shipment.kos.is_empty()) {
            let (package, version) = (shipment.package, &shipment.version);
            let _ = writeln!(
                text,
                "\n{package} {version} does not compile for {}.",
                shipment.compiled_for
            );
        }
        text
    }
}

fn short(release: &str) -> &str {
    release.strip_suffix("-cloud-amd64").unwrap_or(release)
}

/// What the kernel did, and why, in words that modules share.
fn fact(row: &Row) -> String {
    let reason = row.fact.reason();
    match row.fact.outcome {
        Outcome::Loaded => "loads".to_owned(),
        Outcome::NothingLoaded => "nothing loaded".to_owned(),
        Outcome::Crashed => "crashes".to_owned(),
        Outcome::Refused => format!("refuses: {}", cause(&reason)),
    }
}

/// The first of the kernel's known reasons that stands in its words; else what modprobe made of it.
fn cause(reason: &str) -> &str {
    const CAUSES: [&str; 4] = [
        "disagrees about version of symbol",
        "Unknown symbol",
        "version magic",
        "No such device",
    ];
    let known = CAUSES.into_iter().find(|cause| reason.contains(cause));
    known.unwrap_or_else(|| reason.split(" | ").next().unwrap_or(reason))
}

fn said(verdict: &Verdict, standing: Standing) -> String {
    let word = if verdict.loads { "loads" } else { "does not load" };
    match standing {
        Standing::NotChecked => format!("{word}, as far as checked"),
        Standing::FalseAlarm | Standing::FalseAllClear => format!("**{word}**"),
        Standing::Loads | Standing::Refused => word.to_owned(),
    }
}
