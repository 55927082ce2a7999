//! Small files on disk, by name: written whole or not at all, checked when read, bounded in all.
//!
//! Nothing is forced to disk: a file that a crash cuts short fails its check, and is written again.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Changes whenever the form of what is stored changes, or more is read of a layer, or is read otherwise; what has another
/// one is not read.
pub(super) const FORMAT: u32 = 11;

/// What this format's reading makes of the modules in `tests/fixtures/kmod`, as a checksum. Whoever changes the reading meets a
/// test that fails, and raises [`FORMAT`] with it.
#[cfg(test)]
pub(super) const READING: (u32, u32) = (11, 556_093_279);

/// The largest file that is read.
const MAX_FILE: u64 = 256 << 20;

/// After writing this share of the bound, the store looks whether it has grown too large.
const SWEEP_SHARE: u64 = 16;

/// What a sweep leaves, in hundredths of the bound.
const LEFT_AFTER_SWEEP: u64 = 80;

/// A file's time is renewed at most once in this while: it need only tell what was used lately.
const RENEW_AFTER: Duration = Duration::from_hours(6);

/// The bytes before a file's content: CRC-32 of it, little endian.
const CHECK: usize = 4;

/// A folder of small files.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    bound: u64,
    /// Bytes that may still be written before the next sweep.
    allowance: AtomicU64,
}

impl Store {
    /// A store below a folder, which is made when it is first written to.
    pub(super) fn new(folder: PathBuf, bound: u64) -> Self {
        // The first write looks at what earlier runs have left.
        Self {
            folder,
            bound,
            allowance: AtomicU64::new(0),
        }
    }

    /// Where hints are kept.
    pub(super) fn hints_file(&self) -> PathBuf {
        self.version_folder().join("references")
    }

    /// A file's content; `None` where there is none that is whole.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        let file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(MAX_FILE)).ok()?);
        (&file).take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        if bytes.get(..CHECK)? != checksum(bytes.get(CHECK..)?) {
            tracing::debug!(file = %path.display(), "a damaged cache file is passed over");
            return None;
        }
        renew(&file, &metadata);
        bytes.drain(..CHECK);
        Some(bytes)
    }

    /// Writes a file.
    pub(super) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        replace(&path, &[&checksum(content), content].concat());
        self.account(content.len() as u64);
    }

    fn version_folder(&self) -> PathBuf {
        self.folder.join(format!("{}-{FORMAT}", env!("CARGO_PKG_VERSION")))
    }

    /// The name's first digits after the hash function's name make 256 folders of it.
    fn path(&self, name: &str) -> PathBuf {
        let shard = name.split_once('-').and_then(|(_, hex)| hex.get(..2)).unwrap_or("00");
        self.version_folder().join(shard).join(name)
    }

    fn account(&self, written: u64) {
        let spent = |left: u64| left.checked_sub(written);
        if self
            .allowance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent)
            .is_err()
        {
            self.allowance.store(self.bound / SWEEP_SHARE, Ordering::Relaxed);
            sweep(&self.folder, self.bound);
        }
    }
}

/// Writes a file beside its place and moves it there, so that nobody sees half of it.
pub(super) fn replace(path: &Path, bytes: &[u8]) {
    let written = path.parent().map_or_else(
        || Err(io::ErrorKind::InvalidInput.into()),
        |folder| {
            make_folder(folder)?;
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
            file.write_all(bytes)?;
            file.persist(path).map(drop).map_err(|error| error.error)
        },
    );
    if let Err(error) = written {
        tracing::debug!(file = %path.display(), %error, "a cache file could not be written");
    }
}

/// Makes a folder, for its owner alone: what private images hold is nobody else's business.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        Ok(())
    } else {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }
}

/// Removes what was not read for longest, until what is left fits well below the bound. Whatever else lies in the
/// folder is not ours: it is neither counted nor touched.
fn sweep(folder: &Path, bound: u64) {
    let mut files = Vec::new();
    for generation in fs::read_dir(folder).into_iter().flatten().flatten() {
        if generation.file_name().to_str().is_some_and(is_generation) {
            collect(&generation.path(), &mut files);
        }
    }
    let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
    if total <= bound {
        return;
    }
    files.sort_unstable();
    for (_, size, path) in files {
        if total <= bound / 100 * LEFT_AFTER_SWEEP {
            break;
        }
        if fs::remove_file(&path).is_ok() {
            total = total.saturating_sub(size);
        }
    }
}

/// Whether a folder's name is one that some version of this program gives: `0.1.0-2`.
fn is_generation(name: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((version, format)) = name.split_once('-') else {
        return false;
    };
    is_number(format) && version.split('.').count() == 3 && version.split('.').all(is_number)
}

/// Every file below a folder of folders: when it was last read, its size, and where it is.
fn collect(folder: &Path, files: &mut Vec<(SystemTime, u64, PathBuf)>) {
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                todo.push(entry.path());
            } else if let (true, Ok(modified)) = (metadata.is_file(), metadata.modified()) {
                files.push((modified, metadata.len(), entry.path()));
            }
        }
    }
}

/// Marks a file as used just now.
#[expect(
    clippy::disallowed_methods,
    reason = "the ages of cache files decide nothing but which are removed"
)]
fn renew(file: &File, metadata: &fs::Metadata) {
    let now = SystemTime::now();
    let age = metadata
        .modified()
        .ok()
        .and_then(|modified| now.duration_since(modified).ok());
    if age.is_some_and(|age| age > RENEW_AFTER) {
        let _best_effort = file.set_modified(now);
    }
}

fn checksum(content: &[u8]) -> [u8; CHECK] {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    crc.sum().to_le_bytes()
}
