use proptest::prelude::*;

use super::*;

const REQUIRED: &str = "spec.dtkImage: is required: the Dockerfile of drivers/nic uses DTK_AUTO, and the operator's \
                        settings name no driver toolkit for 5.14.0-427.el9.x86_64; name the driver toolkit image of \
                        that kernel";

#[test]
fn a_good_preflight_in_an_unknown_cluster_is_admitted_in_silence() {
    let admission = admit_create(&with_toolkit(KERNEL, TOOLKIT), &Surroundings::default());
    assert_eq!(admission, Admission::default());
}

#[test]
fn errors_come_all_at_once_each_with_its_field() {
    let mut wrong = with_toolkit("5,14,0", "UPPER/Case:tag:tag");
    wrong.metadata.name = None;
    let admission = admit_create(&wrong, &cluster([loaded("nic")]));
    let paths: Vec<&str> = admission.errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["metadata.name", "spec.kernelVersion", "spec.dtkImage"]);
    assert!(admission.warnings.is_empty(), "errors come first: {admission:?}");
}

#[test]
fn a_name_that_the_api_server_will_make_is_enough() {
    let mut preflight = preflight(KERNEL);
    preflight.metadata.name = None;
    preflight.metadata.generate_name = Some("upgrade-".to_owned());
    assert_eq!(errors(&preflight, &Surroundings::default()), Vec::<String>::new());
}

#[test]
fn an_image_that_is_none_is_refused_with_what_is_wrong_with_it() {
    let said = |image: &str| errors(&with_toolkit(KERNEL, image), &Surroundings::default()).join("\n");
    assert_eq!(
        said(""),
        "spec.dtkImage: is empty; name an image, or leave the field out"
    );
    assert_eq!(
        said(" r.example.com/dtk:1"),
        "spec.dtkImage: white space at its beginning: a space; remove it"
    );
    assert_eq!(
        said("r.example.com/dtk:1\n"),
        "spec.dtkImage: white space at its end: a line break; remove it"
    );
    assert!(said("r.example.com/dtk:-1").starts_with("spec.dtkImage: `-1` is not a tag"));
    assert!(said("r.example.com/dtk@sha256:12").starts_with("spec.dtkImage: "));
}

/// A Dockerfile → whether a preflight without a toolkit is refused.
#[test]
fn a_toolkit_is_required_where_it_is_certain_that_a_build_needs_one() {
    let around = |modules| cluster(modules);
    assert_eq!(
        errors(&preflight(KERNEL), &around(vec![built("nic", "with-dtk")])),
        [REQUIRED]
    );
    for (why, modules) in [
        ("no Module", vec![]),
        ("nothing is built", vec![loaded("nic")]),
        ("the Dockerfile does not use it", vec![built("nic", "plain")]),
        ("the Dockerfile has not been read", vec![built("nic", "unread")]),
        ("the ConfigMap has no Dockerfile", vec![built("nic", "without-key")]),
        (
            "it is built for another kernel",
            vec![module(
                "nic",
                "{literal: 6.12.0-55.el10.x86_64, build: {dockerfileConfigMap: {name: with-dtk}}}",
            )],
        ),
        (
            "the Module is invalid",
            vec![module(
                "nic",
                "{regexp: '(', build: {dockerfileConfigMap: {name: with-dtk}}}",
            )],
        ),
    ] {
        assert_eq!(
            errors(&preflight(KERNEL), &around(modules)),
            Vec::<String>::new(),
            "{why}"
        );
    }
}

#[test]
fn nobody_is_refused_for_modules_that_are_not_known_yet() {
    let around = Surroundings {
        modules: None,
        ..cluster([])
    };
    assert_eq!(admit_create(&preflight(KERNEL), &around), Admission::default());
}

