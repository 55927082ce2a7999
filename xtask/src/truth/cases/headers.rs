//! ELF headers damaged field by field (`kernel/module/main.c: elf_validity_cache_copy`).

use super::{Case, Kernel};
use crate::truth::elf::{Elf, HEADER_FIELDS, section};

/// What a field becomes of what it was.
type Change = fn(u64) -> u64;

/// Values that a field is given: a small one, the largest, one more than it had.
const VALUES: [(&str, Change); 3] = [
    ("zero", |_| 0),
    ("all-ones", |_| u64::MAX),
    ("one-more", |value| value.wrapping_add(1)),
];

/// Fields of a section's header: name, offset, size.
const SECTION_FIELDS: [(&str, usize, usize); 9] = [
    ("name", section::NAME, 4),
    ("type", section::TYPE, 4),
    ("flags", section::FLAGS, 8),
    ("offset", section::OFFSET, 8),
    ("size", section::SIZE, 8),
    ("link", section::LINK, 4),
    ("info", section::INFO, 4),
    ("align", section::ALIGN, 8),
    ("entry-size", section::ENTRY_SIZE, 8),
];

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = kernel.ko("plain")?;
    let mut cases = Vec::new();
    for (field, at, size) in HEADER_FIELDS {
        for (name, value) in VALUES {
            let ko = plain.clone().with_elf(|elf| alter(elf, at, size, value));
            if ko.bytes != plain.bytes {
                cases.push(kernel.case(format!("{field}-{name}")).ko(ko));
            }
        }
    }
    for section in [".symtab", ".strtab", ".modinfo", ".gnu.linkonce.this_module"] {
        for (field, at, size) in SECTION_FIELDS {
            let short = section
                .trim_start_matches(".gnu.linkonce")
                .trim_start_matches('.')
                .replace('_', "-");
            for (name, value) in VALUES {
                let ko = plain.clone().with_elf(|elf| {
                    if let Some(header) = elf.header_of(section) {
                        alter(elf, header + at, size, value);
                    }
                });
                if ko.bytes != plain.bytes {
                    cases.push(kernel.case(format!("{short}-{field}-{name}")).ko(ko));
                }
            }
        }
    }
    for (name, machine) in [
        ("i386", 3),
        ("arm", 40),
        ("aarch64", 183),
        ("x86-64", 62),
        ("s390x", 22),
        ("ppc64", 21),
    ] {
        let ko = plain.clone().with_elf(|elf| elf.set(18, 2, machine));
        if ko.bytes != plain.bytes {
            cases.push(kernel.case(format!("machine-{name}")).ko(ko));
        }
    }
    for (name, kind) in [("executable", 2), ("shared", 3), ("core", 4)] {
        cases.push(
            kernel
                .case(format!("type-{name}"))
                .ko(plain.clone().with_elf(|elf| elf.set(16, 2, kind))),
        );
    }
    cases.extend(further(kernel)?);
    Ok(cases)
}

/// Fields and sections that tell little more, with the largest value alone.
fn further(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    const SECTIONS: [&str; 3] = [".init.text", ".rela.init.text", "__versions"];
    let plain = kernel.ko("plain")?;
    let address = ("address", section::ADDRESS, 8);
    let known = [".symtab", ".strtab", ".modinfo", ".gnu.linkonce.this_module"].map(|section| (section, address));
    let all = SECTIONS.into_iter().flat_map(|section| {
        SECTION_FIELDS
            .into_iter()
            .chain([address])
            .map(move |field| (section, field))
    });
    let mut cases = Vec::new();
    for (section, (field, at, size)) in known.into_iter().chain(all) {
        let ko = plain.clone().with_elf(|elf| {
            if let Some(header) = elf.header_of(section) {
                alter(elf, header + at, size, |_| u64::MAX);
            }
        });
        if ko.bytes != plain.bytes {
            let id = section.trim_start_matches(".gnu.linkonce").trim_matches(['.', '_']);
            let id = id.replace(['.', '_'], "-");
            cases.push(kernel.case(format!("{id}-{field}-all-ones")).ko(ko));
        }
    }
    Ok(cases)
}

fn alter(elf: &mut Elf<'_>, at: usize, size: usize, value: Change) {
    let altered = value(elf.number(at, size));
    elf.set(at, size, altered);
}
