//! modprobe's indexes, names and aliases (kmod `libkmod/libkmod-module.c: kmod_module_new_from_lookup`).

use super::{Case, Kernel};

#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = || kernel.ko("plain");
    let exporter = || kernel.ko("exporter");
    let aliases = || kernel.ko("aliases");
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(plain()?)) };
    let alias = |name: &str, word: &str| -> anyhow::Result<Case> {
        Ok(kernel.case(name).ko(aliases()?).loads(word).expecting("aliases"))
    };
    let mut without_bins = one("text-only")?;
    for name in BINARY {
        without_bins = without_bins.without(name);
    }
    let mut only_dep = one("only-dep-bin")?;
    for name in BINARY.iter().chain(&TEXT).filter(|name| **name != "modules.dep.bin") {
        only_dep = only_dep.without(name);
    }
    let mut none = one("none")?;
    for name in BINARY.iter().chain(&TEXT) {
        none = none.without(name);
    }
    let damaged = |name: &str, bytes: &[u8]| -> anyhow::Result<Case> { Ok(one(name)?.file("modules.dep.bin", bytes)) };
    Ok(vec![
        one("all")?,
        without_bins,
        only_dep,
        none,
        one("dep-bin-missing")?.without("modules.dep.bin"),
        one("dep-bin-empty")?.file("modules.dep.bin", ""),
        one("alias-bin-missing")?.without("modules.alias.bin"),
        one("symbols-bin-missing")?.without("modules.symbols.bin"),
        one("builtin-bin-missing")?.without("modules.builtin.bin"),
        one("softdep-missing")?.without("modules.softdep"),
        damaged("dep-bin-text", b"extra/plain.ko:\n")?,
        damaged("dep-bin-magic-alone", &[0xb0, 0x07, 0xf4, 0x57])?,
        damaged(
            "dep-bin-other-version",
            &[0xb0, 0x07, 0xf4, 0x57, 0, 3, 0, 1, 0, 0, 0, 0],
        )?,
        damaged("dep-bin-other-minor", &[0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 9, 0, 0, 0, 0])?,
        damaged(
            "dep-bin-offset-outside",
            &[0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1, 0x2f, 0xff, 0xff, 0xff],
        )?,
        damaged("dep-bin-no-root", &[0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1, 0, 0, 0, 0])?,
        one("stale-file-moved")?
            .without("extra/plain.ko")
            .file("updates/plain.ko", plain()?.bytes),
        one("stale-file-gone")?.without("extra/plain.ko"),
        one("file-not-indexed")?
            .file("extra/exporter.ko", exporter()?.bytes)
            .loads("exporter"),
        one("another-name")?.loads("plane"),
        one("empty-folder")?.without(""),
        one("name-with-ko")?.loads("plain.ko"),
        one("name-with-path")?.loads("extra/plain"),
        one("name-in-upper-case")?.loads("PLAIN"),
        kernel
            .case("file-with-dash-asked-with-underscore")
            .ko(kernel.ko("gpl_user")?.named("gpl-user"))
            .loads("gpl_user"),
        kernel
            .case("file-with-underscore-asked-with-dash")
            .ko(kernel.ko("gpl_user")?)
            .loads("gpl-user"),
        kernel
            .case("file-with-dash-asked-with-dash")
            .ko(kernel.ko("gpl_user")?.named("gpl-user"))
            .expecting("gpl_user"),
        kernel
            .case("file-of-another-name-than-its-module")
            .ko(plain()?.named("renamed"))
            .expecting("plain"),
        kernel
            .case("two-files-updates-sound")
            .ko(plain()?.in_folder("updates"))
            .ko(plain()?.cut(100).in_folder("extra")),
        kernel
            .case("two-files-extra-sound")
            .ko(plain()?.in_folder("extra"))
            .ko(plain()?.cut(100).in_folder("updates")),
        kernel
            .case("two-files-kernel-and-extra")
            .ko(plain()?.in_folder("kernel"))
            .ko(plain()?.cut(100).in_folder("extra")),
        kernel
            .case("folder-weak-updates")
            .ko(plain()?.in_folder("weak-updates")),
        kernel.case("folder-deep").ko(plain()?.in_folder("a/b/c/d/e/f")),
        kernel.case("folder-none").ko(plain()?.in_folder("")),
        kernel
            .case("image-calls-it-builtin")
            .ko(plain()?)
            .file("modules.builtin", "kernel/plain.ko\n"),
        alias("alias", "another-name")?,
        alias("alias-underscore", "another_name")?,
        alias("alias-pattern", "pattern-x-7")?,
        alias("alias-pattern-unmatched", "pattern-x-y")?,
        alias("alias-pci", "pci:v0000FFF3d00000001sv00000000sd00000000bc02sc00i00")?,
        alias("alias-bin-missing-asked-by-alias", "another-name")?.without("modules.alias.bin"),
        kernel
            .case("alias-added")
            .ko(plain()?.with_modinfo("alias", "mine").seen_by_depmod())
            .loads("mine")
            .expecting("plain"),
        kernel
            .case("alias-of-two")
            .ko(aliases()?)
            .ko(plain()?.with_modinfo("alias", "another-name").seen_by_depmod())
            .loads("another-name")
            .expecting("aliases"),
        kernel
            .case("alias-equal-to-a-name")
            .ko(aliases()?)
            .ko(plain()?.with_modinfo("alias", "aliases").seen_by_depmod())
            .loads("aliases"),
        kernel
            .case("symbol-alias")
            .ko(exporter()?)
            .loads("symbol:exporter_plain")
            .expecting("exporter"),
    ])
}

const BINARY: [&str; 5] = [
    "modules.dep.bin",
    "modules.alias.bin",
    "modules.symbols.bin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
];
const TEXT: [&str; 6] = [
    "modules.dep",
    "modules.alias",
    "modules.symbols",
    "modules.softdep",
    "modules.devname",
    "modules.weakdep",
];
