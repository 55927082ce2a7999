//! Texts: modprobe, its arguments, indexes and dependencies.

use super::Explanation;
use crate::api::Rule;

const LOAD: &str = "KMM `internal/worker/worker.go: LoadKmod`";

pub(super) const TEXTS: &[Explanation] = &[
    Explanation {
        rule: Rule::ModprobeArguments,
        title: "modprobe's arguments do not load the module",
        meaning: "modprobe refuses `args.load` or `rawArgs.load`, or they make it do something else: unload (`-r`), \
                  only look (`-n`, `-D`, `-R`, `-c`), or search a folder that is not KMM's copy of the image. Options \
                  count anywhere in the line, also among the parameters.",
        see: "modprobe --help\nkubectl get module NAME -o jsonpath='{.spec.moduleLoader.container.modprobe}'",
        mend: "Correct the arguments. With `rawArgs`, name KMM's copy: `-d /tmp<dirName>`.",
        source: "kmod `tools/modprobe.c: do_modprobe`; KMM `internal/worker/worker.go: LoadKmod`",
        depends_on: "",
        certainty: "Sure for kmod 28 to 34. What an alias of the node's own folder stands for is not seen.",
    },
    Explanation {
        rule: Rule::KernelFolderPlus,
        title: "the kernel's release ends in `+`",
        meaning: "KMM copies `<dirName>/lib/modules/<kernel>` without the `+`, and modprobe opens the folder with it, \
                  since that is what `uname -r` says. It finds nothing.",
        see: "uname -r",
        mend: "Add `-S <kernel without +>` to `args.load`, or use a kernel without a local version mark.",
        source: "KMM `internal/utils/kernelversion.go`; kmod `tools/modprobe.c: do_modprobe`",
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::DepIndexMissing,
        title: "no `modules.dep.bin`",
        meaning: "modprobe finds modules through the index `modules.dep.bin` alone. The text file `modules.dep` is for \
                  people.",
        see: "modprobe -n -v -d ROOTFS/opt -S KERNEL MODULE\nls ROOTFS/opt/lib/modules/KERNEL/modules.dep.bin",
        mend: "`RUN depmod -b /opt KERNEL` in the Dockerfile, in the last stage, after the modules are in place.",
        source: "kmod `libkmod/libkmod.c: kmod_search_moddep`",
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::DepIndexDamaged,
        title: "an index is damaged",
        meaning: "`modules.dep.bin` or `modules.alias.bin` is cut off, is not an index, or is of another version.",
        see: "head -c 8 modules.dep.bin | od -t x1   # b0 07 f4 57 00 02 00 01",
        mend: "Run depmod again, with a kmod that is not older than ten years.",
        source: "kmod `libkmod/libkmod-index.c: index_mm_open`",
        depends_on: "",
        certainty: "Sure for the header. kmod does not check the nodes and may find less, or more, in a damaged one.",
    },
    Explanation {
        rule: Rule::ModuleNotFound,
        title: "no such module",
        meaning: "Neither a module nor an alias of that name is in the indexes. `-` and `_` are equal; upper and lower \
                  case are not, and a name has no `.ko`.",
        see: "modprobe -n -v -d ROOTFS/opt -S KERNEL MODULE\nls -R ROOTFS/opt/lib/modules/KERNEL",
        mend: "Correct `moduleName`, or put the file into the folder and run depmod after that.",
        source: "kmod `libkmod/libkmod-module.c: kmod_module_new_from_lookup`",
        depends_on: "",
        certainty: "Sure, unless somebody puts aliases into the worker's own `/etc/modprobe.d`.",
    },
    Explanation {
        rule: Rule::ModuleFileMissing,
        title: "the index names a file that is not there",
        meaning: "`modules.dep.bin` was made before files were moved, renamed, compressed or removed.",
        see: "modprobe -n -v -d ROOTFS/opt -S KERNEL MODULE\nls ROOTFS/opt/lib/modules/KERNEL/PATH",
        mend: "Run depmod last.",
        source: "kmod `libkmod/libkmod-module.c: kmod_module_insert_module`",
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::LinkLeavesFolder,
        title: "a link leads out of the copied folder",
        meaning: "KMM copies the kernel's folder and nothing else, and links as links. A link to anywhere else in the \
                  image dangles on the node. Links inside the folder work, and so do those to `/lib/modules`, which is \
                  the node's own.",
        see: "find ROOTFS/opt/lib/modules/KERNEL -type l -printf '%p -> %l\\n'",
        mend: "Copy the file itself: `cp -L`, or `COPY` of the target.",
        source: "`cp -R`; KMM `internal/pod/workerpodmanager.go: addCopyCommand`",
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::DependencyMissing,
        title: "a dependency is not there",
        meaning: "A file that the module needs cannot be found. modprobe then loads the module without any of its \
                  dependencies, and the kernel misses their symbols. Where all exporters are known and no symbol is \
                  missing after all, this only warns.",
        see: "modprobe -D -d ROOTFS/opt -S KERNEL MODULE\nmodinfo -F depends FILE.ko",
        mend: "Add the file to the image and run depmod; for an in-tree module add the `host` link before depmod.",
        source: "kmod `libkmod/libkmod-module.c: kmod_module_parse_depline`",
        depends_on: "",
        certainty: "Sure with a driver toolkit. Without, the index is believed: depmod had seen that it is needed.",
    },
    Explanation {
        rule: Rule::DependencyInTree,
        title: "a dependency comes from the node",
        meaning: "The module needs an in-tree module, and the image's link to `/lib/modules/<kernel>` leads to it on \
                  the node. This is how KMM's documentation wants it.",
        see: "modprobe -D -d /opt MODULE   # on a node, inside the image",
        mend: "Nothing to mend.",
        source: LOAD,
        depends_on: "",
        certainty: "Sure where the toolkit lists the kernel's modules; else it is believed, and the text says so.",
    },
    Explanation {
        rule: Rule::SoftDependencyMissing,
        title: "a soft dependency is not there",
        meaning: "`modulesLoadingOrder` reaches modprobe as soft dependencies. One that does not exist, or fails, is \
                  ignored.",
        see: "modprobe -n -v -d ROOTFS/opt -S KERNEL MODULE",
        mend: "Add the module to the image, or remove it from `modulesLoadingOrder`.",
        source: "kmod `libkmod/libkmod-module.c: lookup_dep`, `kmod_module_probe_insert_module`",
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::ModprobeConfigIgnored,
        title: "`modprobe.d` stays in the image",
        meaning: "Options, aliases, blacklists and soft dependencies in the image's `modprobe.d` mean nothing on the \
                  node: KMM copies the modules and the firmware only.",
        see: "ls ROOTFS/etc/modprobe.d ROOTFS/usr/lib/modprobe.d",
        mend: "Say the same in the Module: `parameters`, `modulesLoadingOrder`, `args`.",
        source: "KMM `internal/pod/workerpodmanager.go: addCopyCommand`",
        depends_on: "",
        certainty: "Sure for KMM releases without `modprobedDir`.",
    },
    Explanation {
        rule: Rule::ModuleInTree,
        title: "an in-tree module has the same name",
        meaning: "Where the kernel's own module of that name is loaded already, modprobe answers success and leaves it \
                  there: yours is not loaded, and KMM does not notice.",
        see: "lsmod | grep MODULE\nmodinfo MODULE   # on a node",
        mend: "Add it to `inTreeModulesToRemove`, written as its file is.",
        source: "kmod `libkmod/libkmod-module.c: module_is_inkernel`; KMM `internal/worker/worker.go: LoadKmod`",
        depends_on: "",
        certainty: "Whether a node has it loaded is not in any file, so this warns.",
    },
    Explanation {
        rule: Rule::ModuleBuiltin,
        title: "a built-in module has the same name",
        meaning: "A built-in module that has parameters or a version has a folder in `/sys/module`; the kernel then refuses \
                  another one of its name. If the image's own `modules.builtin.bin` names it, modprobe does not even try, and \
                  answers success.",
        see: "ls -d /sys/module/MODULE\ngrep MODULE /lib/modules/KERNEL/modules.builtin",
        mend: "Rename the module, or do not ship the kernel's `modules.builtin` in the image's folder.",
        source: "`kernel/module/sysfs.c: mod_sysfs_init`, `kernel/params.c: param_sysfs_builtin` and \
                 `version_sysfs_builtin`; kmod `libkmod/libkmod.c: kmod_lookup_alias_is_builtin`",
        depends_on: "",
        certainty: "Decides where the image itself says so, and where the toolkit's `modules.builtin.modinfo` names \
                    parameters or a version of it; otherwise it warns. That all of its parameters may be hidden (permissions \
                    of 0), which leaves it without a folder, no file tells.",
    },
];
