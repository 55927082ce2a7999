//! Compressed modules (kmod `libkmod/libkmod-file.c`).
//!
//! Debian's kmod reads no gzip, while that of KMM's worker does: those cases are asked of one that was compiled with zlib.

use super::{Case, Kernel};
use crate::truth::kernel::Architecture;
use crate::truth::ko::Packing::{self, Gzip, Xz, Zstd};

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = || kernel.ko("plain");
    let mut cases = packed(kernel, "xz", Xz)?;
    cases.extend(packed(kernel, "zstd", Zstd)?);
    cases.extend([
        kernel.case("plain-named-xz").ko(plain()?.with_suffix(".xz")),
        kernel.case("plain-named-zst").ko(plain()?.with_suffix(".zst")),
        kernel.case("xz-named-zst").ko(plain()?.packed(Xz)?.with_suffix(".zst")),
        kernel
            .case("zstd-named-xz")
            .ko(plain()?.packed(Zstd)?.with_suffix(".xz")),
        kernel.case("xz-of-zstd").ko(plain()?.packed(Zstd)?.packed(Xz)?),
        kernel
            .case("xz-and-a-plain-one-beside-it")
            .ko(plain()?.packed(Xz)?)
            .ko(plain()?.cut(100)),
        kernel
            .case("xz-needs-a-plain-one")
            .ko(kernel.ko("importer")?.packed(Xz)?)
            .ko(kernel.ko("exporter")?),
    ]);
    if kernel.architecture == Architecture::Amd64 {
        let mut gzipped = packed(kernel, "gzip", Gzip)?;
        gzipped.extend([
            kernel.case("plain-named-gz").ko(plain()?.with_suffix(".gz")),
            kernel.case("gzip-of-gzip").ko(plain()?.packed(Gzip)?.packed(Gzip)?),
            kernel
                .case("gzip-needs-a-plain-one")
                .ko(kernel.ko("importer")?.packed(Gzip)?)
                .ko(kernel.ko("exporter")?),
            kernel
                .case("gzip-with-parameters")
                .ko(kernel.ko("params")?.packed(Gzip)?)
                .parameters(&["p_int=1"]),
        ]);
        let kmod = kernel.gzip_kmod()?;
        cases.extend(gzipped.into_iter().map(|case| case.kmod(&kmod)));
    }
    Ok(cases)
}

/// A module packed in one way, and damaged after that.
fn packed(kernel: &Kernel, name: &str, how: Packing) -> anyhow::Result<Vec<Case>> {
    let plain = || kernel.ko("plain");
    let packed = plain()?.packed(how)?;
    let length = packed.bytes.len();
    let case = |id: &str| kernel.case(format!("{name}-{id}"));
    Ok(vec![
        case("sound").ko(packed.clone()),
        case("cut-in-the-middle").ko(packed.clone().cut(length / 2)),
        case("cut-by-one").ko(packed.clone().cut(length - 1)),
        case("cut-by-eight").ko(packed.clone().cut(length - 8)),
        case("cut-by-forty").ko(packed.clone().cut(length - 40)),
        case("header-alone").ko(packed.clone().cut(6)),
        case("a-byte-altered").ko(packed.clone().with_bytes(|bytes| bytes[length / 2] ^= 0x55)),
        case("last-byte-altered").ko(packed.clone().with_bytes(|bytes| bytes[length - 1] ^= 0x55)),
        case("bytes-after-it").ko(packed.clone().with_bytes(|bytes| bytes.extend_from_slice(b"more"))),
        case("zeros-after-it").ko(packed.clone().with_bytes(|bytes| bytes.extend_from_slice(&[0; 8]))),
        case("twice").ko(packed.clone().with_bytes(|bytes| bytes.extend(bytes.clone()))),
        case("of-nothing").ko({
            let mut empty = plain()?;
            empty.bytes.clear();
            let mut packed = empty.packed(how)?;
            packed.indexed.clone_from(&plain()?.packed(how)?.bytes);
            packed
        }),
        case("named-ko").ko(packed.clone().with_suffix("")),
        case("of-a-wrong-crc").ko(plain()?.with_crc("module_layout", |crc| crc ^ 1).packed(how)?),
        case("dependency")
            .ko(kernel.ko("importer")?.packed(how)?)
            .ko(kernel.ko("exporter")?.packed(how)?),
    ])
}
