//! Packs a module again as it was. The same bytes give the same file each time, whenever and wherever it is made.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use lzma_rust2::{CheckType, XzOptions, XzWriter};

use super::SigningError;
use crate::kmod::facts::Packing;

/// xz's own default.
const XZ_PRESET: u32 = 6;

/// The window of xz, in bytes, as the kernel's own build sets it (`scripts/Makefile.modinst`: `--lzma2=dict=1MiB`): who
/// unpacks needs as much memory.
const XZ_WINDOW: u32 = 1 << 20;

/// Halfway between zstd's own default, 3, and 19, which takes seconds for a large module.
const ZSTD_LEVEL: i32 = 12;

/// The packed form of a module.
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

/// With the one checksum that the kernel's own decompressor can verify (`lib/xz`).
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
