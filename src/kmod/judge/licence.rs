//! Licences: which ones the kernel calls compatible with the GPL.

use crate::kmod::facts::ElfModule;

/// The licence strings of `include/linux/license.h: license_is_gpl_compatible`, letter by letter.
const GPL_COMPATIBLE: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

/// Modules that the kernel takes for proprietary whatever they say
/// (`kernel/module/main.c: module_augment_kernel_taints`).
const PROPRIETARY: [&str; 2] = ["driverloader", "lve"];

/// Whether the kernel lets a module use GPL-only symbols. Of several licences the first counts (`get_modinfo`); none
/// at all is a proprietary one.
pub(super) fn is_gpl_compatible(elf: &ElfModule) -> bool {
    let named = |name: &String| PROPRIETARY.contains(&name.as_str());
    elf.info("license")
        .is_some_and(|licence| GPL_COMPATIBLE.contains(&licence))
        && !elf.name.as_ref().is_some_and(named)
}

/// A module's licence in words.
pub(super) fn in_words(elf: &ElfModule) -> String {
    elf.info("license").map_or_else(
        || "no licence".to_owned(),
        |licence| format!("the licence \"{licence}\""),
    )
}
