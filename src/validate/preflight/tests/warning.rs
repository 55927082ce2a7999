use super::*;
use crate::plan::Unreadable;

fn warnings(preflight: &PreflightValidationOCP, around: &Surroundings) -> Vec<String> {
    let admission = admit_create(preflight, around);
    assert_eq!(admission.errors, [], "a refused object has no warnings");
    admission.warnings
}

fn modules(modules: Vec<Arc<Module>>) -> Surroundings {
    cluster(modules)
}

fn nodes(nodes: Vec<Node>) -> Surroundings {
    Surroundings {
        nodes: Some(nodes),
        ..Surroundings::default()
    }
}

#[test]
fn a_kernel_that_no_module_has_an_image_for_is_doubted() {
    let other = |name| module(name, "{literal: 6.12.0-55.el10.x86_64}");
    let warned = |around: &Surroundings| warnings(&preflight(KERNEL), around);
    assert_eq!(
        warned(&modules(vec![])),
        ["the cluster has no Module yet, so there is nothing to answer"]
    );
    assert_eq!(
        warned(&modules(vec![other("a")])),
        ["spec.kernelVersion: the cluster's only Module has no image for this kernel"]
    );
    let mut two = modules(vec![other("a"), other("b")]);
    assert_eq!(
        warned(&two),
        ["spec.kernelVersion: none of the cluster's 2 Modules has an image for this kernel"]
    );
    two.unreadable.push(Unreadable {
        namespace: "drivers".to_owned(),
        name: "c".to_owned(),
        why: "spec.selector: not a map".to_owned(),
    });
    assert_eq!(warned(&two), Vec::<String>::new(), "the unreadable one may have it");
    let invalid = module("c", "{regexp: '('}");
    assert_eq!(
        warned(&modules(vec![other("a"), invalid])),
        Vec::<String>::new(),
        "the invalid one may have it"
    );
    let built_for_others = module(
        "d",
        "{literal: 6.12.0-55.el10.x86_64, build: {dockerfileConfigMap: {name: plain}}}",
    );
    assert_eq!(
        warned(&modules(vec![built_for_others.clone()])),
        ["spec.kernelVersion: the cluster's only Module has no image for this kernel"]
    );
    for modules in [vec![other("a"), loaded("b")], vec![built_for_others, loaded("b")]] {
        assert_eq!(warned(&cluster(modules)), Vec::<String>::new());
    }
}

#[test]
fn a_kernel_that_runs_already_is_doubted() {
    let old = || node("5.14.0-1.el9.x86_64", Some(Architecture::X86_64));
    let new = || node(KERNEL, Some(Architecture::X86_64));
    let warned = |listed| warnings(&preflight(KERNEL), &nodes(listed));
    assert_eq!(warned(vec![]), Vec::<String>::new());
    assert_eq!(warned(vec![old(), old()]), Vec::<String>::new());
    assert_eq!(
        warned(vec![new()]),
        ["spec.kernelVersion: the only node runs this kernel already"]
    );
    assert_eq!(
        warned(vec![new(), new()]),
        ["spec.kernelVersion: all 2 nodes run this kernel already"]
    );
    assert_eq!(
        warned(vec![new(), old(), old()]),
        ["spec.kernelVersion: 1 of 3 nodes run this kernel already"]
    );
}

#[test]
fn a_kernel_for_nodes_that_are_not_there_is_doubted() {
    let old = |architecture| node("5.14.0-1.el9", architecture);
    let warned = |kernel, listed| warnings(&preflight(kernel), &nodes(listed));
    let arm = "5.14.0-427.el9.aarch64";
    assert_eq!(
        warned(
            arm,
            vec![old(Some(Architecture::S390x)), old(Some(Architecture::X86_64))]
        ),
        ["spec.kernelVersion: this kernel is for arm64, and the nodes are amd64 and s390x"]
    );
    assert_eq!(
        warned(arm, vec![old(None)]),
        ["spec.kernelVersion: this kernel is for arm64, and no node is"]
    );
    let none = Vec::<String>::new();
    assert_eq!(warned(arm, vec![]), none, "nodes may come");
    assert_eq!(
        warned(
            arm,
            vec![old(Some(Architecture::X86_64)), old(Some(Architecture::Aarch64))]
        ),
        none
    );
    assert_eq!(warned("6.8.0-45-generic", vec![old(Some(Architecture::X86_64))]), none);
}

