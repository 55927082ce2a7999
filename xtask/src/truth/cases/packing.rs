//! Compressed modules (kmod `libkmod/libkmod-file.c`).
//!
//! Debian's kmod reads no gzip, while KMM's worker image has one that does: those cases stay out.

use super::{Case, Kernel};
use crate::truth::ko::Packing::{Xz, Zstd};

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = || kernel.ko("plain");
    let mut cases = Vec::new();
    for (name, how) in [("xz", Xz), ("zstd", Zstd)] {
        let packed = plain()?.packed(how)?;
        let length = packed.bytes.len();
        let case = |id: &str| kernel.case(format!("{name}-{id}"));
        cases.extend([
            case("sound").ko(packed.clone()),
            case("cut-in-the-middle").ko(packed.clone().cut(length / 2)),
            case("cut-by-one").ko(packed.clone().cut(length - 1)),
            case("cut-by-forty").ko(packed.clone().cut(length - 40)),
            case("header-alone").ko(packed.clone().cut(6)),
            case("a-byte-altered").ko(packed.clone().with_bytes(|bytes| bytes[length / 2] ^= 0x55)),
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
        ]);
    }
    cases.extend([
        kernel.case("plain-named-xz").ko(plain()?.with_suffix(".xz")),
        kernel.case("plain-named-zst").ko(plain()?.with_suffix(".zst")),
        kernel.case("xz-named-zst").ko(plain()?.packed(Xz)?.with_suffix(".zst")),
        kernel
            .case("zstd-named-xz")
            .ko(plain()?.packed(Zstd)?.with_suffix(".xz")),
        kernel.case("xz-of-zstd").ko(plain()?.packed(Zstd)?.packed(Xz)?),
    ]);
    Ok(cases)
}