#[test]
fn a_toolkit_of_the_user_or_of_the_settings_will_do() {
    let mut around = cluster([built("nic", "with-dtk")]);
    assert_eq!(errors(&with_toolkit(KERNEL, TOOLKIT), &around), Vec::<String>::new());
    around.toolkits = toolkits([(KERNEL, TOOLKIT)]);
    assert_eq!(errors(&preflight(KERNEL), &around), Vec::<String>::new());
    for (kernel, image) in [("6.12.0-55.el10.x86_64", TOOLKIT), (KERNEL, "Not An Image")] {
        around.toolkits = toolkits([(kernel, image)]);
        assert_eq!(errors(&preflight(KERNEL), &around), [REQUIRED], "{kernel}: {image}");
    }
}

#[test]
fn a_refusal_names_five_modules_and_counts_the_others() {
    let refused = |count: usize| {
        let modules = (0..count).map(|number| built(&format!("nic-{number}"), "with-dtk"));
        errors(&preflight(KERNEL), &cluster(modules)).join("\n")
    };
    assert!(
        refused(2).contains("the Dockerfiles of drivers/nic-0 and drivers/nic-1 use DTK_AUTO"),
        "{}",
        refused(2)
    );
    assert!(
        refused(5).contains(", drivers/nic-3 and drivers/nic-4 use"),
        "{}",
        refused(5)
    );
    assert!(
        refused(12).contains(
            "of drivers/nic-0, drivers/nic-1, drivers/nic-2, drivers/nic-3, drivers/nic-4 and 7 more use DTK_AUTO"
        ),
        "{}",
        refused(12)
    );
}

#[test]
fn a_refusal_reads_as_kubectl_passes_it_on() {
    let one = [FieldError::new("spec.kernelVersion", "it is empty")];
    assert_eq!(
        refusal("upgrade", &one),
        "The PreflightValidationOCP \"upgrade\" is invalid: spec.kernelVersion: it is empty"
    );
    let two = [&one[..], &[FieldError::new("spec.dtkImage", "is empty")]].concat();
    assert_eq!(
        refusal("upgrade", &two),
        "The PreflightValidationOCP \"upgrade\" is invalid:\n* spec.kernelVersion: it is empty\n* spec.dtkImage: is empty"
    );
    assert_eq!(
        refusal("up\u{1b}[2Jgrade", &one),
        "The PreflightValidationOCP \"up\\u{1b}[2Jgrade\" is invalid: spec.kernelVersion: it is empty"
    );
}

/// The coarse rule of the CRD, which speaks where our webhook is absent, must not refuse what admission admits.
#[test]
fn the_crds_rule_admits_every_release() {
    let crd = serde_json::to_string(&<PreflightValidationOCP as kube::CustomResourceExt>::crd()).unwrap();
    let rule = crd
        .split("self.matches('")
        .nth(1)
        .and_then(|rest| rest.split("')").next());
    let rule = regex::Regex::new(rule.expect("a rule with a pattern")).unwrap();
    let releases = include_str!("../../../kernel/version/releases.txt").lines();
    for line in releases.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let release = line.split(' ').next().unwrap();
        assert!(rule.is_match(release), "{release}");
    }
}

proptest! {
    #[test]
    fn what_a_refusal_shows_is_short_and_harmless(image in "\\PC{0,40}|.{0,40}|[a-z/:@.\u{1b}\u{202e}]{0,3000}") {
        for error in admit_create(&with_toolkit(KERNEL, &image), &Surroundings::default()).errors {
            prop_assert!(error.message.chars().count() <= 3_300, "{error}");
            prop_assert!(!error.message.contains(|c: char| c.is_control() || c == '\u{202e}'), "{error:?}");
        }
    }
}

#[test]
fn the_same_object_in_the_same_cluster_has_the_same_answer() {
    let around = cluster((0..6).map(|number| built(&format!("nic-{number}"), "with-dtk")));
    let answer = admit_create(&preflight(KERNEL), &around);
    assert_eq!(answer.errors.len(), 1);
    assert_eq!(answer, admit_create(&preflight(KERNEL), &around.clone()));
}
