//! What a container of a Job says at its end, by its termination message: read by the operator, written by the same
//! program in a pod.

use serde::{Deserialize, Serialize};

use crate::api::Finding;
use crate::image::Digest;

/// Bytes of a testimony. The kubelet keeps 4 KiB of a container's message, but no more than 12 KiB of a pod's, shared evenly among
/// its containers (`pkg/kubelet/status/status_manager.go: normalizeStatus`); a Job of ours has up to five.
pub const TESTIMONY_LIMIT: usize = 12 * 1024 / 5;

/// How long texts may be where not all fits, in bytes; ever less.
const LONGEST_TEXTS: [usize; 3] = [600, 300, 150];
/// What a text that was shortened ends with.
const CUT: &str = "…";

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
        /// What its owner should know, like a temporary tag that is left.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
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

impl Testimony {
    /// The same as a termination message: JSON of no more than [`TESTIMONY_LIMIT`] bytes. What there is no room for is
    /// counted (findings) or shortened (texts); what decides stays.
    pub fn to_message(&self) -> String {
        let mut testimony = self.clone();
        if let Self::Judged { findings, .. } = &mut testimony {
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        }
        for longest in LONGEST_TEXTS {
            let message = testimony.json();
            if message.len() <= TESTIMONY_LIMIT {
                return message;
            }
            testimony.shorten(longest);
        }
        while testimony.json().len() > TESTIMONY_LIMIT && testimony.drop_last() {}
        testimony.json()
    }

    /// What a container said at its end; `None` where that is no testimony of ours.
    pub fn parse(message: &str) -> Option<Self> {
        // Where a container shares its standard output with its message, ours is the last line.
        let line = message.lines().rev().find(|line| !line.trim().is_empty())?;
        serde_json::from_str(line.trim()).ok()
    }

    fn json(&self) -> String {
        serde_json::to_string(self).expect("invariant: a testimony is made of texts, numbers and lists")
    }

    fn shorten(&mut self, longest: usize) {
        match self {
            Self::Built { .. } => {}
            Self::Signed { warnings, .. } => warnings.iter_mut().for_each(|text| cut(text, longest)),
            Self::Judged { findings, warnings, .. } => {
                for text in warnings {
                    cut(text, longest);
                }
                for finding in findings {
                    cut(&mut finding.message, longest);
                    finding
                        .file
                        .iter_mut()
                        .chain(&mut finding.symbol)
                        .for_each(|text| cut(text, longest));
                }
            }
            Self::Failed { message, log, .. } => {
                cut(message, 4 * longest);
                for line in log {
                    cut(line, longest);
                }
            }
        }
    }

    /// Lets go of the least: the last finding or warning, the first line of a log, half a message. False where nothing is
    /// left.
    fn drop_last(&mut self) -> bool {
        match self {
            Self::Built { .. } => false,
            Self::Signed { warnings, .. } => warnings.pop().is_some(),
            Self::Judged { findings, left_out, .. } => {
                let dropped = findings.pop().is_some();
                *left_out += usize::from(dropped);
                dropped
            }
            Self::Failed { message, log, .. } if log.is_empty() => {
                let half = message.len() / 2;
                cut(message, half);
                half > CUT.len()
            }
            Self::Failed { log, .. } => {
                log.remove(0);
                true
            }
        }
    }
}

fn cut(text: &mut String, longest: usize) {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
}
