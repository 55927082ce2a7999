//! vermagic: release, flags, absent; with symbol versions and without; forced or not
//! (`kernel/module/main.c: check_modinfo`, `same_magic`).

use super::{Case, Kernel};
use crate::truth::ko::Ko;

#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = kernel.ko("plain")?;
    let own = plain.info("vermagic").unwrap_or_default();
    let (release, flags) = own.split_once(' ').unwrap_or((&own, ""));
    let bare = || plain.clone().without_section("__versions");
    let magics = [
        ("as-built", own.clone()),
        ("other-release", format!("6.1.0-0-other {flags}")),
        ("other-series", format!("4.18.0-553.el8.x86_64 {flags}")),
        ("release-alone", release.to_owned()),
        ("release-and-space", format!("{release} ")),
        ("no-release", format!(" {flags}")),
        ("empty", String::new()),
        ("flags-alone", flags.to_owned()),
        ("without-smp", own.replace("SMP ", "")),
        ("without-unload", own.replace("mod_unload ", "")),
        ("without-modversions", own.replace("modversions ", "")),
        ("with-preempt", own.replace("SMP ", "SMP preempt ")),
        ("with-preempt-rt", own.replace("SMP ", "SMP preempt_rt ")),
        ("one-more-flag", format!("{own}extra ")),
        ("no-space-at-end", own.trim_end().to_owned()),
        ("two-spaces", own.replacen(' ', "  ", 1)),
        (
            "flags-in-another-order",
            own.replace("SMP mod_unload", "mod_unload SMP"),
        ),
        ("upper-case", own.to_uppercase()),
    ];
    let mut cases = Vec::new();
    for (name, magic) in &magics {
        let one = |ko: Ko| ko.with_modinfo("vermagic", magic);
        cases.push(kernel.case(*name).ko(one(plain.clone())));
        cases.push(kernel.case(format!("{name}-no-versions")).ko(one(bare())));
    }
    let absent = || plain.clone().without_modinfo("vermagic");
    cases.extend([
        kernel.case("absent").ko(absent()),
        kernel
            .case("absent-no-versions")
            .ko(absent().without_section("__versions")),
        kernel
            .case("twice")
            .ko(plain.clone().adding_modinfo("vermagic", "9.9.9 other ")),
        kernel.case("twice-wrong-first").ko(plain
            .clone()
            .with_modinfo("vermagic", "9.9.9 other ")
            .adding_modinfo("vermagic", &own)),
    ]);
    let wrong = || plain.clone().with_modinfo("vermagic", &own.replace("SMP ", ""));
    let release = || bare().with_modinfo("vermagic", &format!("6.1.0-0-other {flags}"));
    for (name, args) in [
        ("force", &["-f"][..]),
        ("force-long", &["--force"]),
        ("force-vermagic", &["--force-vermagic"]),
        ("force-modversion", &["--force-modversion"]),
        ("force-both", &["--force-vermagic", "--force-modversion"]),
    ] {
        cases.push(kernel.case(format!("without-smp-{name}")).ko(wrong()).args(args));
        cases.push(
            kernel
                .case(format!("other-release-no-versions-{name}"))
                .ko(release())
                .args(args),
        );
        cases.push(kernel.case(format!("as-built-{name}")).ko(plain.clone()).args(args));
        cases.push(kernel.case(format!("absent-{name}")).ko(absent()).args(args));
    }
    Ok(cases)
}
