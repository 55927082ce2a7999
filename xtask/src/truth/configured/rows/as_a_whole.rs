//! A kernel as RHEL ships it, with its configuration told and untold.

use super::{EXTENDED, LAYOUT, LIVEPATCH, MAGIC, NAMESPACE, Row, SIGNATURE, SYMBOL, Shelf, VERSION, WHOLE};

impl Shelf<'_> {
    pub(super) fn strict(&self) -> anyhow::Result<Vec<Row>> {
        let mut rows = self.lacking(false, "no CONFIG_MODULE_FORCE_LOAD");
        let other = format!("5.14.0-570.el9.x86_64 {}", self.flags);
        let foreign = self.kernel.signed(self.plain.clone(), "other", "sha256")?;
        let marked = self.plain.clone().with_message(b"no message");
        let flip = |crc: u64| crc ^ 1;
        rows.extend([
            Row::loads("as-built", self.plain(), WHOLE),
            Row::refused(
                "wrong-version",
                self.of(self.plain.clone().with_crc("_printk", flip)),
                VERSION,
            ),
            Row::refused(
                "wrong-layout",
                self.of(self.plain.clone().with_crc("module_layout", flip)),
                LAYOUT,
            ),
            Row::loads(
                "one-version-absent",
                self.of(self.plain.clone().without_crc("_printk")),
                VERSION,
            ),
            Row::loads(
                "layout-version-absent",
                self.of(self.plain.clone().without_crc("module_layout")),
                LAYOUT,
            ),
            Row::loads("other-release", self.of(self.with_magic(&other)), MAGIC),
            Row::refused(
                "other-release-no-versions",
                self.of(self.bare().with_modinfo("vermagic", &other)),
                MAGIC,
            ),
            Row::refused("namespace-not-imported", self.namespace()?, NAMESPACE),
            Row::loads("unsigned", self.plain(), SIGNATURE),
            Row::loads("by-a-foreign-key", self.of(foreign), SIGNATURE),
            Row::refused("signature-malformed", self.of(marked), SIGNATURE),
            self.livepatch(true),
        ]);
        rows.extend(self.extended_versions());
        Ok(rows)
    }

    /// What a kernel does that does not read the extended form yet.
    fn extended_versions(&self) -> [Row; 2] {
        let both = self
            .plain
            .clone()
            .with_extended_versions(|all| all.iter_mut().for_each(|(_, crc)| *crc ^= 1));
        let alone = self.plain.clone().with_extended_versions(|_| {});
        let alone = self.of(alone.without_section("__versions"));
        [
            Row::loads("extended-versions-wrong-beside-good-ones", self.of(both), EXTENDED),
            Row::refused("extended-versions-alone", alone, EXTENDED).saying("no CONFIG_MODULE_FORCE_LOAD"),
        ]
    }

    pub(super) fn livepatch(&self, taken: bool) -> Row {
        let patch = self.of(self.plain.clone().adding_modinfo("livepatch", "Y"));
        Row {
            name: "live-patch",
            case: patch,
            loads: taken,
            source: LIVEPATCH,
            words: None,
        }
    }

    /// What is assumed of a kernel whose toolkit has no configuration, and said.
    pub(super) fn untold(&self) -> anyhow::Result<Vec<Row>> {
        let mut rows = self.lacking(false, "assumed: no CONFIG_MODULE_FORCE_LOAD");
        let other = format!("5.14.0-570.el9.x86_64 {}", self.flags);
        let unsigned = "CONFIG_MODULE_SIG without CONFIG_MODULE_SIG_FORCE";
        let namespace = "assumed: no CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS";
        let absent = self.of(self.plain.clone().without_crc("_printk"));
        let marked = self.of(self.plain.clone().with_message(b"no message"));
        rows.extend([
            Row::loads("unsigned", self.plain(), SIGNATURE).saying(unsigned),
            Row::refused("signature-malformed", marked, SIGNATURE).saying("assumed: CONFIG_MODULE_SIG"),
            Row::refused("namespace-not-imported", self.namespace()?, NAMESPACE).saying(namespace),
            Row::loads("other-release", self.of(self.with_magic(&other)), MAGIC),
            Row::loads("one-version-absent", absent, VERSION).saying("assumed: not built by Debian"),
            Row::refused("missing-symbol", self.of(self.kernel.ko("missing_symbol")?), SYMBOL),
        ]);
        Ok(rows)
    }
}
