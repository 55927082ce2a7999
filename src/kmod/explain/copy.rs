//! Texts: KMM's copy step.

use super::Explanation;
use crate::api::Rule;

const COPY: &str = "KMM `internal/pod/workerpodmanager.go: addCopyCommand`";

pub(super) const TEXTS: &[Explanation] = &[
    Explanation {
        rule: Rule::ImageArchitecture,
        title: "the image is for another processor",
        meaning: "KMM runs `sh`, `mkdir` and `cp` of the module image on the node. Programs for another processor end \
                  with `exec format error`, the init container fails, and nothing is loaded.",
        see: "skopeo inspect --config docker://IMAGE | grep architecture\nfile ROOTFS/bin/sh",
        mend: "Build the image for the node's architecture, or push a manifest list that has it.",
        source: COPY,
        depends_on: "`CONFIG_COMPAT` for 32-bit ARM programs, which therefore only warn",
        certainty: "Sure where the kernel's architecture is known from its release or the Module's selector.",
    },
    Explanation {
        rule: Rule::CopyToolMissing,
        title: "`sh`, `mkdir` or `cp` is missing",
        meaning: "KMM's init container runs `/bin/sh -c 'mkdir -p …; cp -R …'` in the module image itself. An image \
                  from `scratch` or a distroless base has no such programs, and the init container fails. So it does \
                  where one of them is an empty file, or `sh` neither an ELF file nor a script that begins with `#!`.",
        see: "podman run --rm --entrypoint /bin/sh IMAGE -c 'command -v mkdir cp'",
        mend: "Use a base image with a shell and coreutils or busybox, such as ubi9/ubi-minimal.",
        source: COPY,
        depends_on: "",
        certainty: "Sure. The programs are looked for where the usual `PATH` has them.",
    },
    Explanation {
        rule: Rule::KernelFolderMissing,
        title: "no modules for this kernel",
        meaning: "`<dirName>/lib/modules/<kernel>` does not exist in the image, so there is nothing to copy. The image \
                  was built for other kernels; the finding names them.",
        see: "podman run --rm --entrypoint ls IMAGE /opt/lib/modules",
        mend: "Build an image for the target kernel; check `dirName`, and that the kernel's name in the Dockerfile is \
               the output of `uname -r`.",
        source: COPY,
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::KernelFolderLink,
        title: "the kernel's folder is a link",
        meaning: "`cp -R` copies a link as a link. On the node it points into the worker's own file system, where its \
                  target does not exist, and modprobe finds no modules.",
        see: "podman run --rm --entrypoint ls IMAGE -ld /opt/lib/modules/KERNEL",
        mend: "Make it a real folder, with the module files in it.",
        source: "`cp -R` (POSIX `cp`, coreutils and busybox); KMM `addCopyCommand`",
        depends_on: "",
        certainty: "Sure. A link further up, such as `/lib` to `usr/lib`, is followed and harmless.",
    },
    Explanation {
        rule: Rule::FirmwareMissing,
        title: "nothing to copy from `firmwarePath`",
        meaning: "KMM copies `<firmwarePath>/*`. Where nothing matches, `cp` fails, and with it the init container.",
        see: "podman run --rm --entrypoint ls IMAGE FIRMWAREPATH",
        mend: "Put the firmware there, or remove `firmwarePath` from the Module.",
        source: COPY,
        depends_on: "",
        certainty: "Sure.",
    },
];
