//! What kernels of different ages make of one file.

use super::{LONE, PUMP, put};
use crate::kmod::elf::image::{Image, Order};
use crate::kmod::elf::{read, read_as};
use crate::kmod::facts::{ElfDefectKind, Era};

/// Where a section's header has its size.
const SIZE: usize = 32;

/// Where the header of a section of that name stands in a real module.
fn section_header(name: &str) -> usize {
    section_header_of(LONE, name)
}

fn section_header_of(module: &[u8], name: &str) -> usize {
    let image = Image::open(module, Era::Since6_13).unwrap();
    let named = |section| image.has_name(section, name);
    let index = image.sections.iter().position(named).unwrap();
    usize::try_from(Order::Little.u64(module, 40).unwrap()).unwrap() + index * 64
}

fn altered(section: &str, at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = LONE.to_vec();
    put(&mut bytes, section_header(section) + at, value);
    bytes
}

/// What the kernels of each era say of it; nothing where they take it.
fn said(bytes: &[u8]) -> [Option<ElfDefectKind>; 3] {
    Era::ALL.map(|era| match read_as(bytes, era) {
        Ok(elf) => elf.flaws.iter().chain(&elf.link_flaws).next().map(|flaw| flaw.kind),
        Err(defect) => Some(defect.kind),
    })
}

/// Where `struct module` stands in the file.
fn this_module_offset() -> u64 {
    let header = section_header(".gnu.linkonce.this_module");
    Order::Little.u64(LONE, header + 24).unwrap()
}

#[test]
fn a_sound_module_is_the_same_to_all() {
    assert_eq!(said(LONE), [None, None, None]);
    let (newest, earlier) = read(LONE);
    assert!(newest.is_ok() && earlier.is_empty(), "nothing is kept twice");
}

/// The module with another byte in a section's content.
fn with_byte(section: &str, at: usize, value: u8) -> Vec<u8> {
    let start = Order::Little.u64(LONE, section_header(section) + 24).unwrap();
    let mut bytes = LONE.to_vec();
    put(&mut bytes, usize::try_from(start).unwrap() + at, &[value]);
    bytes
}

