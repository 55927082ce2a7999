//! From a reference to the layers that a node would pull.
//!
//! The image's configuration is never asked for. A manifest that is not part of an index is not checked against
//! its configuration's architecture: containerd and CRI-O pull it whatever that says, and the ELF header of its
//! `/bin/sh` tells the truth. That saves a request for each image.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::cache::{Cache, KnownManifest};
use super::failure::about;
use super::manifest::{ImageManifest, Index};
use super::{ImageRequest, Question, Shared, count, lost};
use crate::image::{Digest, LookFailure, LookFailureKind};
use crate::registry::{Descriptor, Manifest, is_index};

/// How deep indexes may be nested.
const MAX_INDEX_DEPTH: usize = 4;

/// How many fresh answers are remembered.
const MAX_RECENT: usize = 10_000;

/// What a reference stands for.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) digest: Digest,
    pub(super) platform_digest: Digest,
    pub(super) layers: Vec<Descriptor>,
}

impl Shared {
    /// What a reference stands for on nodes of an architecture.
    pub(super) async fn resolve(self: &Arc<Self>, request: &ImageRequest) -> Result<Arc<Resolved>, LookFailure> {
        let question = (
            request.reference.clone(),
            request.access.fingerprint(),
            request.architecture,
        );
        if let Some(resolved) = self.recent.get(&question) {
            return Ok(resolved);
        }
        let asking = async {
            let resolved = Arc::new(self.ask(request).await?);
            self.recent.put(&question, &resolved);
            Ok(resolved)
        };
        self.resolving.join(&question, asking).await.0
    }

    async fn ask(self: &Arc<Self>, request: &ImageRequest) -> Result<Resolved, LookFailure> {
        let (digest, mut manifest) = self.named_manifest(request).await?;
        let mut platform_digest = digest.clone();
        for _ in 0..=MAX_INDEX_DEPTH {
            let in_words = |failure| about(&request.reference, failure);
            if !is_index(&manifest.media_type) {
                let layers = ImageManifest::parse(&manifest.bytes).map_err(in_words)?.layers;
                return Ok(Resolved {
                    digest,
                    platform_digest,
                    layers,
                });
            }
            let index = Index::parse(&manifest.bytes).map_err(in_words)?;
            platform_digest = index.choose(request.architecture).map_err(in_words)?.clone();
            manifest = self.manifest_by_digest(request, &platform_digest).await?;
        }
        let message = format!("its indexes are nested more than {MAX_INDEX_DEPTH} deep");
        Err(about(
            &request.reference,
            LookFailure::new(LookFailureKind::Damaged, message),
        ))
    }

    /// The manifest that the reference names: asked for always, but not sent again where it is known.
    async fn named_manifest(
        self: &Arc<Self>,
        request: &ImageRequest,
    ) -> Result<(Digest, Arc<KnownManifest>), LookFailure> {
        let ImageRequest { reference, access, .. } = request;
        let known = self.known_manifest(request).await?;
        let hint = known.as_ref().map(|(digest, _)| digest);
        // Boxed, as all futures of requests: they are large, and most images wait for their turn.
        let answer = Box::pin(self.sources.manifest(reference, access, hint)).await?;
        match (answer, known) {
            (Manifest::Unchanged(_), Some(known)) => {
                count(&self.counters.manifests_unchanged, 1);
                Ok(known)
            }
            (
                Manifest::Fetched {
                    digest,
                    media_type,
                    bytes,
                },
                _,
            ) => {
                let manifest = self.keep(request, &digest, media_type, &bytes).await?;
                self.cache.keep_hint(reference, &digest);
                Ok((digest, manifest))
            }
            (Manifest::Unchanged(_), None) => Err(contradiction(request)),
        }
    }

    /// The manifest that the reference named last, if it is still at hand.
    async fn known_manifest(
        self: &Arc<Self>,
        request: &ImageRequest,
    ) -> Result<Option<(Digest, Arc<KnownManifest>)>, LookFailure> {
        let reference = request.reference.clone();
        self.ask_cache(request, move |cache| {
            let digest = cache.hint(&reference)?;
            let manifest = cache.manifest(&digest)?;
            Some((digest, manifest))
        })
        .await
    }

    async fn manifest_by_digest(
        self: &Arc<Self>,
        request: &ImageRequest,
        digest: &Digest,
    ) -> Result<Arc<KnownManifest>, LookFailure> {
        let wanted = digest.clone();
        let known = self.ask_cache(request, move |cache| cache.manifest(&wanted)).await?;
        if let Some(manifest) = known {
            return Ok(manifest);
        }
        let (sources, access) = (&self.sources, &request.access);
        match Box::pin(sources.manifest_by_digest(&request.reference, access, digest)).await? {
            Manifest::Fetched { media_type, bytes, .. } => self.keep(request, digest, media_type, &bytes).await,
            Manifest::Unchanged(_) => Err(contradiction(request)),
        }
    }

    async fn keep(
        self: &Arc<Self>,
        request: &ImageRequest,
        digest: &Digest,
        media_type: String,
        bytes: &[u8],
    ) -> Result<Arc<KnownManifest>, LookFailure> {
        count(&self.counters.manifests_fetched, 1);
        let manifest = KnownManifest {
            media_type,
            bytes: bytes.to_vec(),
        };
        let digest = digest.clone();
        self.ask_cache(request, move |cache| cache.keep_manifest(&digest, manifest))
            .await
    }

    /// Asks the cache, or gives it something to keep: on a thread that may wait, where there is a disk to wait for.
    pub(super) async fn ask_cache<T: Send + 'static>(
        self: &Arc<Self>,
        request: &ImageRequest,
        work: impl FnOnce(&Cache) -> T + Send + 'static,
    ) -> Result<T, LookFailure> {
        if !self.cache.is_on_disk() {
            return Ok(work(&self.cache));
        }
        let shared = Arc::clone(self);
        let working = tokio::task::spawn_blocking(move || work(&shared.cache));
        working.await.map_err(|error| about(&request.reference, lost(&error)))
    }
}

fn contradiction(request: &ImageRequest) -> LookFailure {
    let message = "its source says that the manifest has not changed, though none was known";
    about(
        &request.reference,
        LookFailure::new(LookFailureKind::Unreachable, message),
    )
}

/// Answers that are still fresh.
#[derive(Debug)]
pub(super) struct Recent {
    fresh: Duration,
    answers: Mutex<HashMap<Question, (Instant, Arc<Resolved>)>>,
}

impl Recent {
    pub(super) fn new(fresh: Duration) -> Self {
        Self {
            fresh,
            answers: Mutex::default(),
        }
    }

    fn get(&self, question: &Question) -> Option<Arc<Resolved>> {
        let answers = self.locked();
        answers
            .get(question)
            .filter(|(since, _)| since.elapsed() < self.fresh)
            .map(|(_, resolved)| Arc::clone(resolved))
    }

    fn put(&self, question: &Question, resolved: &Arc<Resolved>) {
        let mut answers = self.locked();
        if answers.len() >= MAX_RECENT {
            answers.retain(|_, (since, _)| since.elapsed() < self.fresh);
        }
        if answers.len() < MAX_RECENT {
            answers.insert(question.clone(), (Instant::now(), Arc::clone(resolved)));
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Question, (Instant, Arc<Resolved>)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
