//! The release of a kernel, as `uname -r` prints it: which texts can be one, and the forms that KMM makes of it.

use std::fmt;

use super::Architecture;

mod parsing;

pub use parsing::{KernelVersionError, MAX_LENGTH};

/// The release of a kernel, as `uname -r` prints it.
///
/// Parsing is the admission rule: everything that real distributions ship passes, nothing else does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernelVersion {
    raw: String,
    numbers: (u32, u32, u32),
}

impl KernelVersion {
    /// The release that `text` is.
    ///
    /// # Errors
    /// Says what keeps `text` from being one.
    pub fn parse(text: &str) -> Result<Self, KernelVersionError> {
        Ok(Self {
            raw: text.to_owned(),
            numbers: parsing::numbers(text)?,
        })
    }

    /// As it was written.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// As image tags can hold it; see [`normalize`].
    pub fn normalized(&self) -> String {
        normalize(&self.raw)
    }

    /// As names of Kubernetes objects can hold it; see [`dns_safe`].
    pub fn dns_safe(&self) -> String {
        dns_safe(&self.raw)
    }

    /// Without one trailing `+`: what KMM reads from a node, matches mappings with and looks up toolkits by
    /// (upstream `internal/controllers/module_reconciler.go`, `kernel_dtk_reconciler.go`).
    pub fn without_plus(&self) -> &str {
        self.raw.strip_suffix('+').unwrap_or(&self.raw)
    }

    /// The folder under `lib/modules` that KMM copies. modprobe opens [`Self::raw`], which differs after a `+`.
    pub fn folder(&self) -> &str {
        self.without_plus()
    }

    /// What templates may name of it, as KMM sees it on a node: without a trailing `+`, normalised.
    pub fn components(&self) -> Components {
        components(&normalize(self.without_plus())).expect("invariant: a release has three parts")
    }

    /// Version, patch level and sublevel, for rules such as "since 6.4".
    pub fn numbers(&self) -> (u32, u32, u32) {
        self.numbers
    }

    /// The architecture that its last part names, if it names one: `.x86_64`, `-cloud-amd64`, `.aarch64+64k` do,
    /// `-generic` does not.
    pub fn architecture(&self) -> Option<Architecture> {
        self.raw.rsplit(['.', '-', '+']).find_map(Architecture::from_name)
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

impl std::str::FromStr for KernelVersion {
    type Err = KernelVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Every character that an image tag cannot hold becomes `_`; nothing is trimmed, case stays
/// (upstream `internal/kernel/kernel.go`). Works on any text.
pub fn normalize(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || ['-', '.', '_'].contains(&c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// Normalised, in lower case, with `-` for `_` and `.`, and none at the ends
/// (upstream `internal/kernel/kernel.go`). Works on any text. Two releases may become equal: where that matters,
/// add a hash of the raw one.
pub fn dns_safe(text: &str) -> String {
    normalize(text)
        .to_ascii_lowercase()
        .replace(['_', '.'], "-")
        .trim_matches('-')
        .to_owned()
}

/// What templates may name of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// `KERNEL_FULL_VERSION`
    pub full: String,
    /// `KERNEL_VERSION`, which is the same
    pub version: String,
    /// `KERNEL_XYZ`
    pub xyz: String,
    /// `KERNEL_X`
    pub x: String,
    /// `KERNEL_Y`
    pub y: String,
    /// `KERNEL_Z`
    pub z: String,
}

impl Components {
    fn new(full: &str, x: &str, y: &str, z: &str) -> Self {
        Self {
            full: full.to_owned(),
            version: full.to_owned(),
            xyz: format!("{x}.{y}.{z}"),
            x: x.to_owned(),
            y: y.to_owned(),
            z: z.to_owned(),
        }
    }

    /// The variables, in upstream's order.
    pub fn variables(&self) -> [(&'static str, &str); 6] {
        [
            ("KERNEL_FULL_VERSION", &self.full),
            ("KERNEL_VERSION", &self.version),
            ("KERNEL_XYZ", &self.xyz),
            ("KERNEL_X", &self.x),
            ("KERNEL_Y", &self.y),
            ("KERNEL_Z", &self.z),
        ]
    }
}

/// A text has fewer than three parts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid kernel version {0}: expected at least three components (major.minor.patch)")]
pub struct ComponentsError(pub String);

/// What templates may name of any text, split at `.`, `,` and `-` as upstream does
/// (`internal/utils/replaceStrings.go`). Upstream hands it a normalised text.
///
/// # Errors
/// Fewer than three parts.
pub fn components(text: &str) -> Result<Components, ComponentsError> {
    let mut parts = text.split(['.', ',', '-']);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(x), Some(y), Some(z)) => Ok(Components::new(text, x, y, z)),
        _ => Err(ComponentsError(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;
