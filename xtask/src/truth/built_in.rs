//! The certificates that a kernel was built with: it trusts whom they name, before any firmware is asked. They stand in the
//! kernel's image as they are (`certs/system_certificates.S`), which on amd64 is packed into `vmlinuz`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

/// How an X.509 certificate of version 3 begins, as DER, with its length left out: two sequences with lengths of two bytes, then
/// the version.
const BEGINS: [Option<u8>; 13] = {
    let any = None;
    [
        Some(0x30),
        Some(0x82),
        any,
        any,
        Some(0x30),
        Some(0x82),
        any,
        any,
        Some(0xa0),
        Some(0x03),
        Some(0x02),
        Some(0x01),
        Some(0x02),
    ]
};

/// What a kernel is packed by: how its payload begins, and what unpacks it. All of them take it from standard input.
const PACKERS: [(&[u8], &str, &[&str]); 4] = [
    (b"\x1f\x8b", "gzip", &["-dc"]),
    (b"\xfd7zXZ\0", "xz", &["-dc", "--single-stream"]),
    (b"\x28\xb5\x2f\xfd", "zstd", &["-dc"]),
    (b"\x02\x21\x4c\x18", "lz4", &["-dc"]),
];

/// The certificates in a kernel's `vmlinuz`, each as a DER file of the folder, which is made if it is not there yet.
pub(super) fn certificates(vmlinuz: &Path, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.exists() {
        let image = unpacked(fs::read(vmlinuz)?)?;
        let found = certificates_in(&image);
        anyhow::ensure!(!found.is_empty(), "{} has no certificate in it", vmlinuz.display());
        let made = folder.with_extension("new");
        let _ = fs::remove_dir_all(&made);
        fs::create_dir_all(&made)?;
        for (number, certificate) in found.into_iter().enumerate() {
            fs::write(made.join(format!("{number}.der")), certificate)?;
        }
        fs::rename(made, folder)?;
    }
    let files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    files.collect()
}

fn certificates_in(image: &[u8]) -> Vec<&[u8]> {
    let begins = |window: &[u8]| {
        BEGINS
            .iter()
            .zip(window)
            .all(|(want, is)| want.is_none_or(|want| want == *is))
    };
    let starts = image
        .windows(BEGINS.len())
        .enumerate()
        .filter(|(_, window)| begins(window));
    let certificate = |(start, window): (usize, &[u8])| {
        let length = usize::from(u16::from_be_bytes([*window.get(2)?, *window.get(3)?]));
        image.get(start..start + 4 + length)
    };
    starts.filter_map(certificate).collect()
}

/// The kernel behind the code that unpacks it, by the header that boot loaders read (`Documentation/arch/x86/boot.rst`); what has
/// no such header is not packed, as arm64's `Image`.
fn unpacked(vmlinuz: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if vmlinuz.get(0x202..0x206) != Some(b"HdrS") {
        return Ok(vmlinuz);
    }
    let word = |at: usize| {
        let bytes = vmlinuz.get(at..at + 4).context("a header that breaks off")?;
        Ok::<_, anyhow::Error>(usize::try_from(u32::from_le_bytes(bytes.try_into()?))?)
    };
    let setup_sectors = usize::from(*vmlinuz.get(0x1f1).context("a header that breaks off")?);
    let from = (setup_sectors + 1) * 512 + word(0x248)?;
    let payload = vmlinuz
        .get(from..from + word(0x24c)?)
        .context("a payload that breaks off")?;
    let (_, program, options) = PACKERS
        .iter()
        .find(|(magic, ..)| payload.starts_with(magic))
        .context("it is packed in an unknown way")?;
    unpack(program, options, payload)
}

/// How the program ends does not matter: the length of what was packed stands behind the payload, and some complain of it.
fn unpack(program: &str, options: &[&str], payload: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("no {program}: `xtask/truth/packages.sh` installs it"))?;
    let mut input = child.stdin.take().context("its input")?;
    std::thread::scope(|scope| {
        // It may have had enough before all is written.
        scope.spawn(move || input.write_all(payload).ok());
        Ok(child.wait_with_output()?.stdout)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a certificate whose content has `length` bytes.
    fn certificate(length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let head = [0x30, 0x82, high, low, 0x30, 0x82, 0, 9, 0xa0, 3, 2, 1, 2];
        let mut bytes = head.to_vec();
        bytes.resize(4 + usize::from(length), 7);
        bytes
    }

    #[test]
    fn certificates_are_found_wherever_they_stand_and_not_beyond_the_end() {
        let (first, second) = (certificate(300), certificate(20));
        let image = [&b"0\x82text"[..], &first, b"between", &second, &certificate(300)[..100]].concat();
        assert_eq!(certificates_in(&image), [&first[..], &second[..]]);
    }

    #[test]
    fn a_packed_kernel_is_unpacked_whatever_stands_behind_it() {
        let kernel = [b"code".repeat(1000), certificate(50)].concat();
        let packed = unpack("gzip", &["-c"], &kernel).expect("gzip");
        let mut vmlinuz = vec![0; 1024];
        vmlinuz.splice(0x1f1..=0x1f1, [1]);
        vmlinuz.splice(0x202..0x206, *b"HdrS");
        vmlinuz.splice(
            0x24c..0x250,
            u32::try_from(packed.len() + 4).expect("small").to_le_bytes(),
        );
        vmlinuz.extend_from_slice(&packed);
        vmlinuz.extend_from_slice(&[1, 2, 3, 4]);
        assert_eq!(unpacked(vmlinuz).expect("a kernel"), kernel);
        assert_eq!(unpacked(kernel.clone()).expect("not packed"), kernel);
    }
}
