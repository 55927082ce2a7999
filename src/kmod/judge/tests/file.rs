//! The file, and its signature.

use super::sketch::{AARCH64, END, SIZE, Scene, a_module, a_scene, each, with};
use crate::api::Severity;
use crate::kernel::Architecture;
use crate::kmod::facts::{ElfDefect, ElfDefectKind, Signature, Unpackable};
use crate::kmod::load::Enforcement;
use crate::kmod::staged::{Entry, Program, Tool};

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_stands_in_the_file() {
    let defect = |kind| with(a_module().defect(kind));
    let flawed = |kind| {
        let flaw = ElfDefect {
            kind,
            message: "section 3".to_owned(),
        };
        with(a_module().change(|elf| elf.flaws.push(flaw)))
    };
    each(vec![
        (
            "a damaged archive",
            with(a_module().unpackable(Unpackable::Damaged("bad checksum".to_owned()))),
            "file-damaged!",
        ),
        (
            "one too large to look at",
            with(a_module().unpackable(Unpackable::TooLarge(1))),
            "file-too-large!",
        ),
        ("a broken header", defect(ElfDefectKind::Header), "elf-malformed!"),
        ("a broken table", defect(ElfDefectKind::Malformed), "elf-malformed!"),
        ("common symbols", defect(ElfDefectKind::CommonSymbol), "elf-malformed!"),
        ("a cut-off file", defect(ElfDefectKind::Truncated), "elf-truncated!"),
        ("a stripped file", defect(ElfDefectKind::NoSymbols), "elf-stripped!"),
        ("a plain object", defect(ElfDefectKind::NotAModule), "not-a-module!"),
        (
            "a file that a kernel would die of", // truth: headers/this-module-size-zero
            defect(ElfDefectKind::Deadly),
            "kernel-crash!",
        ),
        (
            "a flaw that only the linking shows", // truth: headers/this-module-offset-zero
            flawed(ElfDefectKind::Relocation),
            "elf-relocation!",
        ),
        (
            "an entry that stays empty",
            flawed(ElfDefectKind::Unlinked),
            "elf-relocation?",
        ),
        (
            "no room for trampolines",
            flawed(ElfDefectKind::NoTrampolines),
            "elf-malformed!",
        ),
        (
            "extended versions that do not fit together, to a kernel that does not read them",
            flawed(ElfDefectKind::ExtendedVersions),
            "",
        ),
        (
            "and to one that does",
            flawed(ElfDefectKind::ExtendedVersions).kernel("6.14.0"),
            "elf-malformed!",
        ),
        (
            "sections of one name, to a kernel that goes on without a list of them",
            flawed(ElfDefectKind::SectionsOfOneName),
            "",
        ),
        (
            "and to one that does not", // truth: files/sections-of-one-name
            flawed(ElfDefectKind::SectionsOfOneName)
                .kernel("6.14.0")
                .config("MODVERSIONS KALLSYMS"),
            "elf-malformed!",
        ),
        (
            "and to one that makes no such list",
            flawed(ElfDefectKind::SectionsOfOneName)
                .kernel("6.14.0")
                .config("MODVERSIONS"),
            "",
        ),
        (
            "a name in .modinfo that is another one in struct module",
            with(
                a_module()
                    .info("name", "drv_")
                    .change(|elf| elf.name = Some("rv".to_owned())),
            ),
            "elf-malformed?",
        ),
        (
            "code that may be written to, on a kernel that minds", // truth: headers/symtab-flags-all-ones
            flawed(ElfDefectKind::WritableCode).config("MODVERSIONS STRICT_MODULE_RWX"),
            "elf-malformed!",
        ),
        (
            "on one that does not",
            flawed(ElfDefectKind::WritableCode).config("MODVERSIONS"),
            "elf-malformed?",
        ),
        (
            "and where nobody knows",
            flawed(ElfDefectKind::WritableCode).without_toolkit(),
            "elf-malformed!",
        ),
        (
            "more than is read, which the kernel does not mind",
            defect(ElfDefectKind::BeyondLimits),
            "file-not-read?",
        ),
        (
            "a file of which nothing is known",
            a_scene().entry("extra/drv.ko", Entry::Unread("a sparse file".to_owned())),
            "file-not-read?",
        ),
        (
            "another machine, by the configuration of a kernel whose name tells no architecture", // truth: headers/machine-zero
            {
                let mut scene = with(a_module().change(|elf| elf.machine = AARCH64)).config("MODVERSIONS X86_64");
                scene.load.architecture = None;
                scene
            },
            "elf-machine!",
        ),
        (
            "another machine",
            with(a_module().change(|elf| elf.machine = AARCH64)),
            "elf-machine!",
        ),
        (
            "another machine, of which nothing is known",
            with(a_module().change(|elf| elf.machine = AARCH64)).load(|load| load.architecture = None),
            "",
        ),
    ]);
}

