//! The decompressed bytes of a layer, whatever its compression, within limits.
//!
//! The compression is told by the first bytes, not by the media type, as containerd
//! (`archive/compression: DetectCompression`) and CRI-O (containers/image `pkg/compression`) do.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::defect::{limit_met, source_failed};

/// How many decompressed bytes of one layer are read.
pub(super) const MAX_UNPACKED: u64 = 64 << 30;

/// How many times larger than its compressed form a layer may be, beyond [`RATIO_FREE`]. gzip reaches 1032 at
/// most; only zstd can do more, with bytes that are all alike.
pub(super) const MAX_RATIO: u64 = 2000;

/// The decompressed bytes for which no ratio is asked: a small layer of zeros harms nobody.
pub(super) const RATIO_FREE: u64 = 64 << 20;

/// The largest window of a zstd stream, as a power of two: what `zstd -d` takes without being told otherwise.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// Compressed bytes are taken from the source in pieces of this size.
const SOURCE_BUFFER: usize = 64 * 1024;

/// Decompressed bytes are handed on in pieces of this size.
const UNPACKED_BUFFER: usize = 64 * 1024;

/// What reading one layer may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Decompressed bytes.
    pub unpacked: u64,
    /// When reading has to be done.
    pub deadline: Option<Instant>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked: MAX_UNPACKED,
            deadline: None,
        }
    }
}

/// A layer's decompressed bytes.
pub(super) type Unpacked<R> = BufReader<Capped<Decoder<Source<R>>>>;

/// A layer's compressed bytes, with those that told the compression put back in front.
type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, Metered<R>>>;

/// Opens a layer. An empty stream is an empty layer, as it is for containerd.
pub(super) fn open<R: Read>(reader: R, limits: Limits) -> io::Result<Unpacked<R>> {
    let packed = Arc::new(AtomicU64::new(0));
    let mut metered = Metered {
        inner: reader,
        count: Arc::clone(&packed),
    };
    let mut head = Vec::with_capacity(MAGIC_LEN);
    metered.by_ref().take(MAGIC_LEN as u64).read_to_end(&mut head)?;
    let packing = Packing::of(&head);
    let source = BufReader::with_capacity(SOURCE_BUFFER, Cursor::new(head).chain(metered));
    let inner = Decoder::new(packing, source)?;
    Ok(BufReader::with_capacity(
        UNPACKED_BUFFER,
        Capped {
            inner,
            packed,
            unpacked: 0,
            limits,
        },
    ))
}

/// Enough of the first bytes to tell every compression.
const MAGIC_LEN: usize = 6;

/// How a layer is compressed.
#[derive(Clone, Copy)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
    Foreign(&'static str),
}

impl Packing {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            // A frame, or a skippable frame before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0x00] => Self::Foreign("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41] => Self::Foreign("bzip2"),
            _ => Self::Plain,
        }
    }
}

/// One of the decompressors.
pub(super) enum Decoder<B: BufRead> {
    Plain(B),
    Gzip(Box<MultiGzDecoder<B>>),
    Zstd(ZstdDecoder<'static, B>),
}

impl<B: BufRead> Decoder<B> {
    fn new(packing: Packing, source: B) -> io::Result<Self> {
        match packing {
            Packing::Plain => Ok(Self::Plain(source)),
            Packing::Gzip => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(source)))),
            Packing::Zstd => {
                let mut decoder = ZstdDecoder::with_buffer(source)?;
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
                Ok(Self::Zstd(decoder))
            }
            Packing::Foreign(name) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it is compressed with {name}, which no image may use"),
            )),
        }
    }
}

impl<B: BufRead> Read for Decoder<B> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(inner) => inner.read(into),
            Self::Gzip(inner) => inner.read(into),
            Self::Zstd(inner) => inner.read(into).map_err(with_window_told_apart),
        }
    }
}

/// zstd refuses a window beyond the limit with words of its own.
fn with_window_told_apart(error: io::Error) -> io::Error {
    if error.to_string().contains("too much memory") {
        return limit_met(format!(
            "it needs a zstd window of more than {} MiB",
            (1u64 << MAX_ZSTD_WINDOW_LOG) >> 20
        ));
    }
    error
}

/// Counts what was taken from the source, and marks the source's errors.
pub(super) struct Metered<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => source_failed(error),
        })?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Stops when a limit is met.
pub(super) struct Capped<R> {
    inner: R,
    packed: Arc<AtomicU64>,
    unpacked: u64,
    limits: Limits,
}

impl<R> Capped<R> {
    fn check(&self) -> io::Result<()> {
        if self.unpacked > self.limits.unpacked {
            let limit = self.limits.unpacked >> 20;
            return Err(limit_met(format!("it is larger than {limit} MiB once decompressed")));
        }
        let packed = self.packed.load(Ordering::Relaxed);
        if self.unpacked > RATIO_FREE && self.unpacked / MAX_RATIO > packed {
            return Err(limit_met(format!(
                "it grows more than {MAX_RATIO} times when decompressed"
            )));
        }
        if self.limits.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err(source_failed(io::Error::new(
                io::ErrorKind::TimedOut,
                "reading it took too long",
            )));
        }
        Ok(())
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.unpacked += read as u64;
        self.check()?;
        Ok(read)
    }
}
