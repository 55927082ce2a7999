//! The extended form of symbol versions, `__version_ext_crcs` and `__version_ext_names`, which Linux reads since 6.14: alone,
//! beside the older form and against it, damaged, and of names that the older form has no room for
//! (`kernel/module/main.c: elf_validity_cache_index_versions`; `kernel/module/version.c: check_version`).

use super::{Case, Kernel};
use crate::truth::elf::{EXTENDED_CRCS, EXTENDED_NAMES};
use crate::truth::ko::{Ko, Packing};

/// The exporter's symbol in `xtask/truth/own/modules`.
const LONG_NAME: &str = "exported_by_a_name_that_is_longer_than_the_older_form_of_versions_holds";
/// A release that no kernel here has.
const OTHER_RELEASE: &str = "9.9.9-none";

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = kernel.ko("plain")?;
    let both = plain.clone().with_extended_versions(|_| {});
    let mut cases = beside_the_older_form(kernel, &plain, &both);
    cases.extend(alone(kernel, &both));
    cases.extend(damaged(kernel, &both));
    cases.extend(forced(kernel, &both)?);
    if kernel.has("EXTENDED_MODVERSIONS")? {
        cases.extend(of_long_names(kernel)?);
    }
    Ok(cases)
}

/// What the two forms say against one another.
fn beside_the_older_form(kernel: &Kernel, plain: &Ko, both: &Ko) -> Vec<Case> {
    let wrong_older = |symbol| both.clone().with_crc(symbol, |crc| crc ^ 1);
    vec![
        kernel.case("as-compiled").ko(plain.clone()),
        kernel.case("both").ko(both.clone()),
        kernel.case("both-of-another-release").ko(of_another_release(both)),
        kernel
            .case("wrong-beside-right-older")
            .ko(wrong(both.clone(), "_printk")),
        kernel.case("right-beside-wrong-older").ko(wrong_older("_printk")),
        kernel
            .case("layout-wrong-beside-right-older")
            .ko(wrong(both.clone(), "module_layout")),
        kernel
            .case("layout-right-beside-wrong-older")
            .ko(wrong_older("module_layout")),
        kernel
            .case("absent-beside-right-older")
            .ko(absent(both.clone(), "_printk")),
        kernel
            .case("absent-beside-wrong-older")
            .ko(absent(wrong_older("_printk"), "_printk")),
        kernel
            .case("empty-beside-right-older")
            .ko(both.clone().with_extended_versions(Vec::clear)),
        kernel.case("older-alone").ko(older_alone(both.clone())),
        kernel.case("older-alone-wrong").ko(older_alone(wrong_older("_printk"))),
        kernel
            .case("older-alone-of-another-release")
            .ko(older_alone(of_another_release(both))),
        kernel
            .case("neither")
            .ko(older_alone(both.clone()).without_section("__versions")),
    ]
}

/// Without `__versions`, as a kernel without `CONFIG_BASIC_MODVERSIONS` has its modules.
fn alone(kernel: &Kernel, both: &Ko) -> Vec<Case> {
    let alone = || both.clone().without_section("__versions");
    let one = |name: &str, ko: Ko| kernel.case(format!("alone-{name}")).ko(ko);
    vec![
        kernel.case("alone").ko(alone()),
        one("of-another-release", of_another_release(&alone())),
        one("one-symbol-wrong", wrong(alone(), "_printk")),
        one("layout-wrong", wrong(alone(), "module_layout")),
        one("one-symbol-absent", absent(alone(), "_printk")),
        one("layout-absent", absent(alone(), "module_layout")),
        one("empty", alone().with_extended_versions(Vec::clear)),
        one(
            "twice-right-first",
            alone().with_extended_versions(|all| {
                let again: Vec<_> = all.iter().map(|(name, crc)| (name.clone(), crc ^ 1)).collect();
                all.extend(again);
            }),
        ),
        one(
            "twice-wrong-first",
            alone().with_extended_versions(|all| {
                let again: Vec<_> = all.iter().map(|(name, crc)| (name.clone(), crc ^ 1)).collect();
                all.splice(0..0, again);
            }),
        ),
        one("in-another-order", alone().with_extended_versions(|all| all.reverse())),
    ]
}

