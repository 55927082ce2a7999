//! Texts: what could not be checked.

use super::Explanation;
use crate::api::Rule;

pub(super) const TEXTS: &[Explanation] = &[
    Explanation {
        rule: Rule::FileNotRead,
        title: "a file that was not read",
        meaning: "The file is there, but its content could not be had: the layer keeps it with holes (a sparse file), or \
                  under another name of which nothing was kept (a hard link to a compressed file, say), or it has more \
                  names than this program takes in. Whether the kernel takes it was not checked.",
        see: "podman run --rm IMAGE stat -c '%h names, %b blocks, %s bytes' FILE.ko",
        mend: "Have it in the image as a file of its own: `cp --sparse=never`, and `COPY` instead of a hard link.",
        source: "a limit of this program",
        depends_on: "",
        certainty: "Nothing is known of the file, so this warns.",
    },
    Explanation {
        rule: Rule::ToolkitMissing,
        title: "no driver toolkit",
        meaning: "What the kernel exports, and how it is configured, stands in its driver toolkit. Without one, only what \
                  the image itself tells was checked.",
        see: "oc adm release info --image-for=driver-toolkit RELEASE",
        mend: "Name it: `spec.dtkImage`, or `--dtk-image`.",
        source: "the driver toolkit's `Module.symvers`, `include/config/auto.conf` and `/lib/modules/KERNEL`",
        depends_on: "",
        certainty: "The finding lists the checks that were not made.",
    },
    Explanation {
        rule: Rule::ToolkitOtherKernel,
        title: "the driver toolkit of another kernel",
        meaning: "The image that was named is a toolkit of other kernels, or none at all. It was not used.",
        see: "podman run --rm DTK cat /etc/driver-toolkit-release.json",
        mend: "Name the toolkit of the release that the cluster is going to.",
        source: "the driver toolkit's `/etc/driver-toolkit-release.json` and `/usr/src/kernels`",
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::NotChecked,
        title: "something could not be checked",
        meaning: "The toolkit lacks a part, or the kernel does not look. The finding says which checks were not made.",
        see: "podman run --rm DTK find /usr/src/kernels /lib/modules -maxdepth 2",
        mend: "Use a complete driver toolkit.",
        source: "the driver toolkit's `Module.symvers`, `include/config/auto.conf` and `/lib/modules/KERNEL`",
        depends_on: "",
        certainty: "No conclusion is drawn from what was not seen.",
    },
];
