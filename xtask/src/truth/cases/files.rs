//! Files that are no sound module: truncated, empty, text, stripped, of another machine, with sections missing.

use super::{Case, Kernel};
use crate::truth::elf::section;
use crate::truth::ko::Ko;

/// Sections that a module may have; the last ones on arm64.
const SECTIONS: [&str; 19] = [
    ".modinfo",
    ".gnu.linkonce.this_module",
    ".symtab",
    ".strtab",
    "__versions",
    ".init.text",
    ".exit.text",
    ".rela.init.text",
    ".rela.exit.text",
    ".rela.gnu.linkonce.this_module",
    ".note.gnu.build-id",
    ".note.Linux",
    ".comment",
    ".return_sites",
    ".orc_unwind",
    ".rodata.str1.1",
    ".plt",
    ".init.plt",
    ".text.ftrace_trampoline",
];

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = kernel.ko("plain")?;
    let length = plain.bytes.len();
    let case = |id: &str| kernel.case(id.to_owned());
    let mut cases = vec![
        case("empty").ko(plain.clone().cut(0)),
        case("text").ko(plain.clone().with_bytes(|bytes| {
            *bytes = b"version https://git-lfs.github.com/spec/v1\n".repeat(10);
        })),
        case("zeros").ko(plain.clone().with_bytes(|bytes| bytes.fill(0))),
        case("not-linked").ko(plain.clone().with_bytes({
            let object = kernel.object("plain")?;
            |bytes| *bytes = object
        })),
        case("bytes-after-it").ko(plain.clone().with_bytes(|bytes| bytes.extend_from_slice(b"more bytes"))),
        case("a-megabyte-after-it").ko(plain.clone().with_bytes(|bytes| bytes.extend(vec![0; 1 << 20]))),
        case("larger-struct-module").ko(plain.clone().with_elf(|elf| {
            let mut module = elf.section(".gnu.linkonce.this_module").unwrap_or_default();
            module.resize(module.len() + 64, 0);
            elf.set_section(".gnu.linkonce.this_module", &module);
        })),
        case("name-altered")
            .ko(plain
                .clone()
                .with_elf(|elf| elf.replace_everywhere(b"plain\0", b"plaim\0")))
            .expecting("plaim"),
    ];
    for eighths in 1..8 {
        cases.push(case(&format!("cut-at-{eighths}-eighths")).ko(plain.clone().cut(length * eighths / 8)));
    }
    for bytes in [1, 3, 4, 16, 52, 63, 64, 65, 128] {
        cases.push(case(&format!("cut-at-{bytes}")).ko(plain.clone().cut(bytes)));
    }
    for bytes in [1, 8, 63, 64, 65, 640] {
        cases.push(case(&format!("cut-by-{bytes}")).ko(plain.clone().cut(length - bytes)));
    }
    for name in SECTIONS {
        let id = name
            .trim_start_matches('.')
            .replace(['.', '_'], "-")
            .trim_matches('-')
            .to_lowercase();
        if has(&plain.bytes, name) {
            cases.push(case(&format!("without-{id}")).ko(plain.clone().without_section(name)));
            let emptied = plain
                .clone()
                .with_elf(|elf| elf.set_section_field(name, section::SIZE, 8, 0));
            cases.push(case(&format!("emptied-{id}")).ko(emptied));
            let outside = plain
                .clone()
                .with_elf(|elf| elf.set_section_field(name, section::OFFSET, 8, 1 << 30));
            cases.push(case(&format!("outside-{id}")).ko(outside));
        }
    }
    let twins = |ko: Ko| ko.without_section(".note.gnu.build-id").without_section(".note.Linux");
    // Kernels differ.
    cases.push(case("sections-of-one-name").ko(twins(plain.clone())).in_every_core());
    for (name, value) in [("live-patch", "Y"), ("live-patch-or-not", "N")] {
        cases.push(case(name).ko(plain.clone().with_modinfo("livepatch", value)));
    }
    Ok(cases)
}

fn has(bytes: &[u8], section: &str) -> bool {
    crate::truth::elf::Elf::new(&mut bytes.to_vec())
        .header_of(section)
        .is_some()
}
