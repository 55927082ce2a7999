//! Copying an image, with all that it names, from anywhere to anywhere.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use super::parts::Parts;
use super::supply::digest_of;
use super::{Destination, PublishFailure, PublishFailureKind};
use crate::image::{Digest, LookFailure, LookFailureKind, Reference};
use crate::registry::{Access, Blob, Descriptor, Layout, Location, Manifest, Sources};

/// How many blobs are on their way at once: enough to hide the registry's pauses, few enough to leave it time.
const BLOBS_AT_ONCE: usize = 3;
/// How many manifests one image may consist of, indexes and all: a large index has some dozens.
const FAMILY_CAP: usize = 500;

/// An image that is read.
#[derive(Clone)]
pub struct Origin {
    pub(super) sources: Sources,
    pub(super) reference: Reference,
    pub(super) access: Access,
    name: String,
}

/// A manifest or an index at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its digest.
    pub digest: Digest,
    /// One of the four media types of OCI and Docker.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Held {
    /// A manifest that was made here.
    pub fn new(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: digest_of(&bytes),
            media_type: media_type.to_owned(),
            bytes,
        }
    }

    /// What names it.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            digest: self.digest.clone(),
            size: self.bytes.len() as u64,
            media_type: self.media_type.clone(),
        }
    }
}

impl Sources {
    /// An image to be read, wherever it is. Only a layout's index is looked at yet.
    pub fn origin(&self, location: &Location, access: &Access) -> Result<Origin, LookFailure> {
        let (sources, reference) = match location {
            Location::Registry(reference) => (self.clone(), reference.clone()),
            Location::Layout { folder, name } => {
                let unusable = |problem: String| LookFailure::new(LookFailureKind::NotFound, problem);
                let layout = Layout::open(folder).map_err(|error| unusable(in_full(&error)))?;
                let digest = layout.named(name.as_deref()).map_err(unusable)?;
                let reference = nickname(&layout, &digest).map_err(unusable)?;
                (self.with_layout(layout), reference)
            }
        };
        Ok(Origin {
            sources,
            reference,
            access: access.clone(),
            name: location.to_string(),
        })
    }
}

/// A reference for an image of a layout, which goes by its digest: what people call it need not be a reference.
fn nickname(layout: &Layout, digest: &Digest) -> Result<Reference, String> {
    let folder = layout
        .folder()
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let named = Reference::parse(&format!("localhost/{folder}@{digest}"));
    named
        .or_else(|_no_reference| Reference::parse(&format!("localhost/layout@{digest}")))
        .map_err(|error| error.to_string())
}

/// An error and what caused it.
fn in_full(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

impl Origin {
    /// What it is called by those who named it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is asked for by; for an image of a layout, a stand-in with its digest.
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// What the image's name stands for: a manifest or an index.
    pub async fn manifest(&self) -> Result<Held, LookFailure> {
        let answer = Box::pin(self.sources.manifest(&self.reference, &self.access, None)).await?;
        self.held(answer)
    }

    /// A manifest that the image's index names.
    pub async fn manifest_by_digest(&self, digest: &Digest) -> Result<Held, LookFailure> {
        let asking = self.sources.manifest_by_digest(&self.reference, &self.access, digest);
        let answer = Box::pin(asking).await?;
        self.held(answer)
    }

    /// A blob that one of its manifests names.
    pub async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, LookFailure> {
        Box::pin(self.sources.blob(&self.reference, &self.access, descriptor)).await
    }

    fn held(&self, answer: Manifest) -> Result<Held, LookFailure> {
        match answer {
            Manifest::Fetched {
                digest,
                media_type,
                bytes,
            } => Ok(Held {
                digest,
                media_type,
                bytes,
            }),
            Manifest::Unchanged(_) => {
                let message = format!("{}: its source sends no manifest", self.reference);
                Err(LookFailure::new(LookFailureKind::Unreachable, message))
            }
        }
    }

    /// The file that holds a blob, where the image lies in a layout.
    pub(super) fn file_of(&self, descriptor: &Descriptor) -> Option<PathBuf> {
        let layout = self.sources.layout_with(&self.reference)?;
        let path = layout.path(&descriptor.digest);
        let whole = std::fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() == descriptor.size);
        whole.then_some(path)
    }

    /// Whether the image comes from that registry, and from which of its repositories.
    pub(super) fn repository_at(&self, registry: &str) -> Option<&str> {
        let lends = self.reference.registry() == registry && self.sources.layout_with(&self.reference).is_none();
        lends.then(|| self.reference.repository())
    }
}

/// Copies an image, with every platform of an index, and gives it its name at the end. Returns its digest, which is the
/// same there as here.
///
/// # Errors
///
/// Why it could not be read or written. Parts of it may be there then; nothing has its name.
pub async fn copy(origin: &Origin, destination: &Destination) -> Result<Digest, PublishFailure> {
    let top = origin.manifest().await?;
    let family = family(origin, top).await?;
    for manifest in family.iter().skip(1).rev() {
        blobs(origin, destination, manifest).await?;
        destination.put_manifest(manifest).await?;
    }
    let Some(top) = family.first() else {
        return Err(PublishFailure::new(PublishFailureKind::Rejected, "nothing to copy"));
    };
    blobs(origin, destination, top).await?;
    destination.name(top).await?;
    Ok(top.digest.clone())
}

/// All manifests of an image, each after those that name it.
async fn family(origin: &Origin, top: Held) -> Result<Vec<Held>, PublishFailure> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut todo = VecDeque::from([top]);
    while let Some(manifest) = todo.pop_front() {
        if let Parts::Manifests(children) = Parts::of(&manifest.media_type, &manifest.bytes)? {
            for child in children {
                if seen.insert(child.clone()) {
                    todo.push_back(origin.manifest_by_digest(&child).await?);
                }
            }
        }
        found.push(manifest);
        if found.len() + todo.len() > FAMILY_CAP {
            let message = format!("{} consists of more than {FAMILY_CAP} manifests", origin.reference());
            let kind = PublishFailureKind::Source(LookFailureKind::TooLarge);
            return Err(PublishFailure::new(kind, message));
        }
    }
    Ok(found)
}

/// Copies the blobs that a manifest names, some at once.
async fn blobs(origin: &Origin, destination: &Destination, manifest: &Held) -> Result<(), PublishFailure> {
    let Parts::Blobs(blobs) = Parts::of(&manifest.media_type, &manifest.bytes)? else {
        return Ok(());
    };
    // Boxed, or the compiler cannot tell that the whole may move between threads.
    let taking: Vec<_> = blobs
        .iter()
        .map(|blob| destination.take(blob, origin).boxed())
        .collect();
    let mut taking = futures::stream::iter(taking).buffer_unordered(BLOBS_AT_ONCE);
    while taking.try_next().await?.is_some() {}
    Ok(())
}
