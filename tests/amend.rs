//! One more layer: which files are signed, what the result is like, what of the image is read and written at all.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect")]

mod support;

#[path = "amend/files.rs"]
mod files;
#[path = "amend/image.rs"]
mod image;
#[path = "amend/index.rs"]
mod index;
#[path = "amend/program.rs"]
mod program;
#[path = "amend/selection.rs"]
mod selection;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use kmm_preflight::amend::{AmendFailure, Amended, Amendment, amend};
use kmm_preflight::kernel::Architecture;
use kmm_preflight::registry::{Access, Location, Settings, Shipped, Sources};
use serde_json::{Value, json};
use tempfile::TempDir;

use support::fake_image::{FakeImage, LAYER_GZIP, LAYER_PLAIN, LAYER_ZSTD, digest_of, write_layout};
use support::fake_layer::FakeLayer;

/// When everything here is signed.
const NOW: &str = "2026-11-23T03:00:00Z";

/// A folder with the layout `from`, and room for the layout `to`.
struct Bench {
    folder: Arc<TempDir>,
    asked: Arc<Mutex<Vec<String>>>,
    architecture: Option<Architecture>,
    dir_name: &'static str,
}

impl Bench {
    fn new(image: &FakeImage) -> Self {
        let bench = Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            asked: Arc::default(),
            architecture: None,
            dir_name: "/opt",
        };
        write_layout(&bench.from(), &[("x", image)]);
        bench
    }

    fn from(&self) -> PathBuf {
        self.folder.path().join("from")
    }

    fn to(&self) -> PathBuf {
        self.folder.path().join("to")
    }

    /// What signs here: it puts its mark behind the file, and refuses a file that says so.
    fn amendment(&self, files: &[&str]) -> Amendment {
        let asked = Arc::clone(&self.asked);
        Amendment {
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            dir_name: self.dir_name.to_owned(),
            architecture: self.architecture,
            created: NOW.parse::<Timestamp>().unwrap(),
            layer_deadline: Duration::from_mins(1),
            signer: Arc::new(move |path, bytes| {
                asked.lock().unwrap().push(path.to_owned());
                if bytes.starts_with(b"refuse") {
                    return Err("the key broke".to_owned());
                }
                Ok([bytes, b"~signed"].concat())
            }),
            on_step: Arc::new(|_| ()),
        }
    }

    async fn sign(&self, files: &[&str]) -> Result<(Amended, Shipped), AmendFailure> {
        let sources = Sources::new(Vec::new(), Settings::default()).unwrap();
        let access = Access::anonymous();
        let origin = sources.origin(&layout(&self.from()), &access)?;
        let destination = sources.destination(&layout(&self.to()), &access)?;
        let amended = amend(&self.amendment(files), &origin, &destination).await?;
        Ok((amended, destination.shipped()))
    }

    async fn signed(&self, files: &[&str]) -> Written {
        let (amended, _) = self.sign(files).await.unwrap();
        self.written(&amended.digest.to_string())
    }

    /// What was written under a digest.
    fn written(&self, digest: &str) -> Written {
        Written {
            manifest: serde_json::from_slice(&blob(&self.to(), digest)).unwrap(),
            folder: self.to(),
            _kept: Arc::clone(&self.folder),
        }
    }

    async fn refused(&self, files: &[&str]) -> String {
        let failure = self.sign(files).await.unwrap_err();
        let index = self.to().join("index.json");
        let text = std::fs::read_to_string(index).unwrap_or_default();
        assert!(!text.contains("\"x\""), "something was named: {text}");
        failure.to_string()
    }
}

fn layout(folder: &Path) -> Location {
    Location::Layout {
        folder: folder.to_owned(),
        name: Some("x".to_owned()),
    }
}

/// An image that was written.
struct Written {
    _kept: Arc<TempDir>,
    folder: PathBuf,
    manifest: Value,
}

impl Written {
    fn config(&self) -> Vec<u8> {
        blob(&self.folder, self.manifest["config"]["digest"].as_str().unwrap())
    }

    /// The topmost layer, decompressed.
    fn top(&self) -> Vec<u8> {
        let top = self.manifest["layers"].as_array().unwrap().last().unwrap();
        let bytes = blob(&self.folder, top["digest"].as_str().unwrap());
        let kind = top["mediaType"].as_str().unwrap();
        if kind.ends_with("gzip") {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..])
                .read_to_end(&mut plain)
                .unwrap();
            plain
        } else if kind.ends_with("zstd") {
            zstd::decode_all(&bytes[..]).unwrap()
        } else {
            bytes
        }
    }

    /// The files of the topmost layer.
    fn files(&self) -> BTreeMap<String, String> {
        let top = self.top();
        let mut tar = tar::Archive::new(&top[..]);
        let mut files = BTreeMap::new();
        for member in tar.entries().unwrap() {
            let mut member = member.unwrap();
            let path = member.path().unwrap().display().to_string();
            let mut text = String::new();
            member.read_to_string(&mut text).unwrap();
            if member.header().entry_type().is_file() {
                assert_eq!(files.insert(path, text), None, "written twice");
            }
        }
        files
    }

    fn paths(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }
}

fn blob(folder: &Path, digest: &str) -> Vec<u8> {
    let bytes = std::fs::read(folder.join("blobs").join(digest.replace(':', "/"))).unwrap();
    assert_eq!(digest_of(&bytes), digest);
    bytes
}
