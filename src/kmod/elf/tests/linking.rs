//! What goes wrong once the kernel loads the sections and links them.

use super::sketch::{GLOBAL, Sketch, WEAK};
use super::{AARCH64, POWER, X86_64};
use crate::kmod::elf::image::Order;
use crate::kmod::facts::ElfDefectKind;

const ABSOLUTE: u16 = 0xfff1;

const R_X86_64_64: u32 = 1;
const R_X86_64_PC32: u32 = 2;
const R_X86_64_32: u32 = 10;
const R_X86_64_32S: u32 = 11;
const R_X86_64_PC64: u32 = 24;

/// A module with 32 bytes in section 2, of which the last 16 are not zero, and three symbols: one of the kernel, one that is a
/// value, one that may be missing.
fn sketch(machine: u16) -> Sketch {
    let content = [vec![0; 16], vec![0x90; 16]].concat();
    Sketch::new(Order::Little, machine)
        .section(".data", content)
        .undefined("f")
        .symbol("value", GLOBAL, ABSOLUTE, 0x7fff_ffff)
        .symbol("maybe", WEAK, 0, 0)
        .symbol("own", GLOBAL, 2, 4)
}

/// What the kernel says of these relocations: offset, type, symbol, addend.
fn said(machine: u16, entries: &[(u64, u32, u32, i64)]) -> Option<(ElfDefectKind, String)> {
    let sketch = sketch(machine).typed_relocations(2, entries);
    let sketch = [".plt", ".init.plt", ".text.ftrace_trampoline", ".stubs"]
        .iter()
        .fold(sketch, |sketch, name| sketch.section(name, []));
    let elf = sketch.read().unwrap();
    elf.flaws
        .into_iter()
        .chain(elf.link_flaws)
        .next()
        .map(|flaw| (flaw.kind, flaw.message))
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn x86_refuses_what_it_cannot_apply() {
    use ElfDefectKind::{Deadly, Relocation};
    for (sentence, entries, expected) in [
        (
            "all types",
            &[(0, 0, 1, 0), (0, R_X86_64_64, 1, 0), (8, R_X86_64_PC64, 1, 0)][..],
            None,
        ),
        (
            "an unknown type",
            &[(0, 3, 1, 0)],
            Some((Relocation, "does not know: 3")),
        ),
        (
            "what stands there already",
            &[(14, R_X86_64_PC32, 1, 0)],
            Some((Relocation, "something else stands")),
        ),
        (
            "where it ends, and is not zero",
            &[(30, R_X86_64_PC32, 1, 0)],
            Some((Relocation, "something else stands")),
        ),
        (
            "round the end",
            &[(u64::MAX, R_X86_64_PC32, 1, 0)],
            Some((Deadly, "outside of it")),
        ),
        ("nothing, far away", &[(u64::MAX, 0, 1, 0)], None),
        (
            "no such symbol",
            &[(0, R_X86_64_PC32, 9, 0)],
            Some((Deadly, "name symbol 9")),
        ),
        (
            "one place twice",
            &[(8, R_X86_64_64, 1, 0), (4, R_X86_64_64, 1, 0)],
            Some((Relocation, "twice: to 0x8")),
        ),
        ("in any order", &[(8, R_X86_64_64, 1, 0), (0, R_X86_64_64, 1, 0)], None),
        (
            "an address in 32 bits",
            &[(0, R_X86_64_32, 1, 0)],
            Some((Relocation, "32 bits")),
        ),
        ("a value in 32 bits", &[(0, R_X86_64_32, 2, 0x8000_0000)], None),
        (
            "a value that is too large",
            &[(0, R_X86_64_32, 2, 0x1_0000_0000)],
            Some((Relocation, "32 bits")),
        ),
        ("an address in 32 signed bits", &[(0, R_X86_64_32S, 1, -8)], None),
        (
            "one far from its symbol",
            &[(0, R_X86_64_32S, 4, 0x4000_0000)],
            Some((Relocation, "32 bits")),
        ),
        (
            "a signed value that is too large",
            &[(0, R_X86_64_32S, 2, 1)],
            Some((Relocation, "32 bits")),
        ),
        ("what may be missing", &[(0, R_X86_64_32, 3, 0)], None),
    ] {
        let said = said(X86_64, entries);
        assert_eq!(
            said.as_ref().map(|(kind, _)| *kind),
            expected.map(|(kind, _)| kind),
            "{sentence}"
        );
        if let (Some((_, message)), Some((_, part))) = (said, expected) {
            assert!(message.contains(part), "{sentence}: {message}");
        }
    }
}

#[test]
fn other_architectures_write_over_what_is_there() {
    let abs64 = 257;
    assert_eq!(said(AARCH64, &[(16, abs64, 1, 0)]), None);
    assert_eq!(
        said(AARCH64, &[(0, 281, 1, 0)]).map(|(kind, _)| kind),
        Some(ElfDefectKind::Relocation)
    );
    assert_eq!(
        said(AARCH64, &[(28, abs64, 1, 0)]).map(|(kind, _)| kind),
        Some(ElfDefectKind::Deadly)
    );
    assert_eq!(said(POWER, &[(28, 9999, 1, 0)]), None, "nothing is known of its types");
    assert_eq!(
        said(POWER, &[(0, 1, 9, 0)]).map(|(kind, _)| kind),
        Some(ElfDefectKind::Deadly)
    );
}

#[test]
fn relocations_without_addends_are_refused_and_those_of_nothing_that_is_loaded_ignored() {
    let relocations = |kind, of| {
        let elf = sketch(X86_64).part(".rel", kind, of, vec![0xff; 24]).read().unwrap();
        elf.link_flaws
    };
    assert_eq!(relocations(9, 2)[0].kind, ElfDefectKind::Relocation);
    assert!(relocations(4, 99).is_empty(), "no such section");
    assert!(relocations(4, 0).is_empty(), "section 0 is never loaded");
}

#[test]
fn a_symbol_in_a_section_that_is_not_there_is_refused() {
    let flaws = |section| {
        let elf = sketch(X86_64).symbol("lost", GLOBAL, section, 0).read().unwrap();
        elf.link_flaws
    };
    assert!(flaws(2).is_empty());
    assert!(flaws(0xff20).is_empty(), "live patches");
    assert!(flaws(99)[0].message.contains("symbol 5"));
}

#[test]
fn a_start_function_outside_of_its_section_is_deadly() {
    let flaws = |name, value, addend| {
        let sketch = sketch(X86_64).symbol(name, GLOBAL, 2, value);
        let sketch = sketch.typed_relocations(1, &[(64, R_X86_64_64, 5, addend)]);
        let flaws = sketch.read().unwrap().link_flaws;
        flaws.into_iter().map(|flaw| (flaw.kind, flaw.message)).next()
    };
    assert_eq!(flaws("init_module", 16, 15), None);
    for (value, addend) in [(16, 16), (0x1200, 0), (0, -1)] {
        let (kind, message) = flaws("init_module", value, addend).unwrap();
        assert_eq!(kind, ElfDefectKind::Deadly);
        assert!(message.contains("start function"), "{message}");
    }
    assert_eq!(flaws("cleanup_module", 0x1200, 0), None, "called when it is unloaded");
}

/// What is said of one relocation of a table, which stands in front of three sections: zeros that nobody writes to, zeros with a
/// relocation of their own, and code.
fn of_a_table(name: &'static str, offset: u64) -> Vec<ElfDefectKind> {
    let elf = Sketch::new(Order::Little, X86_64)
        .section(name, [0; 8])
        .section(".zeros", [0; 8])
        .section(".linked", [0; 8])
        .section(".full", [0x90; 8])
        .undefined("f")
        .typed_relocations(2, &[(offset, R_X86_64_PC32, 1, 0)])
        .typed_relocations(4, &[(4, R_X86_64_PC32, 1, 0)])
        .read()
        .unwrap();
    elf.flaws
        .into_iter()
        .chain(elf.link_flaws)
        .map(|flaw| flaw.kind)
        .collect()
}

/// truth: damage 3304 to 0x34 of seed 1
#[test]
fn a_relocation_that_leads_out_of_its_section_counts_by_where_it_leads() {
    use ElfDefectKind::{Deadly, Relocation, Unlinked};
    for (sentence, name, offset, expected) in [
        ("inside", ".return_sites", 4, &[][..]),
        ("zeros of another section", ".return_sites", 8, &[Deadly]),
        ("what is linked later", ".return_sites", 20, &[Relocation]),
        ("beside that", ".return_sites", 16, &[Deadly]),
        ("what is not zero", ".return_sites", 24, &[Relocation]),
        ("partly not zero", ".return_sites", 30, &[Relocation]),
        ("the padding behind all", ".return_sites", 32, &[Unlinked]),
        ("of another such table", "__mcount_loc", 32, &[Unlinked]),
        ("of a table that is not passed over", "__jump_table", 32, &[Deadly]),
        ("the page's last bytes", ".return_sites", 4096 - 128 - 4, &[Unlinked]),
        ("beyond the page", ".return_sites", 4096 - 128, &[Deadly]),
    ] {
        assert_eq!(of_a_table(name, offset), expected, "{sentence}");
    }
}

#[test]
fn one_that_leads_into_padding_hides_none_that_is_fatal() {
    let fatal = (8, 3, 1, 0);
    let padding = (32, R_X86_64_PC32, 1, 0);
    let kinds = |entries: &[(u64, u32, u32, i64)]| -> Vec<ElfDefectKind> {
        let sketch = Sketch::new(Order::Little, X86_64)
            .section(".call_sites", [0; 8])
            .undefined("f");
        let elf = sketch.typed_relocations(2, entries).read().unwrap();
        elf.link_flaws.into_iter().map(|flaw| flaw.kind).collect()
    };
    assert_eq!(kinds(&[padding]), [ElfDefectKind::Unlinked]);
    assert_eq!(kinds(&[padding, fatal]), [ElfDefectKind::Relocation]);
    assert_eq!(
        kinds(&[padding, padding]),
        [ElfDefectKind::Relocation],
        "the second one finds the first"
    );
}

#[test]
fn many_tables_over_the_same_relocations_are_not_read_again_and_again() {
    let none = vec![0; 24 << 12];
    let tables = |count| {
        let one = Sketch::new(Order::Little, X86_64).section(".data", [0; 8]);
        one.part(".rela", 4, 2, none.clone()).repeated(count).read()
    };
    assert!(tables(1 << 10).is_ok());
    assert_eq!(tables((1 << 10) + 1).unwrap_err().kind, ElfDefectKind::BeyondLimits);
}
