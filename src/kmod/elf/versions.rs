//! The CRCs that the module expects of the symbols it uses.

use super::image::Image;
use super::symbols::plain_name;
use super::{Budget, defect};
use crate::kmod::facts::{Crcs, ElfDefect, ElfDefectKind, Versions};

/// `sizeof(struct modversion_info)` on 64-bit kernels: an `unsigned long` and a name.
const RECORD_SIZE: usize = 64;

/// The CRCs of the module in both forms, and what kernels that know the extended form refuse in it.
pub(super) fn read(image: &Image<'_>, budget: &mut Budget) -> Result<(Versions, Option<ElfDefect>), ElfDefect> {
    let section = |name| Some(image.raw(image.sections.get(image.allocated(name)?)?));
    let table = section("__versions");
    let basic = table.map(|table| basic(image, table, budget)).transpose()?;
    let (extended, flaw) = match (section("__version_ext_crcs"), section("__version_ext_names")) {
        (None, None) => (None, None),
        (Some(crcs), Some(names)) => match extended(image, crcs, names, budget)? {
            Some(crcs) => (Some(crcs), None),
            None => (None, Some(flawed("it has more extended version CRCs than names"))),
        },
        _ => {
            let message = "it has only one of the sections __version_ext_crcs and __version_ext_names";
            (None, Some(flawed(message)))
        }
    };
    Ok((Versions { basic, extended }, flaw))
}

fn basic(image: &Image<'_>, table: &[u8], budget: &mut Budget) -> Result<Crcs, ElfDefect> {
    let mut crcs = Vec::new();
    for record in table.chunks_exact(RECORD_SIZE) {
        let (crc, name) = record.split_at(8);
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let crc = image.order.u64(crc, 0).unwrap_or_default();
        crcs.push((budget.keep(plain_name(image.machine, name))?, crc));
    }
    Ok(Crcs(crcs))
}

/// `elf_validity_cache_index_versions`: there is a name for every CRC.
fn extended(image: &Image<'_>, crcs: &[u8], names: &[u8], budget: &mut Budget) -> Result<Option<Crcs>, ElfDefect> {
    let mut rest = names;
    let mut pairs = Vec::new();
    for crc in crcs.chunks_exact(4) {
        let end = rest.iter().position(|byte| *byte == 0);
        let Some((name, after)) = end.and_then(|end| rest.split_at_checked(end)) else {
            return Ok(None);
        };
        let crc = u64::from(image.order.u32(crc, 0).unwrap_or_default());
        pairs.push((budget.keep(plain_name(image.machine, name))?, crc));
        rest = after.get(1..).unwrap_or_default();
    }
    Ok(Some(Crcs(pairs)))
}

fn flawed(message: &str) -> ElfDefect {
    defect(ElfDefectKind::ExtendedVersions, message)
}
