//! vermagic, symbol versions, live patches.

use std::sync::Arc;

use super::sketch::{KERNEL, ModuleSketch, VERMAGIC, a_module, each, with};
use crate::kmod::config::KernelConfig;
use crate::kmod::facts::ElfModule;

const ALLOWED: &str = "MODVERSIONS MODULE_FORCE_LOAD";
/// What somebody builds with Debian's compiler.
const BY_DEBIANS_COMPILER: &str = "CONFIG_MODVERSIONS=y\nCONFIG_CC_VERSION_TEXT=\"gcc-12 (Debian 12.2.0-14) 12.2.0\"\n";

fn built_for(vermagic: &str) -> ModuleSketch {
    a_module().info("vermagic", vermagic)
}

/// The configuration of a kernel that Debian's compiler built, with this salt: its release, if Debian did.
fn debians(salt: &str) -> Arc<KernelConfig> {
    let text = format!("{BY_DEBIANS_COMPILER}CONFIG_BUILD_SALT=\"{salt}\"\n");
    Arc::new(KernelConfig::parse(&text))
}

/// Leaves it with the extended form alone.
fn extended(elf: &mut ElfModule) {
    elf.versions.extended = elf.versions.basic.take();
}

/// Gives it both forms.
fn both(elf: &mut ElfModule) {
    elf.versions.extended.clone_from(&elf.versions.basic);
}

fn crcs(elf: &mut ElfModule) -> &mut Vec<(String, u64)> {
    &mut elf.versions.basic.as_mut().expect("versions").0
}

#[test]
fn vermagic_is_compared_as_the_kernel_does() {
    const OTHER: &str = "5.14.0-427.el9.x86_64 SMP preempt mod_unload modversions ";
    const FLAGS: &str = "5.14.0-570.el9.x86_64 SMP mod_unload modversions ";
    each(vec![
        ("versions stand for the release", with(built_for(OTHER)), ""),
        ("but not for the rest", with(built_for(FLAGS)), "vermagic-mismatch!"),
        ("one word alone", with(built_for("5.14.0")), "vermagic-mismatch!"),
        (
            "a blank at the end counts", // truth: vermagic/no-space-at-end
            with(built_for(VERMAGIC.trim_end())),
            "vermagic-mismatch!",
        ),
        (
            "without versions the release counts",
            with(built_for(OTHER).without_versions()).config(ALLOWED),
            "versions-missing? vermagic-mismatch!",
        ),
        (
            "so it does where the kernel checks none",
            with(built_for(OTHER)).config("MODULE_SIG"),
            "vermagic-mismatch!",
        ),
        ("the same there", with(built_for(VERMAGIC)).config("MODULE_SIG"), ""),
        (
            "none at all, and no force",
            with(a_module().without("vermagic")),
            "vermagic-missing!",
        ),
        (
            "none at all, with force",
            with(a_module().without("vermagic")).config(ALLOWED),
            "vermagic-missing?",
        ),
        (
            "told to ignore it, and no force",
            with(a_module()).args("--force-vermagic"),
            "vermagic-missing!",
        ),
        (
            "told to ignore a wrong one",
            with(built_for(FLAGS)).args("--force-vermagic").config(ALLOWED),
            "vermagic-missing?",
        ),
    ]);
}

