//! The layers of an image: from memory, from disk, or streamed from their source.

use std::sync::Arc;
use std::time::Instant;

use futures::{FutureExt, StreamExt, TryStreamExt};

use super::cache::{KnownLayer, LayerKey};
use super::failure::{about, in_layer};
use super::flight::Came;
use super::layer::{self, ScanError, scan};
use super::{ImageRequest, LayerFacts, Lens, Shared, count, lost};
use crate::image::{Digest, LookFailure, LookFailureKind, Reference};
use crate::registry::{Blob, Descriptor};

/// How many layers of one image are asked for at once.
const LAYERS_AT_ONCE: usize = 6;

/// How much memory the facts of one image's layers may take together, in bytes.
const MAX_FACTS: usize = 256 << 20;

/// What is known of an image's layers, in their order.
pub(super) async fn layers(
    shared: &Arc<Shared>,
    request: &ImageRequest,
    descriptors: &[Descriptor],
    lens: Lens,
) -> Result<Vec<Arc<LayerFacts>>, LookFailure> {
    // Boxed, or the compiler cannot tell that the whole may move between threads.
    let reading: Vec<_> = descriptors
        .iter()
        .map(|descriptor| shared.layer(request, descriptor, lens).boxed())
        .collect();
    let mut layers = futures::stream::iter(reading).buffered(LAYERS_AT_ONCE);
    let mut facts = Vec::with_capacity(descriptors.len());
    let mut weight = 0;
    while let Some(layer) = layers.try_next().await? {
        weight += layer.weight;
        if weight > MAX_FACTS {
            let message = "its layers together have more files than this program keeps in memory";
            return Err(about(
                &request.reference,
                LookFailure::new(LookFailureKind::TooLarge, message),
            ));
        }
        facts.push(Arc::clone(&layer.facts));
    }
    Ok(facts)
}

impl Shared {
    /// One layer, read at most once by all who ask for it just now.
    ///
    /// What others fail at may succeed from here: the same layer of another repository, say. So nobody takes
    /// another's failure for his own.
    async fn layer(
        self: &Arc<Self>,
        request: &ImageRequest,
        descriptor: &Descriptor,
        lens: Lens,
    ) -> Result<Arc<KnownLayer>, LookFailure> {
        let key = LayerKey {
            digest: descriptor.digest.clone(),
            lens,
        };
        if let Some(layer) = self
            .cache
            .layer_at_hand(&key)
            .filter(|layer| layer.size == descriptor.size)
        {
            count(&self.counters.layers_known, 1);
            return Ok(layer);
        }
        let flight = (key.clone(), request.access.fingerprint());
        match self.reading.join(&flight, self.find(request, descriptor, &key)).await {
            (Ok(layer), _) if layer.size == descriptor.size => Ok(layer),
            (Err(failure), Came::First) => Err(failure),
            _ => self.find(request, descriptor, &key).await,
        }
    }

    async fn find(
        self: &Arc<Self>,
        request: &ImageRequest,
        descriptor: &Descriptor,
        key: &LayerKey,
    ) -> Result<Arc<KnownLayer>, LookFailure> {
        let wanted = key.clone();
        let on_disk = self
            .ask_cache(request, move |cache| cache.layer_on_disk(&wanted))
            .await?;
        if let Some(layer) = on_disk.filter(|layer| layer.size == descriptor.size) {
            count(&self.counters.layers_known, 1);
            return Ok(layer);
        }
        let blob = Box::pin(self.sources.blob(&request.reference, &request.access, descriptor)).await?;
        self.read(request, descriptor, key.clone(), blob).await
    }

    /// Reads a layer on a thread of its own. The turn is taken after the source has begun to answer, so that a
    /// slow one holds up nobody else.
    async fn read(
        self: &Arc<Self>,
        request: &ImageRequest,
        descriptor: &Descriptor,
        key: LayerKey,
        blob: Blob,
    ) -> Result<Arc<KnownLayer>, LookFailure> {
        let turn = Arc::clone(&self.scans).acquire_owned().await.map_err(|_closed| {
            about(
                &request.reference,
                LookFailure::new(LookFailureKind::Unreachable, "the program is ending"),
            )
        })?;
        let (shared, image, size) = (Arc::clone(self), request.reference.clone(), descriptor.size);
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let deadline = Instant::now().checked_add(shared.limits.image_deadline);
            let limits = layer::Limits {
                deadline,
                ..layer::Limits::default()
            };
            let facts = read_blob(&image, &key.digest, blob, key.lens, limits)?;
            count(&shared.counters.layers_scanned, 1);
            count(&shared.counters.bytes_scanned, size);
            Ok(shared.cache.keep_layer(&key, size, facts))
        });
        reading
            .await
            .unwrap_or_else(|error| Err(about(&request.reference, lost(&error))))
    }
}

/// Reads a blob to its end, and believes it only once its digest is right. A layer that makes no sense may be
/// another than the one that was asked for: then that is what is reported.
fn read_blob(
    image: &Reference,
    digest: &Digest,
    blob: Blob,
    lens: Lens,
    limits: layer::Limits,
) -> Result<LayerFacts, LookFailure> {
    let mut reader = blob.reader();
    match scan(&mut reader, lens, limits) {
        Ok(facts) => reader.finish().map(|()| facts),
        Err(error @ ScanError::Damaged(_)) => {
            reader.finish()?;
            Err(in_layer(image, digest, error))
        }
        Err(error) => Err(in_layer(image, digest, error)),
    }
}