#[test]
fn the_size_of_struct_module_counts_since_linux_6_4() {
    let of_size = |size| {
        with(
            a_module()
                .change(|elf| elf.this_module.size = size)
                .info("vermagic", "v"),
        )
    };
    let on = |kernel: &str, size| {
        of_size(size)
            .kernel(kernel)
            .toolkit(|t| t.vermagic = Some("v".to_owned()))
    };
    let nobody_knows = |size| {
        of_size(size).toolkit(|t| {
            t.this_module = None;
            t.vermagic = Some("v".to_owned());
        })
    };
    let larger = 1 << 20;
    each(vec![
        (
            "before, a larger one is taken",
            on("6.3.9-1", larger),
            "module-struct-size?",
        ),
        (
            "before, a smaller one destroys something",
            on("6.3.9-1", 8),
            "module-struct-size!",
        ),
        ("since", on("6.4.0", larger), "module-struct-size!"),
        ("much later", on("10.1-rc1", larger), "module-struct-size!"),
        (
            "a release that cannot be read is new",
            on("next", larger),
            "module-struct-size!",
        ),
        ("an unknown size is not compared", nobody_knows(8), "not-checked"),
        (
            "but none at all is too small",
            nobody_knows(0),
            "module-struct-size! not-checked",
        ),
    ]);
}

#[test]
fn a_pointer_that_stands_where_the_kernel_has_something_else_is_not_written() {
    let ending_at = |end| with(a_module().change(|elf| elf.this_module.end = end));
    each(vec![
        ("at its place", ending_at(Some(END)), ""),
        ("at another", ending_at(Some(END - 8)), "module-struct-size!"),
        ("behind what the kernel has", ending_at(Some(SIZE)), ""),
        ("there is none", ending_at(None), ""),
        (
            "of what the kernel has nothing is known",
            ending_at(Some(8)).toolkit(|toolkit| toolkit.this_module = None),
            "not-checked",
        ),
        (
            "the pointer to its start is one, too",
            with(a_module().change(|elf| elf.this_module.start = Some(304))),
            "module-struct-size!",
        ),
    ]);
}

#[test]
fn what_the_kernel_says_of_signatures() {
    let malformed = || with(a_module().signature(Signature::Malformed("length".to_owned())));
    let sign = Enforcement::SignSection;
    each(vec![
        ("an unsigned module, and nobody cares", a_scene(), ""),
        (
            "an unsigned module of a Module with sign",
            a_scene().enforced(sign),
            "signature-missing!",
        ),
        (
            "an unsigned module, and enforcement was asked for",
            a_scene().enforced(Enforcement::Asked),
            "signature-missing!",
        ),
        (
            "a kernel that always enforces",
            a_scene().config("MODVERSIONS MODULE_SIG MODULE_SIG_FORCE"),
            "signature-missing!",
        ),
        (
            "a kernel that is always locked down",
            a_scene().config("MODVERSIONS MODULE_SIG LOCK_DOWN_KERNEL_FORCE_INTEGRITY"),
            "signature-missing!",
        ),
        (
            "a kernel that never looks",
            a_scene().config("MODVERSIONS").enforced(sign),
            "not-checked",
        ),
        ("nor does it mind a broken one", malformed().config("MODVERSIONS"), ""),
        (
            "a broken one is refused without enforcement",
            malformed(),
            "signature-malformed!",
        ),
        (
            "an unsigned module hides nothing else",
            with(a_module().needs("gone", 1)).enforced(sign),
            "signature-missing! symbol-missing!",
        ),
    ]);
}

