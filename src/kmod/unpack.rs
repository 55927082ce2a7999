//! Unpacks a module file in memory, as kmod would before it hands it to the kernel, and never beyond a cap.
//!
//! What kmod takes differs by format (kmod `libkmod/libkmod-file*.c`), and is followed here:
//! gzip goes through `gzread`, which joins members, ignores what follows them, and answers a stream that ends early
//! with what it has; xz joins streams, allows padding by fours, and refuses anything else; zstd refuses anything
//! after its frames. kmod 31 and later refuse a zstd file of several frames, one that does not tell its size, and one
//! that ends early; earlier ones (RHEL 9, whose kmod KMM's worker has) take the first two, and of the last what it has
//! (`libkmod/libkmod-file.c: load_zstd`); the earlier ones are followed.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

use super::facts::{Packing, Unpackable};

/// The largest module that is read, in bytes once unpacked: five times the largest that is known (an unstripped GPU driver of 100 MB).
pub const MAX_UNPACKED: u64 = 512 << 20;

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
        Packing::Gzip => gunzip(bytes, limit).map(|unpacked| Cow::Owned(unpacked.bytes)),
        Packing::Xz => unxz(bytes, limit).map(Cow::Owned),
        Packing::Zstd => unzstd(bytes, limit).map(|unpacked| Cow::Owned(unpacked.bytes)),
    }
}

/// The same, for whoever makes a new file of it: here a stream that ends early is damage, whatever its format.
pub(super) fn unpack_whole(packing: Packing, bytes: &[u8]) -> Result<Cow<'_, [u8]>, Unpackable> {
    let limit = limit(bytes.len() as u64);
    let unpacked = match packing {
        Packing::Gzip => gunzip(bytes, limit)?,
        Packing::Zstd => unzstd(bytes, limit)?,
        Packing::Plain | Packing::Xz => return unpack(packing, bytes),
    };
    if unpacked.ends_early {
        return Err(Unpackable::Damaged("it ends early".to_owned()));
    }
    Ok(Cow::Owned(unpacked.bytes))
}

/// How large the unpacked form of so many bytes may become.
fn limit(packed: u64) -> u64 {
    packed.saturating_mul(MAX_RATIO).clamp(RATIO_FREE, MAX_UNPACKED)
}

/// What a file holds whose end may be missing.
struct Unpacked {
    bytes: Vec<u8>,
    ends_early: bool,
}

fn gunzip(mut rest: &[u8], limit: u64) -> Result<Unpacked, Unpackable> {
    let mut out = Vec::new();
    while rest.starts_with(GZIP_MAGIC) {
        let mut member = GzDecoder::new(rest);
        match append(&mut member, &mut out, limit)? {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Unpacked {
                    bytes: out,
                    ends_early: true,
                });
            }
            Err(error) => return Err(damaged("gzip", &error)),
            Ok(()) => rest = member.into_inner(),
        }
    }
    Ok(Unpacked {
        bytes: out,
        ends_early: false,
    })
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

fn unzstd(bytes: &[u8], limit: u64) -> Result<Unpacked, Unpackable> {
    let mut out = Vec::new();
    let mut frames = zstd::Decoder::with_buffer(bytes).map_err(|error| damaged("zstd", &error))?;
    frames
        .window_log_max(ZSTD_WINDOW_LOG)
        .map_err(|error| damaged("zstd", &error))?;
    let ends_early = match append(&mut frames, &mut out, limit)? {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => true,
        Err(error) => return Err(damaged("zstd", &error)),
        Ok(()) => false,
    };
    Ok(Unpacked { bytes: out, ends_early })
}

