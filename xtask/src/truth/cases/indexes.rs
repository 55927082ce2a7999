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
    let whole = |name: &str, of: Vec<crate::truth::ko::Ko>| -> anyhow::Result<Vec<u8>> {
        let case = of.into_iter().fold(kernel.case(name), Case::ko);
        case.index("modules.dep.bin", &kernel.node_tree())
    };
    let dep = whole("dep", vec![plain()?])?;
    let dep_of_two = whole("dep-of-two", vec![kernel.ko("importer")?, exporter()?])?;
    let cut = |name: &str, length: usize| -> anyhow::Result<Case> {
        Ok(one(name)?.file("modules.dep.bin", dep.get(..length).unwrap_or_default()))
    };
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
        cut("dep-bin-cut-in-the-header", 10)?,
        cut("dep-bin-cut-after-the-header", 12)?,
        cut("dep-bin-cut-in-the-middle", dep.len() / 2)?,
        cut("dep-bin-cut-by-one", dep.len() - 1)?,
        one("dep-bin-and-bytes-after-it")?.file("modules.dep.bin", [dep.clone(), vec![0; 64]].concat()),
        one("dep-bin-of-another-image")?.file("modules.dep.bin", dep_of_two.clone()),
        one("dep-bin-empty-of-modules")?.file("modules.dep.bin", whole("none", vec![kernel.ko("params_none")?])?),
        one("dep-bin-in-a-subfolder")?
            .without("modules.dep.bin")
            .file("extra/modules.dep.bin", dep.clone()),
        one("dep-text-empty")?.file("modules.dep", ""),
        one("dep-text-of-another")?.file("modules.dep", "extra/other.ko:\n"),
        kernel
            .case("stale-dependency-not-indexed")
            .ko(kernel.ko("importer")?)
            .ko(exporter()?)
            .file("modules.dep.bin", whole("alone", vec![kernel.ko("importer")?])?),
        kernel
            .case("stale-dependency-moved")
            .ko(kernel.ko("importer")?)
            .ko(exporter()?.in_folder("updates"))
            .file("modules.dep.bin", dep_of_two),
        one("stale-file-compressed-since")?.without("extra/plain.ko").file(
            "extra/plain.ko.xz",
            plain()?.packed(crate::truth::ko::Packing::Xz)?.bytes,
        ),
        one("stale-file-replaced-by-a-sound-one")?
            .file("extra/plain.ko", kernel.ko("params_none")?.bytes)
            .expecting("params_none"),
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
        one("name-empty-parts")?.loads("plain_"),
        one("name-with-dots")?.loads("../extra/plain"),
        kernel
            .case("file-with-two-dashes")
            .ko(kernel.ko("gpl_user")?.named("gpl--user"))
            .loads("gpl__user")
            .expecting("gpl_user"),
        kernel
            .case("files-with-dash-and-underscore")
            .ko(kernel.ko("gpl_user")?.named("gpl-user"))
            .ko(kernel.ko("gpl_user")?.cut(100)),
        kernel
            .case("alias-of-what-needs-another")
            .ko(kernel.ko("importer")?.with_modinfo("alias", "wanted").seen_by_depmod())
            .ko(exporter()?)
            .loads("wanted")
            .expecting("importer"),
        kernel
            .case("alias-of-a-missing-file")
            .ko(aliases()?)
            .loads("another-name")
            .expecting("aliases")
            .without("extra/aliases.ko"),
        kernel
            .case("alias-in-the-images-modprobe-d")
            .ko(plain()?)
            .loads("mine")
            .expecting("plain")
            .file("/etc/modprobe.d/a.conf", "alias mine plain\n"),
        kernel
            .case("alias-with-brackets-unclosed")
            .ko(plain()?.with_modinfo("alias", "mine-[0").seen_by_depmod())
            .loads("mine-0")
            .expecting("plain"),
        kernel
            .case("alias-with-a-star-alone")
            .ko(plain()?.with_modinfo("alias", "*").seen_by_depmod())
            .loads("whatever")
            .expecting("plain"),
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
