//! Reads a module file: unpacks it, takes the signature off its end, and reads the ELF image that is left.

use super::facts::{ModuleContent, ModuleFile, Packing};
use super::{elf, signature, unpack};

impl ModuleFile {
    /// All that a module file says of itself, in the order in which kmod and the kernel would find it out.
    /// There is an answer for any bytes.
    pub fn read(bytes: &[u8]) -> Self {
        let packing = Packing::of(bytes);
        match unpack::unpack(packing, bytes) {
            Ok(unpacked) => Self {
                packing,
                size: unpacked.len() as u64,
                content: Ok(ModuleContent::read(&unpacked)),
            },
            Err(reason) => Self {
                packing,
                size: 0,
                content: Err(reason),
            },
        }
    }
}

impl ModuleContent {
    fn read(file: &[u8]) -> Self {
        let (image, signature) = signature::split(file);
        let (elf, earlier) = elf::read(image);
        Self {
            signature,
            elf,
            earlier,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmod::facts::{ElfDefectKind, Signature, Unpackable};
    use std::io::Write;

    const SIGNED: &[u8] = include_bytes!("../../tests/fixtures/kmod/kmmp_lone.signed.ko");

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_packed_module_has_the_same_facts_as_a_plain_one() {
        let plain = ModuleFile::read(SIGNED);
        let packed = ModuleFile::read(&gz(SIGNED));
        assert_eq!((plain.packing, packed.packing), (Packing::Plain, Packing::Gzip));
        assert_eq!((plain.size, plain.content.clone()), (packed.size, packed.content));
        assert_eq!(plain.size, SIGNED.len() as u64);
        let content = plain.content.unwrap();
        assert!(matches!(content.signature, Signature::Pkcs7(_)));
        assert_eq!(content.elf.unwrap().name.as_deref(), Some("kmmp_lone"));
    }

    #[test]
    fn facts_survive_the_cache() {
        let facts = ModuleFile::read(SIGNED);
        let cached: ModuleFile = postcard::from_bytes(&postcard::to_stdvec(&facts).unwrap()).unwrap();
        assert_eq!(cached, facts);
    }

    #[test]
    fn a_damaged_file_has_no_content_and_an_empty_one_is_no_module() {
        let damaged = ModuleFile::read(b"\xfd7zXZ\0junk");
        assert!(matches!(damaged.content, Err(Unpackable::Damaged(_))));
        let empty = ModuleFile::read(b"").content.unwrap();
        assert_eq!(empty.elf.unwrap_err().kind, ElfDefectKind::Header);
    }
}
