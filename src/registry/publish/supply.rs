//! Where the bytes of a blob that is pushed come from. They may be wanted more than once: a push is tried again.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Origin;
use crate::image::{Digest, LookFailure, LookFailureKind};
use crate::registry::blob::{Blob, Source};
use crate::registry::{Descriptor, hashing};

/// How many chunks wait for the wire.
const WAITING_CHUNKS: usize = 4;

/// Where the bytes of a blob come from.
#[derive(Clone, Copy)]
pub(super) enum Supply<'a> {
    /// Memory.
    Bytes(&'a Bytes),
    /// A file of ours.
    File(&'a Path),
    /// The image that is copied.
    Image(&'a Origin),
}

/// A blob on its way: chunks, and at last the failure that ended them.
pub(super) type Chunks = mpsc::Receiver<Result<Bytes, LookFailure>>;

impl Supply<'_> {
    /// Begins to read; size and digest are checked on the way.
    pub(super) async fn open(&self, descriptor: &Descriptor) -> Result<Chunks, LookFailure> {
        let blob = match self {
            Self::Bytes(bytes) => return Ok(whole(Bytes::clone(bytes))),
            Self::File(path) => open_file(path.to_path_buf(), descriptor)?,
            Self::Image(origin) => {
                let Origin {
                    sources,
                    reference,
                    access,
                    ..
                } = origin;
                sources.blob(reference, access, descriptor).await?
            }
        };
        let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
        tokio::task::spawn_blocking(move || blob.reader().pour_into(&sender));
        Ok(receiver)
    }
}

fn whole(bytes: Bytes) -> Chunks {
    let (sender, receiver) = mpsc::channel(1);
    // There is room for one.
    let _ = sender.try_send(Ok(bytes));
    receiver
}

fn open_file(path: PathBuf, descriptor: &Descriptor) -> Result<Blob, LookFailure> {
    let name = path.display().to_string();
    let file = std::fs::File::open(&path).map_err(|error| {
        let message = format!("{name} cannot be read: {error}");
        LookFailure::new(LookFailureKind::Damaged, message)
    })?;
    Ok(Blob::new(name, descriptor.clone(), Source::file(path, file)))
}

/// The descriptor of bytes in memory.
pub(super) fn describe(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        digest: digest_of(bytes),
        size: bytes.len() as u64,
        media_type: media_type.to_owned(),
    }
}

/// The digest by which registries know these bytes.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    hashing::digest_of(crate::image::DigestAlgorithm::Sha256, bytes)
}
