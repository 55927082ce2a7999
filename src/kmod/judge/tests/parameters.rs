//! Parameters: declared, and of a value that they take.

use super::sketch::{a_module, each, with};
use crate::kmod::facts::{Takes, ValueType};

#[test]
fn what_the_kernel_makes_of_parameters() {
    let typed = |given: &[&str]| {
        let module = a_module()
            .parameter("debug", Takes::One(ValueType::Int))
            .parameter("on_off", Takes::One(ValueType::Switch))
            .parameter("off_on", Takes::One(ValueType::InvertedSwitch))
            .parameter("odd", Takes::One(ValueType::Own))
            .parameter("debug", Takes::One(ValueType::Own))
            .also("parmtype", "spoken:int");
        with(module).parameters(given)
    };
    each(vec![
        ("a good one", typed(&["debug=1"]), ""),
        ("a bad one", typed(&["debug=much"]), "parameter-malformed!"),
        (
            "two bad ones",
            typed(&["debug=much", "on-off=2"]),
            "parameter-malformed! parameter-malformed!",
        ),
        ("a number wants a value", typed(&["debug"]), "parameter-malformed!"),
        ("a switch does not", typed(&["on-off"]), ""),
        ("an inverted switch does", typed(&["off-on"]), "parameter-malformed!"),
        ("dashes are underscores", typed(&["on-off=n"]), ""),
        ("a type of its own takes anything", typed(&["odd=?"]), ""),
        (
            "what modinfo says of parameters is nothing to the kernel",
            typed(&["spoken=1"]),
            "parameter-unknown?",
        ),
        ("an unknown one is ignored", typed(&["debgu=1"]), "parameter-unknown?"),
        ("two that the kernel knows", typed(&["async_probe=1", "dyndbg=+p"]), ""),
        ("true came with 5.18", typed(&["on_off=true"]), "parameter-malformed?"),
        ("and is taken since", typed(&["on_off=true"]).kernel("5.18.0"), ""),
        (
            "nobody knows what becomes of them where the table is odd",
            with(a_module().without_readable_parameters()).parameters(&["debug=much"]),
            "not-checked",
        ),
        (
            "which only matters where there are any",
            with(a_module().without_readable_parameters()),
            "",
        ),
        (
            "an option among them is an option",
            typed(&["--dry-run"]),
            "modprobe-arguments!",
        ),
        (
            "a dependency gets none of them",
            typed(&["debug=1"])
                .beside("lib", a_module())
                .line("drv", "extra/drv.ko: extra/lib.ko"),
            "",
        ),
    ]);
}

#[test]
fn who_mistakes_a_parameter_is_told_the_others() {
    let having = |count: usize| {
        let module = (0..count).fold(a_module(), |m, n| {
            m.parameter(&format!("p{n:02}"), Takes::One(ValueType::Int))
        });
        with(module).parameters(&["x=1"]).findings().remove(0).message
    };
    for (count, words) in [
        (0, "(it has none)"),
        (2, "(it has p00, p01)"),
        (23, "p18, p19 and 3 more)"),
    ] {
        assert!(having(count).contains(words), "{}", having(count));
    }
}

const fn several(each: ValueType, most: Option<u32>) -> Takes {
    Takes::Several { each, most }
}

#[test]
fn a_value_is_no_longer_than_its_parameter_takes() {
    let limited = |given: &[&str]| {
        let module = a_module()
            .parameter("of_two", several(ValueType::Int, Some(2)))
            .parameter("words", several(ValueType::Text, Some(2)))
            .parameter("switches", several(ValueType::Switch, Some(1)))
            .parameter("any", several(ValueType::Int, None))
            .parameter("own", several(ValueType::Own, Some(1)))
            .parameter("text", Takes::Copied { room: Some(4) });
        with(module).parameters(given)
    };
    each(vec![
        ("as many as there may be", limited(&["of_two=1,2"]), ""),
        ("one more", limited(&["of_two=1,2,3"]), "parameter-malformed!"),
        (
            "dashes are underscores",
            limited(&["of-two=1,2,3"]),
            "parameter-malformed!",
        ),
        (
            "an empty number is none",
            limited(&["of_two=1,"]),
            "parameter-malformed!",
        ),
        ("an empty word is one", limited(&["words=a,"]), ""),
        ("and is counted", limited(&["words=a,b,"]), "parameter-malformed!"),
        ("one is enough", limited(&["words="]), ""),
        (
            "too many are refused, also of values that only some kernels take",
            limited(&["switches=true,true"]),
            "parameter-malformed!",
        ),
        (
            "not if they are no more",
            limited(&["switches=true"]),
            "parameter-malformed?",
        ),
        ("nobody knows how many", limited(&["any=1,2,3,4,5,6,7,8,9"]), ""),
        (
            "the kernel counts also what it does not read",
            limited(&["own=a,b"]),
            "parameter-malformed!",
        ),
        ("a text that fits", limited(&["text=abc"]), ""),
        ("one that does not", limited(&["text=abcd"]), "parameter-malformed!"),
    ]);
}

#[test]
fn who_gives_too_much_is_told_how_much_there_may_be() {
    for (takes, value, words) in [
        (
            several(ValueType::Int, Some(2)),
            "1,2,3",
            "`p=1,2,3`: the parameter takes a list of at most 2, and these are 3; leave some out",
        ),
        (
            several(ValueType::Text, Some(1)),
            "a,",
            "a list of at most 1, and these are 2, one of them empty after the last comma; leave some out",
        ),
        (
            Takes::Copied { room: Some(4) },
            "abcd",
            "a text that fits into 4 bytes, and this one needs 5 with its end; shorten it",
        ),
    ] {
        let module = a_module().parameter("p", takes);
        let findings = with(module).parameters(&[&format!("p={value}")]).findings();
        let message = &findings.first().unwrap().message;
        assert!(message.ends_with(words), "{message}");
    }
}
