//! An image and files of it that were changed → the same image with one more layer, everything else byte for byte.
//!
//! KMM signs by a Dockerfile: a helper image with a copy of `dirName`, `sign-file` on each file, the copy over the
//! image. What comes of it here is what a node would see then, without a shell, and without a copy of the rest: one
//! layer on top with the signed files and the folders above them.
//!
//! Of an index, KMM's builder signs the image of one platform and pushes that alone. So does this where the
//! architecture is known. Where it is not, the image of every platform is signed and the index keeps its form: no
//! unsigned image ever stands under the name of a signed one. Attestations of the unsigned images are left out.

mod document;
mod fields;
mod glob;
mod layer;
mod reading;
mod selection;
mod trouble;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

pub use trouble::{AmendFailure, SelectionProblem};

use crate::image::{Digest, LookFailure, LookFailureKind};
use crate::inspect::failure;
use crate::inspect::layer::Limits;
use crate::inspect::manifest::{ImageManifest, Index, MAX_LAYERS};
use crate::kernel::Architecture;
use crate::registry::{Descriptor, Destination, Held, Origin, is_index};
use document::{ImageDocument, IndexDocument, NewLayer};
use selection::Selection;

/// The largest configuration that is read: real ones have some ten KiB.
const CONFIG_CAP: u64 = 8 << 20;
/// How many blobs are taken over at once.
const BLOBS_AT_ONCE: usize = 3;
/// How deep indexes may be nested.
const INDEX_DEPTH: usize = 4;
/// The longest history entry, in characters: a hundred paths are no news.
const CREATED_BY_CAP: usize = 1000;
/// `modprobe.dirName` where a Module does not set it.
pub const DEFAULT_DIR_NAME: &str = "/opt";

/// Makes the signed form of a file from its path and its bytes; else why not, in words.
pub type Signer = Arc<dyn Fn(&str, &[u8]) -> Result<Vec<u8>, String> + Send + Sync>;

/// What is to be done to an image.
#[derive(Clone)]
pub struct Amendment {
    /// The entries of `filesToSign`: paths and shell patterns.
    pub files: Vec<String>,
    /// The Module's `modprobe.dirName`: nothing outside of it is signed.
    pub dir_name: String,
    /// The nodes' architecture, where it is known.
    pub architecture: Option<Architecture>,
    /// When this happens, for the image's history.
    pub created: Timestamp,
    /// How long reading one layer may take.
    pub layer_deadline: Duration,
    /// What makes the signed files.
    pub signer: Signer,
    /// Is told of every step.
    pub on_step: Arc<dyn Fn(&Step<'_>) + Send + Sync>,
}

/// A step on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A layer is read; which of them, from 1 for the lowest, and of how many.
    Reading(usize, usize),
    /// A file is signed.
    Signing(&'a str),
    /// The image is put together.
    Writing,
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading(layer, layers) => write!(f, "reading layer {layer} of {layers}"),
            Self::Signing(path) => write!(f, "signing /{path}"),
            Self::Writing => f.write_str("writing the image"),
        }
    }
}

/// What became of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amended {
    /// The digest of the result: of an image's manifest, or of an index.
    pub digest: Digest,
    /// How many files were signed.
    pub files: usize,
    /// What its owner should know.
    pub warnings: Vec<String>,
}

/// Reads an image, signs files of it, and writes the result under its name, as the last thing of all.
///
/// # Errors
///
/// Where the image cannot be read, an entry selects nothing, a file cannot be signed, or the result not be written.
/// Nothing has the name then that did not have it before.
pub async fn amend(amendment: &Amendment, origin: &Origin, destination: &Destination) -> Result<Amended, AmendFailure> {
    let job = Job {
        amendment,
        origin,
        destination,
    };
    let (manifest, files, mut warnings) = job.run().await?;
    destination.name(&manifest).await?;
    if files == 0 {
        warnings.push("filesToSign is empty, so nothing was signed: the image is the unsigned one".to_owned());
    }
    Ok(Amended {
        digest: manifest.digest,
        files,
        warnings,
    })
}

struct Job<'a> {
    amendment: &'a Amendment,
    origin: &'a Origin,
    destination: &'a Destination,
}

