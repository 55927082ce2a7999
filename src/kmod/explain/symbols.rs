//! Texts: symbols and parameters.

use super::Explanation;
use crate::api::Rule;

pub(super) const TEXTS: &[Explanation] = &[
    Explanation {
        rule: Rule::SymbolMissing,
        title: "nobody exports the symbol",
        meaning: "Neither the kernel nor a module that is loaded before exports it: `Unknown symbol in module`. Functions \
                  go and change their names between kernels; a rebuild then fails as well, and a newer source is needed.",
        see: "nm -u FILE.ko\ngrep -w SYMBOL Module.symvers   # of the kernel",
        mend: "Build against this kernel; if that fails, get a version of the driver that supports it.",
        source: "`kernel/module/main.c: simplify_symbols`, `resolve_symbol`",
        depends_on: "`CONFIG_TRIM_UNUSED_KSYMS`, as far as `Module.symvers` shows it",
        certainty: "Sure with a toolkit; without, it is not asked.",
    },
    Explanation {
        rule: Rule::DependencyInTreeUnlinked,
        title: "an in-tree module is needed, and out of reach",
        meaning: "An in-tree module exports what is needed, but the image's index does not lead to it, so modprobe does \
                  not load it. It works only where something else has loaded that module before.",
        see: "modinfo -F depends FILE.ko\nmodprobe -D -d /opt MODULE   # on a node, inside the image\nlsmod",
        mend: "Before depmod: `RUN ln -s /lib/modules/KERNEL /opt/lib/modules/KERNEL/host`, as KMM's documentation says.",
        source: "`kernel/module/main.c: resolve_symbol`; kmod `libkmod/libkmod-module.c: kmod_module_parse_depline`",
        depends_on: "the option that makes the module a module",
        certainty: "Sure on a node that has not loaded it otherwise. What nodes have loaded today is evidence that counts and is then named: \
                    `--loaded-modules FILE`, Node Feature Discovery's NodeFeature objects, or that the image of today has the same gap \
                    and KMM says that it is loaded.",
    },
    Explanation {
        rule: Rule::SymbolGplOnly,
        title: "a symbol for GPL-compatible modules only",
        meaning: "The symbol is exported with `EXPORT_SYMBOL_GPL`, and the module's licence is not one that the kernel \
                  calls compatible (letter by letter), or it has inherited the taint of a proprietary module.",
        see: "modinfo -F license FILE.ko\ngrep -w SYMBOL Module.symvers",
        mend: "Only the module's vendor can: with another licence, or without the symbol.",
        source: "`kernel/module/main.c: find_symbol`, `include/linux/license.h: license_is_gpl_compatible`",
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::SymbolProprietary,
        title: "GPL-only symbols and a proprietary module's",
        meaning: "A module that uses GPL-only symbols may not use symbols of a proprietary module.",
        see: "modinfo -F license FILE.ko OTHER.ko",
        mend: "Only the vendors can.",
        source: "`kernel/module/main.c: inherit_taint`",
        depends_on: "",
        certainty: "Sure since Linux 5.9; it depends on the order of the symbol table, which is followed.",
    },
    Explanation {
        rule: Rule::SymbolVersionMissing,
        title: "one symbol has no version",
        meaning: "The module has symbol versions, but none for this symbol. The kernel says `no symbol version` and goes \
                  on, without knowing that it fits; Debian's kernels are patched to refuse it, in the older form of versions \
                  (`__versions`).",
        see: "modprobe --dump-modversions FILE.ko | grep SYMBOL",
        mend: "Build with the `Module.symvers` of the kernel and of every module that exports symbols to this one.",
        source: "`kernel/module/version.c: check_version`",
        depends_on: "`CONFIG_MODVERSIONS`, `CONFIG_CC_VERSION_TEXT`, `CONFIG_BUILD_SALT`",
        certainty: "Sure: refused by Debian's 6.1 and 6.12 when tried, and taken by a 7.3 without Debian's patch; whether it then works \
                    is not known. A kernel is Debian's if Debian's compiler made it and its build id has its release as salt.",
    },
    Explanation {
        rule: Rule::SymbolNamespace,
        title: "a namespace is not imported",
        meaning: "The symbol is exported into a namespace, and the module does not import it. Namespaces that name the modules \
                  they are for (`module:…`) are not imported at all: Linux 6.16 and later refuse that.",
        see: "modinfo -F import_ns FILE.ko\ngrep -w SYMBOL Module.symvers",
        mend: "Add `MODULE_IMPORT_NS(NAMESPACE)` to the source; since 6.13 the name is in quotes.",
        source: "`kernel/module/main.c: verify_namespace_is_imported`, `setup_modinfo`",
        depends_on: "`CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS` (assumed off, as on RHEL, where it is not known)",
        certainty: "Sure where the configuration is known.",
    },
    Explanation {
        rule: Rule::SymbolDuplicate,
        title: "exported twice",
        meaning: "The module exports a symbol that is exported already: `exports duplicate symbol`. Where the other \
                  exporter is an in-tree module, it depends on whether that is loaded, and this only warns.",
        see: "nm FILE.ko | grep __ksymtab_\ngrep -w SYMBOL Module.symvers",
        mend: "Rename it; or unload the other first, with `inTreeModulesToRemove`.",
        source: "`kernel/module/main.c: verify_exported_symbols`",
        depends_on: "",
        certainty: "Sure for the kernel's own symbols and for modules that are loaded on the way.",
    },
    Explanation {
        rule: Rule::ParameterUnknown,
        title: "an unknown parameter",
        meaning: "The module's table of parameters has no such one. The kernel says `unknown parameter ignored` and loads it.",
        see: "nm FILE.ko | grep __param_   # before it was stripped",
        mend: "Correct the name in `parameters`.",
        source: "`kernel/module/main.c: unknown_module_param_cb`",
        depends_on: "",
        certainty: "Sure: the table is read as the kernel reads it, also where modinfo says nothing of a parameter \
                    (`module_param_cb`). It warns, since the module loads.",
    },
    Explanation {
        rule: Rule::ParameterMalformed,
        title: "a value that the parameter does not take",
        meaning: "The value does not fit the parameter's type, or is more than it takes: more values than its array has room for, \
                  or a longer text. The kernel refuses the module: `invalid for parameter`, `can only take 2 arguments`, \
                  `string doesn't fit in 7 chars`.",
        see: "modinfo -F parmtype FILE.ko",
        mend: "Correct the value in `parameters`.",
        source: "`kernel/params.c: parse_args`, `param_array` and the `param_set_*` functions; `lib/kstrtox.c`",
        depends_on: "",
        certainty: "Sure for the kernel's own types, which are read from the module's table of parameters, as is how much they \
                    take; what modinfo says of a type does not count. What the module itself thinks of a value is out of reach.",
    },
];
