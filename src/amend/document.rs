//! An image's manifest and configuration with one more layer; an index with other manifests in the old ones' places.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fields::Fields;
use crate::image::{Digest, LookFailure, LookFailureKind, Platform};
use crate::registry::Descriptor;

/// When an image was made, in annotations (image specification, "pre-defined annotation keys").
const CREATED: &str = "org.opencontainers.image.created";
/// What buildkit's attestations say which image they are about.
const ATTESTED: &str = "vnd.docker.reference.digest";

/// An image's manifest.
pub(super) struct ImageDocument {
    media_type: String,
    manifest: Fields,
    layers: Vec<Box<RawValue>>,
    /// The configuration.
    pub(super) config: Descriptor,
}

/// What one more layer is.
pub(super) struct NewLayer<'a> {
    /// The layer as it is stored.
    pub(super) descriptor: &'a Descriptor,
    /// The digest of its tar.
    pub(super) diff_id: &'a Digest,
    /// When it was made.
    pub(super) created: Timestamp,
    /// By what.
    pub(super) created_by: &'a str,
}

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

#[derive(Deserialize)]
struct Step {
    #[serde(default)]
    empty_layer: bool,
}

impl ImageDocument {
    /// Reads a manifest of that media type.
    pub(super) fn parse(media_type: &str, bytes: &[u8]) -> Result<Self, LookFailure> {
        let manifest = Fields::parse(bytes).map_err(|error| malformed("manifest", &error))?;
        let field = |error| malformed("manifest", &error);
        let config: Option<Descriptor> = manifest.get("config").map_err(field)?;
        Ok(Self {
            media_type: media_type.to_owned(),
            layers: manifest.get("layers").map_err(field)?.unwrap_or_default(),
            manifest,
            config: config.ok_or_else(|| damaged("its manifest names no configuration"))?,
        })
    }

    /// How its topmost layer is compressed; one more is compressed likewise. Docker's own types know gzip alone.
    pub(super) fn packing(&self) -> Packing {
        let top: Option<Descriptor> = self.layers.last().and_then(|top| serde_json::from_str(top.get()).ok());
        let media_type = top.map(|top| top.media_type).unwrap_or_default();
        match media_type.rsplit(['.', '+']).next() {
            Some("zstd") if !self.is_docker() => Packing::Zstd,
            Some("tar") => Packing::Plain,
            _ => Packing::Gzip,
        }
    }

