//! Packs a module again as it was. The same bytes give the same file each time, whenever and wherever it is made.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use lzma_rust2::{CheckType, XzOptions, XzWriter};

use super::SigningError;
use crate::kmod::facts::Packing;

/// xz's own default, 6, would take 95 MiB; of modules, which are small, it makes little less.
const XZ_PRESET: u32 = 6;

/// The window of xz, in bytes: the kernel's own build takes so much (`--lzma2=dict=1MiB`), and the kernel's decompressor takes
/// no more than it can allocate.
const XZ_WINDOW: u32 = 1 << 20;

/// zstd's own level of the kernel's build is 19, and takes minutes for large modules.
const ZSTD_LEVEL: i32 = 12;

pub(super) fn pack(packing: Packing, module: Vec<u8>) -> Result<Vec<u8>, SigningError> {
    let packed = match packing {
        Packing::Plain => Ok(module),
        Packing::Gzip => gzip(&module),
        Packing::Xz => xz(&module),
        Packing::Zstd => zstd(&module),
    };
    packed.map_err(|error| SigningError::Unpacked(error.to_string()))
}

/// Without a name and a time.
fn gzip(module: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(module)?;
    encoder.finish()
}

/// With the checksum that the kernel's own decompressor knows (`lib/xz`: CRC32 or none).
fn xz(module: &[u8]) -> io::Result<Vec<u8>> {
    let mut options = XzOptions::with_preset(XZ_PRESET);
    options.lzma_options.dict_size = XZ_WINDOW;
    options.set_check_sum_type(CheckType::Crc32);
    let mut writer = XzWriter::new(Vec::new(), options)?;
    writer.write_all(module)?;
    writer.finish()
}

/// One frame that tells its size, which kmod 31 and later want, and has a checksum, as `zstd` writes it.
fn zstd(module: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.compress(module)
}
