//! Which digest a reference had last: a small journal, one line for each answer, the last one counts.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use super::{locked, store};
use crate::image::Digest;

/// How many references are remembered; beyond that, all are forgotten and learnt again.
const MAX_HINTS: usize = 50_000;

/// How much of a journal is read, in bytes: three times what all hints need.
const MAX_JOURNAL: u64 = 32 << 20;

/// How many lines too many a journal may have before it is written anew.
const SPARE_LINES: usize = 4096;

/// The digests that references had last.
#[derive(Debug)]
pub(super) struct Hints {
    file: Option<PathBuf>,
    known: OnceLock<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    digests: HashMap<String, Digest>,
    /// Lines of the journal, the outdated ones too.
    lines: usize,
}

impl Hints {
    /// Hints that are kept in a file, or in memory only. The file is read when it is first needed.
    pub(super) const fn open(file: Option<PathBuf>) -> Self {
        Self {
            file,
            known: OnceLock::new(),
        }
    }

    pub(super) fn get(&self, reference: &str) -> Option<Digest> {
        locked(self.known()).digests.get(reference).cloned()
    }

    pub(super) fn put(&self, reference: &str, digest: &Digest) {
        let mut known = locked(self.known());
        if known.digests.get(reference) == Some(digest) {
            return;
        }
        if known.digests.len() >= MAX_HINTS {
            known.digests.clear();
        }
        known.digests.insert(reference.to_owned(), digest.clone());
        known.lines += 1;
        let Some(file) = &self.file else { return };
        if known.lines > known.digests.len() + SPARE_LINES {
            known.lines = known.digests.len();
            store::replace(file, known.journal().as_bytes());
        } else if let Err(error) = append(file, &line(reference, digest)) {
            tracing::debug!(file = %file.display(), %error, "a hint could not be kept");
        }
    }

    fn known(&self) -> &Mutex<Known> {
        self.known
            .get_or_init(|| Mutex::new(self.file.as_deref().map(Known::read).unwrap_or_default()))
    }
}

impl Known {
    /// Reads a journal; lines that are none (cut short by a crash, say) are passed over.
    fn read(file: &Path) -> Self {
        let mut known = Self::default();
        let Ok(file) = fs::File::open(file) else { return known };
        for line in BufReader::new(file.take(MAX_JOURNAL)).lines().map_while(Result::ok) {
            known.lines += 1;
            let Some((digest, reference)) = line.split_once(' ') else {
                continue;
            };
            if let (Ok(digest), true) = (Digest::parse(digest), known.digests.len() < MAX_HINTS) {
                known.digests.insert(reference.to_owned(), digest);
            }
        }
        known
    }

    fn journal(&self) -> String {
        self.digests
            .iter()
            .fold(String::new(), |mut text, (reference, digest)| {
                let _written = write!(text, "{}", line(reference, digest));
                text
            })
    }
}

fn line(reference: &str, digest: &Digest) -> String {
    format!("{digest} {reference}\n")
}

/// One write, so that the lines of two processes do not mix.
fn append(file: &Path, line: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        store::make_folder(folder)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(line.as_bytes())
}
