//! Tables of parameters, sound and odd.

use super::sketch::{GLOBAL, Sketch, u32_bytes};
use super::{AARCH64, POWER, RISCV, S390, X86_64};
use crate::kmod::elf::image::Order;
use crate::kmod::elf::parameters::{MAX_NAME, MAX_PARAMETERS};
use crate::kmod::facts::{Parameter, Takes, ValueType};

/// The symbols of [`table`], by index.
const NAMES: u64 = 1;
const LIMITS: u64 = 2;
const ARRAY: u64 = 3;
const COPIED: u64 = 4;
const INT: u64 = 5;
const OWN: u64 = 6;
const NOWHERE: u64 = 7;

/// Where the names of [`table`] begin.
const COUNTS: u64 = 0;
const LABEL: u64 = 7;
const DASHED: u64 = 13;

/// Where the limits of [`table`] begin: an array of at most three numbers, one of at most 9 of the module's own, and a text.
const THREE: u64 = 0;
const NINE: u64 = 24;
const SIXTEEN: u64 = 48;

/// An entry of a table: the symbols and places that its name, its functions and its limit lead to, if they do.
#[derive(Clone, Copy)]
struct Entry {
    name: Option<(u64, u64)>,
    ops: Option<u64>,
    limit: Option<(u64, u64)>,
}

const AN_ARRAY: Entry = Entry {
    name: Some((NAMES, COUNTS)),
    ops: Some(ARRAY),
    limit: Some((LIMITS, THREE)),
};

/// A text of at most 16 bytes.
const A_TEXT: Entry = Entry {
    name: Some((NAMES, LABEL)),
    ops: Some(COPIED),
    limit: Some((LIMITS, SIXTEEN)),
};

const THREE_NUMBERS: Takes = Takes::Several {
    each: ValueType::Int,
    most: Some(3),
};
const SIXTEEN_BYTES: Takes = Takes::Copied { room: Some(16) };
const OWN_VALUE: Takes = Takes::One(ValueType::Own);

/// A module with a table of parameters in section 2, names in section 3 and limits in section 4.
fn table(order: Order, machine: u16, entries: &[Entry]) -> Sketch {
    let limits = [3, 9, 16].map(|limit| [u32_bytes(order, limit).to_vec(), vec![0; 20]].concat());
    let relocations = (0..).step_by(40).zip(entries).flat_map(|(at, entry)| {
        let fields = [
            (0, entry.name),
            (16, entry.ops.map(|symbol| (symbol, 0))),
            (32, entry.limit),
        ];
        fields.map(|(offset, to)| to.map(|(symbol, place)| (at + offset, symbol, place)))
    });
    let relocations: Vec<(u64, u64, u64)> = relocations.flatten().collect();
    Sketch::new(order, machine)
        .section("__param", vec![0; 40 * entries.len()])
        .section(".rodata.str", *b"counts\0label\0da-shed\0endless")
        .section(".rodata", limits.concat())
        .symbol("", 3, 3, 0)
        .symbol("", 3, 4, 0)
        .undefined("param_array_ops")
        .undefined("param_ops_string")
        .undefined("param_ops_int")
        .symbol("param_array_ops", GLOBAL, 4, 0)
        .symbol("", 3, 0xff00, 0)
        .relocations(2, &relocations)
        .relocations(4, &[(THREE + 16, INT, 0), (NINE + 16, OWN, 0)])
}

fn seen(entries: &[Entry]) -> Option<Vec<Parameter>> {
    parameters(table(Order::Little, X86_64, entries))
}

fn parameters(sketch: Sketch) -> Option<Vec<Parameter>> {
    sketch.read().unwrap().parameters.map(Vec::from)
}

fn expect(name: &str, takes: Takes) -> Parameter {
    Parameter {
        name: name.to_owned(),
        takes,
    }
}

#[test]
fn the_table_says_what_is_taken_on_every_architecture() {
    for (order, machine) in [
        (Order::Little, X86_64),
        (Order::Little, AARCH64),
        (Order::Little, POWER),
        (Order::Little, RISCV),
        (Order::Big, S390),
    ] {
        assert_eq!(
            parameters(table(order, machine, &[A_TEXT, AN_ARRAY])).unwrap(),
            [expect("label", SIXTEEN_BYTES), expect("counts", THREE_NUMBERS)],
            "{machine}"
        );
    }
}

