//! Texts: what could not be checked.

use super::Explanation;
use crate::api::Rule;

pub(super) const TEXTS: &[Explanation] = &[
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
