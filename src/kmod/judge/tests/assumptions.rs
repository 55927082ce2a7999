//! Which option of the kernel decides, and what is assumed where its configuration is not known, is said.

use super::sketch::{Scene, a_module, a_scene, with};
use crate::kmod::facts::Signature;

/// Whether some finding has these words.
fn says(scene: Scene, words: &str) -> bool {
    let findings = scene.findings();
    findings.iter().any(|finding| finding.message.contains(words))
}

fn unknown(scene: Scene) -> Scene {
    scene.toolkit(|toolkit| toolkit.config = None)
}

#[test]
fn what_a_toolkit_without_configuration_leaves_to_assume_is_said() {
    let malformed = || with(a_module().signature(Signature::Malformed("length".to_owned())));
    let spaced = || with(a_module().needs("spaced", 0x44));
    for (scene, words) in [
        (a_scene(), "CONFIG_MODULE_SIG without CONFIG_MODULE_SIG_FORCE"),
        (
            with(a_module().without("vermagic")),
            "assumed: no CONFIG_MODULE_FORCE_LOAD",
        ),
        (
            with(a_module().without_versions()),
            "assumed: no CONFIG_MODULE_FORCE_LOAD",
        ),
        (spaced(), "assumed: no CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS"),
        (malformed(), "assumed: CONFIG_MODULE_SIG"),
        (
            with(a_module().needs_unversioned("gpl_thing")),
            "assumed: not built by Debian",
        ),
    ] {
        assert!(says(unknown(scene), words), "{words}");
    }
    assert!(
        !says(malformed(), "assumed"),
        "a known configuration leaves nothing to assume"
    );
    assert!(
        !says(spaced(), "assumed"),
        "a known configuration leaves nothing to assume"
    );
}

#[test]
fn a_kernel_that_was_trimmed_is_named_as_such() {
    let missing = || with(a_module().needs("gone", 1));
    let trimmed = missing().config("MODVERSIONS MODULE_SIG TRIM_UNUSED_KSYMS");
    assert!(says(trimmed, "CONFIG_TRIM_UNUSED_KSYMS"));
    assert!(!says(missing(), "CONFIG_TRIM_UNUSED_KSYMS"));
}
