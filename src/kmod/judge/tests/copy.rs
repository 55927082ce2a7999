//! KMM's copy step.

use super::sketch::{AARCH64, KERNEL, Scene, X86_64, a_scene, each};
use crate::kernel::Architecture;
use crate::kmod::staged::{Program, StagedFolder, Tool};

const PRESENT: fn(u16) -> Tool = |machine| Tool::Present(Program::Elf(machine));

/// The image's folder is a link to the node's own of this kernel.
fn to_the_nodes(root: &str) -> Scene {
    let target = format!("{root}{KERNEL}");
    a_scene().staged(|staged| staged.folder = StagedFolder::Link { target })
}

// Row "D03": an image without a shell.
#[test]
#[expect(clippy::too_many_lines, reason = "one table, one row for each branch")]
fn what_the_copy_step_needs() {
    each(vec![
        (
            "D03: without sh nothing is copied",
            a_scene().staged(|s| s.sh = Tool::Missing),
            "copy-tool-missing!",
        ),
        (
            "nor without mkdir",
            a_scene().staged(|s| s.mkdir = Tool::Missing),
            "copy-tool-missing!",
        ),
        (
            "nor without cp",
            a_scene().staged(|s| s.cp = Tool::Missing),
            "copy-tool-missing!",
        ),
        (
            "a script is no program of another processor",
            a_scene().staged(|s| s.cp = Tool::Present(Program::Script)),
            "",
        ),
        (
            "a shell that nobody has looked at",
            a_scene().staged(|s| s.sh = Tool::Present(Program::Unknown)),
            "",
        ),
        (
            "a runtime executes the shell by itself, and no text",
            a_scene().staged(|s| s.sh = Tool::Present(Program::Other)),
            "copy-tool-missing!",
        ),
        (
            "nor what is empty",
            a_scene().staged(|s| s.sh = Tool::Present(Program::Empty)),
            "copy-tool-missing!",
        ),
        (
            "the shell takes a text for a script, which may do anything",
            a_scene().staged(|s| (s.mkdir, s.cp) = (Tool::Present(Program::Other), Tool::Present(Program::Other))),
            "",
        ),
        (
            "but an empty one does nothing",
            a_scene().staged(|s| s.mkdir = Tool::Present(Program::Empty)),
            "copy-tool-missing!",
        ),
        (
            "to copy least of all",
            a_scene().staged(|s| s.cp = Tool::Present(Program::Empty)),
            "copy-tool-missing!",
        ),
        (
            "a program of another processor",
            a_scene().staged(|s| s.sh = PRESENT(AARCH64)),
            "image-architecture!",
        ),
        (
            "a processor without a name",
            a_scene().staged(|s| s.sh = PRESENT(9)),
            "image-architecture!",
        ),
        (
            "32-bit programs run on x86_64",
            a_scene().staged(|s| s.sh = PRESENT(3)),
            "",
        ),
        (
            "and on some ARM",
            a_scene()
                .staged(|s| {
                    (s.sh, s.mkdir, s.cp) = (PRESENT(40), PRESENT(AARCH64), PRESENT(AARCH64));
                })
                .load(|l| l.architecture = Some(Architecture::Aarch64))
                .without_toolkit(),
            "image-architecture? elf-machine!",
        ),
        (
            "an unknown processor is not compared",
            a_scene()
                .staged(|s| s.sh = PRESENT(AARCH64))
                .load(|l| l.architecture = None),
            "",
        ),
        (
            "the same processor is fine",
            a_scene().staged(|s| s.sh = PRESENT(X86_64)),
            "",
        ),
        (
            "no folder for the kernel",
            a_scene().staged(|s| {
                s.folder = StagedFolder::Missing {
                    other_kernels: Vec::new(),
                }
            }),
            "kernel-folder-missing!",
        ),
        (
            "a link instead of the folder",
            a_scene().staged(|s| {
                s.folder = StagedFolder::Link {
                    target: "other".to_owned(),
                }
            }),
            "kernel-folder-link!",
        ),
        (
            "by a link to the node's own modules, one of those is found", // truth: images/link-kernel-to-the-nodes-by-name-of-theirs
            to_the_nodes("/lib/modules/").module("intree"),
            "modprobe-arguments?",
        ),
        (
            "and ours is not",
            to_the_nodes("/usr/lib/modules/"),
            "module-not-found!",
        ),
        ("firmware is there", a_scene().staged(|s| s.firmware = Some(true)), ""),
        (
            "firmware is missing",
            a_scene().staged(|s| s.firmware = Some(false)),
            "firmware-missing!",
        ),
        (
            "modprobe.d stays in the image",
            a_scene().staged(|s| s.has_modprobe_config = true),
            "modprobe-config-ignored",
        ),
        (
            "everything at once, in the order of the commands",
            a_scene().staged(|s| {
                s.cp = Tool::Missing;
                s.folder = StagedFolder::Link {
                    target: "/x".to_owned(),
                };
                s.firmware = Some(false);
            }),
            "copy-tool-missing! kernel-folder-link! firmware-missing!",
        ),
    ]);
}

// Row "D10".
#[test]
fn a_missing_folder_names_the_kernels_that_are_there() {
    let kernels = |n: usize| (0..n).map(|n| format!("k{n}")).collect::<Vec<_>>();
    for (n, sentence) in [
        (0, "there is no folder for another kernel either"),
        (2, "it has modules for k0, k1;"),
        (7, "it has modules for k0, k1, k2, k3, k4 and 2 more kernels"),
    ] {
        let missing = StagedFolder::Missing {
            other_kernels: kernels(n),
        };
        let findings = a_scene().staged(|s| s.folder = missing).findings();
        assert!(findings[0].message.contains(sentence), "{}", findings[0].message);
    }
}