    /// The media type of a layer of this image that is compressed so.
    pub(super) fn layer_type(&self, packing: Packing) -> &'static str {
        match (self.is_docker(), packing) {
            (true, Packing::Plain) => "application/vnd.docker.image.rootfs.diff.tar",
            (true, _) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (false, Packing::Plain) => "application/vnd.oci.image.layer.v1.tar",
            (false, Packing::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (false, Packing::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    fn is_docker(&self) -> bool {
        self.media_type.contains("docker")
    }

    /// The configuration with one more layer.
    pub(super) fn amended_config(&self, config: &[u8], new: &NewLayer<'_>) -> Result<Vec<u8>, LookFailure> {
        let field = |error| malformed("configuration", &error);
        let mut config = Fields::parse(config).map_err(field)?;
        let mut rootfs: Fields = config
            .get("rootfs")
            .map_err(field)?
            .ok_or_else(|| damaged("its configuration has no rootfs"))?;
        let mut diff_ids: Vec<Digest> = rootfs.get("diff_ids").map_err(field)?.unwrap_or_default();
        if diff_ids.len() != self.layers.len() {
            return Err(damaged(&format!(
                "its manifest has {} layers, and its configuration {}",
                self.layers.len(),
                diff_ids.len()
            )));
        }
        diff_ids.push(new.diff_id.clone());
        rootfs.set("diff_ids", &diff_ids).map_err(field)?;
        config.set("rootfs", &rootfs).map_err(field)?;
        self.extend_history(&mut config, new).map_err(field)?;
        config.set("created", &new.created).map_err(field)?;
        config.bytes().map_err(field)
    }

    /// Adds a step to the history, unless it does not tell of all layers anyway.
    fn extend_history(&self, config: &mut Fields, new: &NewLayer<'_>) -> serde_json::Result<()> {
        let Some(mut history) = config.get::<Vec<Box<RawValue>>>("history")? else {
            return Ok(());
        };
        if history.iter().filter(|step| makes_layer(step)).count() != self.layers.len() {
            return Ok(());
        }
        let step = json!({"created": new.created, "created_by": new.created_by});
        history.push(serde_json::value::to_raw_value(&step)?);
        config.set("history", &history)
    }

    /// The manifest with one more layer and another configuration.
    pub(super) fn amended(&self, config: &Descriptor, new: &NewLayer<'_>) -> Result<Vec<u8>, LookFailure> {
        let write = || -> serde_json::Result<Vec<u8>> {
            let mut manifest = self.manifest.clone();
            let part: Option<Fields> = manifest.get("config")?;
            let mut part = part.ok_or_else(|| serde_json::Error::custom("no configuration"))?;
            part.set("digest", &config.digest)?;
            part.set("size", &config.size)?;
            manifest.set("config", &part)?;
            let Descriptor {
                digest,
                size,
                media_type,
            } = new.descriptor;
            let layer = json!({"mediaType": media_type, "digest": digest, "size": size});
            let mut layers = self.layers.clone();
            layers.push(serde_json::value::to_raw_value(&layer)?);
            manifest.set("layers", &layers)?;
            renew_date(&mut manifest, new.created)?;
            manifest.bytes()
        };
        write().map_err(|error| malformed("manifest", &error))
    }
}

/// An index.
pub(super) struct IndexDocument {
    index: Fields,
    entries: Vec<Fields>,
}

/// An entry of an index.
pub(super) struct IndexEntry {
    /// Its manifest's digest.
    pub(super) digest: Digest,
    /// Its platform, for messages.
    pub(super) platform: String,
    /// Whether it vouches for another entry, of which it says what was built how.
    pub(super) is_attestation: bool,
}

impl IndexDocument {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, LookFailure> {
        let index = Fields::parse(bytes).map_err(|error| malformed("index", &error))?;
        let entries = index.get("manifests").map_err(|error| malformed("index", &error))?;
        Ok(Self {
            entries: entries.unwrap_or_default(),
            index,
        })
    }

    /// Its entries.
    pub(super) fn entries(&self) -> Result<Vec<IndexEntry>, LookFailure> {
        let entries = self.entries.iter().map(entry_of);
        let entries: serde_json::Result<Option<Vec<_>>> = entries.collect();
        let entries = entries.map_err(|error| malformed("index", &error))?;
        entries.ok_or_else(|| damaged("its index has an entry without a digest"))
    }

    /// The index with other manifests: of each old entry the new descriptor, or nothing where it is to go.
    pub(super) fn amended(&self, new: &[Option<Descriptor>], created: Timestamp) -> Result<Vec<u8>, LookFailure> {
        let write = || -> serde_json::Result<Vec<u8>> {
            let mut entries = Vec::new();
            for (entry, new) in self.entries.iter().zip(new) {
                let Some(new) = new else { continue };
                let mut entry = entry.clone();
                entry.set("digest", &new.digest)?;
                entry.set("size", &new.size)?;
                entries.push(entry);
            }
            let mut index = self.index.clone();
            index.set("manifests", &entries)?;
            renew_date(&mut index, created)?;
            index.bytes()
        };
        write().map_err(|error| malformed("index", &error))
    }
}

/// Whether a step of the history made a layer.
fn makes_layer(step: &RawValue) -> bool {
    let step: Option<Step> = serde_json::from_str(step.get()).ok();
    step.is_none_or(|step| !step.empty_layer)
}

fn entry_of(entry: &Fields) -> serde_json::Result<Option<IndexEntry>> {
    let Some(digest) = entry.get("digest")? else {
        return Ok(None);
    };
    let platform: Option<Platform> = entry.get("platform")?;
    let annotations: Option<Value> = entry.get("annotations")?;
    let attests = annotations.is_some_and(|annotations| annotations.get(ATTESTED).is_some());
    Ok(Some(IndexEntry {
        digest,
        is_attestation: attests || platform.as_ref().is_some_and(Platform::is_unknown),
        platform: platform.map_or_else(|| "no platform".to_owned(), |platform| platform.to_string()),
    }))
}

/// Sets the date of the annotations, where they have one.
fn renew_date(document: &mut Fields, created: Timestamp) -> serde_json::Result<()> {
    let annotations: Option<Fields> = document.get("annotations")?;
    let Some(mut annotations) = annotations else {
        return Ok(());
    };
    if annotations.get::<Value>(CREATED)?.is_some() {
        annotations.set(CREATED, &created)?;
        document.set("annotations", &annotations)?;
    }
    Ok(())
}

fn malformed(what: &str, error: &serde_json::Error) -> LookFailure {
    damaged(&format!("its {what} is malformed: {error}"))
}

fn damaged(message: &str) -> LookFailure {
    LookFailure::new(LookFailureKind::Damaged, message)
}
