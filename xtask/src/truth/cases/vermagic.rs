//! vermagic: release, flags, absent; with symbol versions and without; forced or not
//! (`kernel/module/main.c: check_modinfo`, `same_magic`).

use super::{Case, Kernel};
use crate::truth::ko::Ko;

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = kernel.ko("plain")?;
    let own = plain.info("vermagic").unwrap_or_default();
    let mut cases = altered(kernel, &plain, &own);
    cases.extend(absent_or_twice(kernel, &plain, &own));
    cases.extend(forced(kernel, &plain, &own));
    Ok(cases)
}

fn altered(kernel: &Kernel, plain: &Ko, own: &str) -> Vec<Case> {
    let (release, flags) = own.split_once(' ').unwrap_or((own, ""));
    let magics = [
        ("as-built", own.to_owned()),
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
        cases.push(kernel.case(format!("{name}-no-versions")).ko(one(bare(plain))));
    }
    cases
}

fn absent_or_twice(kernel: &Kernel, plain: &Ko, own: &str) -> [Case; 4] {
    let absent = || plain.clone().without_modinfo("vermagic");
    [
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
            .adding_modinfo("vermagic", own)),
    ]
}

fn forced(kernel: &Kernel, plain: &Ko, own: &str) -> Vec<Case> {
    let (_, flags) = own.split_once(' ').unwrap_or((own, ""));
    let absent = || plain.clone().without_modinfo("vermagic");
    let mut cases = Vec::new();
    let wrong = || plain.clone().with_modinfo("vermagic", &own.replace("SMP ", ""));
    let release = || bare(plain).with_modinfo("vermagic", &format!("6.1.0-0-other {flags}"));
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
    cases
}

/// The module without the versions of its symbols.
fn bare(plain: &Ko) -> Ko {
    plain.clone().without_section("__versions")
}
