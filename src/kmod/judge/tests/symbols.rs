//! Symbols: exported, in which version, for whom.

use super::sketch::{KERNEL, ModuleSketch, VERMAGIC, a_module, a_scene, each, with};
use crate::api::Rule;

#[test]
fn every_symbol_has_an_exporter_of_its_version() {
    each(vec![
        ("an exported one", with(a_module().needs("gpl_thing", 0x33)), ""),
        ("a missing one", with(a_module().needs("gone", 1)), "symbol-missing!"),
        (
            "a weak one may be missing",
            with(a_module().needs("gone", 1).weakly()),
            "",
        ),
        (
            "a weak one of a module that is not loaded",
            with(a_module().needs("rpc_call", 0x77).weakly()),
            "",
        ),
        (
            "another version",
            with(a_module().needs("gpl_thing", 0x34)),
            "crc-mismatch!",
        ),
        (
            "another version of a weak one",
            with(a_module().needs("gpl_thing", 0x34).weakly()),
            "crc-mismatch!",
        ),
        (
            "another version, where none is checked",
            with(a_module().needs("gpl_thing", 0x34)).config("MODULE_SIG"),
            "",
        ),
        (
            "no version of one",
            with(a_module().needs_unversioned("gpl_thing")),
            "symbol-version-missing?",
        ),
        (
            "the first of two versions counts",
            with(a_module().needs("gpl_thing", 0x33).change(|elf| {
                elf.versions
                    .basic
                    .as_mut()
                    .expect("versions")
                    .0
                    .push(("gpl_thing".to_owned(), 9));
            })),
            "",
        ),
        (
            "without a toolkit nobody knows",
            with(a_module().needs("gone", 1)).without_toolkit(),
            "",
        ),
    ]);
}

#[test]
fn gpl_only_symbols_are_for_gpl_compatible_licences() {
    for licence in [
        "GPL",
        "GPL v2",
        "GPL and additional rights",
        "Dual BSD/GPL",
        "Dual MIT/GPL",
        "Dual MPL/GPL",
    ] {
        assert_eq!(
            with(a_module().info("license", licence).needs("gpl_thing", 0x33)).rules(),
            "",
            "{licence}"
        );
    }
    for licence in ["Proprietary", "GPL v3", "gpl", "BSD", "MIT", ""] {
        let scene = with(a_module().info("license", licence).needs("gpl_thing", 0x33));
        assert_eq!(scene.rules(), "symbol-gpl-only!", "{licence}");
    }
    each(vec![
        (
            "no licence is none",
            with(a_module().without("license").needs("gpl_thing", 0x33)),
            "symbol-gpl-only!",
        ),
        (
            "of two licences the first counts",
            with(a_module().also("license", "Proprietary").needs("gpl_thing", 0x33)),
            "",
        ),
        (
            "a weak one is then missing",
            with(a_module().without("license").needs("gpl_thing", 0x33).weakly()),
            "",
        ),
        (
            "some names are proprietary by decree",
            with(
                a_module()
                    .needs("gpl_thing", 0x33)
                    .change(|elf| elf.name = Some("driverloader".to_owned())),
            ),
            "symbol-gpl-only!",
        ),
        (
            "other symbols are for everybody",
            with(a_module().without("license")),
            "",
        ),
    ]);
}

#[test]
fn proprietary_modules_taint_their_users() {
    let library = || {
        a_module()
            .info("license", "Proprietary")
            .exports("lib_call", Some(0x99))
    };
    let user = |module| {
        with(module)
            .beside("lib", library())
            .line("drv", "extra/drv.ko: extra/lib.ko")
    };
    let (gpl, lib) = (("gpl_thing", 0x33), ("lib_call", 0x99));
    let both = |a: (&str, u32), b: (&str, u32)| a_module().needs(a.0, a.1).needs(b.0, b.1);
    each(vec![
        ("a user of theirs alone", user(a_module().needs(lib.0, lib.1)), ""),
        ("after a GPL-only symbol", user(both(gpl, lib)), "symbol-proprietary!"),
        ("before a GPL-only symbol", user(both(lib, gpl)), "symbol-gpl-only!"),
        ("a weak one is then missing", user(both(gpl, lib).weakly()), ""),
        (
            "a user of a user of theirs",
            with(a_module().needs("middle_call", 0x98).needs("gpl_thing", 0x33))
                .beside("lib", library())
                .beside(
                    "middle",
                    a_module().needs("lib_call", 0x99).exports("middle_call", Some(0x98)),
                )
                .line("drv", "extra/drv.ko: extra/middle.ko extra/lib.ko"),
            "symbol-gpl-only!",
        ),
    ]);
}

