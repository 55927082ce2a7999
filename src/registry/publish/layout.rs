//! Writing OCI image layouts. Blobs appear under their names whole or not at all, and the index is replaced last.
//!
//! One process at a time may write a layout: two that name images at once could lose one of the names.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempPath};

use super::supply::Supply;
use super::{Came, Held, Origin, PublishFailure, PublishFailureKind};
use crate::image::{Digest, DigestAlgorithm, LookFailureKind};
use crate::registry::hashing::Hashing;
use crate::registry::layout::{INDEX_CAP, NAMES};
use crate::registry::{Descriptor, Layout};

/// The annotation that holds an image's name (image specification, "annotations").
const NAME: &str = NAMES[0];
/// What the marker of a layout says (image specification, "image layout").
const MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// What the files of a layout may be used for: other containers with other users read them.
const MODE: u32 = 0o644;
/// How unfinished files are called; no reader of layouts looks at such names.
const UNFINISHED: &str = ".unfinished-";

/// An OCI image layout that is written.
#[derive(Clone, Debug)]
pub struct LayoutWriter {
    folder: PathBuf,
}

impl LayoutWriter {
    /// Opens a layout, or makes an empty one. A folder that holds something else is left alone.
    pub fn create(folder: &Path) -> Result<Self, PublishFailure> {
        let writer = Self {
            folder: folder.to_owned(),
        };
        if Layout::is_at(folder) {
            Layout::open(folder).map_err(|error| unusable(folder, &error))?;
        } else if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            let message = format!(
                "{} is not empty and no OCI image layout; name a folder that does not exist yet",
                folder.display()
            );
            return Err(PublishFailure::new(PublishFailureKind::Disk, message));
        } else {
            writer.begin()?;
        }
        Ok(writer)
    }

    fn begin(&self) -> Result<(), PublishFailure> {
        let blobs = self.blobs(DigestAlgorithm::Sha256);
        fs::create_dir_all(&blobs).map_err(|error| PublishFailure::disk(&blobs, &error))?;
        self.replace("index.json", &index_of(&[]))?;
        self.replace("oci-layout", MARKER)
    }

    /// The digest of the image of that name; without a name, of the only image.
    pub(super) fn digest(&self, name: Option<&str>) -> Result<Option<Digest>, PublishFailure> {
        let layout = Layout::open(&self.folder).map_err(|error| unusable(&self.folder, &error))?;
        Ok(layout.named(name).ok())
    }

    /// Whether it has that blob, of the right size. The bytes are checked by whoever reads them.
    fn has(&self, descriptor: &Descriptor) -> bool {
        fs::metadata(self.path(&descriptor.digest)).is_ok_and(|file| file.is_file() && file.len() == descriptor.size)
    }

    pub(super) fn new_blob(&self) -> Result<NewBlob, PublishFailure> {
        NewBlob::within(&self.blobs(DigestAlgorithm::Sha256))
    }

    /// Gives a finished blob its name.
    pub(super) fn keep(&self, file: TempPath, descriptor: &Descriptor) -> Result<Came, PublishFailure> {
        if self.has(descriptor) {
            return Ok(Came::Known);
        }
        let path = self.path(&descriptor.digest);
        publish(file, &path).map_err(|error| PublishFailure::disk(&path, &error))?;
        Ok(Came::Sent)
    }

    pub(super) fn write(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<Came, PublishFailure> {
        let mut blob = self.blob_for(&descriptor.digest)?;
        let path = self.path(&descriptor.digest);
        blob.write_all(bytes)
            .map_err(|error| PublishFailure::disk(&path, &error))?;
        let (file, written) = blob.finish(&descriptor.media_type)?;
        check(descriptor, &written)?;
        self.keep(file, descriptor)
    }

    /// Takes a blob of another image: linked where it lies on the same disk, else copied.
    pub(super) async fn take(&self, descriptor: &Descriptor, origin: &Origin) -> Result<Came, PublishFailure> {
        if self.has(descriptor) {
            return Ok(Came::Known);
        }
        let path = self.path(&descriptor.digest);
        let mut blob = self.blob_for(&descriptor.digest)?;
        if let Some(theirs) = origin.file_of(descriptor)
            && fs::hard_link(theirs, &path).is_ok()
        {
            return Ok(Came::Lent);
        }
        let mut chunks = Supply::Image(origin).open(descriptor).await?;
        while let Some(chunk) = chunks.recv().await {
            blob.write_all(&chunk?)
                .map_err(|error| PublishFailure::disk(&path, &error))?;
        }
        let (file, written) = blob.finish(&descriptor.media_type)?;
        check(descriptor, &written)?;
        self.keep(file, descriptor)
    }

    /// Puts an image's manifest into the layout, and its name into the index. Other images keep theirs; without a name
    /// the image takes the place of the one without a name.
    pub(super) fn name(&self, name: Option<&str>, manifest: &Held) -> Result<(), PublishFailure> {
        let descriptor = manifest.descriptor();
        self.write(&descriptor, &manifest.bytes)?;
        let mut entries = self.entries()?;
        entries.retain(|entry| name_in(entry) != name);
        let mut entry = json!({
            "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size,
        });
        if let (Some(name), Some(entry)) = (name, entry.as_object_mut()) {
            entry.insert("annotations".to_owned(), json!({ NAME: name }));
        }
        entries.push(entry);
        self.replace("index.json", &index_of(&entries))
    }

    /// The entries of the index, with all that others have written into them.
    fn entries(&self) -> Result<Vec<Value>, PublishFailure> {
        let path = self.folder.join("index.json");
        let unreadable = |problem: String| {
            PublishFailure::new(
                PublishFailureKind::Disk,
                format!("{} cannot be read: {problem}", path.display()),
            )
        };
        let file = fs::File::open(&path).map_err(|error| unreadable(error.to_string()))?;
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, INDEX_CAP), &mut text)
            .map_err(|error| unreadable(error.to_string()))?;
        let index: Value = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        let entries = index.get("manifests").cloned().unwrap_or_default();
        Vec::deserialize(entries).map_err(|error| unreadable(error.to_string()))
    }

    /// Replaces a file of the layout's folder in one step.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), PublishFailure> {
        let path = self.folder.join(name);
        let written = unfinished(&self.folder).and_then(|mut file| {
            file.write_all(bytes)?;
            publish(file.into_temp_path(), &path)
        });
        written.map_err(|error| PublishFailure::disk(&path, &error))
    }

    /// A blob in the making, whose digest will be of that kind.
    fn blob_for(&self, digest: &Digest) -> Result<NewBlob, PublishFailure> {
        let folder = self.blobs(digest.algorithm());
        fs::create_dir_all(&folder).map_err(|error| PublishFailure::disk(&folder, &error))?;
        let blob = NewBlob::within(&folder)?;
        Ok(NewBlob {
            hashing: Hashing::new(digest.algorithm()),
            ..blob
        })
    }

    fn blobs(&self, algorithm: DigestAlgorithm) -> PathBuf {
        self.folder.join("blobs").join(algorithm.name())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest.algorithm()).join(digest.hex())
    }
}

