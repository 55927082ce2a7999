//! An OCI image layout with one image for each case.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::layer::Tree;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The layout, while it is being written.
pub(crate) struct Layout {
    folder: PathBuf,
    architecture: &'static str,
    manifests: Vec<Value>,
    written: BTreeSet<String>,
}

impl Layout {
    /// An empty layout, in place of what stands there.
    pub(crate) fn create(folder: &Path, architecture: &'static str) -> anyhow::Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(Self {
            folder: folder.to_owned(),
            architecture,
            manifests: Vec::new(),
            written: BTreeSet::new(),
        })
    }

    /// Adds an image; returns its layers' names, by which `layer` finds them.
    pub(crate) fn add(&mut self, reference: &str, layers: &[Tree]) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut described = Vec::new();
        for layer in layers {
            let layer = layer.tar()?;
            let descriptor = self.blob(LAYER, &layer)?;
            names.push(hex(&layer));
            described.push(descriptor);
        }
        let diff_ids: Vec<String> = names.iter().map(|name| format!("sha256:{name}")).collect();
        let config = json!({
            "architecture": self.architecture, "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = self.blob(CONFIG, config.to_string().as_bytes())?;
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": described});
        let mut descriptor = self.blob(MANIFEST, manifest.to_string().as_bytes())?;
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": reference});
        self.manifests.push(descriptor);
        Ok(names)
    }

    /// Where a layer stands.
    pub(crate) fn layer(&self, name: &str) -> PathBuf {
        self.folder.join("blobs/sha256").join(name)
    }

    /// Writes the index; nothing is added after that.
    pub(crate) fn finish(&self) -> anyhow::Result<()> {
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": self.manifests,
        });
        Ok(fs::write(self.folder.join("index.json"), index.to_string())?)
    }

    fn blob(&mut self, kind: &str, bytes: &[u8]) -> anyhow::Result<Value> {
        let name = hex(bytes);
        if self.written.insert(name.clone()) {
            fs::write(self.layer(&name), bytes)?;
        }
        Ok(json!({"mediaType": kind, "digest": format!("sha256:{name}"), "size": bytes.len()}))
    }
}

/// The SHA-256 of bytes, as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for byte in digest(&SHA256, bytes).as_ref() {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
