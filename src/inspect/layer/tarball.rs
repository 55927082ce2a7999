//! Walks through a tar as Go's `archive/tar` does, which is what container runtimes unpack layers with.
//!
//! The `tar` crate reads the 512-byte headers; the walk is ours. The crate's raw iteration does not know the
//! sizes in PAX records (needed beyond 8 GiB), and its other one reads long names and records of any length
//! into memory.

use std::io::{self, BufRead, Read};

use tar::{EntryType, Header};

use super::attributes::Attributes;
use super::defect::ScanError;
use super::names::shortened;
use super::pax::Records;

/// The size of a tar's blocks.
const BLOCK: usize = 512;

/// The longest member that only describes the next one (long names, PAX records): Go's `maxSpecialFileSize`.
const MAX_DESCRIPTION: u64 = 1 << 20;

/// The longest target of a link that Linux can create (`PATH_MAX`, less its final NUL).
const MAX_TARGET: usize = 4095;

/// A tar under way.
pub(super) struct Tarball<R> {
    reader: R,
    /// What is left of the current member's bytes.
    left: u64,
    /// What follows them up to the next block.
    padding: u64,
    /// How many members there were.
    count: u64,
    /// The current member's header, and the PAX records before it.
    header: Header,
    records: Vec<u8>,
}

/// One member of a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name, as it stands. What is not UTF-8 is replaced: no name that matters is not.
    pub(super) name: String,
    /// What it is.
    pub(super) kind: MemberKind,
    /// How many bytes [`Tarball::body`] has of it.
    pub(super) size: u64,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MemberKind {
    File,
    /// A file whose holes are left out: its bytes are not those of the file.
    Sparse,
    Dir,
    Link(String),
    HardLink(String),
    /// A device node or a pipe.
    Special,
}

/// What the members before a member have said of it.
#[derive(Default)]
struct Described {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    records: Records,
    /// The records as they stand.
    text: Vec<u8>,
}

impl<R: BufRead> Tarball<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            left: 0,
            padding: 0,
            count: 0,
            header: Header::new_old(),
            records: Vec::new(),
        }
    }

    /// The next member, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Member>, ScanError> {
        let mut described = Described::default();
        loop {
            let Some(header) = self.next_header()? else {
                return Ok(None);
            };
            match header.entry_type() {
                EntryType::GNULongName => described.long_name = Some(self.text_of(&header)?),
                EntryType::GNULongLink => described.long_link = Some(self.text_of(&header)?),
                EntryType::XHeader => {
                    described.text = self.description(&header)?;
                    described.records = Records::parse(&described.text).map_err(ScanError::Damaged)?;
                }
                // Go hands global records to the caller, and container runtimes drop them.
                EntryType::XGlobalHeader => drop(self.description(&header)?),
                kind => {
                    let member = self.member(&header, kind, &described)?;
                    (self.header, self.records) = (header, described.text);
                    self.count += 1;
                    return Ok(Some(member));
                }
            }
        }
    }

    /// Which member is the current one, from 1.
    pub(super) fn number(&self) -> u64 {
        self.count
    }

    /// What the current member is like beside its name and its bytes.
    pub(super) fn attributes(&self) -> Attributes {
        Attributes::of(&self.header, &self.records)
    }

    /// The bytes of the current member that are not read yet.
    pub(super) fn body(&mut self) -> impl Read {
        Body { tarball: self }
    }

    /// Reads what follows the end of the archive. It means nothing, but it must decompress: runtimes read it too.
    pub(super) fn drain(mut self) -> Result<(), ScanError> {
        loop {
            let available = self.reader.fill_buf()?.len();
            if available == 0 {
                return Ok(());
            }
            self.reader.consume(available);
        }
    }

    /// The header after the current member. Two blocks of zeros, or one and the end, or the end of the stream
    /// between two blocks, end the archive.
    fn next_header(&mut self) -> Result<Option<Header>, ScanError> {
        self.skip_member()?;
        let mut header = Header::new_old();
        if !self.read_block(header.as_mut_bytes())? {
            return Ok(None);
        }
        if is_zero(header.as_bytes()) {
            if !self.read_block(header.as_mut_bytes())? || is_zero(header.as_bytes()) {
                return Ok(None);
            }
            return Err(damaged("something follows a lone block of zeros"));
        }
        if !has_good_checksum(&header) {
            return Err(damaged(
                "a header's checksum does not fit; it is no tar, or not one any more",
            ));
        }
        Ok(Some(header))
    }

    fn member(&mut self, header: &Header, kind: EntryType, described: &Described) -> Result<Member, ScanError> {
        let name = described.name(header);
        let target = || described.target(header);
        let kind = match kind {
            // Before POSIX, a folder was a file whose name ends in a slash.
            EntryType::Regular if header.as_bytes()[156] == 0 && name.ends_with('/') => MemberKind::Dir,
            EntryType::Regular | EntryType::Continuous if described.records.is_sparse() => MemberKind::Sparse,
            EntryType::Regular | EntryType::Continuous => MemberKind::File,
            EntryType::GNUSparse => MemberKind::Sparse,
            EntryType::Directory => MemberKind::Dir,
            EntryType::Symlink => MemberKind::Link(target()?),
            EntryType::Link => MemberKind::HardLink(target()?),
            EntryType::Char | EntryType::Block | EntryType::Fifo => MemberKind::Special,
            other => {
                let (name, flag) = (shortened(&name), char::from(other.as_byte()));
                return Err(damaged(format!(
                    "{name:?} is of the tar type {flag:?}, which no runtime unpacks"
                )));
            }
        };
        if header.entry_type() == EntryType::GNUSparse {
            self.skip_sparse_map(header)?;
        }
        let has_body = matches!(kind, MemberKind::File | MemberKind::Sparse);
        let size = if has_body { described.size(header)? } else { 0 };
        self.start_body(size);
        Ok(Member { name, kind, size })
    }

    fn start_body(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    /// The old GNU form keeps the rest of a long map of holes in blocks that its size does not count.
    fn skip_sparse_map(&mut self, header: &Header) -> Result<(), ScanError> {
        let mut more = header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        let mut block = tar::GnuExtSparseHeader::new();
        while more {
            if !self.read_block(block.as_mut_bytes())? {
                return Err(truncated());
            }
            more = block.is_extended();
        }
        Ok(())
    }

    /// The bytes of a member that describes the next one.
    fn description(&mut self, header: &Header) -> Result<Vec<u8>, ScanError> {
        let size = header_size(header)?;
        if size > MAX_DESCRIPTION {
            return Err(ScanError::TooLarge(format!(
                "a name or record in it is {size} bytes long"
            )));
        }
        self.start_body(size);
        let mut text = Vec::new();
        self.body().read_to_end(&mut text)?;
        Ok(text)
    }

    /// The same, up to the first NUL.
    fn text_of(&mut self, header: &Header) -> Result<Vec<u8>, ScanError> {
        let mut text = self.description(header)?;
        text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
        Ok(text)
    }

    fn skip_member(&mut self) -> Result<(), ScanError> {
        if self.skip(self.left)? > 0 {
            return Err(truncated());
        }
        // Like Go, do not ask for the last member's padding.
        self.skip(self.padding)?;
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    /// Passes over that many bytes; returns how many were missing.
    fn skip(&mut self, mut bytes: u64) -> io::Result<u64> {
        while bytes > 0 {
            let available = self.reader.fill_buf()?.len();
            if available == 0 {
                break;
            }
            let step = available.min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.reader.consume(step);
            bytes -= step as u64;
        }
        Ok(bytes)
    }

    /// Fills a block; `false` where the stream ends before it.
    fn read_block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, ScanError> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.reader.read_exact(block)?;
        Ok(true)
    }
}