/// A blob in the making: hashed as it is written, and nowhere to be seen before it is finished.
pub struct NewBlob {
    file: NamedTempFile,
    hashing: Hashing,
    size: u64,
}

impl NewBlob {
    fn within(folder: &Path) -> Result<Self, PublishFailure> {
        let file = unfinished(folder).map_err(|error| PublishFailure::disk(folder, &error))?;
        Ok(Self::of(file))
    }

    /// In the system's folder for temporary files.
    pub(super) fn anywhere() -> Result<Self, PublishFailure> {
        let file = NamedTempFile::new().map_err(|error| {
            let message = format!("no temporary file can be made: {error}; set TMPDIR to a folder with room");
            PublishFailure::new(PublishFailureKind::Disk, message)
        })?;
        Ok(Self::of(file))
    }

    fn of(file: NamedTempFile) -> Self {
        Self {
            file,
            hashing: Hashing::new(DigestAlgorithm::Sha256),
            size: 0,
        }
    }

    /// The file, which is removed when nobody keeps it, and what it is called in a manifest.
    pub(super) fn finish(mut self, media_type: &str) -> Result<(TempPath, Descriptor), PublishFailure> {
        let flushed = self.file.flush();
        flushed.map_err(|error| PublishFailure::disk(self.file.path(), &error))?;
        let descriptor = Descriptor {
            digest: self.hashing.finish(),
            size: self.size,
            media_type: media_type.to_owned(),
        };
        Ok((self.file.into_temp_path(), descriptor))
    }
}

impl Write for NewBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hashing.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn unfinished(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)
}

/// Gives a finished file its name, in one step.
fn publish(file: TempPath, path: &Path) -> io::Result<()> {
    fs::set_permissions(&file, Permissions::from_mode(MODE))?;
    file.persist(path).map_err(|error| error.error)
}

fn check(expected: &Descriptor, written: &Descriptor) -> Result<(), PublishFailure> {
    if expected.digest == written.digest && expected.size == written.size {
        return Ok(());
    }
    let message = format!(
        "the blob {} was altered on its way: its bytes have the digest {}",
        expected.digest, written.digest
    );
    Err(PublishFailure::new(
        PublishFailureKind::Source(LookFailureKind::Damaged),
        message,
    ))
}

fn index_of(entries: &[Value]) -> Vec<u8> {
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": entries,
    });
    index.to_string().into_bytes()
}

fn name_in(entry: &Value) -> Option<&str> {
    entry.get("annotations")?.get(NAME)?.as_str()
}

fn unusable(folder: &Path, error: &crate::registry::LayoutError) -> PublishFailure {
    PublishFailure::new(PublishFailureKind::Disk, format!("{}: {error}", folder.display()))
}
