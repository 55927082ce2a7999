//! Compressed modules.

use super::{Row, Shelf, UNPACK};
use crate::truth::case::Case;
use crate::truth::ko::Packing;

impl Shelf<'_> {
    pub(super) fn packed(&self) -> anyhow::Result<Vec<Row>> {
        let packed = |how| -> anyhow::Result<Case> { Ok(self.of(self.plain.clone().packed(how)?)) };
        let gzip = packed(Packing::Gzip)?.kmod(&self.kernel.gzip_kmod()?);
        let damaged = self.plain.clone().packed(Packing::Xz)?;
        let half = damaged.bytes.len() / 2;
        Ok(vec![
            Row::loads("not-packed", self.plain(), UNPACK),
            Row::loads("gzip", gzip, UNPACK),
            Row::loads("xz", packed(Packing::Xz)?, UNPACK),
            Row::loads("zstd", packed(Packing::Zstd)?, UNPACK),
            Row::refused("xz-cut", self.of(damaged.cut(half)), UNPACK),
        ])
    }
}
