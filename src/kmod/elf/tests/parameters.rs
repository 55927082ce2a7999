//! Tables of parameters, sound and odd.

use super::sketch::{GLOBAL, Sketch, u32_bytes};
use super::{AARCH64, POWER, RISCV, S390, X86_64};
use crate::kmod::elf::image::Order;
use crate::kmod::elf::parameters::{MAX_NAME, MAX_PARAMETERS};
use crate::kmod::facts::ValueLimit;

/// The symbols of [`table`], by index.
const NAMES: u64 = 1;
const LIMITS: u64 = 2;
const ARRAY_OPS: u64 = 3;
const STRING_OPS: u64 = 4;
const OWN_OPS: u64 = 5;
const NOWHERE: u64 = 6;

/// Where the names of [`table`] begin.
const COUNTS: u64 = 0;
const LABEL: u64 = 7;
const DASHED: u64 = 13;

/// A parameter of a table: the symbols and places that its name, its functions and its limit lead to, if they do.
#[derive(Clone, Copy)]
struct Parameter {
    name: Option<(u64, u64)>,
    ops: Option<u64>,
    limit: Option<(u64, u64)>,
}

/// An array that takes three values.
const AN_ARRAY: Parameter = Parameter {
    name: Some((NAMES, COUNTS)),
    ops: Some(ARRAY_OPS),
    limit: Some((LIMITS, 4)),
};

/// A text of at most 16 bytes.
const A_TEXT: Parameter = Parameter {
    name: Some((NAMES, LABEL)),
    ops: Some(STRING_OPS),
    limit: Some((LIMITS, 8)),
};

/// A module with a table of parameters in section 2, names in section 3 and limits in section 4.
fn table(order: Order, machine: u16, parameters: &[Parameter]) -> Sketch {
    let limits: Vec<u8> = [9, 3, 16]
        .into_iter()
        .flat_map(|limit| u32_bytes(order, limit))
        .collect();
    let relocations = (0..).step_by(40).zip(parameters).flat_map(|(entry, parameter)| {
        let fields = [
            (0, parameter.name),
            (16, parameter.ops.map(|symbol| (symbol, 0))),
            (32, parameter.limit),
        ];
        fields.map(|(offset, to)| to.map(|(symbol, place)| (entry + offset, symbol, place)))
    });
    let relocations: Vec<(u64, u64, u64)> = relocations.flatten().collect();
    Sketch::new(order, machine)
        .section("__param", vec![0; 40 * parameters.len()])
        .section(".rodata.str", *b"counts\0label\0da-shed\0endless")
        .section(".rodata", limits)
        .symbol("", 3, 3, 0)
        .symbol("", 3, 4, 0)
        .undefined("param_array_ops")
        .undefined("param_ops_string")
        .symbol("param_array_ops", GLOBAL, 4, 0)
        .symbol("", 3, 0xff00, 0)
        .relocations(2, &relocations)
}

fn seen(parameters: &[Parameter]) -> Vec<(String, ValueLimit)> {
    limits(table(Order::Little, X86_64, parameters))
}

fn limits(sketch: Sketch) -> Vec<(String, ValueLimit)> {
    sketch.read().unwrap().limits.into_vec()
}

fn expect(name: &str, limit: ValueLimit) -> (String, ValueLimit) {
    (name.to_owned(), limit)
}

#[test]
fn arrays_and_texts_say_how_much_they_take_on_every_architecture() {
    for (order, machine) in [
        (Order::Little, X86_64),
        (Order::Little, AARCH64),
        (Order::Little, POWER),
        (Order::Little, RISCV),
        (Order::Big, S390),
    ] {
        assert_eq!(
            limits(table(order, machine, &[A_TEXT, AN_ARRAY])),
            [
                expect("counts", ValueLimit::Values(3)),
                expect("label", ValueLimit::Bytes(16))
            ],
            "{machine}"
        );
    }
}

#[test]
fn names_have_underscores_and_the_first_of_a_name_counts() {
    let dashed = |limit| Parameter {
        name: Some((NAMES, DASHED)),
        limit: Some((LIMITS, limit)),
        ..AN_ARRAY
    };
    assert_eq!(
        seen(&[dashed(0), dashed(4)]),
        [expect("da_shed", ValueLimit::Values(9))]
    );
    let unlimited = Parameter {
        ops: Some(OWN_OPS),
        ..dashed(0)
    };
    assert_eq!(seen(&[unlimited, dashed(4)]), []);
}

#[test]
fn of_what_is_odd_nothing_is_known_and_the_others_are() {
    let limit = |to| Parameter { limit: to, ..AN_ARRAY };
    let name = |to| Parameter { name: to, ..AN_ARRAY };
    let ops = |to| Parameter { ops: to, ..AN_ARRAY };
    for (sentence, odd) in [
        ("no name", name(None)),
        ("a name outside its section", name(Some((NAMES, 500)))),
        ("a name before its section", name(Some((NAMES, u64::MAX)))),
        ("a name without an end", name(Some((NAMES, 21)))),
        ("a name in no section", name(Some((NOWHERE, 0)))),
        ("a name that is no symbol", name(Some((77, 0)))),
        ("no functions", ops(None)),
        ("functions of its own, whatever they are called", ops(Some(OWN_OPS))),
        ("functions that are no symbol", ops(Some(77))),
        ("no limit", limit(None)),
        ("a limit that its section cuts short", limit(Some((LIMITS, 9)))),
        ("a limit at the end of its section", limit(Some((LIMITS, 12)))),
        ("a limit outside its section", limit(Some((LIMITS, 500)))),
        ("a limit before its section", limit(Some((LIMITS, u64::MAX)))),
        ("a limit that is somebody else's", limit(Some((ARRAY_OPS, 0)))),
        ("a limit in no section", limit(Some((NOWHERE, 0)))),
    ] {
        assert_eq!(
            seen(&[odd, A_TEXT]),
            [expect("label", ValueLimit::Bytes(16))],
            "{sentence}"
        );
    }
}

#[test]
fn half_an_entry_is_none() {
    let cut = Sketch::new(Order::Little, X86_64).section("__param", vec![0; 39]);
    assert_eq!(limits(cut), []);
}

#[test]
fn a_table_without_end_is_not_read_to_its_end() {
    let far = vec![Parameter { name: None, ..AN_ARRAY }; MAX_PARAMETERS];
    let with_last = |count: usize| [far.get(..count).unwrap(), &[A_TEXT]].concat();
    assert_eq!(seen(&with_last(MAX_PARAMETERS - 1)).len(), 1);
    assert_eq!(seen(&with_last(MAX_PARAMETERS)), []);
}

#[test]
fn a_name_is_only_so_long() {
    let named = |length: usize| {
        let name = [vec![b'n'; length], vec![0]].concat();
        let sketch = table(
            Order::Little,
            X86_64,
            &[Parameter {
                name: Some((7, 0)),
                ..AN_ARRAY
            }],
        );
        limits(sketch.section(".long", name).symbol("", 3, 6, 0)).len()
    };
    assert_eq!((named(MAX_NAME - 1), named(MAX_NAME)), (1, 0));
}
