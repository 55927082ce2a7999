//! The table of what people ship: modules of one package that fared alike share a row, in either packaging.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Packaging, Shipment, Trial};
use crate::truth::guest::Outcome;
use crate::truth::predict::Verdict;
use crate::truth::report::{Row, Standing};

/// More modules than that are not all named in a row.
const NAMED: usize = 3;

const INTRODUCTION: &str = "\
Modules that Debian ships as sources for DKMS, compiled for each of these kernels and tried on each: alone in their image
(`plain`), and with KMM's link to the node's modules, made before depmod (`host`). The nodes have every in-tree module that
one of them needs. `cargo xtask truth --shipped --report docs/truth.md` writes this.
";

/// What modules have in common that share a row.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    package: &'static str,
    compiled_for: String,
    kernel: String,
    fact: String,
    with_toolkit: String,
    without_toolkit: String,
}

/// The rows, with the modules of each.
#[derive(Default)]
pub(super) struct Table {
    rows: BTreeMap<Key, BTreeMap<Packaging, Vec<String>>>,
}

impl Table {
    pub(super) fn add(&mut self, trial: &Trial<'_>, row: &Row) {
        let key = Key {
            package: trial.shipment.package,
            compiled_for: trial.shipment.compiled_for.clone(),
            kernel: row.kernel.clone(),
            fact: fact(row),
            with_toolkit: said(&row.with_toolkit, row.with_toolkit()),
            without_toolkit: said(&row.without_toolkit, row.without_toolkit()),
        };
        let packagings = self.rows.entry(key).or_default();
        let modules = packagings.entry(trial.packaging).or_default();
        modules.push(trial.module.to_owned());
    }

    /// The chapter, in Markdown.
    pub(super) fn text(&self, shipments: &[Shipment]) -> String {
        let mut text = format!("{INTRODUCTION}\n{}\n", packages(shipments));
        text += "| package | modules | compiled for | on | packaged | the kernel | `check` | without a toolkit |\n\
                 |---|---|---|---|---|---|---|---|\n";
        for (key, packagings) in &self.rows {
            let all = shipments.iter().find(|shipment| shipment.package == key.package);
            let all: Vec<&str> = all.into_iter().flat_map(Shipment::modules).collect();
            for (packaged, modules) in alike(packagings) {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} | {packaged} | {} | {} | {} |",
                    key.package,
                    named(modules, &all),
                    short(&key.compiled_for),
                    short(&key.kernel),
                    key.fact,
                    key.with_toolkit,
                    key.without_toolkit,
                );
            }
        }
        text
    }
}

/// What each package has.
fn packages(shipments: &[Shipment]) -> String {
    let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut lacking = String::new();
    for shipment in shipments {
        let (package, version, release) = (shipment.package, &shipment.version, &shipment.compiled_for);
        let modules = told.entry(format!("{package} {version}")).or_default();
        if shipment.kos.is_empty() {
            let _ = writeln!(lacking, "- {package} {version} does not compile for {release}");
        } else {
            *modules = shipment.modules().collect();
        }
    }
    let line = |(package, modules): (String, Vec<&str>)| format!("- {package}: {}\n", modules.join(", "));
    told.into_iter().map(line).collect::<String>() + &lacking
}

/// The modules of each packaging, or of both where they are the same.
fn alike(packagings: &BTreeMap<Packaging, Vec<String>>) -> Vec<(&'static str, &Vec<String>)> {
    let of = |packaging| packagings.get(&packaging);
    match (of(Packaging::Plain), of(Packaging::HostLink)) {
        (Some(plain), Some(host)) if plain == host => vec![("plain, host", plain)],
        (plain, host) => {
            let plain = plain.map(|modules| (Packaging::Plain.name(), modules));
            let host = host.map(|modules| (Packaging::HostLink.name(), modules));
            plain.into_iter().chain(host).collect()
        }
    }
}

/// Some of a package's modules, in few words.
fn named(modules: &[String], all: &[&str]) -> String {
    let others: Vec<&str> = all
        .iter()
        .copied()
        .filter(|name| !modules.iter().any(|module| module == name))
        .collect();
    if modules.len() <= NAMED || others.len() > NAMED {
        modules.join(", ")
    } else if others.is_empty() {
        format!("all {}", all.len())
    } else {
        format!("all but {}", others.join(", "))
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

/// The first of the kernel's known reasons that stands in its words; else what modprobe made of its answer.
fn cause(reason: &str) -> &str {
    const CAUSES: [&str; 3] = ["disagrees about version of symbol", "Unknown symbol", "version magic"];
    let known = CAUSES.into_iter().find(|cause| reason.contains(cause));
    known.unwrap_or_else(|| {
        let first = reason.split(" | ").next().unwrap_or(reason);
        first.rsplit(": ").next().unwrap_or(first)
    })
}

fn said(verdict: &Verdict, standing: Standing) -> String {
    let word = if verdict.loads { "loads" } else { "does not load" };
    match standing {
        Standing::NotChecked => format!("{word}, as far as it goes"),
        Standing::FalseAlarm | Standing::FalseAllClear => format!("**{word}**"),
        Standing::Loads | Standing::Refused => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn many_modules_are_told_by_those_that_are_not_among_them() {
        let all = ["a", "b", "c", "d", "e", "f", "g", "h"];
        for (modules, words) in [
            (&["a", "b"] as &[_], "a, b"),
            (&all, "all 8"),
            (&["a", "b", "c", "d", "e", "f", "g"], "all but h"),
            (&["a", "b", "c", "d"], "a, b, c, d"),
        ] {
            assert_eq!(named(&owned(modules), &all), words);
        }
    }

    #[test]
    fn a_cause_is_the_kernels_word_or_what_modprobe_made_of_it() {
        for (reason, word) in [
            (
                "modprobe: ERROR: could not insert 'x': Invalid argument | x: disagrees about version of symbol module_layout",
                "disagrees about version of symbol",
            ),
            (
                "modprobe: ERROR: could not insert 'x': No such device",
                "No such device",
            ),
        ] {
            assert_eq!(cause(reason), word);
        }
    }
}
