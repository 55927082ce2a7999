//! An OCI image layout: a folder of blobs and an index that names images.
//!
//! Images are found by the name that `skopeo copy … oci:DIR:REF`, `buildah push` and `docker save` write, or by
//! digest. What is read is checked against its digest, as if it came over the network.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Deserialize;

use super::blob::Source;
use super::manifest::{Descriptor, MANIFEST_CAP, Manifest};
use super::trouble::Trouble;
use crate::image::{Digest, LookFailureKind, Reference};

/// The largest `index.json` that is read.
pub(super) const INDEX_CAP: u64 = MANIFEST_CAP as u64;
/// The annotations that may hold an image's name: the specification's, and containerd's with the full name.
pub(super) const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];

/// How many names a message shows.
const NAMES_SHOWN: usize = 8;

/// An OCI image layout.
#[derive(Clone, Debug)]
pub struct Layout {
    folder: PathBuf,
    entries: Vec<Entry>,
}

/// One image of the index.
#[derive(Clone, Debug)]
struct Entry {
    names: Vec<String>,
    digest: Digest,
}

/// A folder that is no OCI image layout.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file cannot be read.
    #[error("cannot read {}; an OCI image layout has it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutFile {
    image_layout_version: String,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<IndexEntry>,
}

#[derive(Deserialize)]
struct IndexEntry {
    digest: Digest,
    #[serde(default)]
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

impl Layout {
    /// Whether a folder looks like an OCI image layout.
    pub fn is_at(folder: &Path) -> bool {
        folder.join("oci-layout").is_file() && folder.join("index.json").is_file()
    }

