//! Where an image is, as people write it: `oci:DIR[:NAME]` for an OCI image layout, else an image reference.

use std::fmt;
use std::path::PathBuf;

use crate::image::{Reference, ReferenceError};

/// What the name of a layout begins with, as in skopeo, buildah and podman (containers/image `oci/layout`).
const LAYOUT: &str = "oci:";
/// How the same tools write a registry.
const REGISTRY: &str = "docker://";

/// Where an image is, or shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In an OCI image layout.
    Layout {
        /// The layout's folder.
        folder: PathBuf,
        /// The image's name there; without one, the only image there.
        name: Option<String>,
    },
    /// In a registry.
    Registry(Reference),
}

/// A text that names no place of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// `oci:` without a folder.
    #[error("`{0}` names no folder; an OCI image layout is written oci:DIR or oci:DIR:NAME")]
    NoFolder(String),
    /// Neither a layout nor a reference.
    #[error("`{text}` is neither an OCI image layout (oci:DIR:NAME) nor an image reference: {problem}")]
    NoReference {
        /// The text.
        text: String,
        /// What is wrong with the reference.
        problem: ReferenceError,
    },
}

impl Location {
    /// Reads `oci:DIR`, `oci:DIR:NAME` (the first colon ends the folder), or a reference, with or without `docker://`.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let Some(rest) = text.strip_prefix(LAYOUT) else {
            let reference = text.strip_prefix(REGISTRY).unwrap_or(text);
            return Reference::parse(reference)
                .map(Self::Registry)
                .map_err(|problem| LocationError::NoReference {
                    text: text.to_owned(),
                    problem,
                });
        };
        let (folder, name) = rest.split_once(':').unwrap_or((rest, ""));
        if folder.is_empty() {
            return Err(LocationError::NoFolder(text.to_owned()));
        }
        Ok(Self::Layout {
            folder: folder.into(),
            name: (!name.is_empty()).then(|| name.to_owned()),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout { folder, name: None } => write!(f, "{LAYOUT}{}", folder.display()),
            Self::Layout {
                folder,
                name: Some(name),
            } => write!(f, "{LAYOUT}{}:{name}", folder.display()),
            Self::Registry(reference) => reference.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_skopeo_writes_them() {
        let rows = [
            ("oci:/a/b", "oci:/a/b"),
            ("oci:/a/b:", "oci:/a/b"),
            ("oci:b:1.0", "oci:b:1.0"),
            ("oci:/a/b:r.example:5000/x:1", "oci:/a/b:r.example:5000/x:1"),
            ("busybox", "docker.io/library/busybox:latest"),
            ("docker://r.example/x:1", "r.example/x:1"),
        ];
        for (text, written) in rows {
            assert_eq!(
                Location::parse(text).map(|place| place.to_string()),
                Ok(written.to_owned())
            );
        }
        assert!(matches!(Location::parse("oci:"), Err(LocationError::NoFolder(_))));
        assert!(matches!(Location::parse("oci::1"), Err(LocationError::NoFolder(_))));
        assert!(matches!(Location::parse("a b"), Err(LocationError::NoReference { .. })));
    }
}
