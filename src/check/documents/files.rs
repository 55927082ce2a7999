//! Which files there are, and their text.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{DocumentProblem, Source, disguise};

/// Longest file that is read. The dump of ten thousand Modules is a quarter of it.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// How much is read in all, so that a folder of large files cannot take the machine's memory.
const MAX_TOTAL_BYTES: u64 = 256 << 20;
/// How many files folders may hold; beyond it somebody has named the wrong folder.
const MAX_FILES: usize = 10_000;
/// How deep folders are searched.
const MAX_DEPTH: usize = 16;
/// The file that makes a folder an OCI image layout.
const LAYOUT_MARKER: &str = "oci-layout";

/// A file to read.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Its name in messages.
    pub(super) name: String,
    /// Whether the user named it, rather than a folder above it.
    pub(super) named: bool,
    source: Source,
}

/// What the sources consist of.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<File>,
    pub(super) layouts: Vec<PathBuf>,
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<DocumentProblem>,
}

/// Finds the files of every source; folders in the order of their names.
pub(super) fn list(sources: &[Source]) -> Listing {
    let mut listing = Listing::default();
    for source in sources {
        match source {
            Source::Path(path) if path.is_dir() => listing.named_folder(path),
            Source::Path(path) => listing.add(path.display().to_string(), true, source.clone()),
            Source::Stdin if listing.files.iter().any(|file| file.source == Source::Stdin) => {
                listing.problems.push(DocumentProblem::new(
                    "`-f -` was given twice: standard input can be read once",
                ));
            }
            Source::Stdin => listing.add("<stdin>".to_owned(), true, Source::Stdin),
        }
    }
    listing
}

impl Listing {
    fn add(&mut self, name: String, named: bool, source: Source) {
        self.files.push(File { name, named, source });
    }

    /// A folder that the user named. That nothing was found in it is worth a word.
    fn named_folder(&mut self, path: &Path) {
        let found = |listing: &Self| listing.files.len() + listing.layouts.len() + listing.problems.len();
        let before = found(self);
        self.folder(path, 0);
        if found(self) == before {
            self.notes
                .push(format!("{}: there is no *.yaml, *.yml or *.json in it", path.display()));
        }
    }

    /// A folder is an image layout, or holds documents and other folders.
    fn folder(&mut self, path: &Path, depth: usize) {
        if path.join(LAYOUT_MARKER).is_file() {
            return self.layouts.push(path.to_owned());
        }
        if depth > MAX_DEPTH {
            return self.problem(
                path,
                format!("folders lie more than {MAX_DEPTH} deep; name the right one with -f"),
            );
        }
        match entries(path) {
            Err(error) => self.problem(path, format!("cannot be read: {error}")),
            Ok(entries) => entries.iter().for_each(|entry| self.entry(entry, depth)),
        }
    }

    /// Links to folders are not followed, for they may lead back.
    fn entry(&mut self, path: &Path, depth: usize) {
        if path.is_dir() {
            if !path.is_symlink() {
                self.folder(path, depth + 1);
            }
        } else if is_document(path) {
            match self.files.len() {
                MAX_FILES.. => self.too_many(path),
                _ => self.add(path.display().to_string(), false, Source::Path(path.to_owned())),
            }
        }
    }

    fn too_many(&mut self, path: &Path) {
        let message = format!("there are more than {MAX_FILES} files; name the right folder with -f");
        if !self
            .problems
            .iter()
            .any(|problem| problem.to_string().ends_with(&message))
        {
            self.problem(path, message);
        }
    }

    fn problem(&mut self, path: &Path, message: impl std::fmt::Display) {
        self.problems
            .push(DocumentProblem::new(format!("{}: {message}", path.display())));
    }
}

/// The entries of a folder, sorted, without hidden ones (`.git`, and the folders behind mounted ConfigMaps).
fn entries(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

fn is_document(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}

/// How much may still be read.
pub(super) struct Budget(u64);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_TOTAL_BYTES)
    }
}

impl Budget {
    /// The text of a file, without a byte order mark.
    pub(super) fn read(&mut self, file: &File, stdin: &mut dyn Read) -> Result<String, DocumentProblem> {
        let problem = |message: String| DocumentProblem::new(format!("{}: {message}", file.name));
        let limit = MAX_FILE_BYTES.min(self.0);
        let bytes = read_capped(&file.source, stdin, limit).map_err(|error| unreadable(file, &error))?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > limit {
            return Err(problem(format!("larger than the {} MiB that are read", limit >> 20)));
        }
        self.0 = self.0.saturating_sub(size);
        if let Some(seen) = disguise::seen_through(&bytes) {
            let message = format!("this is neither YAML nor JSON: it seems to be {}", seen.seems);
            return Err(problem(message).advising(Some(seen.advice.to_owned())));
        }
        let text = String::from_utf8(bytes).map_err(|error| problem(not_utf8(&error)))?;
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }
}

fn read_capped(source: &Source, stdin: &mut dyn Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let one_more = limit.saturating_add(1);
    match source {
        Source::Path(path) => fs::File::open(path)?.take(one_more).read_to_end(&mut bytes)?,
        Source::Stdin => stdin.take(one_more).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

/// Why a file cannot be opened or read, and what to do about it.
fn unreadable(file: &File, error: &io::Error) -> DocumentProblem {
    let is_link = matches!(&file.source, Source::Path(path) if path.is_symlink());
    let (what, advice) = match error.kind() {
        io::ErrorKind::NotFound if is_link => {
            ("it is a link that leads nowhere", "mend the link, or name another file")
        }
        io::ErrorKind::NotFound => ("there is no such file or folder", meant(&file.name)),
        io::ErrorKind::PermissionDenied => (
            "it may not be read (permission denied)",
            "change its permissions, or run this as somebody who may read it",
        ),
        _ => return DocumentProblem::new(format!("{}: it cannot be read: {error}", file.name)),
    };
    DocumentProblem::new(format!("{}: {what}", file.name)).advising(Some(advice.to_owned()))
}

/// What somebody who names what is not there may have meant; kubectl takes addresses, and several files at once.
fn meant(name: &str) -> &'static str {
    if name.contains("://") {
        "nothing is fetched from addresses: fetch it yourself, for instance `curl -sSfL ADDRESS | kmm-preflight check -f -`"
    } else if name.split(',').all(|part| Path::new(part).exists()) {
        "put a -f before each of the files"
    } else {
        "look for a typing mistake after -f; a path that does not begin with / is relative to the current folder"
    }
}

fn not_utf8(error: &std::string::FromUtf8Error) -> String {
    let at = error.utf8_error().valid_up_to();
    let line = error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    format!("not UTF-8 text: line {line} has a byte that is none; save the file as UTF-8")
}