#[test]
fn a_toolkit_that_can_move_or_is_anothers_is_doubted() {
    let warned = |image, around: &Surroundings| warnings(&with_toolkit(KERNEL, image), around);
    let tag = "spec.dtkImage: names a tag, which can move to another image; a digest cannot";
    let unknown = Surroundings::default();
    assert_eq!(warned("r.example.com/dtk:1", &unknown), [tag]);
    assert_eq!(warned("r.example.com/dtk", &unknown), [tag]);
    assert_eq!(warned(TOOLKIT, &unknown), Vec::<String>::new());
    let mut around = Surroundings {
        toolkits: toolkits([("6.12.0-55.el10.x86_64", TOOLKIT)]),
        ..Surroundings::default()
    };
    assert_eq!(
        warned(TOOLKIT, &around),
        ["spec.dtkImage: the operator's settings name this image for another kernel, and not for this one"]
    );
    around.toolkits.insert(KERNEL.to_owned(), TOOLKIT.to_owned());
    assert_eq!(warned(TOOLKIT, &around), Vec::<String>::new(), "it has both kernels");
}

#[test]
fn what_is_built_in_vain_is_named() {
    let signed = module(
        "signed",
        "{regexp: .*, sign: {keySecret: {name: k}, certSecret: {name: c}, unsignedImage: 'r.example.com/u:1', filesToSign: [/opt/lib/modules/driver.ko]}}",
    );
    let elsewhere = module(
        "elsewhere",
        "{literal: 6.1.0-18-amd64, build: {dockerfileConfigMap: {name: plain}}}",
    );
    let around = cluster([built("a", "plain"), loaded("b"), elsewhere, signed]);
    let mut preflight = preflight(KERNEL);
    assert_eq!(
        warnings(&preflight, &around),
        ["spec.pushBuiltImage: it is false, so missing images are built but not pushed: drivers/a and drivers/signed"]
    );
    preflight.spec.push_built_image = Some(true);
    assert_eq!(warnings(&preflight, &around), Vec::<String>::new());
}

#[test]
fn another_preflight_for_the_same_kernel_is_named() {
    let listed = |others: &[(&str, &str)]| Surroundings {
        preflights: Some(
            others
                .iter()
                .map(|(name, kernel)| ((*name).to_owned(), (*kernel).to_owned()))
                .collect(),
        ),
        ..Surroundings::default()
    };
    let warned = |others: &[(&str, &str)]| warnings(&preflight(KERNEL), &listed(others));
    assert_eq!(
        warned(&[("upgrade", KERNEL), ("other", "6.1.0-18-amd64")]),
        Vec::<String>::new()
    );
    assert_eq!(
        warned(&[("upgrade", KERNEL), ("twin", KERNEL)]),
        ["spec.kernelVersion: twin has the same kernel"]
    );
    assert_eq!(
        warned(&[("b", KERNEL), ("a", KERNEL)]),
        ["spec.kernelVersion: a and b have the same kernel"]
    );
    assert_eq!(
        warned(&[(&"x".repeat(253), KERNEL)]),
        ["spec.kernelVersion: 1 preflight has the same kernel"]
    );
}

/// Everything that can be doubted at once, with the longest names that Kubernetes allows.
#[test]
fn warnings_are_short_and_few_and_in_order() {
    let long = |number: usize| format!("{}{number:04}", "x".repeat(249));
    let arm = format!("6.12.0-{}.aarch64", "x".repeat(49));
    let mut around = cluster((0..100).map(|number| built(&long(number), "plain")));
    around.nodes = Some(vec![node(&arm, None); 5_000]);
    around.preflights = Some((0..1_000).map(|number| (long(number), arm.clone())).collect());
    around.toolkits = toolkits([("6.1.0", "r.example.com/dtk:1")]);
    let warnings = warnings(&with_toolkit(&arm, "r.example.com/dtk:1"), &around);
    assert_eq!(
        warnings,
        [
            "spec.kernelVersion: all 5000 nodes run this kernel already",
            "spec.kernelVersion: this kernel is for arm64, and no node is",
            "spec.kernelVersion: 1000 preflights have the same kernel",
            "spec.dtkImage: names a tag, which can move to another image; a digest cannot",
            "spec.dtkImage: the operator's settings name this image for another kernel, and not for this one",
            "spec.pushBuiltImage: it is false, so missing images are built but not pushed: 100 Modules",
        ]
    );
    for warning in &warnings {
        assert!(warning.is_ascii() && warning.len() <= MAX_WARNING, "{warning}");
    }
    assert!(warnings.len() <= MAX_WARNINGS);
}

#[test]
fn a_list_names_as_many_as_there_is_room_for() {
    for count in [1, 2, 3, 4, 5, 6, 40] {
        let around = cluster((0..count).map(|number| built(&format!("a-module-{number:03}"), "plain")));
        let warned = warnings(&preflight(KERNEL), &around);
        let [warning] = warned.as_slice() else {
            panic!("{warned:?}")
        };
        assert!(warning.len() <= MAX_WARNING, "{warning}");
        assert!(warning.contains("drivers/a-module-000"), "{warning}");
    }
}