/// truth: licences/proprietary-user-of-a-gpl-module on 7.3
#[test]
fn flags_decide_who_may_use_an_images_own_symbols_where_the_kernel_reads_them() {
    let library = |flags| a_module().exports("lib_call", Some(0x99)).flagged(flags);
    let user = |licence, library| {
        with(a_module().info("license", licence).needs("lib_call", 0x99))
            .beside("lib", library)
            .line("drv", "extra/drv.ko: extra/lib.ko")
    };
    let on_7_1 = |scene: super::sketch::Scene| scene.toolkit(|toolkit| toolkit.has_export_flags = Some(true));
    let old = || a_module().exports("lib_call", Some(0x99)).for_gpl_only();
    let told = |scene: super::sketch::Scene| {
        let scene = scene.toolkit(|toolkit| (toolkit.has_export_flags, toolkit.vermagic) = (None, None));
        scene.toolkit(|toolkit| toolkit.config = None).kernel("7.1.0")
    };
    each(vec![
        (
            "for GPL alone",
            on_7_1(user("Proprietary", library(1))),
            "symbol-gpl-only!",
        ),
        ("and by such a user", on_7_1(user("GPL", library(1))), ""),
        ("for all", on_7_1(user("Proprietary", library(0))), ""),
        ("an earlier kernel reads no flags", user("Proprietary", library(1)), ""),
        ("and a table of its own", user("Proprietary", old()), "symbol-gpl-only!"),
        ("which later ones ignore", on_7_1(user("GPL", old())), "symbol-missing!"),
        (
            "no flags at all",
            on_7_1(user("GPL", a_module().exports("lib_call", Some(0x99)))),
            "elf-malformed!",
        ),
        (
            "where no toolkit tells, the release does",
            told(user("Proprietary", library(1))),
            "symbol-gpl-only! not-checked not-checked",
        ),
    ]);
}

#[test]
fn namespaces_are_imported() {
    const LAX: &str = "MODVERSIONS MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS";
    let user = || a_module().needs("spaced", 0x44);
    let library = || a_module().exports("lib_call", Some(9)).into_namespace("LIB");
    let of_library = |module| {
        with(module)
            .beside("lib", library())
            .line("drv", "extra/drv.ko: extra/lib.ko")
    };
    each(vec![
        ("imported", with(user().also("import_ns", "SPACE")), ""),
        (
            "imported beside another",
            with(user().also("import_ns", "A").also("import_ns", "SPACE")),
            "",
        ),
        ("not imported", with(user()), "symbol-namespace!"),
        ("not imported by a weak one", with(user().weakly()), "symbol-namespace!"),
        (
            // truth: symbols/weak-of-a-namespace-not-imported on our own
            "nor where its version is missing, of which the kernel only warns",
            with(user().change(|elf| {
                let versions = elf.versions.basic.as_mut().expect("versions");
                versions.0.retain(|(name, _)| name != "spaced");
            })),
            "symbol-version-missing? symbol-namespace!",
        ),
        (
            "not imported, and allowed",
            with(user()).config(LAX),
            "symbol-namespace?",
        ),
        (
            "not imported, and nobody knows",
            with(user()).toolkit(|t| t.config = None),
            "symbol-namespace! not-checked",
        ),
        (
            "an image's own",
            of_library(a_module().needs("lib_call", 9)),
            "symbol-namespace!",
        ),
        (
            "an image's own, imported",
            of_library(a_module().needs("lib_call", 9).also("import_ns", "LIB")),
            "",
        ),
    ]);
}

#[test]
fn namespaces_for_modules_by_name_are_not_imported() {
    each(vec![
        (
            "for modules by name",
            with(a_module().needs("chosen", 0x55)).kernel("6.16.0"),
            "",
        ),
        (
            "which earlier kernels do not know, though they have some",
            with(a_module().needs("chosen", 0x55)),
            "symbol-namespace!",
        ),
        (
            "for modules by name, and imported",
            with(a_module().needs("chosen", 0x55).also("import_ns", "module:other,dr*")),
            "",
        ),
        (
            "which newer kernels refuse",
            with(a_module().needs("chosen", 0x55).also("import_ns", "module:drv")).kernel("6.16.1"),
            "symbol-namespace!",
        ),
        (
            "and for no others",
            with(
                a_module()
                    .needs("chosen", 0x55)
                    .change(|elf| elf.name = Some("third".to_owned())),
            )
            .kernel("6.16.0"),
            "symbol-namespace!",
        ),
    ]);
}

