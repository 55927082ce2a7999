use super::*;

/// What becomes of the toolkit of a preflight that names none.
fn filled_in(kernel: &str, around: &Surroundings) -> Option<String> {
    let mut preflight = preflight(kernel);
    apply_defaults(&mut preflight, around);
    preflight.spec.dtk_image
}

#[test]
fn what_is_left_out_is_filled_in_and_nothing_is_pushed_unasked() {
    let mut preflight = PreflightValidationOCP::new("upgrade", PreflightValidationOCPSpec::default());
    apply_defaults(&mut preflight, &Surroundings::default());
    assert_eq!(preflight.spec.push_built_image, Some(false));
    assert_eq!(preflight.spec.dtk_image, None);
    assert_eq!(preflight.spec.kernel_version, "");
}

#[test]
fn what_the_user_wrote_is_never_changed() {
    let mut around = cluster([built("nic", "with-dtk")]);
    around.toolkits = toolkits([(KERNEL, TOOLKIT), ("6.1.100", TOOLKIT)]);
    for kernel in [KERNEL, " 5.14.0-427.el9.x86_64", "6.1.100+", ""] {
        for image in ["r.example.com/own:1", "", " "] {
            let mut written = with_toolkit(kernel, image);
            written.spec.push_built_image = Some(true);
            let mut defaulted = written.clone();
            apply_defaults(&mut defaulted, &around);
            assert_eq!(defaulted, written);
        }
    }
}

/// Kernel, key of the setting, whether it is the kernel's.
const KEYS: &[(&str, &str, bool)] = &[
    (KERNEL, KERNEL, true),
    (KERNEL, "5.14.0-427.el9.aarch64", false),
    (KERNEL, "5.14.0-427.el9.x86_64+", true),
    (KERNEL, "5.14.0-427.el9.x86_64+rt", false),
    ("6.1.100+", "6.1.100", true),
    ("6.1.100+", "6.1.100+", true),
    ("6.1.100+", "6.1.100_", true),
    ("6.1.100++", "6.1.100", false),
    ("5.14.0-427.el9.x86_64+rt", "5.14.0-427.el9.x86_64_rt", true),
    ("5.14.0-427.el9.x86_64+rt", "5.14.0-427.el9.x86_64+rt", true),
    ("5.14.0-427.el9.x86_64+rt", KERNEL, false),
];

#[test]
fn a_toolkit_is_found_by_its_kernel_as_tags_and_keys_can_hold_it() {
    for (kernel, key, is_its_own) in KEYS {
        let mut around = cluster([loaded("nic")]);
        around.toolkits = toolkits([(*key, TOOLKIT)]);
        let expected = is_its_own.then(|| TOOLKIT.to_owned());
        assert_eq!(filled_in(kernel, &around), expected, "{kernel} by {key}");
    }
}

#[test]
fn of_two_keys_the_very_name_wins() {
    let mut around = cluster([loaded("nic")]);
    around.toolkits = toolkits([("6.1.100", "r.example.com/dtk:other"), ("6.1.100+", TOOLKIT)]);
    assert_eq!(filled_in("6.1.100+", &around).as_deref(), Some(TOOLKIT));
    assert_eq!(
        filled_in("6.1.100", &around).as_deref(),
        Some("r.example.com/dtk:other")
    );
}

#[test]
fn a_toolkit_is_filled_in_only_where_a_module_has_an_image_for_the_kernel() {
    let other_kernel = || module("nic", "{literal: 6.12.0-55.el10.x86_64}");
    let known = toolkits([(KERNEL, TOOLKIT)]);
    for (why, modules, expected) in [
        ("its rules judge the image", Some(vec![loaded("nic")]), true),
        (
            "it is built",
            Some(vec![other_kernel(), built("nic", "with-dtk")]),
            true,
        ),
        ("no Module has an image", Some(vec![other_kernel()]), false),
        ("there is no Module", Some(vec![]), false),
        ("the Modules are not known", None, false),
    ] {
        let around = Surroundings {
            modules,
            toolkits: known.clone(),
            ..Surroundings::default()
        };
        assert_eq!(filled_in(KERNEL, &around).is_some(), expected, "{why}");
    }
}

#[test]
fn a_setting_that_is_no_image_is_not_filled_in() {
    let mut around = cluster([loaded("nic")]);
    around.toolkits = toolkits([(KERNEL, "Not An Image")]);
    assert_eq!(filled_in(KERNEL, &around), None);
}

#[test]
fn twice_is_as_good_as_once() {
    let mut around = cluster([built("nic", "with-dtk")]);
    around.toolkits = toolkits([(KERNEL, TOOLKIT)]);
    let mut once = preflight(KERNEL);
    once.spec.push_built_image = None;
    apply_defaults(&mut once, &around);
    let mut twice = once.clone();
    apply_defaults(&mut twice, &around);
    assert_eq!(once, twice);
    assert_eq!(once.spec.dtk_image.as_deref(), Some(TOOLKIT));
    assert_eq!(once.spec.push_built_image, Some(false));
}
