//! Unpacks a module file in memory, as kmod would before it hands it to the kernel, and never beyond a cap.
//!
//! What kmod takes differs by format (kmod `libkmod/libkmod-file*.c`), and is followed here:
//! gzip goes through `gzread`, which joins members, ignores what follows them, and answers a stream that ends early
//! with what it has; xz joins streams, allows padding by fours, and refuses anything else; zstd refuses anything
//! after its frames. kmod 31 and later refuse a zstd file of several frames or one that does not tell its size,
//! earlier ones (RHEL 9, whose kmod KMM's worker has) take both; the earlier ones are followed.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

use super::facts::{Packing, Unpackable};

/// The largest module that is unpacked: five times the largest that is known (an unstripped GPU driver of 100 MB).
const MAX_UNPACKED: u64 = 512 << 20;

/// How many times larger than its packed form a module may become. Real ones stay below 20; bombs reach thousands.
const MAX_RATIO: u64 = 256;

/// Up to this size the ratio does not matter: a module of a few pages may well be mostly zeros.
const RATIO_FREE: u64 = 16 << 20;

/// The memory that unpacking xz may take, in KiB. `xz -9` wants 65 MiB, the kernel's own build 1 MiB.
const XZ_MEMORY_KIB: u32 = 128 << 10;

/// The largest window of a zstd frame, as a power of two: 128 MiB, what `zstd --ultra -22` and the C library use.
const ZSTD_WINDOW_LOG: u32 = 27;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const XZ_MAGIC: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

impl Packing {
    /// How these bytes are packed, by their first ones (kmod `libkmod-file.c: kmod_file_open`).
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            _ if bytes.starts_with(ZSTD_MAGIC) => Self::Zstd,
            _ if bytes.starts_with(XZ_MAGIC) => Self::Xz,
            _ if bytes.starts_with(GZIP_MAGIC) => Self::Gzip,
            _ => Self::Plain,
        }
    }
}

/// The unpacked bytes of a module file.
pub(super) fn unpack(packing: Packing, bytes: &[u8]) -> Result<Cow<'_, [u8]>, Unpackable> {
    let limit = limit(bytes.len() as u64);
    match packing {
        Packing::Plain if bytes.len() as u64 > limit => Err(Unpackable::TooLarge(limit)),
        Packing::Plain => Ok(Cow::Borrowed(bytes)),
        Packing::Gzip => gunzip(bytes, limit).map(Cow::Owned),
        Packing::Xz => unxz(bytes, limit).map(Cow::Owned),
        Packing::Zstd => unzstd(bytes, limit).map(Cow::Owned),
    }
}

/// How large the unpacked form of so many bytes may become.
fn limit(packed: u64) -> u64 {
    packed
        .saturating_mul(MAX_RATIO)
        .clamp(RATIO_FREE, MAX_UNPACKED)
}

fn gunzip(mut rest: &[u8], limit: u64) -> Result<Vec<u8>, Unpackable> {
    let mut out = Vec::new();
    while rest.starts_with(GZIP_MAGIC) {
        let mut member = GzDecoder::new(rest);
        match append(&mut member, &mut out, limit)? {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(damaged("gzip", &error)),
            Ok(()) => rest = member.into_inner(),
        }
    }
    Ok(out)
}

fn unxz(bytes: &[u8], limit: u64) -> Result<Vec<u8>, Unpackable> {
    let mut out = Vec::new();
    let mut streams = XzReader::new_mem_limit(bytes, true, XZ_MEMORY_KIB);
    match append(&mut streams, &mut out, limit)? {
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
            Err(Unpackable::TooLarge(u64::from(XZ_MEMORY_KIB) << 10))
        }
        Err(error) => Err(damaged("xz", &error)),
        Ok(()) => Ok(out),
    }
}

fn unzstd(bytes: &[u8], limit: u64) -> Result<Vec<u8>, Unpackable> {
    let mut out = Vec::new();
    let mut frames = zstd::Decoder::with_buffer(bytes).map_err(|error| damaged("zstd", &error))?;
    frames
        .window_log_max(ZSTD_WINDOW_LOG)
        .map_err(|error| damaged("zstd", &error))?;
    append(&mut frames, &mut out, limit)?.map_err(|error| damaged("zstd", &error))?;
    Ok(out)
}

/// Reads to the end, appending to `out`, which must not grow beyond `limit`. What was read before an error stays.
fn append(
    from: &mut impl Read,
    out: &mut Vec<u8>,
    limit: u64,
) -> Result<io::Result<()>, Unpackable> {
    let room = limit.saturating_sub(out.len() as u64).saturating_add(1);
    let read = from.take(room).read_to_end(out);
    if out.len() as u64 > limit {
        return Err(Unpackable::TooLarge(limit));
    }
    Ok(read.map(drop))
}

