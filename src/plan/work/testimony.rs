//! What a container of a Job says at its end, by its termination message: read by the operator, written by the same
//! program in a pod.

use serde::{Deserialize, Serialize};

use crate::api::Finding;
use crate::image::Digest;

/// Bytes of a termination message that Kubernetes keeps (`pkg/kubelet/container: MaxContainerTerminationMessageLength`).
pub const TESTIMONY_LIMIT: usize = 4096;

/// What one container came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Testimony {
    /// The image was built; it lies in the Job's layout.
    Built {
        /// Its manifest.
        digest: Digest,
    },
    /// The image was signed; it lies in the Job's layout.
    Signed {
        /// Its manifest.
        digest: Digest,
        /// How many files were signed.
        files: usize,
        /// What its owner should know, like `filesToSign` being empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    },
    /// The image was judged, and pushed where that was asked and it was judged good.
    Judged {
        /// Its manifest, where it is known; a container does not know the digest of its own image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
        /// What the rules found, the deciding findings first.
        findings: Vec<Finding>,
        /// How many findings more there were no room for.
        #[serde(default)]
        left_out: usize,
        /// Whether it stands under its final tag now.
        #[serde(default)]
        pushed: bool,
    },
    /// It came to nothing.
    Failed {
        /// What happened, to what, why, what to do next: one sentence, without secrets.
        message: String,
        /// The last useful lines of what a tool said, without secrets.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        log: Vec<String>,
        /// Whether the same inputs may come to something else another time: a registry that was out of reach.
        #[serde(default)]
        again: bool,
    },
}
