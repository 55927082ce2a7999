//! Tables of exports, in every form that they have had.

use super::sketch::{GLOBAL, Sketch};
use super::{S390, X86_64};
use crate::kmod::elf::MAX_TEXT_BYTES;
use crate::kmod::elf::image::Order;
use crate::kmod::facts::{ElfDefectKind, ExportTable};

/// A module with a table of exports in section 2, the names in section 3 and CRCs in section 4.
fn exporter(order: Order, machine: u16, entry: u64, names: &[u8], crcs: &[u8]) -> Sketch {
    Sketch::new(order, machine)
        .section("__ksymtab_gpl", vec![0; usize::try_from(entry).unwrap() * 2])
        .section("__ksymtab_strings", names)
        .section("__kcrctab_gpl", crcs)
        .symbol("f", GLOBAL, 1, 0)
        .symbol("", 3, 3, 0) // the section of the names
        .symbol("__crc_f", GLOBAL, 0xfff1, 0xaaaa_0001)
        .symbol("__crc_g", GLOBAL, 5, 4)
}

fn seen(sketch: Sketch) -> Vec<(String, Option<String>, Option<u32>)> {
    let exports = sketch.read().unwrap().exports;
    assert!(exports.iter().all(|export| export.table == ExportTable::GplOnly));
    exports
        .into_iter()
        .map(|export| (export.name, export.namespace, export.crc))
        .collect()
}

fn expect(name: &str, namespace: Option<&str>, crc: Option<u32>) -> (String, Option<String>, Option<u32>) {
    (name.to_owned(), namespace.map(str::to_owned), crc)
}

#[test]
fn exports_by_address_with_absolute_crcs() {
    let crcs = [0; 8];
    let sketch = exporter(Order::Big, S390, 24, b"f\0g\0NS\0", &crcs)
        .relocations(2, &[(24, 1, 0), (32, 2, 2), (40, 2, 4), (0, 1, 0), (8, 2, 0)])
        .relocations(4, &[(0, 3, 0), (4, 3, 1)]);
    let expected = [
        expect("f", None, Some(0xaaaa_0001)),
        expect("g", Some("NS"), Some(0xaaaa_0002)),
    ];
    assert_eq!(seen(sketch), expected);
}

#[test]
fn exports_by_distance_with_crcs_kept_elsewhere() {
    let sketch = exporter(Order::Little, X86_64, 12, b"f\0\0g\0", &[0; 8])
        .section(".rodata", [0, 0, 0, 0, 4, 3, 2, 1])
        .relocations(
            2,
            &[(0, 1, 0), (4, 2, 0), (8, 2, 2), (12, 1, 0), (16, 2, 3), (20, 2, 1)],
        )
        .relocations(4, &[(0, 4, 0)]);
    let expected = [expect("f", None, Some(0x0102_0304)), expect("g", None, Some(0))];
    assert_eq!(seen(sketch), expected);
}

#[test]
fn exports_without_crcs_or_namespaces() {
    let sketch = Sketch::new(Order::Little, X86_64)
        .section("__ksymtab_gpl", vec![0; 16])
        .section("__ksymtab_strings", *b"f\0g\0")
        .symbol("f", GLOBAL, 1, 0)
        .symbol("", 3, 3, 0)
        .relocations(2, &[(0, 1, 0), (4, 2, 0), (8, 1, 0), (12, 2, 2)]);
    assert_eq!(seen(sketch), [expect("f", None, None), expect("g", None, None)]);
}

#[test]
fn exports_whose_names_cannot_be_read_export_nothing_and_keep_their_place() {
    let sketch = |relocations: &[(u64, u64, u64)]| {
        exporter(Order::Little, X86_64, 12, b"f\0g\0", &[1, 0, 0, 0, 2, 0, 0, 0]).relocations(2, relocations)
    };
    let outside = sketch(&[(0, 1, 0), (4, 2, 500), (12, 1, 0), (16, 2, 2)]);
    assert_eq!(seen(outside), [expect("", None, Some(1)), expect("g", None, Some(2))]);
    let without_value = sketch(&[(4, 2, 0)]);
    assert_eq!(seen(without_value), []);
}

#[test]
fn a_long_name_that_many_exports_share_is_not_read_again_and_again() {
    let name = [vec![b'x'; MAX_TEXT_BYTES / 4], vec![0]].concat();
    let exports = 8;
    let relocations: Vec<_> = (0..exports)
        .flat_map(|n| [(n * 12, 1, 0), (n * 12 + 4, 2, 0)])
        .collect();
    let sketch = exporter(Order::Little, X86_64, 12 * exports / 2, &name, &[]).relocations(2, &relocations);
    assert_eq!(sketch.read().unwrap_err().kind, ElfDefectKind::BeyondLimits);
}

/// Linux 7.3 makes such tables: all exports in one, and a byte of flags for each.
#[test]
fn flags_tell_who_may_use_an_export_to_kernels_that_read_them() {
    let sketch = |flags: &'static [u8]| {
        let sketch = Sketch::new(Order::Little, X86_64)
            .section("__ksymtab", vec![0; 16])
            .section("__ksymtab_strings", *b"f\0g\0")
            .symbol("f", GLOBAL, 1, 0)
            .symbol("", 3, 3, 0)
            .relocations(2, &[(0, 1, 0), (4, 2, 0), (8, 1, 0), (12, 2, 2)]);
        sketch.section("__kflagstab", flags).read().unwrap().exports
    };
    let gpl_only = |flags, reads_flags| -> Vec<Option<bool>> {
        let exports = sketch(flags);
        exports.iter().map(|export| export.gpl_only(reads_flags)).collect()
    };
    assert_eq!(gpl_only(&[1, 0], true), [Some(true), Some(false)]);
    assert_eq!(
        gpl_only(&[2, 3], true),
        [Some(false), Some(true)],
        "other flags say other things"
    );
    assert_eq!(
        gpl_only(&[1], true),
        [Some(true), Some(false)],
        "a table that is too short"
    );
    assert_eq!(gpl_only(&[1, 1], false), [Some(false), Some(false)]);
}

#[test]
fn names_without_an_end_are_not_looked_at_again_and_again() {
    let exports = 1 << 16;
    let relocations: Vec<_> = (0..exports)
        .flat_map(|n| [(n * 12, 1, 0), (n * 12 + 4, 2, 1)])
        .collect();
    let endless = [vec![0], vec![b'x'; 1 << 20]].concat();
    let seen = seen(exporter(Order::Little, X86_64, 12, &endless, &[]).relocations(2, &relocations));
    assert!(seen.len() == 1 << 16 && seen.iter().all(|(name, ..)| name.is_empty()));
}