/// Sections that do not fit one another.
fn damaged(kernel: &Kernel, both: &Ko) -> Vec<Case> {
    let with = |section: &'static str, change: fn(&mut Vec<u8>)| {
        both.clone().with_elf(|elf| {
            let mut content = elf.section(section).unwrap_or_default();
            change(&mut content);
            elf.set_section(section, &content);
        })
    };
    let one = |name: &str, ko: Ko| kernel.case(name).ko(ko);
    vec![
        one("crcs-without-names", both.clone().without_section(EXTENDED_NAMES)),
        one("names-without-crcs", both.clone().without_section(EXTENDED_CRCS)),
        one("a-crc-more", with(EXTENDED_CRCS, |crcs| crcs.extend([0; 4]))),
        one("half-a-crc-more", with(EXTENDED_CRCS, |crcs| crcs.extend([0; 2]))),
        one(
            "a-crc-less",
            with(EXTENDED_CRCS, |crcs| crcs.truncate(crcs.len().saturating_sub(4))),
        ),
        one(
            "a-name-more",
            with(EXTENDED_NAMES, |names| names.extend(b"nobody_uses_this\0")),
        ),
        one("no-names", with(EXTENDED_NAMES, Vec::clear)),
        one("no-crcs", with(EXTENDED_CRCS, Vec::clear)),
        one(
            "last-name-not-ended",
            with(EXTENDED_NAMES, |names| names.truncate(names.len().saturating_sub(1))),
        ),
    ]
}

/// modprobe is told to do without: it tells the kernel, or takes out of the file what it knows of, the older form.
fn forced(kernel: &Kernel, both: &Ko) -> anyhow::Result<Vec<Case>> {
    let forced = |name: &str, ko: Ko| kernel.case(name).ko(ko).args(&["--force-modversion"]);
    let wrong = || wrong(both.clone(), "_printk");
    Ok(vec![
        forced("forced", both.clone()),
        forced("forced-and-wrong", wrong()),
        forced("forced-xz", both.clone().packed(Packing::Xz)?),
        forced("forced-xz-and-wrong", wrong().packed(Packing::Xz)?),
    ])
}

/// Modules that no kernel without the extended form can have compiled for it.
fn of_long_names(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let (importer, exporter) = (
        kernel.extended_ko("long_importer")?,
        kernel.extended_ko("long_exporter")?,
    );
    let one = |name: &str, ko: Ko| kernel.case(name).ko(ko).ko(exporter.clone());
    Ok(vec![
        one("long-name", importer.clone()),
        one("long-name-wrong", wrong(importer.clone(), LONG_NAME)),
        one("long-name-absent", absent(importer.clone(), LONG_NAME)),
        one("long-name-older-alone", older_alone(importer)),
    ])
}

fn of_another_release(ko: &Ko) -> Ko {
    let magic = ko.info("vermagic").unwrap_or_default();
    let flags = magic.split_once(' ').map_or("", |(_, flags)| flags);
    ko.clone().with_modinfo("vermagic", &format!("{OTHER_RELEASE} {flags}"))
}

fn wrong(ko: Ko, symbol: &str) -> Ko {
    ko.with_extended_versions(|all| {
        for (_, crc) in all.iter_mut().filter(|(name, _)| name == symbol) {
            *crc ^= 1;
        }
    })
}

fn absent(ko: Ko, symbol: &str) -> Ko {
    ko.with_extended_versions(|all| all.retain(|(name, _)| name != symbol))
}

fn older_alone(ko: Ko) -> Ko {
    ko.without_section(EXTENDED_CRCS).without_section(EXTENDED_NAMES)
}
