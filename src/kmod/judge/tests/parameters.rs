//! Parameters: declared, and of a value that they take.

use super::sketch::{a_module, each, with};
use crate::kmod::facts::ValueLimit;

#[test]
fn what_the_kernel_makes_of_parameters() {
    let typed = |given: &[&str]| {
        let module = a_module()
            .also("parmtype", "debug:int")
            .also("parmtype", "on_off:bool")
            .also("parmtype", "off_on:invbool")
            .also("parmtype", "for_good:bool_enable_only")
            .also("parmtype", "odd:its_own")
            .also("parm", "spoken:described only");
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
        ("a switch for good does not", typed(&["for_good"]), ""),
        ("but is a switch", typed(&["for_good=x"]), "parameter-malformed!"),
        ("dashes are underscores", typed(&["on-off=n"]), ""),
        ("a type of its own takes anything", typed(&["odd=?"]), ""),
        ("one that is only described takes anything", typed(&["spoken=?"]), ""),
        ("an unknown one is ignored", typed(&["debgu=1"]), "parameter-unknown?"),
        ("two that the kernel knows", typed(&["async_probe=1", "dyndbg=+p"]), ""),
        ("true came with 5.18", typed(&["on_off=true"]), "parameter-malformed?"),
        ("and is taken since", typed(&["on_off=true"]).kernel("5.18.0"), ""),
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
        let module = (0..count).fold(a_module(), |m, n| m.also("parmtype", &format!("p{n:02}:int")));
        with(module).parameters(&["x=1"]).findings().remove(0).message
    };
    for (count, words) in [
        (0, "(it declares none)"),
        (2, "(it has p00, p01)"),
        (23, "p18, p19 and 3 more)"),
    ] {
        assert!(having(count).contains(words), "{}", having(count));
    }
}

#[test]
fn a_value_is_no_longer_than_its_parameter_takes() {
    let limited = |given: &[&str]| {
        let module = a_module()
            .also("parmtype", "of_two:array of int")
            .limited("of_two", ValueLimit::Values(2))
            .also("parmtype", "words:array of charp")
            .limited("words", ValueLimit::Values(2))
            .also("parmtype", "switches:array of bool")
            .limited("switches", ValueLimit::Values(1))
            .also("parmtype", "any:array of int")
            .also("parm", "spoken:described only")
            .limited("spoken", ValueLimit::Values(1))
            .also("parmtype", "text:string")
            .limited("text", ValueLimit::Bytes(4));
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
            "a type need not be told",
            limited(&["spoken=a,b"]),
            "parameter-malformed!",
        ),
        ("a text that fits", limited(&["text=abc"]), ""),
        ("one that does not", limited(&["text=abcd"]), "parameter-malformed!"),
    ]);
}

#[test]
fn who_gives_too_much_is_told_how_much_there_may_be() {
    for (kind, limit, value, words) in [
        (
            "array of int",
            ValueLimit::Values(2),
            "1,2,3",
            "`p=1,2,3`: the parameter takes a list of at most 2, and these are 3; leave some out",
        ),
        (
            "array of charp",
            ValueLimit::Values(1),
            "a,",
            "a list of at most 1, and these are 2, one of them empty after the last comma; leave some out",
        ),
        (
            "string",
            ValueLimit::Bytes(4),
            "abcd",
            "a text that fits into 4 bytes, and this one needs 5 with its end; shorten it",
        ),
    ] {
        let module = a_module().also("parmtype", &format!("p:{kind}")).limited("p", limit);
        let message = with(module)
            .parameters(&[&format!("p={value}")])
            .findings()
            .remove(0)
            .message;
        assert!(message.ends_with(words), "{message}");
    }
}
