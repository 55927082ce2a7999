//! The CRCs that the module expects of the symbols it uses.

use super::image::Image;
use super::symbols::plain_name;
use super::{Budget, malformed};
use crate::kmod::facts::{ElfDefect, Era, Versions};

/// `sizeof(struct modversion_info)` on 64-bit kernels: an `unsigned long` and a name.
const RECORD_SIZE: usize = 64;

/// The CRCs of the module. Since Linux 6.14 the extended form wins where both are there (`kernel/module/version.c:
/// check_version`); earlier kernels do not know it.
pub(super) fn read(image: &Image<'_>, budget: &mut Budget) -> Result<Option<Versions>, ElfDefect> {
    let section = |name| Some(image.raw(image.sections.get(image.allocated(name)?)?));
    let of_extended = |name| section(name).filter(|_| image.era == Era::Since6_13);
    match (of_extended("__version_ext_crcs"), of_extended("__version_ext_names")) {
        (Some(crcs), Some(names)) => extended(image, crcs, names, budget).map(Some),
        (None, None) => section("__versions")
            .map(|table| basic(image, table, budget))
            .transpose(),
        _ => Err(malformed(
            "it has only one of the sections __version_ext_crcs and __version_ext_names",
        )),
    }
}

fn basic(image: &Image<'_>, table: &[u8], budget: &mut Budget) -> Result<Versions, ElfDefect> {
    let mut crcs = Vec::new();
    for record in table.chunks_exact(RECORD_SIZE) {
        let (crc, name) = record.split_at(8);
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let crc = image.order.u64(crc, 0).unwrap_or_default();
        crcs.push((budget.keep(plain_name(image.machine, name))?, crc));
    }
    Ok(Versions { extended: false, crcs })
}

/// `elf_validity_cache_index_versions`: there is a name for every CRC.
fn extended(image: &Image<'_>, crcs: &[u8], names: &[u8], budget: &mut Budget) -> Result<Versions, ElfDefect> {
    let mut rest = names;
    let mut pairs = Vec::new();
    for crc in crcs.chunks_exact(4) {
        let end = rest.iter().position(|byte| *byte == 0);
        let Some((name, after)) = end.and_then(|end| rest.split_at_checked(end)) else {
            return Err(malformed("it has more extended version CRCs than names"));
        };
        pairs.push((
            budget.keep(name)?,
            u64::from(image.order.u32(crc, 0).unwrap_or_default()),
        ));
        rest = after.get(1..).unwrap_or_default();
    }
    Ok(Versions {
        extended: true,
        crcs: pairs,
    })
}
