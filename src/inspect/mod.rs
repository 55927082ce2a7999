//! From an image to facts, by streaming only what is needed, and each layer once.
//!
//! An [`Inspector`] asks [`crate::registry::Sources`] for manifests and blobs, reads the layers ([`layer`]), shows
//! them one over the other ([`tree`]), and answers two questions: what will KMM's copy step take out of a module
//! image, and what does a driver toolkit say of a kernel. What is known of a digest is never asked for again
//! ([`cache`]): of an image that has not changed, one small request is all.

pub mod cache;
pub(crate) mod failure;
mod flight;
pub mod layer;
pub(crate) mod manifest;
mod reading;
mod resolving;
pub mod root;
mod stage;
mod toolkit;
pub mod tree;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::image::{Digest, LookFailure, LookFailureKind, Reference};
use crate::kernel::Architecture;
use crate::kmod::staged::StagedImage;
use crate::kmod::toolkit::ToolkitEvidence;
use crate::registry::{Access, Fingerprint, Sources};
use cache::{Cache, LayerKey};
use flight::Flights;
use layer::{LayerFacts, Lens};
use resolving::{Recent, Resolved};
pub use stage::StageRequest;
use tree::MergedTree;

/// How long looking at one image may take, waiting included.
pub const IMAGE_DEADLINE: Duration = Duration::from_mins(15);

/// How long an answer counts as fresh: within one run an image that many Modules use is asked for once.
pub const FRESH: Duration = Duration::from_secs(30);

/// How many layers are read at once. Most of them wait for their registry, so this is more than there are cores;
/// each may need some 10 MB.
pub const SCANS: usize = 16;

/// What looking at images may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time for one image.
    pub image_deadline: Duration,
    /// How long an answer counts as fresh.
    pub fresh: Duration,
    /// Layers read at once.
    pub scans: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            image_deadline: IMAGE_DEADLINE,
            fresh: FRESH,
            scans: SCANS,
        }
    }
}

/// Which image is looked at, and how.
#[derive(Clone, Debug)]
pub struct ImageRequest {
    /// The image.
    pub reference: Reference,
    /// Credentials and TLS.
    pub access: Access,
    /// The architecture of the nodes, where it is known.
    pub architecture: Option<Architecture>,
}

/// An image that was looked at.
#[derive(Clone, Debug)]
pub struct InspectedImage {
    /// The image.
    pub reference: Reference,
    /// The digest of what the reference names, which may be an index.
    pub digest: Digest,
    /// The digest of the manifest that a node would pull.
    pub platform_digest: Digest,
    /// What a container of it sees.
    pub tree: MergedTree,
}

impl InspectedImage {
    /// What KMM's copy step finds in it.
    pub fn stage(&self, request: &StageRequest) -> StagedImage {
        self.tree.stage(request)
    }
}

/// Looks at images. Clones share everything.
#[derive(Clone)]
pub struct Inspector {
    shared: Arc<Shared>,
}

/// What all inspections share.
struct Shared {
    sources: Sources,
    cache: Cache,
    limits: Limits,
    scans: Arc<Semaphore>,
    resolving: Flights<Question, Result<Arc<Resolved>, LookFailure>>,
    reading: Flights<(LayerKey, Fingerprint), Result<Arc<cache::KnownLayer>, LookFailure>>,
    recent: Recent,
    counters: Counters,
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What makes two requests the same.
type Question = (Reference, Fingerprint, Option<Architecture>);

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Manifests and indexes that were sent by a source.
    pub manifests_fetched: u64,
    /// Manifests that had not changed.
    pub manifests_unchanged: u64,
    /// Layers that were read.
    pub layers_scanned: u64,
    /// Compressed bytes of those layers.
    pub bytes_scanned: u64,
    /// Layers that were known already.
    pub layers_known: u64,
}

#[derive(Default)]
struct Counters {
    manifests_fetched: AtomicU64,
    manifests_unchanged: AtomicU64,
    layers_scanned: AtomicU64,
    bytes_scanned: AtomicU64,
    layers_known: AtomicU64,
}

impl Inspector {
    /// Looks at images of these sources.
    pub fn new(sources: Sources, cache: Cache, limits: Limits) -> Self {
        let shared = Shared {
            sources,
            cache,
            limits,
            scans: Arc::new(Semaphore::new(limits.scans.max(1))),
            resolving: Flights::default(),
            reading: Flights::default(),
            recent: Recent::new(limits.fresh),
            counters: Counters::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Looks at a module image.
    ///
    /// # Errors
    ///
    /// Why it could not be looked at, in words for a person; its kind decides what is to be done.
    pub async fn image(&self, request: &ImageRequest) -> Result<InspectedImage, LookFailure> {
        self.look(request, Lens::ModuleImage).await
    }

    /// Asks a driver toolkit about a kernel.
    ///
    /// # Errors
    ///
    /// As for [`Inspector::image`].
    pub async fn toolkit(&self, request: &ImageRequest, kernel: &str) -> Result<ToolkitEvidence, LookFailure> {
        let image = self.look(request, Lens::Toolkit).await?;
        let kernel = kernel.to_owned();
        let choosing = move || image.tree.toolkit(&image.reference.to_string(), &kernel);
        tokio::task::spawn_blocking(choosing)
            .await
            .map_err(|error| failure::about(&request.reference, lost(&error)))
    }

    /// What was done so far.
    pub fn stats(&self) -> Stats {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            manifests_fetched: read(&counters.manifests_fetched),
            manifests_unchanged: read(&counters.manifests_unchanged),
            layers_scanned: read(&counters.layers_scanned),
            bytes_scanned: read(&counters.bytes_scanned),
            layers_known: read(&counters.layers_known),
        }
    }

    async fn look(&self, request: &ImageRequest, lens: Lens) -> Result<InspectedImage, LookFailure> {
        let deadline = self.shared.limits.image_deadline;
        let looking = async {
            let resolved = self.shared.resolve(request).await?;
            let layers = reading::layers(&self.shared, request, &resolved.layers, lens).await?;
            Ok(InspectedImage {
                reference: request.reference.clone(),
                digest: resolved.digest.clone(),
                platform_digest: resolved.platform_digest.clone(),
                tree: MergedTree::new(layers),
            })
        };
        tokio::time::timeout(deadline, looking)
            .await
            .unwrap_or_else(|_elapsed| {
                let message = format!("that was not done after {} s", deadline.as_secs());
                Err(failure::about(
                    &request.reference,
                    LookFailure::new(LookFailureKind::Unreachable, message),
                ))
            })
    }
}

/// A thread of ours that did not come back: the program is ending, or has a fault.
fn lost(error: &tokio::task::JoinError) -> LookFailure {
    let why = if error.is_panic() {
        "this program has a fault; please report it"
    } else {
        "the program is ending"
    };
    LookFailure::new(LookFailureKind::Unreachable, why)
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
