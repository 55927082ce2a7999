//! Licence strings and GPL-only symbols (`include/linux/license.h: license_is_gpl_compatible`,
//! `kernel/module/main.c: inherit_taint`).

use super::{Case, Kernel};
use crate::truth::elf::Elf;

const LICENCES: [(&str, &str); 22] = [
    ("gpl", "GPL"),
    ("gpl-v2", "GPL v2"),
    ("gpl-and-additional-rights", "GPL and additional rights"),
    ("dual-bsd-gpl", "Dual BSD/GPL"),
    ("dual-mit-gpl", "Dual MIT/GPL"),
    ("dual-mpl-gpl", "Dual MPL/GPL"),
    ("proprietary", "Proprietary"),
    ("spdx-gpl-2-0", "GPL-2.0"),
    ("spdx-gpl-2-0-only", "GPL-2.0-only"),
    ("gpl-v2-upper", "GPL V2"),
    ("gplv2", "GPLv2"),
    ("gpl-v3", "GPL v3"),
    ("gpl-lower", "gpl"),
    ("gpl-space", "GPL "),
    ("space-gpl", " GPL"),
    ("bsd", "BSD"),
    ("mit", "MIT"),
    ("apache", "Apache-2.0"),
    ("lgpl", "LGPL"),
    ("dual-gpl-bsd", "Dual GPL/BSD"),
    ("dual-bsd-gpl-v2", "Dual BSD/GPL v2"),
    ("empty", ""),
];

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let user = kernel.ko("gpl_user")?;
    let plain = kernel.ko("plain")?;
    let mut cases = Vec::new();
    for (name, licence) in LICENCES {
        cases.push(
            kernel
                .case(format!("{name}-gpl-only-symbol"))
                .ko(user.clone().with_modinfo("license", licence)),
        );
        cases.push(
            kernel
                .case(format!("{name}-symbols-for-all"))
                .ko(plain.clone().with_modinfo("license", licence)),
        );
    }
    let proprietary = |name: &str| -> anyhow::Result<_> { Ok(kernel.ko(name)?.with_modinfo("license", "Proprietary")) };
    cases.extend([
        kernel
            .case("absent-gpl-only-symbol")
            .ko(user.clone().without_modinfo("license")),
        kernel
            .case("absent-symbols-for-all")
            .ko(plain.clone().without_modinfo("license")),
        kernel
            .case("two-gpl-first")
            .ko(user.clone().adding_modinfo("license", "Proprietary")),
        kernel.case("two-proprietary-first").ko(user
            .clone()
            .with_modinfo("license", "Proprietary")
            .adding_modinfo("license", "GPL")),
        kernel
            .case("proprietary-forced")
            .ko(user.clone().with_modinfo("license", "Proprietary"))
            .args(&["-f"]),
        kernel.case("as-compiled-proprietary").ko(kernel.ko("proprietary")?),
        kernel
            .case("proprietary-user-of-a-gpl-module")
            .ko(proprietary("importer")?)
            .ko(kernel.ko("exporter")?),
        kernel
            .case("gpl-user-of-a-proprietary-module")
            .ko(kernel.ko("importer")?)
            .ko(proprietary("exporter")?),
        kernel.case("named-lve").ko(user
            .clone()
            .with_elf(|elf| elf.replace_everywhere(b"gpl_user\0", b"lve\0user\0"))),
        kernel
            .case("gpl-user-of-a-proprietary-module-gpl-only-symbol-first")
            .ko(kernel.ko("importer")?.with_elf(gpl_only_symbol_first))
            .ko(proprietary("exporter")?),
    ]);
    Ok(cases)
}

/// The kernel resolves symbols in the order of the table: one of them changes places with one that all may use.
fn gpl_only_symbol_first(elf: &mut Elf<'_>) {
    elf.rename_symbol("exporter_gpl", "exporter_plain");
    elf.rename_symbol("exporter_plain", "exporter_gpl");
}