    /// Opens a folder; reads which images it holds, and nothing of them.
    pub fn open(folder: &Path) -> Result<Self, LayoutError> {
        let (_, marker): (_, LayoutFile) = read_json(folder.join("oci-layout"))?;
        if !marker.image_layout_version.starts_with("1.") {
            let problem = format!(
                "the layout version {} is not 1.x",
                super::excerpt::excerpt(&marker.image_layout_version)
            );
            return Err(LayoutError::Damaged {
                path: folder.join("oci-layout"),
                problem,
            });
        }
        let (_, index): (_, Index) = read_json(folder.join("index.json"))?;
        let entries = index.manifests.into_iter().map(Entry::from).collect();
        Ok(Self {
            folder: folder.to_owned(),
            entries,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of its images, as they are written in the index.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().flat_map(|entry| &entry.names).map(String::as_str)
    }

    /// The digest of the image that a reference names, if the layout has it.
    ///
    /// A digest counts more than a name, and finds manifests inside an index too.
    pub fn find(&self, image: &Reference) -> Option<Digest> {
        if let Some(digest) = image.digest() {
            let listed = self.entries.iter().any(|entry| entry.digest == *digest);
            return (listed || self.path(digest).is_file()).then(|| digest.clone());
        }
        let named = self.entries.iter().find(|entry| entry.is_named(image));
        named.map(|entry| entry.digest.clone())
    }

    /// The digest of the image of that name; without a name, of the only image there is.
    ///
    /// # Errors
    ///
    /// In words, with the names that there are.
    pub fn named(&self, name: Option<&str>) -> Result<Digest, String> {
        let folder = self.folder.display();
        let Some(name) = name else {
            let mut digests = self.entries.iter().map(|entry| &entry.digest);
            return match (digests.next(), digests.next()) {
                (Some(only), None) => Ok(only.clone()),
                (None, _) => Err(format!("{folder} holds no image")),
                _ => Err(format!("{folder} holds several images; name one of {}", self.names())),
            };
        };
        let reference = Reference::parse(name).ok();
        let is_it = |entry: &&Entry| {
            entry.names.iter().any(|own| own == name) || reference.as_ref().is_some_and(|image| entry.is_named(image))
        };
        let found = self.entries.iter().find(is_it);
        let missing = || format!("{folder} has no image named {name}; it has {}", self.names());
        found.map(|entry| entry.digest.clone()).ok_or_else(missing)
    }

    /// Its images' names, for messages.
    fn names(&self) -> String {
        let names: Vec<String> = self
            .references()
            .take(NAMES_SHOWN)
            .map(super::excerpt::excerpt)
            .collect();
        if names.is_empty() {
            "none with a name".to_owned()
        } else {
            names.join(", ")
        }
    }

    /// Whether it has an image of the same repository, whatever its tag.
    pub fn has_repository(&self, image: &Reference) -> bool {
        let same = |name: &str| Reference::parse(name).is_ok_and(|other| other.name() == image.name());
        self.references().any(same)
    }

    /// Reads a manifest.
    pub(super) fn manifest(&self, digest: &Digest) -> Result<Manifest, Trouble> {
        let path = self.path(digest);
        let bytes = read_capped(&path, MANIFEST_CAP as u64).map_err(|problem| unreadable(&path, &problem))?;
        let bytes = bytes.ok_or_else(super::manifest::too_large)?;
        Manifest::checked(Bytes::from(bytes), Some(digest), None)
            .map_err(|trouble| trouble.within(&path.display().to_string()))
    }

    /// Opens a blob.
    pub(super) fn blob(&self, descriptor: &Descriptor) -> Result<Source, Trouble> {
        let path = self.path(&descriptor.digest);
        let (file, size) = open(&path).map_err(|problem| unreadable(&path, &problem))?;
        if size != descriptor.size {
            let problem = format!("it has {size} bytes, and the manifest says {}", descriptor.size);
            return Err(Trouble::damaged(problem).within(&path.display().to_string()));
        }
        Ok(Source::file(path, file))
    }

    pub(super) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder
            .join("blobs")
            .join(digest.algorithm().name())
            .join(digest.hex())
    }
}

impl From<IndexEntry> for Entry {
    fn from(entry: IndexEntry) -> Self {
        let annotations = entry.annotations.unwrap_or_default();
        let names = NAMES
            .iter()
            .filter_map(|name| annotations.get(*name))
            .cloned()
            .collect();
        Self {
            names,
            digest: entry.digest,
        }
    }
}

impl Entry {
    /// Whether one of its names is this reference, as it stands or once it is completed.
    fn is_named(&self, image: &Reference) -> bool {
        let completed = |name: &str| {
            let parsed = Reference::parse(name).ok();
            parsed
                .is_some_and(|parsed| parsed.name() == image.name() && parsed.tag_or_latest() == image.tag_or_latest())
        };
        let text = image.to_string();
        self.names.iter().any(|name| *name == text || completed(name))
    }
}

fn read_json<T: for<'a> Deserialize<'a>>(path: PathBuf) -> Result<(PathBuf, T), LayoutError> {
    let damaged = |path: PathBuf, problem: String| LayoutError::Damaged { path, problem };
    match read_capped(&path, INDEX_CAP) {
        Err(source) => Err(LayoutError::Unreadable { path, source }),
        Ok(None) => Err(damaged(path, format!("it has more than {} MiB", INDEX_CAP >> 20))),
        Ok(Some(text)) => match serde_json::from_slice(&text) {
            Ok(value) => Ok((path, value)),
            Err(error) => Err(damaged(path, error.to_string())),
        },
    }
}

/// Opens a regular file; a pipe or a device in its place would never end.
fn open(path: &Path) -> io::Result<(File, u64)> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// Reads a file; none when it is larger than the cap.
fn read_capped(path: &Path, cap: u64) -> io::Result<Option<Vec<u8>>> {
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    file.take(cap + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= cap).then_some(bytes))
}

fn unreadable(path: &Path, problem: &io::Error) -> Trouble {
    Trouble::new(
        LookFailureKind::Damaged,
        format!("{} cannot be read: {problem}", path.display()),
    )
}
