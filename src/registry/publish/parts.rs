//! What a manifest or an index names, as far as copying it needs to know.

use serde::Deserialize;

use super::{PublishFailure, PublishFailureKind};
use crate::image::{Digest, LookFailureKind};
use crate::registry::Descriptor;
use crate::registry::manifest::is_index;

/// How many blobs or manifests one manifest may name: several times what overlayfs mounts.
const PARTS_CAP: usize = 2000;

/// What a manifest names.
#[derive(Debug)]
pub(super) enum Parts {
    /// The blobs of one image.
    Blobs(Vec<Descriptor>),
    /// The manifests of an index.
    Manifests(Vec<Digest>),
}

#[derive(Deserialize)]
struct Image {
    config: Part,
    layers: Vec<Part>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: Digest,
}

#[derive(Deserialize)]
struct Part {
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(default)]
    urls: Option<Vec<String>>,
}

impl Parts {
    /// Reads what a manifest of that media type names.
    pub(super) fn of(media_type: &str, bytes: &[u8]) -> Result<Self, PublishFailure> {
        let parts = if is_index(media_type) {
            let index: Index = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
            Self::Manifests(index.manifests.into_iter().map(|entry| entry.digest).collect())
        } else {
            let image: Image = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
            let all = std::iter::once(image.config).chain(image.layers);
            Self::Blobs(
                all.filter(|part| !part.is_elsewhere())
                    .map(|part| part.descriptor)
                    .collect(),
            )
        };
        if parts.count() > PARTS_CAP {
            let message = format!("the manifest names more than {PARTS_CAP} parts");
            return Err(PublishFailure::new(
                PublishFailureKind::Source(LookFailureKind::TooLarge),
                message,
            ));
        }
        Ok(parts)
    }

    fn count(&self) -> usize {
        match self {
            Self::Blobs(blobs) => blobs.len(),
            Self::Manifests(manifests) => manifests.len(),
        }
    }
}

impl Part {
    /// Whether it is a foreign layer, which no registry keeps (image specification, "non-distributable layers").
    fn is_elsewhere(&self) -> bool {
        let media_type = &self.descriptor.media_type;
        let foreign = media_type.contains("foreign") || media_type.contains("nondistributable");
        foreign && self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
    }
}

fn malformed(error: &serde_json::Error) -> PublishFailure {
    PublishFailure::new(
        PublishFailureKind::Source(LookFailureKind::Damaged),
        format!("the manifest to be copied is malformed: {error}"),
    )
}
