//! Module files, and how they are damaged: every change makes a new one.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::Context;

use super::elf::Elf;

/// What the kernel looks for at the end of a signed module (`include/linux/module_signature.h`).
pub(crate) const SIGNATURE_MARK: &[u8] = b"~Module signature appended~\n";

/// A module's file as it stands in an image.
#[derive(Clone)]
pub(crate) struct Ko {
    /// The name of its file, without `.ko`.
    pub(crate) name: String,
    /// What follows `.ko` in that name.
    pub(crate) suffix: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// What depmod sees in its place: the file before it was damaged.
    pub(crate) indexed: Vec<u8>,
    /// `.ko`, and what stands in its place where somebody calls it otherwise.
    pub(crate) folder: String,
}

impl Ko {
    pub(crate) fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            suffix: "",
            indexed: bytes.clone(),
            bytes,
            folder: "extra".to_owned(),
        }
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}.ko{}", self.name, self.suffix)
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The module under another name, in its file as well.
    ///
    /// # Errors
    ///
    /// Where that name is longer than the one it has: nothing in the file makes room for it.
    pub(crate) fn calling_itself(self, name: &str) -> anyhow::Result<Self> {
        let was = self.name.clone();
        anyhow::ensure!(name.len() <= was.len(), "{name} is longer than {was}");
        let rest = was.get(name.len() + 1..).unwrap_or_default();
        let becomes = format!("{name}\0{rest}\0");
        let becomes = becomes.as_bytes().get(..=was.len()).unwrap_or_default().to_vec();
        let named = self.named(name);
        Ok(named.with_elf(|elf| elf.replace_everywhere(format!("{was}\0").as_bytes(), &becomes)))
    }

    /// The module `plain`, changed after it was signed, in what no code looks at: its description.
    pub(crate) fn altered_after_signing(self) -> Self {
        self.with_elf(|elf| elf.replace_everywhere(b"description=plain", b"description=PLAIN"))
    }

    /// In another folder below the kernel's.
    pub(crate) fn in_folder(mut self, folder: &str) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    /// depmod sees what the file has become.
    pub(crate) fn seen_by_depmod(mut self) -> Self {
        self.indexed.clone_from(&self.bytes);
        self
    }

    pub(crate) fn with_bytes(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.bytes);
        self
    }

    /// The file with other bytes at an offset.
    pub(crate) fn patched(self, at: usize, with: &[u8]) -> Self {
        self.with_bytes(|bytes| {
            if let Some(place) = bytes.get_mut(at..at + with.len()) {
                place.copy_from_slice(with);
            }
        })
    }

    /// Only the beginning of the file.
    pub(crate) fn cut(self, length: usize) -> Self {
        self.with_bytes(|bytes| bytes.truncate(length))
    }

    pub(crate) fn with_elf(self, change: impl FnOnce(&mut Elf<'_>)) -> Self {
        self.with_bytes(|bytes| change(&mut Elf::new(bytes)))
    }

    /// `.modinfo` with the value of a key replaced, everywhere it stands; added at the end where it does not.
    pub(crate) fn with_modinfo(self, key: &str, value: &str) -> Self {
        let entry = format!("{key}={value}");
        self.modinfo(|entries| {
            let prefix = format!("{key}=");
            let places: Vec<usize> = (0..entries.len())
                .filter(|at| entries[*at].starts_with(prefix.as_bytes()))
                .collect();
            if places.is_empty() {
                entries.push(entry.clone().into_bytes());
            }
            for at in places {
                entries[at] = entry.clone().into_bytes();
            }
        })
    }

    /// `.modinfo` with one more entry, at its end.
    pub(crate) fn adding_modinfo(self, key: &str, value: &str) -> Self {
        let entry = format!("{key}={value}").into_bytes();
        self.modinfo(|entries| entries.push(entry))
    }

    pub(crate) fn without_modinfo(self, key: &str) -> Self {
        let prefix = format!("{key}=");
        self.modinfo(|entries| entries.retain(|entry| !entry.starts_with(prefix.as_bytes())))
    }

    fn modinfo(self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Self {
        self.with_elf(|elf| {
            let bytes = elf.section(".modinfo").unwrap_or_default();
            let mut entries: Vec<Vec<u8>> = bytes
                .split(|byte| *byte == 0)
                .filter(|entry| !entry.is_empty())
                .map(<[u8]>::to_vec)
                .collect();
            change(&mut entries);
            let mut written = entries.join(&0);
            written.push(0);
            elf.set_section(".modinfo", &written);
        })
    }

    /// The value of a key of `.modinfo`.
    pub(crate) fn info(&self, key: &str) -> Option<String> {
        let mut bytes = self.bytes.clone();
        let modinfo = Elf::new(&mut bytes).section(".modinfo")?;
        let prefix = format!("{key}=");
        let entry = modinfo
            .split(|byte| *byte == 0)
            .find(|entry| entry.starts_with(prefix.as_bytes()))?;
        Some(String::from_utf8_lossy(&entry[prefix.len()..]).into_owned())
    }

    pub(crate) fn without_section(self, name: &str) -> Self {
        self.with_elf(|elf| elf.hide_section(name))
    }

    /// `__versions` with what `change` makes of its records: symbol and CRC.
    pub(crate) fn with_versions(self, change: impl FnOnce(&mut Vec<(String, u64)>)) -> Self {
        self.with_elf(|elf| {
            let mut records = elf.versions();
            change(&mut records);
            elf.set_versions(&records);
        })
    }

    /// With what `change` makes of its symbol versions in the extended form of Linux 6.14; where it has none, of those that it
    /// has.
    pub(crate) fn with_extended_versions(self, change: impl FnOnce(&mut Vec<(String, u64)>)) -> Self {
        self.with_elf(|elf| {
            let mut records = elf.extended_versions().unwrap_or_else(|| elf.versions());
            change(&mut records);
            elf.set_extended_versions(&records);
        })
    }

    /// With another CRC of one symbol.
    pub(crate) fn with_crc(self, symbol: &str, change: impl Fn(u64) -> u64) -> Self {
        self.with_versions(|records| {
            for (_, crc) in records.iter_mut().filter(|(name, _)| name == symbol) {
                *crc = change(*crc);
            }
        })
    }

    pub(crate) fn without_crc(self, symbol: &str) -> Self {
        self.with_versions(|records| records.retain(|(name, _)| name != symbol))
    }

    /// Compressed by the usual program, with the suffix that goes with it.
    pub(crate) fn packed(mut self, how: Packing) -> anyhow::Result<Self> {
        self.bytes = pipe(how.command(), &self.bytes)?;
        self.indexed = pipe(how.command(), &self.indexed)?;
        self.suffix = how.suffix();
        Ok(self)
    }

    /// With another ending of its name than what it is.
    pub(crate) fn with_suffix(mut self, suffix: &'static str) -> Self {
        self.suffix = suffix;
        self
    }
}

/// How modules are compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Xz,
    Zstd,
}

impl Packing {
    /// As kbuild does it (`scripts/Makefile.modinst`).
    const fn command(self) -> &'static [&'static str] {
        match self {
            Self::Gzip => &["gzip", "-n", "-c"],
            Self::Xz => &["xz", "--check=crc32", "--lzma2=dict=1MiB", "-c"],
            Self::Zstd => &["zstd", "-q", "-c"],
        }
    }

    /// The suffix of a file's name, as one of those that are known.
    pub(crate) fn suffix_named(name: &str) -> &'static str {
        let all = [Self::Gzip, Self::Xz, Self::Zstd].map(Self::suffix);
        all.into_iter().find(|suffix| *suffix == name).unwrap_or_default()
    }

    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
        }
    }
}

/// What a program makes of its input.
fn pipe(command: &[&str], input: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (program, args) = command.split_first().context("a program")?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{program} does not start"))?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output()?;
    anyhow::ensure!(
        output.status.success() && writer.join().is_ok_and(|written| written.is_ok()),
        "{program} fails"
    );
    Ok(output.stdout)
}