#[test]
fn the_kernels_functions_tell_the_type() {
    let of = |name| {
        let named = Entry {
            ops: Some(8),
            ..AN_ARRAY
        };
        let sketch = table(Order::Little, X86_64, &[named]).undefined(name);
        parameters(sketch).unwrap().first().unwrap().takes
    };
    for (name, value_type) in [
        ("param_ops_byte", ValueType::Byte),
        ("param_ops_short", ValueType::Short),
        ("param_ops_ushort", ValueType::UShort),
        ("param_ops_int", ValueType::Int),
        ("param_ops_uint", ValueType::UInt),
        ("param_ops_hexint", ValueType::UInt),
        ("param_ops_long", ValueType::Long),
        ("param_ops_ulong", ValueType::ULong),
        ("param_ops_ullong", ValueType::ULong),
        ("param_ops_charp", ValueType::Text),
        ("param_ops_bool", ValueType::Switch),
        ("param_ops_bint", ValueType::Switch),
        ("param_ops_bool_enable_only", ValueType::Switch),
        ("param_ops_invbool", ValueType::InvertedSwitch),
        ("param_ops_dyndbg_classes", ValueType::Own),
        ("param_ops_integer", ValueType::Own),
    ] {
        assert_eq!(of(name), Takes::One(value_type), "{name}");
    }
}

#[test]
fn names_have_underscores_and_stand_in_the_order_of_the_table() {
    let dashed = |ops| Entry {
        name: Some((NAMES, DASHED)),
        ops: Some(ops),
        ..AN_ARRAY
    };
    let both = [expect("da_shed", OWN_VALUE), expect("da_shed", THREE_NUMBERS)];
    assert_eq!(seen(&[dashed(OWN), dashed(ARRAY)]).unwrap(), both);
}

#[test]
fn of_a_parameter_that_is_odd_nothing_is_claimed() {
    let limit = |to| Entry { limit: to, ..AN_ARRAY };
    let ops = |to| Entry { ops: to, ..AN_ARRAY };
    let several = |each, most| Takes::Several { each, most };
    let own = ValueType::Own;
    for (sentence, odd, takes) in [
        ("no functions", ops(None), OWN_VALUE),
        (
            "functions of its own, whatever they are called",
            ops(Some(OWN)),
            OWN_VALUE,
        ),
        ("functions that are no symbol", ops(Some(77)), OWN_VALUE),
        ("values of its own", limit(Some((LIMITS, NINE))), several(own, Some(9))),
        ("no limit", limit(None), several(own, None)),
        (
            "a limit that its section cuts short",
            limit(Some((LIMITS, 70))),
            several(own, None),
        ),
        (
            "a limit at the end of its section",
            limit(Some((LIMITS, 72))),
            several(own, None),
        ),
        (
            "a limit outside its section",
            limit(Some((LIMITS, 500))),
            several(own, None),
        ),
        (
            "a limit before its section",
            limit(Some((LIMITS, u64::MAX))),
            several(own, None),
        ),
        (
            "a limit that is somebody else's",
            limit(Some((ARRAY, 0))),
            several(own, None),
        ),
        ("a limit in no section", limit(Some((NOWHERE, 0))), several(own, None)),
    ] {
        assert_eq!(
            seen(&[odd, A_TEXT]).unwrap(),
            [expect("counts", takes), expect("label", SIXTEEN_BYTES)],
            "{sentence}"
        );
    }
}

#[test]
fn a_table_with_a_name_that_cannot_be_read_is_not_known() {
    for (sentence, name) in [
        ("no name", None),
        ("outside its section", Some((NAMES, 500))),
        ("before its section", Some((NAMES, u64::MAX))),
        ("without an end", Some((NAMES, 21))),
        ("in no section", Some((NOWHERE, 0))),
        ("no symbol", Some((77, 0))),
    ] {
        assert_eq!(seen(&[Entry { name, ..AN_ARRAY }, A_TEXT]), None, "{sentence}");
    }
}

#[test]
fn half_an_entry_is_none() {
    let cut = Sketch::new(Order::Little, X86_64).section("__param", vec![0; 39]);
    assert_eq!(parameters(cut).unwrap(), []);
}

#[test]
fn a_module_without_a_table_has_no_parameters() {
    assert_eq!(parameters(Sketch::new(Order::Little, X86_64)).unwrap(), []);
}

#[test]
fn a_table_without_end_is_not_read() {
    let count = |count: usize| seen(&vec![A_TEXT; count]).map(|parameters| parameters.len());
    assert_eq!(count(MAX_PARAMETERS), Some(MAX_PARAMETERS));
    assert_eq!(count(MAX_PARAMETERS + 1), None);
}

#[test]
fn a_name_is_only_so_long() {
    let named = |length: usize| {
        let name = [vec![b'n'; length], vec![0]].concat();
        let entry = Entry {
            name: Some((8, 0)),
            ..AN_ARRAY
        };
        let sketch = table(Order::Little, X86_64, &[entry]);
        parameters(sketch.section(".long", name).symbol("", 3, 7, 0))
    };
    assert!(named(MAX_NAME - 1).is_some());
    assert_eq!(named(MAX_NAME), None);
}