#[test]
fn what_the_kernel_says_of_signatures_of_forced_modules() {
    let malformed = || a_module().signature(Signature::Malformed("length".to_owned()));
    each(vec![
        (
            "forcing makes it an unsigned one",
            with(malformed())
                .args("-f")
                .config("MODVERSIONS MODULE_SIG MODULE_FORCE_LOAD"),
            "versions-missing? vermagic-missing?",
        ),
        (
            "which enforcement refuses",
            with(malformed())
                .args("--force-vermagic")
                .config("MODVERSIONS MODULE_SIG MODULE_FORCE_LOAD")
                .enforced(Enforcement::SignSection),
            "signature-missing! vermagic-missing?",
        ),
        (
            "modprobe changes a packed one itself, and the kernel reads what is left",
            with(malformed().packed())
                .args("-f")
                .config("MODVERSIONS MODULE_SIG MODULE_FORCE_LOAD"),
            "signature-malformed! versions-missing? vermagic-missing?",
        ),
    ]);
}

/// A module with one flaw in a good image for an arm64 kernel.
fn on_arm(kernel: &str, config: &str, kind: ElfDefectKind) -> Scene {
    const TOOL: Tool = Tool::Present(Program::Elf(AARCH64));
    let module = a_module().change(|elf| {
        elf.machine = AARCH64;
        elf.flaws.push(ElfDefect {
            kind,
            message: "no such section".to_owned(),
        });
    });
    let scene = with(module).kernel(kernel).config(config);
    let scene = scene.staged(|staged| (staged.sh, staged.mkdir, staged.cp) = (TOOL, TOOL, TOOL));
    scene.load(|load| load.architecture = Some(Architecture::Aarch64))
}

#[test]
fn arm_kernels_before_6_5_make_trampolines_only_where_they_are_told_to() {
    let scene = |kernel, config| on_arm(kernel, config, ElfDefectKind::NoTrampolines);
    each(vec![
        ("not told", scene("6.4.0", "MODVERSIONS"), ""),
        (
            "told",
            scene("6.4.0", "MODVERSIONS ARM64_MODULE_PLTS"),
            "elf-malformed!",
        ),
        ("later ones do always", scene("6.5.0", "MODVERSIONS"), "elf-malformed!"),
    ]);
}

#[test]
fn arm_kernels_that_have_ftrace_want_a_section_for_its_jumps() {
    let scene = |kernel, config| on_arm(kernel, config, ElfDefectKind::NoFtraceTrampoline);
    each(vec![
        ("it has none", scene("6.6.0", "MODVERSIONS"), ""),
        ("it has", scene("6.6.0", "MODVERSIONS DYNAMIC_FTRACE"), "elf-malformed!"),
        (
            "without trampolines there are no jumps",
            scene("6.4.0", "MODVERSIONS DYNAMIC_FTRACE"),
            "",
        ),
        (
            "nor did the first ones look",
            scene("5.4.0", "MODVERSIONS DYNAMIC_FTRACE ARM64_MODULE_PLTS"),
            "",
        ),
    ]);
}

/// `kernel/module/main.c: load_module`
#[test]
fn what_the_kernel_meets_first_is_told_first() {
    let flaw = |kind| ElfDefect {
        kind,
        message: "section 3".to_owned(),
    };
    let scene = with(
        a_module()
            .info("vermagic", "another")
            .needs("gone", 1)
            .exports("_printk", Some(1))
            .change(|elf| elf.flaws.push(flaw(ElfDefectKind::Malformed)))
            .change(|elf| elf.link_flaws.push(flaw(ElfDefectKind::Relocation))),
    );
    let decides = scene
        .findings()
        .into_iter()
        .filter(|finding| finding.severity == Severity::Decides);
    let rules: Vec<String> = decides.map(|finding| finding.rule.to_string()).collect();
    assert_eq!(
        rules,
        [
            "vermagic-mismatch",
            "elf-malformed",
            "symbol-missing",
            "elf-relocation",
            "symbol-duplicate"
        ]
    );
}