#[test]
fn namespaces_for_modules_by_name_came_late() {
    let of = |module: ModuleSketch, release: &str| {
        let library = a_module().exports("lib_call", Some(9)).into_namespace("module:drv");
        with(
            module
                .needs("lib_call", 9)
                .info("vermagic", &VERMAGIC.replace(KERNEL, release)),
        )
        .beside("lib", library.info("vermagic", &VERMAGIC.replace(KERNEL, release)))
        .line("drv", "extra/drv.ko: extra/lib.ko")
        .toolkit(|toolkit| toolkit.vermagic = Some(VERMAGIC.replace(KERNEL, release)))
        .kernel(release)
    };
    let imported = || a_module().also("import_ns", "module:drv");
    each(vec![
        ("unknown before", of(a_module(), "6.15.0"), "symbol-namespace!"),
        ("and one like any other", of(imported(), "6.15.0"), ""),
        ("known since", of(a_module(), "6.16.0"), ""),
        ("and no longer imported", of(imported(), "6.16.0"), "symbol-namespace!"),
    ]);
}

#[test]
fn the_images_own_symbols_have_versions_too() {
    let library = |crc| a_module().exports("lib_call", crc);
    let user = |library| {
        with(a_module().needs("lib_call", 0x99))
            .beside("lib", library)
            .line("drv", "extra/drv.ko: extra/lib.ko")
    };
    each(vec![
        ("the same", user(library(Some(0x99))), ""),
        ("another", user(library(Some(0x98))), "crc-mismatch!"),
        (
            "another, without a toolkit",
            user(library(Some(0x98))).without_toolkit(),
            "crc-mismatch!",
        ),
        (
            "none passes",
            user(library(None)).config("MODVERSIONS MODULE_FORCE_LOAD"),
            "versions-missing?",
        ),
    ]);
}

#[test]
fn nothing_is_exported_twice() {
    let rpc = || a_module().exports("rpc_call", Some(1));
    each(vec![
        (
            "what the kernel exports",
            with(a_module().exports("_printk", Some(1))),
            "symbol-duplicate!",
        ),
        (
            "what a built-in module exports",
            with(a_module().exports("ext4_thing", Some(1))),
            "symbol-duplicate!",
        ),
        (
            "what an in-tree module exports that may be loaded",
            with(rpc()),
            "symbol-duplicate?",
        ),
        ("what one exports that KMM unloads", with(rpc()).removing("sun-rpc"), ""),
        (
            "what the module exports that ours takes the place of",
            a_scene()
                .file("extra/drv.ko", rpc())
                .line("sun_rpc", "extra/drv.ko:")
                .module("sun-rpc"),
            "module-in-tree?",
        ),
        (
            "what a module before ours exports",
            with(a_module().exports("mine", Some(1)))
                .beside("lib", a_module().exports("mine", Some(1)))
                .line("drv", "extra/drv.ko: extra/lib.ko"),
            "symbol-duplicate!",
        ),
    ]);
}

#[test]
fn many_of_a_kind_are_counted() {
    let many = (0..57)
        .fold(a_module(), |module, n| module.needs(&format!("gone{n}"), 1))
        .needs("spaced", 0x44);
    let findings = with(many).findings();
    assert_eq!(findings.len(), 22);
    assert_eq!(findings[19].symbol.as_deref(), Some("gone19"));
    assert_eq!(findings[20].message, "and 37 more of this kind");
    assert_eq!(findings[20].file.as_deref(), Some("extra/drv.ko"));
    assert_eq!(findings[21].rule, Rule::SymbolNamespace);
}

#[test]
fn a_missing_in_tree_module_is_named_once_with_the_remedy() {
    let findings = with(a_module().needs("rpc_call", 0x77)).findings();
    assert_eq!(findings[0].symbol.as_deref(), Some("sun_rpc"));
    let remedy = "RUN ln -s /lib/modules/5.14.0-570.el9.x86_64 /opt/lib/modules/5.14.0-570.el9.x86_64/host";
    assert!(findings[0].message.contains(remedy), "{}", findings[0].message);
}

#[test]
fn how_a_namespace_is_imported_depends_on_the_kernel() {
    let message = |symbol, crc, release| {
        let module = a_module()
            .needs(symbol, crc)
            .change(|elf| elf.name = Some("third".to_owned()));
        let findings = with(module).kernel(release).findings();
        let found = findings
            .into_iter()
            .find(|finding| finding.rule == Rule::SymbolNamespace);
        found.expect("a finding").message
    };
    assert!(message("spaced", 0x44, "6.12.1").contains("MODULE_IMPORT_NS(SPACE)"));
    assert!(message("spaced", 0x44, "6.13.1").contains("MODULE_IMPORT_NS(\"SPACE\")"));
    assert!(message("chosen", 0x55, "6.16.1").contains("nothing can be imported"));
}
