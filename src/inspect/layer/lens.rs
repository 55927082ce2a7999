//! What matters in a layer: for a module image, what modprobe will read; for a driver toolkit, what it says of
//! its kernels.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use serde::{Deserialize, Serialize};

use super::defect::limit_met;
use super::names::split;
use super::paths::File;
use crate::kmod::config::KernelConfig;
use crate::kmod::facts::{ModuleContent, ModuleFile, Packing, StructModule, Unpackable};
use crate::kmod::index::Index;
use crate::kmod::intree;
use crate::kmod::staged::Program;
use crate::kmod::symvers::{self, Symvers};

/// The largest kernel module that is read, in bytes as it lies in the layer. The largest real ones, with all
/// their debug information, have some 200 MB.
pub(super) const MAX_MODULE: u64 = 512 << 20;

/// The largest index of modprobe that is kept, in bytes. A distribution's largest has 2 MB.
pub(super) const MAX_INDEX: u64 = 64 << 20;

/// The largest text of a toolkit (kernel configuration, release, linker script) that is read, in bytes.
pub(super) const MAX_TEXT: u64 = 16 << 20;

/// The memory that unpacking an xz stream may take, in KiB: its largest preset needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 80 * 1024;

/// How many files of one layer are read for what they are rather than for their names, and how many bytes they may
/// have together: all modules of a distribution's kernel, and their debug information.
const MAX_UNNAMED: Unnamed = Unnamed {
    files: 20_000,
    bytes: 2 << 30,
};

/// How many bytes of indexes and texts are kept of one layer: a few of the largest, many of the usual ones.
const MAX_KEPT: u64 = 256 << 20;

/// Why a layer is read: it decides which files' contents matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lens {
    /// Kernel modules, and the files that modprobe reads.
    ModuleImage,
    /// What a driver toolkit says of its kernels.
    Toolkit,
}

/// What was read of a file that matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A kernel module.
    Module(Arc<ModuleFile>),
    /// A file that modprobe reads, whole.
    Index(Arc<Vec<u8>>),
    /// A file that matters, but that is larger than this program reads; its size in bytes.
    TooLarge(u64),
    /// A file that matters, but whose bytes are not all there (a sparse file) or make no sense; why.
    Unreadable(String),
    /// `Module.symvers`.
    Symvers(Arc<Symvers>),
    /// A kernel's configuration.
    Config(Arc<KernelConfig>),
    /// A text of a toolkit.
    Text(String),
    /// What an in-tree module tells of its kernel.
    Sample(KernelSample),
}

/// What an in-tree module tells of its kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelSample {
    /// Its vermagic.
    pub vermagic: Option<String>,
    /// Its `struct module`.
    pub this_module: StructModule,
}

/// What a file is read for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Interest {
    None,
    Module,
    Index,
    Symvers,
    Config,
    Text,
    /// `modules.builtin.modinfo`.
    BuiltinModinfo,
    /// An in-tree module of that kernel.
    Sample(String),
}

/// Reads the files of one layer through a lens.
#[derive(Debug)]
pub(super) struct Reader {
    lens: Lens,
    /// The kernels of which an in-tree module has been read.
    sampled: BTreeSet<String>,
    unnamed: Unnamed,
    /// Bytes of indexes and texts that may still be kept.
    room: u64,
}

/// What may still be read whose name does not say that it matters.
#[derive(Clone, Copy, Debug)]
struct Unnamed {
    files: u32,
    bytes: u64,
}

impl Unnamed {
    /// Takes a file of that size off what may still be read; `false` where it is too much.
    fn take(&mut self, size: u64) -> bool {
        let left = self.files.checked_sub(1).zip(self.bytes.checked_sub(size));
        if let Some((files, bytes)) = left {
            *self = Self { files, bytes };
        }
        left.is_some()
    }
}

impl Reader {
    pub(super) fn new(lens: Lens) -> Self {
        Self {
            lens,
            sampled: BTreeSet::new(),
            unnamed: MAX_UNNAMED,
            room: MAX_KEPT,
        }
    }

