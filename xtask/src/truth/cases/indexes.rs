//! modprobe's indexes, names and aliases (kmod `libkmod/libkmod-module.c: kmod_module_new_from_lookup`).

use super::{Case, Kernel};
use crate::truth::ko::{Ko, Packing};

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let tables = [
        which_are_there(kernel)?,
        damaged(kernel)?,
        cut_or_of_another(kernel)?,
        stale(kernel)?,
        names(kernel)?,
        odd_aliases(kernel)?,
        names_of_files(kernel)?,
        folders(kernel)?,
        aliases(kernel)?,
    ];
    Ok(tables.into_iter().flatten().collect())
}

/// Of the indexes, in both forms, only some.
fn which_are_there(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
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
    ])
}

/// A `modules.dep.bin` that is something else from its first bytes on.
fn damaged(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let damaged = |name: &str, bytes: &[u8]| -> anyhow::Result<Case> { Ok(one(name)?.file("modules.dep.bin", bytes)) };
    Ok(vec![
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
    ])
}

/// One that is too short, too long, or of another image; and its text.
fn cut_or_of_another(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let dep = dep_bin(kernel, vec![kernel.ko("plain")?])?;
    let cut = |name: &str, length: usize| -> anyhow::Result<Case> {
        Ok(one(name)?.file("modules.dep.bin", dep.get(..length).unwrap_or_default()))
    };
    Ok(vec![
        cut("dep-bin-cut-in-the-header", 10)?,
        cut("dep-bin-cut-after-the-header", 12)?,
        cut("dep-bin-cut-in-the-middle", dep.len() / 2)?,
        cut("dep-bin-cut-by-one", dep.len() - 1)?,
        one("dep-bin-and-bytes-after-it")?.file("modules.dep.bin", [dep.clone(), vec![0; 64]].concat()),
        one("dep-bin-of-another-image")?.file("modules.dep.bin", of_two(kernel)?),
        one("dep-bin-empty-of-modules")?.file("modules.dep.bin", dep_bin(kernel, vec![kernel.ko("params_none")?])?),
        one("dep-bin-in-a-subfolder")?
            .without("modules.dep.bin")
            .file("extra/modules.dep.bin", dep.clone()),
        one("dep-text-empty")?.file("modules.dep", ""),
        one("dep-text-of-another")?.file("modules.dep", "extra/other.ko:\n"),
    ])
}

/// What changed in the image after depmod had run.
fn stale(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    Ok(vec![
        kernel
            .case("stale-dependency-not-indexed")
            .ko(kernel.ko("importer")?)
            .ko(kernel.ko("exporter")?)
            .file("modules.dep.bin", dep_bin(kernel, vec![kernel.ko("importer")?])?),
        kernel
            .case("stale-dependency-moved")
            .ko(kernel.ko("importer")?)
            .ko(kernel.ko("exporter")?.in_folder("updates"))
            .file("modules.dep.bin", of_two(kernel)?),
        one("stale-file-compressed-since")?
            .without("extra/plain.ko")
            .file("extra/plain.ko.xz", kernel.ko("plain")?.packed(Packing::Xz)?.bytes),
        one("stale-file-replaced-by-a-sound-one")?
            .file("extra/plain.ko", kernel.ko("params_none")?.bytes)
            .expecting("params_none"),
        one("stale-file-moved")?
            .without("extra/plain.ko")
            .file("updates/plain.ko", kernel.ko("plain")?.bytes),
        one("stale-file-gone")?.without("extra/plain.ko"),
        one("file-not-indexed")?
            .file("extra/exporter.ko", kernel.ko("exporter")?.bytes)
            .loads("exporter"),
    ])
}

fn names(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    Ok(vec![
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
    ])
}

