//! Blobs (layers, configurations) as streams: hashed on the way, of exactly the size that the manifest says.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

use super::hashing::Hashing;
use super::manifest::Descriptor;
use super::trouble::Trouble;
use crate::image::{LookFailure, LookFailureKind};

/// How much of a file is read at once.
const FILE_CHUNK: u64 = 256 << 10;

/// A blob whose reading may begin.
pub struct Blob {
    image: String,
    descriptor: Descriptor,
    source: Source,
}

/// Where a blob's bytes come from.
pub(super) enum Source {
    /// A file of a layout.
    File(PathBuf, File),
    /// A download that runs beside us; the channel's end holds it back when we are slower.
    Download(mpsc::Receiver<Result<Bytes, Trouble>>),
    /// A small download that is over.
    Gathered(Bytes),
}

impl Source {
    pub(super) fn file(path: PathBuf, file: File) -> Self {
        Self::File(path, file)
    }
}

impl Blob {
    pub(super) fn new(image: String, descriptor: Descriptor, source: Source) -> Self {
        Self {
            image,
            descriptor,
            source,
        }
    }

    /// A reader for a blocking thread. It must not be used on a thread that runs asynchronous tasks.
    pub fn reader(self) -> BlobReader {
        let hashing = Some(Hashing::new(self.descriptor.digest.algorithm()));
        BlobReader {
            blob: self,
            hashing,
            current: Bytes::new(),
            read: 0,
            failure: None,
        }
    }

    /// Reads a small blob whole, and checks it; larger ones than `cap` bytes are refused unread.
    pub async fn read_whole(self, cap: u64) -> Result<Vec<u8>, LookFailure> {
        if self.descriptor.size > cap {
            let words = format!(
                "the blob {} has {} bytes, more than {cap}",
                self.descriptor.digest, self.descriptor.size
            );
            return Err(Trouble::new(LookFailureKind::TooLarge, words).about(&self.image));
        }
        let image = self.image.clone();
        let reading = tokio::task::spawn_blocking(move || self.reader().into_bytes());
        reading
            .await
            .unwrap_or_else(|_aborted| Err(Trouble::unreachable("the program is ending").about(&image)))
    }
}

/// Reads a blob. The bytes are checked at the end: call [`BlobReader::finish`] before believing them.
pub struct BlobReader {
    blob: Blob,
    hashing: Option<Hashing>,
    current: Bytes,
    read: u64,
    failure: Option<LookFailure>,
}

impl BlobReader {
    /// Reads what is left, and checks size and digest. Also returns the failure that ended the reading earlier.
    pub fn finish(mut self) -> Result<(), LookFailure> {
        self.drain()
    }

    /// Sends all of it, chunk by chunk, until its end or until nobody listens any more; a failure is sent last.
    pub(super) fn pour_into(mut self, sender: &mpsc::Sender<Result<Bytes, LookFailure>>) {
        loop {
            let chunk = match self.fill() {
                Ok(false) => return,
                Ok(true) => Ok(std::mem::take(&mut self.current)),
                Err(failure) => Err(failure),
            };
            let ended = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || ended {
                return;
            }
        }
    }

    fn into_bytes(mut self) -> Result<Vec<u8>, LookFailure> {
        let mut bytes = Vec::new();
        while self.fill()? {
            bytes.extend_from_slice(&self.current);
            self.current.clear();
        }
        self.drain()?;
        Ok(bytes)
    }

    fn drain(&mut self) -> Result<(), LookFailure> {
        while self.fill()? {
            self.current.clear();
        }
        Ok(())
    }

    /// Makes the next bytes current; false at the end, where size and digest are checked.
    fn fill(&mut self) -> Result<bool, LookFailure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if !self.current.is_empty() {
            return Ok(true);
        }
        let filled = self.advance();
        filled.map_err(|trouble| {
            let failure = trouble.about(&self.blob.image);
            self.failure = Some(failure.clone());
            failure
        })
    }

    fn advance(&mut self) -> Result<bool, Trouble> {
        let Some(hashing) = &mut self.hashing else {
            return Ok(false);
        };
        let chunk = self.blob.source.next()?;
        self.read = self.read.saturating_add(chunk.len() as u64);
        if self.read > self.blob.descriptor.size {
            return Err(self.blob.wrong_size("more"));
        }
        hashing.update(&chunk);
        if chunk.is_empty() {
            return self.check_end();
        }
        self.current = chunk;
        Ok(true)
    }

    fn check_end(&mut self) -> Result<bool, Trouble> {
        let descriptor = &self.blob.descriptor;
        if self.read < descriptor.size {
            return Err(self.blob.wrong_size("fewer"));
        }
        match self.hashing.take().map(Hashing::finish) {
            Some(digest) if digest != descriptor.digest => Err(Trouble::damaged(format!(
                "the blob {} was altered: its bytes have the digest {digest}{}",
                descriptor.digest,
                self.blob.place()
            ))),
            _ => Ok(false),
        }
    }
}

impl Blob {
    fn wrong_size(&self, how: &str) -> Trouble {
        let Descriptor { digest, size, .. } = &self.descriptor;
        Trouble::damaged(format!(
            "the blob {digest} has {how} than the {size} bytes that the manifest says{}",
            self.place()
        ))
    }

    /// The file, where it is one.
    fn place(&self) -> String {
        match &self.source {
            Source::File(path, _) => format!(" ({})", path.display()),
            Source::Download(_) | Source::Gathered(_) => String::new(),
        }
    }
}

impl Source {
    /// The next bytes; none at the end.
    fn next(&mut self) -> Result<Bytes, Trouble> {
        match self {
            Self::File(path, file) => {
                let mut chunk = Vec::new();
                let read = file.take(FILE_CHUNK).read_to_end(&mut chunk);
                read.map_err(|error| Trouble::damaged(format!("{} cannot be read: {error}", path.display())))?;
                Ok(Bytes::from(chunk))
            }
            Self::Download(chunks) => chunks.blocking_recv().unwrap_or_else(|| Ok(Bytes::new())),
            Self::Gathered(bytes) => Ok(std::mem::take(bytes)),
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for BlobReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill().map_err(io::Error::other)?;
        Ok(&self.current)
    }

    fn consume(&mut self, read: usize) {
        self.current.advance(read.min(self.current.len()));
    }
}
