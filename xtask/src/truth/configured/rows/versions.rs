//! vermagic, symbol versions, and what lacks either.

use super::{EXPORTS, FORCE, LAYOUT, MAGIC, Row, Shelf, VERSION};

impl Shelf<'_> {
    /// What depends on CONFIG_MODULE_FORCE_LOAD: rows of modules that lack something.
    pub(super) fn lacking(&self, loads: bool, words: &'static str) -> Vec<Row> {
        let absent = || self.plain.clone().without_modinfo("vermagic");
        let unversioned = absent().without_section("__versions");
        let row = |name, case, source| Row {
            name,
            case,
            loads,
            source,
            words: Some(words),
        };
        vec![
            row("vermagic-absent", self.of(absent()), FORCE),
            row("vermagic-and-versions-absent", self.of(unversioned), FORCE),
            row("versions-absent", self.of(self.bare()), LAYOUT),
            row("exports-without-versions", self.of(self.bare_exporter()), EXPORTS),
            row("forced", self.plain().args(&["-f"]), FORCE),
            row("force-vermagic", self.plain().args(&["--force-vermagic"]), FORCE),
            row("force-modversion", self.plain().args(&["--force-modversion"]), LAYOUT),
        ]
    }

    pub(super) fn forced(&self) -> Vec<Row> {
        self.lacking(true, "has CONFIG_MODULE_FORCE_LOAD")
    }

    /// Without symbol versions the whole vermagic must be equal, and it has no word of versions.
    pub(super) fn unversioned(&self) -> anyhow::Result<Vec<Row>> {
        let flags = self.flags.replace("modversions ", "");
        let own = format!("{} {flags}", self.release);
        let other = format!("5.14.0-570.el9.x86_64 {flags}");
        let exporter = self.bare_exporter().with_modinfo("vermagic", &own);
        let importer = self.kernel.ko("importer")?.with_modinfo("vermagic", &own);
        let wrong = self.with_magic(&own).with_crc("_printk", |crc| crc ^ 1);
        Ok(vec![
            Row::refused("built-with-versions", self.plain(), MAGIC),
            Row::loads("own-vermagic", self.of(self.with_magic(&own)), MAGIC),
            Row::loads(
                "own-vermagic-no-versions",
                self.of(self.bare().with_modinfo("vermagic", &own)),
                MAGIC,
            ),
            Row::loads("own-vermagic-wrong-version", self.of(wrong), VERSION),
            Row::refused("other-release", self.of(self.with_magic(&other)), MAGIC),
            Row::refused(
                "vermagic-absent",
                self.of(self.plain.clone().without_modinfo("vermagic")),
                FORCE,
            ),
            Row::loads("exports-without-versions", self.of(exporter.clone()), EXPORTS),
            Row::loads("pair-without-versions", self.of(importer).ko(exporter), VERSION),
        ])
    }

    /// Flags of vermagic that the configuration makes.
    pub(super) fn flags(&self, flags: &str) -> Vec<Row> {
        let own = self.with_magic(&format!("{} {flags}", self.release));
        vec![
            Row::refused("built-otherwise", self.plain(), MAGIC),
            Row::loads("built-so", self.of(own), MAGIC),
        ]
    }
}