fn odd_aliases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    Ok(vec![
        kernel
            .case("alias-of-what-needs-another")
            .ko(kernel.ko("importer")?.with_modinfo("alias", "wanted").seen_by_depmod())
            .ko(kernel.ko("exporter")?)
            .loads("wanted")
            .expecting("importer"),
        kernel
            .case("alias-of-a-missing-file")
            .ko(kernel.ko("aliases")?)
            .loads("another-name")
            .expecting("aliases")
            .without("extra/aliases.ko"),
        kernel
            .case("alias-in-the-images-modprobe-d")
            .ko(kernel.ko("plain")?)
            .loads("mine")
            .expecting("plain")
            .file("/etc/modprobe.d/a.conf", "alias mine plain\n"),
        kernel
            .case("alias-with-brackets-unclosed")
            .ko(kernel.ko("plain")?.with_modinfo("alias", "mine-[0").seen_by_depmod())
            .loads("mine-0")
            .expecting("plain"),
        kernel
            .case("alias-with-a-star-alone")
            .ko(kernel.ko("plain")?.with_modinfo("alias", "*").seen_by_depmod())
            .loads("whatever")
            .expecting("plain"),
        one("name-in-upper-case")?.loads("PLAIN"),
    ])
}

fn names_of_files(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    Ok(vec![
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
            .ko(kernel.ko("plain")?.named("renamed"))
            .expecting("plain"),
    ])
}

fn folders(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    Ok(vec![
        kernel
            .case("two-files-updates-sound")
            .ko(kernel.ko("plain")?.in_folder("updates"))
            .ko(kernel.ko("plain")?.cut(100).in_folder("extra")),
        kernel
            .case("two-files-extra-sound")
            .ko(kernel.ko("plain")?.in_folder("extra"))
            .ko(kernel.ko("plain")?.cut(100).in_folder("updates")),
        kernel
            .case("two-files-kernel-and-extra")
            .ko(kernel.ko("plain")?.in_folder("kernel"))
            .ko(kernel.ko("plain")?.cut(100).in_folder("extra")),
        kernel
            .case("folder-weak-updates")
            .ko(kernel.ko("plain")?.in_folder("weak-updates")),
        kernel
            .case("folder-deep")
            .ko(kernel.ko("plain")?.in_folder("a/b/c/d/e/f")),
        kernel.case("folder-none").ko(kernel.ko("plain")?.in_folder("")),
        kernel
            .case("image-calls-it-builtin")
            .ko(kernel.ko("plain")?)
            .file("modules.builtin", "kernel/plain.ko\n"),
    ])
}

fn aliases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let alias = |name: &str, word: &str| -> anyhow::Result<Case> {
        Ok(kernel
            .case(name)
            .ko(kernel.ko("aliases")?)
            .loads(word)
            .expecting("aliases"))
    };
    Ok(vec![
        alias("alias", "another-name")?,
        alias("alias-underscore", "another_name")?,
        alias("alias-pattern", "pattern-x-7")?,
        alias("alias-pattern-unmatched", "pattern-x-y")?,
        alias("alias-pci", "pci:v0000FFF3d00000001sv00000000sd00000000bc02sc00i00")?,
        alias("alias-bin-missing-asked-by-alias", "another-name")?.without("modules.alias.bin"),
        kernel
            .case("alias-added")
            .ko(kernel.ko("plain")?.with_modinfo("alias", "mine").seen_by_depmod())
            .loads("mine")
            .expecting("plain"),
        kernel
            .case("alias-of-two")
            .ko(kernel.ko("aliases")?)
            .ko(kernel
                .ko("plain")?
                .with_modinfo("alias", "another-name")
                .seen_by_depmod())
            .loads("another-name")
            .expecting("aliases"),
        kernel
            .case("alias-equal-to-a-name")
            .ko(kernel.ko("aliases")?)
            .ko(kernel.ko("plain")?.with_modinfo("alias", "aliases").seen_by_depmod())
            .loads("aliases"),
        kernel
            .case("symbol-alias")
            .ko(kernel.ko("exporter")?)
            .loads("symbol:exporter_plain")
            .expecting("exporter"),
    ])
}

/// `modules.dep.bin`, as depmod makes it for these modules.
fn dep_bin(kernel: &Kernel, modules: Vec<Ko>) -> anyhow::Result<Vec<u8>> {
    let case = modules.into_iter().fold(kernel.case("dep"), Case::ko);
    case.index("modules.dep.bin", &kernel.node_tree())
}

/// The one for two modules, of which one needs the other.
fn of_two(kernel: &Kernel) -> anyhow::Result<Vec<u8>> {
    dep_bin(kernel, vec![kernel.ko("importer")?, kernel.ko("exporter")?])
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
