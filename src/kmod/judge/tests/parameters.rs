//! Parameters: declared, and of a value that they take.

use super::sketch::{a_module, each, with};

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
