//! Any bytes are a module file, or a reason why not: packed or plain, signed or not.
#![no_main]

use kmm_preflight::kmod::facts::ModuleFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = ModuleFile::read(bytes);
    if let Ok(content) = &file.content
        && let Ok(elf) = &content.elf
    {
        // Each kept text and record costs bytes of the file: facts never outgrow it by more than a small factor.
        assert!(elf.undefined.len() as u64 <= file.size / 24);
        assert!(elf.modinfo.len() as u64 <= file.size / 2);
    }
});