/// Each was found by damaging a module at random and asking a kernel.
#[test]
fn what_a_damaged_relocation_or_name_leads_the_kernel_to_is_foreseen() {
    use ElfDefectKind::{Deadly, Malformed};
    const ADDEND: usize = 16;
    const RELOCATION: usize = 24;
    const SYMBOL: usize = 24;
    let everywhere = [Some(Deadly); 3];
    let before_names_are_checked = [Some(Deadly), Some(Deadly), Some(Malformed)];
    for (what, section, at, value, expected) in [
        (
            "a call past _printk",
            ".rela.init.text",
            2 * RELOCATION + ADDEND + 1,
            0x69,
            everywhere,
        ),
        ("a call that is patched", ".rela.init.text", ADDEND + 1, 0x69, [None; 3]),
        (
            "a return far outside",
            ".rela.return_sites",
            ADDEND + 1,
            0xf4,
            everywhere,
        ),
        ("a return nearby", ".rela.return_sites", ADDEND, 0x40, [None; 3]),
        (
            "a name in nowhere",
            ".symtab",
            10 * SYMBOL + 3,
            0xbe,
            before_names_are_checked,
        ),
        (
            "a name behind its copy",
            ".symtab",
            8 * SYMBOL + 1,
            0x0f,
            before_names_are_checked,
        ),
        ("a name of another", ".symtab", 8 * SYMBOL, 1, [None; 3]),
    ] {
        assert_eq!(said(&with_byte(section, at, value)), expected, "{what}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn each_era_checks_what_its_kernels_check() {
    use ElfDefectKind::{Deadly, Malformed, NoSymbols, NotAModule, Relocation, Truncated, Unlinked, WritableCode};
    const TYPE: usize = 4;
    const FLAGS: usize = 8;
    const ALIGN: usize = 48;
    const THIS_MODULE: &str = ".gnu.linkonce.this_module";
    let taken = [None; 3];
    let shifted = (this_module_offset() + 1).to_le_bytes();
    let by_all = |kind| [Some(kind); 3];
    for (sentence, section, at, value, expected) in [
        // truth: files/emptied-strtab, headers/strtab-type-zero
        (
            "names of no size",
            ".strtab",
            SIZE,
            &[0; 8][..],
            [None, None, Some(Malformed)],
        ),
        // truth: headers/strtab-type-zero on 7.3
        (
            "names without a type",
            ".strtab",
            TYPE,
            &[0; 4],
            [None, None, Some(Malformed)],
        ),
        // truth: headers/this-module-type-zero
        (
            "a structure without a type",
            THIS_MODULE,
            TYPE,
            &[0; 4],
            [None, Some(NotAModule), None],
        ),
        (
            "a structure of zeros",
            THIS_MODULE,
            TYPE,
            &[8],
            [Some(Deadly), Some(NotAModule), Some(NotAModule)],
        ),
        (
            "a structure that is not loaded",
            THIS_MODULE,
            FLAGS,
            &[0],
            by_all(NotAModule),
        ),
        (
            "a second symbol table",
            ".modinfo",
            TYPE,
            &[2],
            [Some(Malformed), Some(Malformed), Some(NoSymbols)],
        ),
        // truth: headers/modinfo-flags-all-ones, headers/symtab-flags-all-ones
        (
            "code that may be written to",
            ".modinfo",
            FLAGS,
            &[0xff; 8],
            by_all(WritableCode),
        ),
        (
            "also where it is not loaded",
            ".symtab",
            FLAGS,
            &[5],
            by_all(WritableCode),
        ),
        (
            "a structure that begins a byte too late",
            THIS_MODULE,
            24,
            &shifted,
            by_all(Deadly),
        ), // truth: headers/this-module-offset-one-more
        // truth: files/emptied-symtab, headers/symtab-align-all-ones
        ("no symbols at all", ".symtab", SIZE, &[0; 8], by_all(Deadly)),
        ("an impossible alignment", ".symtab", ALIGN, &[0xff; 8], by_all(Deadly)),
        ("an odd alignment that does no harm", ".symtab", ALIGN, &[9], taken),
        ("no alignment", ".symtab", ALIGN, &[0], taken),
        // truth: files/emptied-init-text, files/emptied-rela-init-text, files/emptied-return-sites
        // What is written there finds data before Linux 6.4, and since then no memory at all.
        (
            "code that is gone",
            ".init.text",
            SIZE,
            &[0; 8],
            [Some(Relocation), Some(Deadly), Some(Deadly)],
        ),
        (
            "relocations that are gone",
            ".rela.init.text",
            SIZE,
            &[0; 8],
            by_all(Deadly),
        ),
        (
            "relocations that are called something else",
            ".rela.init.text",
            TYPE,
            &[1],
            by_all(Deadly),
        ),
        (
            "relocations of something else",
            ".rela.init.text",
            44,
            &[0],
            by_all(Deadly),
        ),
        (
            "a table that is gone",
            ".return_sites",
            SIZE,
            &[0; 8],
            by_all(Relocation),
        ),
        (
            "a section without a place",
            ".modinfo",
            24,
            &[0xff; 8],
            by_all(Truncated),
        ),
    ] {
        assert_eq!(said(&altered(section, at, value)), expected, "{sentence}");
    }
    let mut without_thunks = altered(".rela.init.text", SIZE, &[0; 8]);
    let thunk = b"__x86_return_thunk\0";
    while let Some(at) = without_thunks.windows(thunk.len()).position(|bytes| bytes == thunk) {
        without_thunks[at] = b'-';
    }
    // truth: files/emptied-rela-init-text on a kernel of our own, without return thunks
    assert_eq!(
        said(&without_thunks),
        by_all(Unlinked),
        "code that may get through its gaps"
    );
    let symbols = altered(".symtab", TYPE, &[1]);
    assert_eq!(said(&symbols), by_all(NoSymbols));
}

/// truth: files/emptied-rela-exit-text
#[test]
fn code_for_the_end_does_not_run_at_the_start() {
    let mut bytes = PUMP.to_vec();
    put(&mut bytes, section_header_of(PUMP, ".rela.exit.text") + SIZE, &[0; 8]);
    assert_eq!(said(&bytes), [Some(ElfDefectKind::Unlinked); 3]);
}

/// truth: headers/this-module-offset-zero
#[test]
fn a_structure_without_a_name_is_registered_by_no_kernel() {
    let bytes = altered(".gnu.linkonce.this_module", 24, &[0; 8]);
    for era in Era::ALL {
        let flaws = read_as(&bytes, era).unwrap().link_flaws;
        assert!(
            flaws.iter().any(|flaw| flaw.message.contains("has no name")),
            "{flaws:?}"
        );
    }
}

#[test]
fn before_linux_6_4_modinfo_counts_only_where_it_is_loaded() {
    let bytes = altered(".modinfo", 8, &[0]);
    let licence = |era| {
        let elf = read_as(&bytes, era).unwrap();
        elf.info("license").map(str::to_owned)
    };
    assert_eq!(licence(Era::Before6_4), None);
    assert_eq!(licence(Era::Before6_13).as_deref(), Some("Proprietary"));
    assert_eq!(licence(Era::Since6_13).as_deref(), Some("Proprietary"));
    let (newest, earlier) = read(&bytes);
    assert!(newest.is_ok());
    assert_eq!(
        earlier.iter().map(|(era, _)| *era).collect::<Vec<_>>(),
        [Era::Before6_4]
    );
}

#[test]
fn both_forms_of_versions_are_the_same_to_all() {
    use super::sketch::{Sketch, version};
    let order = Order::Little;
    let sketch = || {
        Sketch::new(order, super::X86_64)
            .section("__versions", version(order, 1, "f"))
            .section("__version_ext_crcs", 2_u32.to_le_bytes())
            .section("__version_ext_names", *b"f\0")
    };
    let crcs = |era| {
        let versions = sketch().read_as(era).unwrap().versions;
        [versions.basic, versions.extended].map(|crcs| crcs.unwrap().of("f"))
    };
    for era in Era::ALL {
        assert_eq!(crcs(era), [Some(1), Some(2)]);
    }
}

/// truth: crcs/one-symbol-high-half
#[test]
fn all_of_a_version_counts() {
    use super::sketch::{Sketch, version};
    let order = Order::Little;
    let sketch = Sketch::new(order, super::X86_64).section("__versions", version(order, 1 << 40 | 7, "f"));
    assert_eq!(
        sketch.read().unwrap().versions.basic.unwrap().of("f"),
        Some(1 << 40 | 7)
    );
}