    /// Reads of a file what matters of it.
    pub(super) fn read(&mut self, path: &str, size: u64, body: impl Read) -> io::Result<(File, Option<Content>)> {
        let mut body = body;
        let mut head = Vec::with_capacity(Program::HEAD);
        body.by_ref().take(Program::HEAD as u64).read_to_end(&mut head)?;
        let interest = match self.interest(path) {
            Interest::None => self.interest_in_unnamed(&head, size),
            named => named,
        };
        let file = File {
            program: Program::told_by(&head),
            content: None,
        };
        if matches!(interest, Interest::Index | Interest::Text | Interest::BuiltinModinfo) {
            self.make_room(size)?;
        }
        let mut whole = io::Cursor::new(head).chain(body);
        let content = match interest {
            Interest::None => None,
            Interest::Module => Some(module(size, &mut whole)?),
            Interest::Index => Some(index(size, &mut whole)?),
            Interest::Symvers => Some(symvers(path, &mut whole)?),
            Interest::Config => Some(text(size, &mut whole)?.map_or_else(
                |too_large| too_large,
                |text| Content::Config(Arc::new(KernelConfig::parse(&text))),
            )),
            Interest::Text => Some(text(size, &mut whole)?.map_or_else(|too_large| too_large, Content::Text)),
            Interest::BuiltinModinfo => Some(
                text(size, &mut whole)?
                    .map_or_else(|too_large| too_large, |text| Content::Text(intree::in_sysfs(&text))),
            ),
            Interest::Sample(kernel) => self.sample(kernel, size, &mut whole)?,
        };
        Ok((file, content))
    }

    /// Takes the bytes of a file that is kept whole off what may still be kept.
    fn make_room(&mut self, size: u64) -> io::Result<()> {
        if size <= MAX_INDEX {
            let left = self.room.checked_sub(size);
            self.room =
                left.ok_or_else(|| limit_met("its indexes have more bytes than this program keeps in memory"))?;
        }
        Ok(())
    }

    /// Whether a file's name says that its content matters.
    pub(super) fn wants(&self, path: &str) -> bool {
        self.interest(path) != Interest::None
    }

    fn interest(&self, path: &str) -> Interest {
        match self.lens {
            Lens::ModuleImage => module_interest(split(path).1),
            Lens::Toolkit => match toolkit_interest(path) {
                Interest::Sample(kernel) if self.sampled.contains(&kernel) => Interest::None,
                interest => interest,
            },
        }
    }

    /// What a file may be that has no telling name: a hard link that follows may give it one (OSTree keeps every file
    /// under its hash). Compressed modules cannot be told from other compressed files, and are not read.
    fn interest_in_unnamed(&mut self, head: &[u8], size: u64) -> Interest {
        let interest = match self.lens {
            Lens::ModuleImage if is_object(head) && size <= MAX_MODULE => Interest::Module,
            Lens::ModuleImage if Index::open(head).is_ok() && size <= MAX_INDEX => Interest::Index,
            _ => return Interest::None,
        };
        if self.unnamed.take(size) {
            interest
        } else {
            Interest::None
        }
    }

    /// One good in-tree module of each kernel is enough.
    fn sample(&mut self, kernel: String, size: u64, body: &mut impl Read) -> io::Result<Option<Content>> {
        let Content::Module(file) = module(size, body)? else {
            return Ok(None);
        };
        let Ok(ModuleContent { elf: Ok(elf), .. }) = &file.content else {
            return Ok(None);
        };
        // One without an end function does not tell where the pointer to it stands.
        if elf.this_module.end.is_some() {
            self.sampled.insert(kernel);
        }
        let vermagic = elf.info("vermagic").map(str::to_owned);
        Ok(Some(Content::Sample(KernelSample {
            vermagic,
            this_module: elf.this_module,
        })))
    }
}

/// The indexes that modprobe looks into. They are told by name alone, since links may lead to them from anywhere.
const INDEXES: [&str; 4] = [
    "modules.dep.bin",
    "modules.alias.bin",
    "modules.symbols.bin",
    "modules.builtin.bin",
];

fn module_interest(name: &str) -> Interest {
    if is_module(name) {
        Interest::Module
    } else if INDEXES.contains(&name) {
        Interest::Index
    } else {
        Interest::None
    }
}

/// Whether a file's name says that modprobe reads it.
pub fn matters(path: &str) -> bool {
    module_interest(split(path).1) != Interest::None
}

