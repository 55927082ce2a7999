//! What is known already: of layers and manifests by their digest, and which digest a reference had last.
//!
//! Facts of a digest never change, so nothing here expires; what was not asked for longest makes room. In memory
//! shared base layers stay at hand; on disk everything stays for the next run. The disk is a convenience: what
//! cannot be read or written there is looked at again, and never a failure.

mod hints;
mod lru;
mod store;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::layer::{LayerFacts, Lens};
use crate::image::{Digest, Reference};
use hints::Hints;
use lru::Lru;
use store::Store;

/// How many bytes the facts of layers may take in memory. The shared base layers of a few large images fit; a layer that
/// one image alone has is not asked for again.
pub const LAYER_MEMORY: usize = 8 << 20;

/// How many bytes manifests may take in memory: about a thousand of them.
pub const MANIFEST_MEMORY: usize = 2 << 20;

/// How many bytes the cache may take on disk.
pub const DISK: u64 = 512 << 20;

/// How large a cache may grow.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of layers' facts in memory.
    pub layer_memory: usize,
    /// Bytes of manifests in memory.
    pub manifest_memory: usize,
    /// Bytes on disk.
    pub disk: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            layer_memory: LAYER_MEMORY,
            manifest_memory: MANIFEST_MEMORY,
            disk: DISK,
        }
    }
}

/// Facts that take less than this, as they are stored, stay packed in memory: nearly every layer that one image alone has
/// is so small, unpacked it takes five times as much, and unpacking it takes microseconds.
const PACKED_BELOW: usize = 16 << 10;

/// What is known already.
#[derive(Debug)]
pub struct Cache {
    layers: Mutex<Lru<LayerKey, AtHand>>,
    manifests: Mutex<Lru<Digest, Arc<KnownManifest>>>,
    hints: Hints,
    store: Option<Store>,
}

/// A layer, and why it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LayerKey {
    pub(super) digest: Digest,
    pub(super) lens: Lens,
}

/// A layer that was read.
#[derive(Debug)]
pub(super) struct KnownLayer {
    /// Its size as it was read, which manifests must agree with.
    pub(super) size: u64,
    /// Roughly what its facts take in memory, in bytes.
    pub(super) weight: usize,
    /// What is known of it.
    pub(super) facts: Arc<LayerFacts>,
}

/// A layer's facts in memory.
#[derive(Clone, Debug)]
enum AtHand {
    Ready(Arc<KnownLayer>),
    /// As they are stored on disk.
    Packed(Arc<[u8]>),
}

/// A manifest or index that was read.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownManifest {
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
}

impl Cache {
    /// A cache in memory and, if a folder is given, on disk below it.
    pub fn new(folder: Option<PathBuf>, bounds: Bounds) -> Self {
        let store = folder.map(|folder| Store::new(folder, bounds.disk));
        Self {
            layers: Mutex::new(Lru::new(bounds.layer_memory)),
            manifests: Mutex::new(Lru::new(bounds.manifest_memory)),
            hints: Hints::open(store.as_ref().map(Store::hints_file)),
            store,
        }
    }

    /// A cache in memory alone.
    pub fn in_memory() -> Self {
        Self::new(None, Bounds::default())
    }

    /// Whether more is known than what is in memory, which then has to be waited for.
    pub(super) const fn is_on_disk(&self) -> bool {
        self.store.is_some()
    }

    /// A layer that is at hand.
    pub(super) fn layer_at_hand(&self, key: &LayerKey) -> Option<Arc<KnownLayer>> {
        let at_hand = locked(&self.layers).get(key)?;
        match at_hand {
            AtHand::Ready(layer) => Some(layer),
            AtHand::Packed(bytes) => KnownLayer::unpack(&bytes),
        }
    }

    /// A layer from disk. Blocks.
    pub(super) fn layer_on_disk(&self, key: &LayerKey) -> Option<Arc<KnownLayer>> {
        let bytes = self.store.as_ref()?.read(&key.file())?;
        let layer = KnownLayer::unpack(&bytes)?;
        self.keep_layer_at_hand(key, &layer, bytes);
        Some(layer)
    }