/// The current member's bytes; a stream that ends before them is an error.
struct Body<'a, R> {
    tarball: &'a mut Tarball<R>,
}

impl<R: BufRead> Read for Body<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = into.len().min(usize::try_from(self.tarball.left).unwrap_or(usize::MAX));
        let Some(into) = into.get_mut(..wanted).filter(|into| !into.is_empty()) else {
            return Ok(0);
        };
        let read = self.tarball.reader.read(into)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.tarball.left -= read as u64;
        Ok(read)
    }
}

impl Described {
    /// GNU's long name before PAX's before the header's, as Go has it.
    fn name(&self, header: &Header) -> String {
        let gnu = self.long_name.as_deref();
        let pax = || self.records.path.as_deref();
        text(gnu.or_else(pax).unwrap_or(&header.path_bytes()))
    }

    fn target(&self, header: &Header) -> Result<String, ScanError> {
        let gnu = self.long_link.as_deref();
        let pax = || self.records.link_path.as_deref();
        let target = gnu
            .or_else(pax)
            .map_or_else(|| header.link_name_bytes().map(|t| text(&t)), |t| Some(text(t)));
        match target.unwrap_or_default() {
            long if long.len() > MAX_TARGET => Err(damaged("a link's target is longer than Linux allows")),
            target => Ok(target),
        }
    }

    fn size(&self, header: &Header) -> Result<u64, ScanError> {
        self.records.size.map_or_else(|| header_size(header), Ok)
    }
}

/// The size that a header tells; blank is none.
fn header_size(header: &Header) -> Result<u64, ScanError> {
    if header.as_old().size.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Ok(0);
    }
    match header.entry_size() {
        Ok(size) if i64::try_from(size).is_ok() => Ok(size),
        _ => Err(damaged("a member's size is not a number")),
    }
}

/// The sum of a header's bytes, with blanks for the sum itself; signed bytes in some old tars, as Go allows.
fn has_good_checksum(header: &Header) -> bool {
    let Ok(told) = header.cksum() else {
        return false;
    };
    let bytes = || {
        let is_sum = |at: &usize| (148..156).contains(at);
        header
            .as_bytes()
            .iter()
            .enumerate()
            .map(move |(at, byte)| if is_sum(&at) { b' ' } else { *byte })
    };
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    unsigned == i64::from(told) || signed == i64::from(told)
}

fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn damaged(message: impl Into<String>) -> ScanError {
    ScanError::Damaged(message.into())
}

fn truncated() -> ScanError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}