impl Job<'_> {
    /// The manifest that is to have the name, and all it names in place.
    async fn run(&self) -> Result<(Held, usize, Vec<String>), AmendFailure> {
        let mut manifest = self.origin.manifest().await?;
        for _ in 0..=INDEX_DEPTH {
            if !is_index(&manifest.media_type) {
                let (manifest, files) = self.image(&manifest).await?;
                return Ok((manifest, files, Vec::new()));
            }
            let Some(architecture) = self.amendment.architecture else {
                return self.every_platform(&manifest).await;
            };
            let index = Index::parse(&manifest.bytes).map_err(|failure| self.about(failure))?;
            let chosen = index
                .choose(Some(architecture))
                .map_err(|failure| self.about(failure))?;
            manifest = self.origin.manifest_by_digest(chosen).await?;
        }
        let message = format!("its indexes are nested more than {INDEX_DEPTH} deep");
        Err(self.about(LookFailure::new(LookFailureKind::Damaged, message)))
    }

    /// Signs the image of every platform.
    async fn every_platform(&self, manifest: &Held) -> Result<(Held, usize, Vec<String>), AmendFailure> {
        let index = IndexDocument::parse(&manifest.bytes).map_err(|failure| self.about(failure))?;
        let (mut amended, mut files, mut dropped) = (Vec::new(), 0, 0);
        for entry in index.entries().map_err(|failure| self.about(failure))? {
            if entry.is_attestation && !self.amendment.files.is_empty() {
                dropped += 1;
                amended.push(None);
                continue;
            }
            let image = self.origin.manifest_by_digest(&entry.digest).await?;
            if is_index(&image.media_type) {
                let message = format!("its index has an index for {}; name the --architecture", entry.platform);
                return Err(self.about(LookFailure::new(LookFailureKind::UnknownPlatform, message)));
            }
            let (image, signed) = self.image(&image).await?;
            self.destination.put_manifest(&image).await?;
            files += signed;
            amended.push(Some(image.descriptor()));
        }
        let bytes = index.amended(&amended, self.amendment.created);
        let bytes = bytes.map_err(|failure| self.about(failure))?;
        let warning = format!("{dropped} attestations of the unsigned images were left out");
        let warnings = (dropped > 0).then_some(warning).into_iter().collect();
        Ok((Held::new(&manifest.media_type, bytes), files, warnings))
    }

    /// Signs one image; everything that its manifest names is in place then.
    async fn image(&self, manifest: &Held) -> Result<(Held, usize), AmendFailure> {
        let document = ImageDocument::parse(&manifest.media_type, &manifest.bytes);
        let document = document.map_err(|failure| self.about(failure))?;
        let layers = ImageManifest::parse(&manifest.bytes)
            .map_err(|failure| self.about(failure))?
            .layers;
        if self.amendment.files.is_empty() {
            self.take(std::iter::once(&document.config).chain(&layers)).await?;
            return Ok((manifest.clone(), 0));
        }
        if layers.len() >= MAX_LAYERS {
            let message = format!("it has {MAX_LAYERS} layers, and nodes mount no more: there is no room for another");
            return Err(self.about(LookFailure::new(LookFailureKind::TooLarge, message)));
        }
        let config = self.origin.blob(&document.config).await?.read_whole(CONFIG_CAP).await?;
        let (surveys, selection) = self.select(&layers).await?;
        let finished = self.sign(&document, &layers, surveys, &selection).await?;
        (self.amendment.on_step)(&Step::Writing);
        let media_type = document.layer_type(document.packing());
        let descriptor = self.destination.put_blob(finished.blob, media_type).await?;
        let new = NewLayer {
            descriptor: &descriptor,
            diff_id: &finished.diff_id,
            created: self.amendment.created,
            created_by: &created_by(&selection),
        };
        self.take(layers.iter()).await?;
        let signed = self.write(&document, &config, &new).await?;
        let files = selection.len();
        Ok((Held::new(&manifest.media_type, signed), files))
    }

    /// The new manifest; its configuration is put in place.
    async fn write(
        &self,
        document: &ImageDocument,
        config: &[u8],
        new: &NewLayer<'_>,
    ) -> Result<Vec<u8>, AmendFailure> {
        let config = document.amended_config(config, new);
        let config = Bytes::from(config.map_err(|failure| self.about(failure))?);
        let media_type = &document.config.media_type;
        let config = self.destination.put_bytes(&config, media_type).await?;
        document.amended(&config, new).map_err(|failure| self.about(failure))
    }

    /// Takes blobs over as they are.
    async fn take(&self, blobs: impl Iterator<Item = &Descriptor>) -> Result<(), AmendFailure> {
        // Boxed, or the compiler cannot tell that the whole may move between threads.
        let taking: Vec<_> = blobs
            .map(|blob| self.destination.take(blob, self.origin).boxed())
            .collect();
        let mut taking = futures::stream::iter(taking).buffer_unordered(BLOBS_AT_ONCE);
        while taking.try_next().await?.is_some() {}
        Ok(())
    }

    fn limits(&self) -> Limits {
        Limits {
            deadline: Instant::now().checked_add(self.amendment.layer_deadline),
            ..Limits::default()
        }
    }

    fn about(&self, failure: LookFailure) -> AmendFailure {
        AmendFailure::Read(failure::about(self.origin.reference(), failure))
    }
}

/// What the image's history says of the new layer.
fn created_by(selection: &Selection) -> String {
    let paths: Vec<String> = selection.keys().map(|path| format!("/{path}")).collect();
    let text = format!("kmm-preflight sign {}", paths.join(" "));
    text.chars().take(CREATED_BY_CAP).collect()
}