    /// Keeps what was read of a layer. Blocks.
    pub(super) fn keep_layer(&self, key: &LayerKey, size: u64, facts: LayerFacts) -> Arc<KnownLayer> {
        let bytes = postcard::to_stdvec(&(size, &facts)).unwrap_or_default();
        if let Some(store) = self.store.as_ref().filter(|_| !bytes.is_empty()) {
            store.write(&key.file(), &bytes);
        }
        let layer = Arc::new(KnownLayer::new(size, facts, bytes.len()));
        self.keep_layer_at_hand(key, &layer, bytes);
        layer
    }

    fn keep_layer_at_hand(&self, key: &LayerKey, layer: &Arc<KnownLayer>, bytes: Vec<u8>) {
        let (at_hand, weight) = if (1..PACKED_BELOW).contains(&bytes.len()) {
            let weight = bytes.len() + size_of::<LayerKey>();
            (AtHand::Packed(bytes.into()), weight)
        } else {
            (AtHand::Ready(Arc::clone(layer)), layer.weight)
        };
        locked(&self.layers).put(key.clone(), at_hand, weight);
    }

    /// A manifest, from memory or from disk. Blocks for one small file.
    pub(super) fn manifest(&self, digest: &Digest) -> Option<Arc<KnownManifest>> {
        if let Some(manifest) = locked(&self.manifests).get(digest) {
            return Some(manifest);
        }
        let bytes = self.store.as_ref()?.read(&manifest_file(digest))?;
        let manifest = Arc::new(postcard::from_bytes::<KnownManifest>(&bytes).ok()?);
        self.keep_at_hand(digest, &manifest);
        Some(manifest)
    }

    /// Keeps a manifest. Blocks for one small file.
    pub(super) fn keep_manifest(&self, digest: &Digest, manifest: KnownManifest) -> Arc<KnownManifest> {
        let manifest = Arc::new(manifest);
        if let (Some(store), Ok(bytes)) = (&self.store, postcard::to_stdvec(&*manifest)) {
            store.write(&manifest_file(digest), &bytes);
        }
        self.keep_at_hand(digest, &manifest);
        manifest
    }

    fn keep_at_hand(&self, digest: &Digest, manifest: &Arc<KnownManifest>) {
        let weight = manifest.bytes.len() + size_of::<KnownManifest>();
        locked(&self.manifests).put(digest.clone(), Arc::clone(manifest), weight);
    }

    /// The digest that a reference had last. It only spares a registry sending again what is known: whoever asks
    /// must be let in all the same, so credentials do not matter here.
    pub(super) fn hint(&self, reference: &Reference) -> Option<Digest> {
        self.hints.get(&reference.to_string())
    }

    /// Keeps the digest that a reference has.
    pub(super) fn keep_hint(&self, reference: &Reference, digest: &Digest) {
        self.hints.put(&reference.to_string(), digest);
    }
}

impl LayerKey {
    fn file(&self) -> String {
        let lens = match self.lens {
            Lens::ModuleImage => "modules",
            Lens::Toolkit => "toolkit",
        };
        format!("{}-{}.{lens}", self.digest.algorithm().name(), self.digest.hex())
    }
}

impl KnownLayer {
    /// What [`Cache::keep_layer`] has stored.
    fn unpack(bytes: &[u8]) -> Option<Arc<Self>> {
        let (size, facts) = postcard::from_bytes(bytes).ok()?;
        Some(Arc::new(Self::new(size, facts, bytes.len())))
    }

    /// Contents take about twice their stored size in memory.
    fn new(size: u64, facts: LayerFacts, stored: usize) -> Self {
        let weight = facts.paths().weight() + 2 * stored;
        Self {
            size,
            weight,
            facts: Arc::new(facts),
        }
    }
}

fn manifest_file(digest: &Digest) -> String {
    format!("{}-{}.manifest", digest.algorithm().name(), digest.hex())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
