//! Symbol versions: `__versions` altered, absent, with records missing or doubled (`kernel/module/version.c:
//! check_version`).

use super::{Case, Kernel};

/// Makes a version another one.
const FLIP: fn(u64) -> u64 = |crc| crc ^ 1;

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let tables = [
        altered_or_absent(kernel)?,
        twice_or_in_another_order(kernel)?,
        of_other_modules(kernel)?,
        forced(kernel)?,
    ];
    Ok(tables.into_iter().flatten().collect())
}

fn altered_or_absent(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = kernel.ko("plain")?;
    let ko = || plain.clone();
    Ok(vec![
        kernel.case("one-symbol").ko(ko().with_crc("_printk", FLIP)),
        kernel.case("module-layout").ko(ko().with_crc("module_layout", FLIP)),
        kernel
            .case("all")
            .ko(ko().with_versions(|all| all.iter_mut().for_each(|(_, crc)| *crc ^= 1))),
        kernel.case("one-symbol-zero").ko(ko().with_crc("_printk", |_| 0)),
        kernel
            .case("one-symbol-high-half")
            .ko(ko().with_crc("_printk", |crc| crc | 1 << 40)),
        kernel.case("one-symbol-absent").ko(ko().without_crc("_printk")),
        kernel
            .case("module-layout-absent")
            .ko(ko().without_crc("module_layout")),
        kernel.case("section-absent").ko(ko().without_section("__versions")),
        kernel.case("section-empty").ko(ko().with_versions(Vec::clear)),
        kernel
            .case("only-module-layout")
            .ko(ko().with_versions(|all| all.retain(|(name, _)| name == "module_layout"))),
        kernel
            .case("a-record-more")
            .ko(ko().with_versions(|all| all.push(("nobody_uses_this".into(), 7)))),
    ])
}

fn twice_or_in_another_order(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = kernel.ko("plain")?;
    let ko = || plain.clone();
    Ok(vec![
        kernel.case("twice-right-first").ko(ko().with_versions(|all| {
            let again: Vec<_> = all.iter().map(|(name, crc)| (name.clone(), crc ^ 1)).collect();
            all.extend(again);
        })),
        kernel.case("twice-wrong-first").ko(ko().with_versions(|all| {
            let again: Vec<_> = all.iter().map(|(name, crc)| (name.clone(), crc ^ 1)).collect();
            all.splice(0..0, again);
        })),
        kernel
            .case("in-another-order")
            .ko(ko().with_versions(|all| all.reverse())),
    ])
}

fn of_other_modules(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    Ok(vec![
        kernel.case("no-symbols-needed").ko(kernel.ko("params_none")?),
        kernel
            .case("no-symbols-needed-module-layout")
            .ko(kernel.ko("params_none")?.with_crc("module_layout", FLIP)),
        kernel
            .case("no-symbols-needed-section-absent")
            .ko(kernel.ko("params_none")?.without_section("__versions")),
        kernel
            .case("weak-symbol-without-crc")
            .ko(kernel.ko("weak")?.without_crc("nobody_exports_this")),
        kernel
            .case("of-a-module-in-the-image")
            .ko(kernel.ko("importer")?.with_crc("exporter_plain", FLIP))
            .ko(kernel.ko("exporter")?),
        kernel
            .case("of-a-module-in-the-image-absent")
            .ko(kernel.ko("importer")?.without_crc("exporter_plain"))
            .ko(kernel.ko("exporter")?),
    ])
}

fn forced(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = kernel.ko("plain")?;
    let ko = || plain.clone();
    let mut cases = Vec::new();
    for (name, args) in [
        ("force", &["-f"][..]),
        ("force-modversion", &["--force-modversion"]),
        ("force-vermagic", &["--force-vermagic"]),
    ] {
        cases.push(
            kernel
                .case(format!("one-symbol-{name}"))
                .ko(ko().with_crc("_printk", FLIP))
                .args(args),
        );
        cases.push(
            kernel
                .case(format!("module-layout-{name}"))
                .ko(ko().with_crc("module_layout", FLIP))
                .args(args),
        );
        cases.push(
            kernel
                .case(format!("one-symbol-absent-{name}"))
                .ko(ko().without_crc("_printk"))
                .args(args),
        );
    }
    Ok(cases)
}