/// Reads to the end, appending to `out`, which must not grow beyond `limit`. What was read before an error stays.
fn append(from: &mut impl Read, out: &mut Vec<u8>, limit: u64) -> Result<io::Result<()>, Unpackable> {
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

    fn gunzipped(bytes: &[u8], limit: u64) -> Result<Vec<u8>, Unpackable> {
        gunzip(bytes, limit).map(|unpacked| unpacked.bytes)
    }

    fn unzstded(bytes: &[u8], limit: u64) -> Result<Vec<u8>, Unpackable> {
        unzstd(bytes, limit).map(|unpacked| unpacked.bytes)
    }

    fn without_last(bytes: &[u8], count: usize) -> Vec<u8> {
        bytes[..bytes.len() - count].to_vec()
    }

    /// What unpacking gives: all of [`TEXT`], nothing, or damage.
    fn outcome(packing: Packing, bytes: &[u8]) -> &'static str {
        assert_eq!(Packing::of(bytes), packing);
        match unpack(packing, bytes) {
            Ok(got) if &*got == TEXT => "all",
            Ok(got) if got.is_empty() => "nothing",
            Err(Unpackable::Damaged(_)) => "damage",
            other => panic!("{other:?}"),
        }
    }

    fn halves(pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let (first, second) = TEXT.split_at(TEXT.len() / 2);
        [pack(first), pack(second)].concat()
    }

    fn then(mut bytes: Vec<u8>, more: &[u8]) -> Vec<u8> {
        bytes.extend(more);
        bytes
    }

    #[test]
    fn plain_files_are_taken_as_they_stand() {
        assert_eq!(outcome(Packing::Plain, TEXT), "all");
        assert_eq!(outcome(Packing::Plain, b""), "nothing");
    }

    #[test]
    fn gzip_is_taken_as_gzread_takes_it() {
        let mut wrong_crc = gz(TEXT);
        let at = wrong_crc.len() - 8;
        wrong_crc[at] ^= 1;
        let cases = [
            ("one member", gz(TEXT), "all"),
            ("several members", halves(gz), "all"),
            ("something after it", then(gz(TEXT), b"junk"), "all"),
            ("no trailer", without_last(&gz(TEXT), 8), "all"),
            ("a header cut short", vec![0x1f, 0x8b], "nothing"),
            ("another checksum", wrong_crc, "damage"),
            (
                "a second member that is none",
                then(gz(TEXT), &[0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9]),
                "damage",
            ),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(outcome(Packing::Gzip, &bytes), expected, "{name}");
        }
    }

    #[test]
    fn xz_is_taken_as_liblzma_takes_it() {
        let cases = [
            ("one stream", xz(TEXT), "all"),
            ("several streams", halves(xz), "all"),
            ("padding by fours", then(xz(TEXT), &[0; 8]), "all"),
            ("other padding", then(xz(TEXT), &[0; 7]), "damage"),
            ("something after it", then(xz(TEXT), b"junk"), "damage"),
            ("an early end", without_last(&xz(TEXT), 4), "damage"),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(outcome(Packing::Xz, &bytes), expected, "{name}");
        }
    }

    #[test]
    fn zstd_is_taken_as_libzstd_takes_it() {
        let cases = [
            ("one frame", zst(TEXT), "all"),
            ("several frames", halves(zst), "all"),
            ("something after it", then(zst(TEXT), b"junk"), "damage"),
            ("no checksum at its end", without_last(&zst(TEXT), 1), "all"),
            ("a header cut short", zst(TEXT)[..6].to_vec(), "nothing"),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(outcome(Packing::Zstd, &bytes), expected, "{name}");
        }
    }

    #[test]
    fn a_gzip_file_that_ends_early_gives_what_it_has() {
        let noise: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        let packed = gz(&noise);
        let cut = &packed[..packed.len() / 2];
        let got = unpack(Packing::Gzip, cut).unwrap();
        assert!(!got.is_empty() && got.len() < noise.len() && noise.starts_with(&got));
        assert!(matches!(unpack_whole(Packing::Gzip, cut), Err(Unpackable::Damaged(_))));
        assert_eq!(unpack_whole(Packing::Gzip, &packed).unwrap(), noise);
    }

    #[test]
    fn whoever_makes_a_new_file_wants_a_zstd_file_to_its_end() {
        let cut = without_last(&zst(TEXT), 1);
        assert!(matches!(unpack_whole(Packing::Zstd, &cut), Err(Unpackable::Damaged(_))));
        assert_eq!(unpack_whole(Packing::Zstd, &zst(TEXT)).unwrap(), TEXT);
    }

    #[test]
    fn a_bomb_is_too_large() {
        let bomb = zst(&vec![0; usize::try_from(RATIO_FREE).unwrap() + 1]);
        assert!(bomb.len() < 4096, "it packs well");
        assert_eq!(unpack(Packing::Zstd, &bomb), Err(Unpackable::TooLarge(RATIO_FREE)));
    }

    #[test]
    fn no_format_grows_beyond_the_limit() {
        let unpacked = |format: fn(&[u8], u64) -> Result<Vec<u8>, Unpackable>, packed: &[u8], limit: usize| {
            format(packed, limit as u64).map(|bytes| bytes.len())
        };
        let zeros = vec![0; 10_000];
        for (format, packed) in [
            (gunzipped as fn(&[u8], u64) -> _, gz(&zeros)),
            (unxz, xz(&zeros)),
            (unzstded, zst(&zeros)),
        ] {
            assert_eq!(unpacked(format, &packed, zeros.len()), Ok(zeros.len()));
            let limit = zeros.len() - 1;
            assert_eq!(
                unpacked(format, &packed, limit),
                Err(Unpackable::TooLarge(limit as u64))
            );
        }
        let members = [gz(&zeros), gz(&zeros)].concat();
        assert_eq!(
            gunzipped(&members, 15_000),
            Err(Unpackable::TooLarge(15_000)),
            "members count together"
        );
    }

    #[test]
    fn the_limit_follows_the_packed_size_between_two_bounds() {
        assert_eq!(limit(0), RATIO_FREE);
        assert_eq!(limit(1 << 20), MAX_RATIO << 20);
        assert_eq!(limit(u64::MAX), MAX_UNPACKED);
    }
}
