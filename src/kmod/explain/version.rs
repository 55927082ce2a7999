//! Texts: vermagic and symbol versions.

use super::Explanation;
use crate::api::Rule;

const CHECK_VERSION: &str = "`kernel/module/version.c: check_version`";

pub(super) const TEXTS: &[Explanation] = &[
    Explanation {
        rule: Rule::CrcMismatch,
        title: "another version of a symbol",
        meaning: "The module was built against headers in which the symbol, or a type that it uses, looked different: \
                  `disagrees about version of symbol`. For `module_layout` it is `struct module` itself.",
        see: "modprobe --dump-modversions FILE.ko | grep SYMBOL\ngrep -w SYMBOL Module.symvers   # of the kernel",
        mend: "Build the module against this kernel's headers.",
        source: CHECK_VERSION,
        depends_on: "`CONFIG_MODVERSIONS`",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::VersionsMissing,
        title: "no symbol versions",
        meaning: "The kernel checks symbol versions, and the module (or what it exports) has none; `--force` and \
                  `--force-modversion` come to the same. Kernels with `CONFIG_MODULE_FORCE_LOAD` load it and are \
                  tainted, others refuse it.",
        see: "modprobe --dump-modversions FILE.ko\ngrep MODULE_FORCE_LOAD /boot/config-KERNEL",
        mend: "Build with the kernel's `Module.symvers` in place, and do not force.",
        source: "`kernel/module/version.c: check_version`, `kernel/module/main.c: check_export_symbol_versions`, \
                 `try_to_force_load`",
        depends_on: "`CONFIG_MODVERSIONS`, `CONFIG_MODULE_FORCE_LOAD` (assumed off, as on RHEL, where a toolkit has no \
                     configuration)",
        certainty: "Sure where the configuration is known.",
    },
    Explanation {
        rule: Rule::VermagicMismatch,
        title: "vermagic is not the kernel's",
        meaning: "vermagic names the release and the options that change the ABI. Where the module has symbol versions \
                  and the kernel checks them, the release is skipped and the rest must be equal; else all of it.",
        see: "modinfo -F vermagic FILE.ko\nmodinfo -F vermagic ANY-IN-TREE.ko   # of the kernel",
        mend: "Build the module against this kernel's headers.",
        source: "`kernel/module/main.c: check_modinfo`, `kernel/module/version.c: same_magic`",
        depends_on: "`CONFIG_MODVERSIONS`, `CONFIG_SMP`, `CONFIG_PREEMPT_BUILD`, `CONFIG_PREEMPT_RT`, \
                     `CONFIG_MODULE_UNLOAD`, `CONFIG_RANDSTRUCT`",
        certainty: "Sure with a toolkit. Without, only the release is compared, and warns where versions may stand for it.",
    },
    Explanation {
        rule: Rule::VermagicMissing,
        title: "no vermagic",
        meaning: "The module has none, or modprobe is told to ignore it. Kernels with `CONFIG_MODULE_FORCE_LOAD` load it \
                  and are tainted, others refuse it.",
        see: "modinfo -F vermagic FILE.ko\ngrep MODULE_FORCE_LOAD /boot/config-KERNEL",
        mend: "Build with kbuild, and do not force.",
        source: "`kernel/module/main.c: check_modinfo`, `try_to_force_load`",
        depends_on: "`CONFIG_MODULE_FORCE_LOAD` (assumed off, as on RHEL, where a toolkit has no configuration)",
        certainty: "Sure where the configuration is known.",
    },
    Explanation {
        rule: Rule::LivepatchUnsupported,
        title: "a live patch, and a kernel without",
        meaning: "The module says that it is a live patch, and the kernel takes none.",
        see: "modinfo -F livepatch FILE.ko\ngrep LIVEPATCH /boot/config-KERNEL",
        mend: "Use a kernel with `CONFIG_LIVEPATCH`.",
        source: "`kernel/module/main.c: check_modinfo_livepatch`",
        depends_on: "`CONFIG_LIVEPATCH`",
        certainty: "Sure where the configuration is known; else it is not asked.",
    },
];