#[test]
fn without_the_kernels_own_vermagic_the_release_is_what_can_be_compared() {
    const OTHER: &str = "6.1.0 SMP modversions ";
    let bare = |module| with(module).without_toolkit();
    each(vec![
        ("the same release", bare(a_module()), ""),
        (
            "another one, with versions",
            bare(built_for(OTHER)),
            "vermagic-mismatch?",
        ),
        (
            "another one, without",
            bare(built_for(OTHER).without_versions()),
            "vermagic-mismatch!",
        ),
        (
            "another one, told to ignore it",
            bare(built_for(OTHER)).args("-f"),
            "vermagic-missing?",
        ),
        ("none at all", bare(a_module().without("vermagic")), "vermagic-missing?"),
        (
            "another one, with versions that can be checked",
            with(built_for(OTHER)).toolkit(|t| (t.vermagic, t.config) = (None, None)),
            "not-checked not-checked",
        ),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, one row for each branch")]
fn symbol_versions_are_asked_for_as_the_kernel_does() {
    let of_6_14 = |form: fn(&mut ElfModule)| {
        with(a_module().change(form).info("vermagic", "6.14.0 SMP"))
            .kernel("6.14.1")
            .toolkit(|t| t.vermagic = Some("6.14.1 SMP".to_owned()))
    };
    let other = |elf: &mut ElfModule| {
        both(elf);
        elf.versions.extended.as_mut().expect("versions").0[0].1 = 0x12;
    };
    let assumed = || with(a_module().without_versions()).toolkit(|t| t.config = None);
    each(vec![
        (
            "none, and no force",
            with(a_module().without_versions()),
            "versions-missing!",
        ),
        (
            "none, with force",
            with(a_module().without_versions()).config(ALLOWED),
            "versions-missing?",
        ),
        (
            "none, where nobody knows of force",
            assumed(),
            "versions-missing! not-checked",
        ),
        (
            "none, where the kernel checks none",
            with(a_module().without_versions()).config("MODULE_SIG"),
            "",
        ),
        (
            "told to ignore them, and no force",
            with(a_module()).args("--force-modversion"),
            "versions-missing!",
        ),
        (
            "told to ignore them, with force",
            with(a_module()).args("--force-modversion").config(ALLOWED),
            "versions-missing?",
        ),
        (
            "another struct module",
            with(a_module().change(|elf| crcs(elf)[0].1 = 0x12)),
            "crc-mismatch!",
        ),
        (
            "the same sum, but for what stands above its 32 bits", // truth: crcs/one-symbol-high-half
            with(a_module().change(|elf| crcs(elf)[0].1 |= 1 << 40)),
            "crc-mismatch!",
        ),
        (
            "one without a version passes",
            with(a_module().change(|elf| drop(crcs(elf).remove(0)))),
            "symbol-version-missing?",
        ),
        (
            "but not on Debian's kernels", // truth: crcs/module-layout-absent
            with(a_module().change(|elf| drop(crcs(elf).remove(0)))).toolkit(|t| t.config = Some(debians(KERNEL))),
            "symbol-version-missing!",
        ),
        (
            "and on one that somebody else built there", // truth: crcs/module-layout-absent on our own
            with(a_module().change(|elf| drop(crcs(elf).remove(0)))).toolkit(|t| t.config = Some(debians(""))),
            "symbol-version-missing?",
        ),
        (
            "Debian's patch leaves the extended form alone", // kernel/module/version.c: check_version
            of_6_14(|elf| {
                both(elf);
                elf.versions.extended.as_mut().expect("versions").0.remove(0);
            })
            .toolkit(|t| t.config = Some(debians("6.14.1"))),
            "symbol-version-missing?",
        ),
        (
            "the extended form is new",
            with(a_module().change(extended)),
            "versions-missing!",
        ),
        (
            "and read since 6.14",
            with(a_module().change(extended)).kernel("6.14.1"),
            "",
        ),
        ("beside the basic form it stands for the release", of_6_14(both), ""),
        ("alone it does not", of_6_14(extended), "vermagic-mismatch!"),
        (
            "beside the basic form it wins",
            with(a_module().change(other)).kernel("6.14.1"),
            "crc-mismatch!",
        ),
        (
            "but not before it is read",
            with(a_module().change(other)).kernel("6.13.1"),
            "",
        ),
        (
            "of a packed file modprobe takes out the basic form alone",
            with(a_module().change(other).packed())
                .kernel("6.14.1")
                .args("--force-modversion")
                .config(ALLOWED),
            "crc-mismatch!",
        ),
        (
            "of a plain one the kernel ignores both",
            with(a_module().change(other))
                .kernel("6.14.1")
                .args("--force-modversion")
                .config(ALLOWED),
            "versions-missing?",
        ),
    ]);
}

#[test]
fn exports_want_versions_too() {
    each(vec![
        ("with", with(a_module().exports("mine", Some(1))), ""),
        (
            "without, and no force",
            with(a_module().exports("mine", None)),
            "versions-missing!",
        ),
        (
            "without, with force",
            with(a_module().exports("mine", None)).config(ALLOWED),
            "versions-missing?",
        ),
        (
            "one table of two without",
            with(a_module().exports("a", Some(1)).exports("b", None).for_gpl_only()),
            "versions-missing!",
        ),
        (
            "some of one table without",
            with(a_module().exports("a", Some(1)).exports("b", None)),
            "",
        ),
        (
            "where the kernel checks none",
            with(a_module().exports("mine", None)).config("MODULE_SIG"),
            "",
        ),
    ]);
}

#[test]
fn live_patches_want_a_kernel_for_them() {
    let patch = || with(a_module().info("livepatch", "Y"));
    each(vec![
        ("one with", patch(), ""),
        ("one without", patch().config("MODVERSIONS"), "livepatch-unsupported!"),
        ("one of which nobody knows", patch().without_toolkit(), ""),
    ]);
}
