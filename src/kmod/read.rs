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
        Self {
            signature,
            elf: elf::read(image),
        }
    }
}
