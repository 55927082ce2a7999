//! The platforms of an image index, and which of them a node would take.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an image index says an image is for (OCI image index specification, `platform`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`, `unknown` …
    pub os: String,
    /// Go's name of the architecture.
    pub architecture: String,
    /// `v8` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Whether a Linux node of that architecture (by Go's name) runs it. A node of arm64 is `v8`, which is also what
    /// no variant at all means (containerd `platforms: normalizeArch`).
    pub fn runs_on(&self, architecture: &str) -> bool {
        let variant = self.variant.as_deref().unwrap_or_default();
        let fits = variant.is_empty()
            || match architecture {
                "arm64" => matches!(variant, "v8" | "8"),
                "amd64" => variant == "v1",
                _ => false,
            };
        self.os == "linux" && self.architecture == architecture && fits
    }

    /// Whether it is the place of an attestation, which is no image to run (buildkit's `unknown/unknown`).
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_runs_linux_images_of_its_own_architecture() {
        let platform = |os: &str, architecture: &str, variant: &str| Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: (!variant.is_empty()).then(|| variant.to_owned()),
        };
        for (platform, node, runs) in [
            (platform("linux", "amd64", ""), "amd64", true),
            (platform("linux", "amd64", "v1"), "amd64", true),
            (platform("linux", "amd64", "v3"), "amd64", false),
            (platform("linux", "arm64", ""), "arm64", true),
            (platform("linux", "arm64", "v8"), "arm64", true),
            (platform("linux", "arm", "v7"), "arm64", false),
            (platform("windows", "amd64", ""), "amd64", false),
            (platform("unknown", "unknown", ""), "amd64", false),
        ] {
            assert_eq!(platform.runs_on(node), runs, "{platform} on {node}");
        }
    }
}
