//! Images for the fake registry and for layouts on disk: a configuration, layers as bytes, and the manifest of both.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

/// The media type of an OCI image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an OCI image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of a gzipped layer.
pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The media type of a plain layer.
pub const LAYER_PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
/// The media type of a layer compressed by zstd.
pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// `sha256:…` of these bytes.
pub fn digest_of(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in digest(&SHA256, bytes).as_ref() {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// An image: what a registry stores of it.
#[derive(Clone, Debug)]
pub struct FakeImage {
    architecture: String,
    layers: Vec<(String, Vec<u8>)>,
    types: [&'static str; 2],
    config: Option<Vec<u8>>,
}

impl Default for FakeImage {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeImage {
    /// An image for amd64 without layers.
    pub fn new() -> Self {
        Self {
            architecture: "amd64".to_owned(),
            layers: Vec::new(),
            types: [MANIFEST, "application/vnd.oci.image.config.v1+json"],
            config: None,
        }
    }

    /// With the media types of Docker.
    #[must_use]
    pub fn of_docker(mut self) -> Self {
        self.types = [
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.container.image.v1+json",
        ];
        self
    }

    /// With these bytes as its configuration.
    #[must_use]
    pub fn with_config(mut self, config: impl Into<Vec<u8>>) -> Self {
        self.config = Some(config.into());
        self
    }

    /// Another architecture, in Go's words (`amd64`, `arm64`, `ppc64le`, `s390x`).
    #[must_use]
    pub fn architecture(mut self, architecture: &str) -> Self {
        architecture.clone_into(&mut self.architecture);
        self
    }

    /// One more layer, as it lies in the registry: compressed by whatever the media type says.
    #[must_use]
    pub fn layer(mut self, media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.layers.push((media_type.to_owned(), bytes.into()));
        self
    }

    /// The configuration.
    pub fn config(&self) -> Vec<u8> {
        if let Some(config) = &self.config {
            return config.clone();
        }
        let config = json!({
            "architecture": self.architecture, "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids()},
        });
        config.to_string().into_bytes()
    }

    /// The digests of the layers once they are decompressed.
    pub fn diff_ids(&self) -> Vec<String> {
        let unpacked = |bytes: &Vec<u8>| {
            let mut plain = Vec::new();
            let gzip = flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain);
            gzip.ok().map(|_| plain).or_else(|| zstd::decode_all(&bytes[..]).ok())
        };
        let digest = |(_, bytes): &(String, Vec<u8>)| digest_of(&unpacked(bytes).unwrap_or_else(|| bytes.clone()));
        self.layers.iter().map(digest).collect()
    }

    /// The manifest of the configuration and the layers.
    pub fn manifest(&self) -> Vec<u8> {
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|(kind, bytes)| descriptor(kind, bytes))
            .collect();
        let config = descriptor(self.types[1], &self.config());
        json!({"schemaVersion": 2, "mediaType": self.types[0], "config": config, "layers": layers})
            .to_string()
            .into_bytes()
    }

    /// The digest of the manifest.
    pub fn digest(&self) -> String {
        digest_of(&self.manifest())
    }

    /// Every blob of the image: the configuration, then the layers.
    pub fn blobs(&self) -> Vec<Vec<u8>> {
        let layers = self.layers.iter().map(|(_, bytes)| bytes.clone());
        std::iter::once(self.config()).chain(layers).collect()
    }

    /// The entry of an image index that names this image.
    pub fn index_entry(&self) -> Value {
        let mut entry = descriptor(self.types[0], &self.manifest());
        entry["platform"] = json!({"architecture": self.architecture, "os": "linux"});
        entry
    }
}

/// An image index (a manifest list) of these entries.
pub fn index_of(entries: &[Value]) -> Vec<u8> {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
        .to_string()
        .into_bytes()
}

/// The descriptor of these bytes.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest_of(bytes), "size": bytes.len()})
}

/// An OCI image layout as `skopeo copy … oci:DIR:REF` writes it, one name per image.
pub fn write_layout(folder: &Path, images: &[(&str, &FakeImage)]) {
    let mut entries = Vec::new();
    for (name, image) in images {
        for blob in image.blobs() {
            write_blob(folder, &blob);
        }
        write_blob(folder, &image.manifest());
        let mut entry = descriptor(image.types[0], &image.manifest());
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        entries.push(entry);
    }
    write_layout_index(folder, &entries);
}

/// The two files that make a folder of blobs an OCI image layout.
pub fn write_layout_index(folder: &Path, entries: &[Value]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    std::fs::write(folder.join("index.json"), index_of(entries)).unwrap();
}

/// Puts one blob into a layout.
pub fn write_blob(folder: &Path, bytes: &[u8]) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let hex = digest_of(bytes).replace("sha256:", "");
    std::fs::write(blobs.join(hex), bytes).unwrap();
}