/// Whether a file's name says that it is a kernel module (kmod `libkmod-util: path_ends_with_kmod_ext`).
fn is_module(name: &str) -> bool {
    [".ko", ".ko.gz", ".ko.xz", ".ko.zst"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

fn toolkit_interest(path: &str) -> Interest {
    let (folder, name) = split(path);
    let is_packed_symvers = name.starts_with("symvers") && [".gz", ".xz", ".zst"].iter().any(|s| name.ends_with(s));
    if name == "Module.symvers" || is_packed_symvers {
        return Interest::Symvers;
    }
    if name == ".config" || path.ends_with("include/config/auto.conf") || path.starts_with("boot/config-") {
        return Interest::Config;
    }
    let is_told = path == "etc/driver-toolkit-release.json" || path.ends_with("include/generated/utsrelease.h");
    if is_told || name == "module.lds" {
        return Interest::Text;
    }
    below_modules(folder).map_or(Interest::None, |(kernel, rest)| match name {
        "config" if rest.is_empty() => Interest::Config,
        "modules.dep" | "modules.builtin" if rest.is_empty() => Interest::Text,
        "modules.builtin.modinfo" if rest.is_empty() => Interest::BuiltinModinfo,
        _ if is_module(name) && (rest == "kernel" || rest.starts_with("kernel/")) => {
            Interest::Sample(kernel.to_owned())
        }
        _ => Interest::None,
    })
}

/// `K` and the rest, for a folder `lib/modules/K/rest` or `usr/lib/modules/K/rest`.
fn below_modules(folder: &str) -> Option<(&str, &str)> {
    let folder = folder
        .strip_prefix("usr/")
        .unwrap_or(folder)
        .strip_prefix("lib/modules/")?;
    Some(folder.split_once('/').unwrap_or((folder, "")))
}

fn module(size: u64, body: &mut impl Read) -> io::Result<Content> {
    if size > MAX_MODULE {
        let content = Err(Unpackable::TooLarge(MAX_MODULE));
        return Ok(Content::Module(Arc::new(ModuleFile {
            packing: Packing::Plain,
            size,
            content,
        })));
    }
    let bytes = all(size, body)?;
    Ok(Content::Module(Arc::new(ModuleFile::read(&bytes))))
}

fn index(size: u64, body: &mut impl Read) -> io::Result<Content> {
    if size > MAX_INDEX {
        return Ok(Content::TooLarge(size));
    }
    Ok(Content::Index(Arc::new(all(size, body)?)))
}

/// The text of a file, or what is said instead.
fn text(size: u64, body: &mut impl Read) -> io::Result<Result<String, Content>> {
    if size > MAX_TEXT {
        return Ok(Err(Content::TooLarge(size)));
    }
    Ok(Ok(String::from_utf8_lossy(&all(size, body)?).into_owned()))
}

/// Reads a whole body. Room is made as the bytes come: the size is only what the header says.
pub(super) fn all(size: u64, body: &mut impl Read) -> io::Result<Vec<u8>> {
    const AT_ONCE: u64 = 4 << 20;
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(AT_ONCE)).unwrap_or(0));
    body.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `Module.symvers`, or `symvers.gz` and the like of `/boot` and `/lib/modules`. Broken compression spoils this
/// one file only.
fn symvers(path: &str, body: &mut impl Read) -> io::Result<Content> {
    let mut body = Passing {
        inner: body,
        failure: None,
    };
    let unpacked: Box<dyn Read + '_> = match path.rsplit_once('.').map_or("", |(_, suffix)| suffix) {
        "gz" => Box::new(MultiGzDecoder::new(&mut body)),
        "xz" => Box::new(XzReader::new_mem_limit(&mut body, true, XZ_MEMORY_KIB)),
        "zst" => Box::new(zstd::stream::read::Decoder::new(&mut body)?),
        _ => Box::new(&mut body),
    };
    let read = Symvers::read(BufReader::new(unpacked.take(symvers::MAX_BYTES + 1)));
    if let Some(failure) = body.failure {
        return Err(failure);
    }
    Ok(read.map_or_else(
        |error| Content::Unreadable(error.to_string()),
        |symvers| Content::Symvers(Arc::new(symvers)),
    ))
}

/// Remembers an error of the layer itself, which a decompressor above it would dress up as its own.
struct Passing<R> {
    inner: R,
    failure: Option<io::Error>,
}

impl<R: Read> Read for Passing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(into) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let kind = error.kind();
                self.failure = Some(error);
                Err(kind.into())
            }
            other => other,
        }
    }
}

/// Whether an ELF file's first bytes call it relocatable, which modules are and programs and libraries are not.
fn is_object(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF") && matches!(head.get(16..18), Some([1, 0] | [0, 1]))
}
