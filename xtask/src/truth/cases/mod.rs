//! The cases: one table for each group of rules.

pub(crate) mod abi;
mod arguments;
mod crcs;
mod dependencies;
mod extended;
mod files;
mod headers;
mod images;
mod indexes;
mod licences;
mod namespaces;
mod packing;
mod parameters;
mod signatures;
mod symbols;
mod trusted;
mod vermagic;

use super::case::Case;
use super::kernel::Kernel;

/// A group's table.
type Table = fn(&Kernel) -> anyhow::Result<Vec<Case>>;

const GROUPS: [(&str, Table); 17] = [
    ("images", images::cases),
    ("arguments", arguments::cases),
    ("indexes", indexes::cases),
    ("dependencies", dependencies::cases),
    ("packing", packing::cases),
    ("files", files::cases),
    ("headers", headers::cases),
    ("signatures", signatures::cases),
    ("trusted", trusted::cases),
    (abi::GROUP, abi::cases),
    ("vermagic", vermagic::cases),
    ("crcs", crcs::cases),
    ("extended", extended::cases),
    ("symbols", symbols::cases),
    ("namespaces", namespaces::cases),
    ("licences", licences::cases),
    ("parameters", parameters::cases),
];

/// Whether there is a group of that name.
pub(super) fn has_group(name: &str) -> bool {
    GROUPS.iter().any(|(group, _)| *group == name)
}

/// Every case, with its group and its place in that group's table.
pub(super) fn all(kernel: &Kernel) -> anyhow::Result<Vec<(&'static str, usize, Case)>> {
    let mut all = Vec::new();
    for (group, table) in GROUPS {
        all.extend((0..).zip(table(kernel)?).map(|(at, case)| (group, at, case)));
    }
    Ok(all)
}