fn damaged(format: &str, error: &io::Error) -> Unpackable {
    Unpackable::Damaged(format!("{format}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use lzma_rust2::{CheckType, XzOptions, XzWriter};
    use std::io::Write;

    const TEXT: &[u8] = b"a module, a module, a module, and what follows it";

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut options = XzOptions::default();
        options.set_check_sum_type(CheckType::Crc32);
        let mut writer = XzWriter::new(Vec::new(), options).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn zst(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn without_last(bytes: &[u8], count: usize) -> Vec<u8> {
        bytes[..bytes.len() - count].to_vec()
    }

    fn check(name: &str, packing: Packing, bytes: &[u8], expected: Option<&[u8]>) {
        assert_eq!(Packing::of(bytes), packing, "{name}");
        match (unpack(packing, bytes), expected) {
            (Ok(got), Some(expected)) => assert_eq!(&*got, expected, "{name}"),
            (Err(Unpackable::Damaged(_)), None) => {}
            (got, expected) => panic!("{name}: {got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn takes_and_refuses_what_kmod_takes_and_refuses() {
        use Packing::{Gzip, Plain, Xz, Zstd};
        let half = TEXT.len() / 2;
        let (first, second) = TEXT.split_at(half);
        let mut wrong_crc = gz(TEXT);
        let at = wrong_crc.len() - 8;
        wrong_crc[at] ^= 1;

        check(
            "a plain file is taken as it stands",
            Plain,
            TEXT,
            Some(TEXT),
        );
        check("an empty file is plain", Plain, b"", Some(b""));
        check("a gzip file is unpacked", Gzip, &gz(TEXT), Some(TEXT));
        check(
            "gzip members are joined",
            Gzip,
            &[gz(first), gz(second)].concat(),
            Some(TEXT),
        );
        check(
            "what follows a gzip member is ignored",
            Gzip,
            &[gz(TEXT), b"junk".to_vec()].concat(),
            Some(TEXT),
        );
        check(
            "a gzip trailer may be missing",
            Gzip,
            &without_last(&gz(TEXT), 8),
            Some(TEXT),
        );
        check(
            "a gzip member with another checksum is damaged",
            Gzip,
            &wrong_crc,
            None,
        );
        check(
            "a gzip header alone unpacks to nothing",
            Gzip,
            &[0x1f, 0x8b],
            Some(b""),
        );
        check("an xz file is unpacked", Xz, &xz(TEXT), Some(TEXT));
        check(
            "xz streams are joined",
            Xz,
            &[xz(first), xz(second)].concat(),
            Some(TEXT),
        );
        check(
            "xz padding by fours is ignored",
            Xz,
            &[xz(TEXT), vec![0; 8]].concat(),
            Some(TEXT),
        );
        check(
            "other xz padding is damage",
            Xz,
            &[xz(TEXT), vec![0; 7]].concat(),
            None,
        );
        check(
            "what follows an xz stream is damage",
            Xz,
            &[xz(TEXT), b"junk".to_vec()].concat(),
            None,
        );
        check(
            "an xz stream that ends early is damaged",
            Xz,
            &without_last(&xz(TEXT), 4),
            None,
        );
        check("a zstd file is unpacked", Zstd, &zst(TEXT), Some(TEXT));
        check(
            "zstd frames are joined",
            Zstd,
            &[zst(first), zst(second)].concat(),
            Some(TEXT),
        );
        check(
            "what follows a zstd frame is damage",
            Zstd,
            &[zst(TEXT), b"junk".to_vec()].concat(),
            None,
        );
        check(
            "a zstd frame that ends early is damaged",
            Zstd,
            &without_last(&zst(TEXT), 4),
            None,
        );
    }

    #[test]
    fn a_gzip_file_that_ends_early_gives_what_it_has() {
        let noise: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        let packed = gz(&noise);
        let got = gunzip(&packed[..packed.len() / 2], MAX_UNPACKED).unwrap();
        assert!(!got.is_empty() && got.len() < noise.len() && noise.starts_with(&got));
    }

    #[test]
    fn a_bomb_is_too_large_in_every_format() {
        let zeros = vec![0; usize::try_from(RATIO_FREE).unwrap() + 1];
        for bomb in [gz(&zeros), xz(&zeros), zst(&zeros)] {
            assert!(
                (bomb.len() as u64) * MAX_RATIO < RATIO_FREE * 2,
                "packs well"
            );
            assert_eq!(
                unpack(Packing::of(&bomb), &bomb),
                Err(Unpackable::TooLarge(limit(bomb.len() as u64)))
            );
        }
    }

    #[test]
    fn the_limit_follows_the_packed_size_between_two_bounds() {
        assert_eq!(limit(0), RATIO_FREE);
        assert_eq!(limit(1 << 20), MAX_RATIO << 20);
        assert_eq!(limit(u64::MAX), MAX_UNPACKED);
    }
}
