//! What could not be checked is said, once.

use super::super::judge;
use super::sketch::{KERNEL, a_scene, each};
use crate::api::{Rule, Severity};
use crate::kmod::staged::{StagedFolder, StagedImage, Tool};
use crate::kmod::toolkit::ToolkitEvidence;

#[test]
fn each_missing_part_of_a_toolkit_is_named() {
    each(vec![
        ("symvers", a_scene().toolkit(|t| t.symvers = None), "not-checked"),
        (
            "in-tree modules",
            a_scene().toolkit(|t| t.in_tree = None),
            "not-checked",
        ),
        ("configuration", a_scene().toolkit(|t| t.config = None), "not-checked"),
        (
            "vermagic can be worked out",
            a_scene()
                .toolkit(|t| t.vermagic = None)
                .config("SMP PREEMPT_BUILD MODULE_UNLOAD MODVERSIONS X86_64"),
            "",
        ),
        (
            "everything",
            a_scene().toolkit(|t| *t = crate::kmod::toolkit::Toolkit::default()),
            "not-checked not-checked not-checked not-checked not-checked",
        ),
    ]);
}

#[test]
fn a_toolkit_that_cannot_be_used_is_named() {
    let missing = Tool::Missing;
    let staged = StagedImage {
        sh: missing,
        mkdir: missing,
        cp: missing,
        folder: StagedFolder::NotAFolder,
        has_modprobe_config: false,
        firmware: None,
        unread: Vec::new(),
    };
    let other = |kernels: &[&str]| ToolkitEvidence::OtherKernel {
        image: "dtk".to_owned(),
        kernels: kernels.iter().map(|&k| k.to_owned()).collect(),
    };
    for (evidence, rule, severity, words) in [
        (
            ToolkitEvidence::NotGiven,
            Rule::ToolkitMissing,
            Severity::Informs,
            format!("no driver toolkit of {KERNEL}"),
        ),
        (
            ToolkitEvidence::Unreadable("registry is down".to_owned()),
            Rule::ToolkitMissing,
            Severity::Decides,
            "registry is down".to_owned(),
        ),
        (
            other(&["a", "b"]),
            Rule::ToolkitOtherKernel,
            Severity::Decides,
            format!("of a, b, not of {KERNEL}"),
        ),
        (
            other(&[]),
            Rule::ToolkitOtherKernel,
            Severity::Decides,
            "of no kernel at all".to_owned(),
        ),
    ] {
        let findings = judge(&staged, &a_scene().load, &evidence);
        let last = findings.last().expect("a finding");
        assert_eq!((last.rule, last.severity), (rule, severity));
        assert!(last.message.contains(&words), "{}", last.message);
    }
}
