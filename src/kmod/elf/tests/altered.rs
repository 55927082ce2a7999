//! Real modules with single fields altered, each of which the kernel refuses, or does not look at.

use super::{LONE, RING, put};
use crate::kmod::elf::image::{Image, Order};
use crate::kmod::elf::read_as;
use crate::kmod::facts::{ElfDefect, ElfDefectKind, ElfModule, Era};

/// As the newest kernels read it.
fn read(bytes: &[u8]) -> Result<ElfModule, ElfDefect> {
    read_as(bytes, Era::Since6_13)
}

/// Where the header of a section of that name stands in a real module.
fn section_header(bytes: &[u8], name: &str) -> usize {
    let image = Image::open(bytes, Era::Since6_13).unwrap();
    let index = image
        .sections
        .iter()
        .position(|section| image.has_name(section, name))
        .unwrap();
    usize::try_from(Order::Little.u64(bytes, 40).unwrap()).unwrap() + index * 64
}

/// A name, the section whose header is altered (none: the file's own), where and how, and what is then refused.
type Altered = (&'static str, Option<&'static str>, usize, &'static [u8], &'static str);

fn refuses(kind: ElfDefectKind, cases: &[Altered]) {
    for (name, section, at, value, part) in cases {
        let mut bytes = LONE.to_vec();
        let start = section.map_or(0, |section| section_header(LONE, section));
        put(&mut bytes, start + at, value);
        let defect = read(&bytes).expect_err(name);
        assert_eq!(defect.kind, kind, "{name}: {}", defect.message);
        assert!(defect.message.contains(part), "{name}: {}", defect.message);
    }
}

#[test]
fn the_header_and_the_section_names_are_checked() {
    let names = Some(".shstrtab");
    refuses(
        ElfDefectKind::Header,
        &[
            ("another magic", None, 1, b"elf", "magic"),
            ("an executable", None, 16, &[2, 0], "type is 2"),
            ("another size of section headers", None, 58, &[40, 0], "have 40 bytes"),
            ("no sections", None, 60, &[0, 0], "section 0"),
            ("no section names", None, 62, &[0, 0], "name index 0"),
            ("section names elsewhere", None, 62, &[99, 0], "name index 99"),
            ("section names without an end", names, 32, &[0x10, 0], "end in NUL"),
            ("no bytes of section names", names, 32, &[0; 8], "empty"),
        ],
    );
    let mut bytes = LONE.to_vec();
    put(&mut bytes, section_header(LONE, ".note.gnu.build-id") - 64 + 4, &[1]);
    assert!(read(&bytes).unwrap_err().message.contains("section 0"));
}

#[test]
fn every_section_must_lie_in_the_file() {
    let modinfo = Some(".modinfo");
    refuses(
        ElfDefectKind::Truncated,
        &[
            ("a table beyond the end", None, 40, &[0xff; 8], "section table"),
            ("a section beyond the end", modinfo, 32, &[0, 0, 1], "ends beyond"),
            ("a section that wraps round", modinfo, 32, &[0xff; 8], "ends beyond"),
        ],
    );
    for (length, kind) in [
        (0, ElfDefectKind::Header),
        (63, ElfDefectKind::Header),
        (LONE.len() - 1, ElfDefectKind::Truncated),
    ] {
        assert_eq!(read(&LONE[..length]).map_err(|defect| defect.kind).err(), Some(kind));
    }
}

#[test]
fn symbols_and_struct_module_must_be_there() {
    let module = Some(".gnu.linkonce.this_module");
    refuses(
        ElfDefectKind::NoSymbols,
        &[
            ("no symbol table", Some(".symtab"), 4, &[1], "stripped"),
            ("two symbol tables", Some(".modinfo"), 4, &[2], "more than one"),
        ],
    );
    refuses(
        ElfDefectKind::NotAModule,
        &[
            ("a structure that is not loaded", module, 8, &[0], "no content to load"),
            ("a structure without content", module, 4, &[8], "no content to load"),
            ("another name for it", module, 0, &[1], "no .gnu.linkonce"),
        ],
    );
}

#[test]
fn names_must_lie_in_their_tables() {
    refuses(
        ElfDefectKind::Malformed,
        &[
            ("a section name outside", Some(".bss"), 0, &[0, 0, 1], "name of section"),
            ("symbols without names", Some(".symtab"), 40, &[0], "names section 0"),
            (
                "symbol names without a start",
                Some(".strtab"),
                24,
                &[0x41],
                "begin and end in NUL",
            ),
            (
                "symbol names cut short",
                Some(".strtab"),
                32,
                &[1, 0],
                "outside the symbol name",
            ),
        ],
    );
}

#[test]
fn what_the_kernel_does_not_look_at_does_not_matter() {
    let mut bytes = LONE.to_vec();
    put(&mut bytes, 4, &[1, 2, 9, 9, 9]); // class, byte order, version, ABI and its version
    put(&mut bytes, 20, &[7; 4]); // e_version
    let altered = read(&bytes).unwrap();
    assert_eq!(altered, read(LONE).unwrap());
}

#[test]
fn a_32_bit_file_is_called_one() {
    let mut bytes = LONE.to_vec();
    put(&mut bytes, 4, &[1]);
    put(&mut bytes, 58, &[0, 0]);
    let defect = read(&bytes).unwrap_err();
    assert!(
        defect.message.contains("32-bit file (machine 62)"),
        "{}",
        defect.message
    );
}

#[test]
fn no_length_and_no_altered_byte_brings_it_down() {
    for length in 0..RING.len() {
        assert!(read(&RING[..length]).is_err(), "its section table is last: {length}");
    }
    let tables = section_header(RING, ".note.gnu.build-id") - 64;
    for at in 0..RING.len() {
        let values: &[u8] = if at < 64 || at > tables {
            &[0, 0x7f, 0xff]
        } else {
            &[0xff]
        };
        for value in values {
            let mut bytes = RING.to_vec();
            bytes[at] = *value;
            let most = RING.len() / 24;
            if let Ok(elf) = read(&bytes) {
                assert!(elf.exports.len() <= most && elf.undefined.len() <= most, "byte {at}");
            }
        }
    }
}
