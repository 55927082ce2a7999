//! Namespaces, and symbols that were trimmed.

use super::{NAMESPACE, Row, SYMBOL, Shelf};
use crate::truth::case::Case;

impl Shelf<'_> {
    pub(super) fn namespace(&self) -> anyhow::Result<Case> {
        Ok(self.of(self.kernel.ko("importer_no_ns")?).ko(self.exporter.clone()))
    }

    pub(super) fn lenient(&self) -> anyhow::Result<Vec<Row>> {
        let words = "CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS";
        let imported = self.of(self.kernel.ko("importer")?).ko(self.exporter.clone());
        Ok(vec![
            Row::loads("not-imported", self.namespace()?, NAMESPACE).saying(words),
            Row::loads("imported", imported, NAMESPACE),
        ])
    }

    pub(super) fn trimmed(&self) -> anyhow::Result<Vec<Row>> {
        let words = "CONFIG_TRIM_UNUSED_KSYMS";
        let weak = self.of(self.kernel.ko("weak")?);
        Ok(vec![
            Row::refused("uses-what-was-trimmed", self.of(self.kernel.ko("gpl_user")?), SYMBOL).saying(words),
            Row::loads("uses-what-is-left", self.plain(), SYMBOL),
            Row::loads("weakly-uses-what-nobody-exports", weak, SYMBOL),
        ])
    }
}
