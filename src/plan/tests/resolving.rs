//! Mappings, images, the modprobe section.

use super::{KERNEL, module, problems, resolved, target};
use crate::kernel::{Architecture, KernelVersion};
use crate::kmod::load::{LoadCommand, SignaturePolicy};
use crate::plan::{Resolution, resolve};

/// What a list of mappings comes to on a kernel: the tag of the image, or a word.
fn outcome(mappings: &str, kernel: &str) -> String {
    match resolved(&format!("{{kernelMappings: {mappings}}}"), kernel) {
        Resolution::Target(target) => target.image.tag().unwrap_or_default().to_owned(),
        Resolution::NoMapping { .. } => "no mapping".to_owned(),
        Resolution::Invalid(_) => "invalid".to_owned(),
        Resolution::NothingToLoad => "nothing to load".to_owned(),
    }
}

#[test]
fn the_first_mapping_that_matches_is_taken() {
    for (id, kernel, mappings, expected) in [
        ("km-1", "1.2.3", "[{literal: 1.2.3}]", "1"),
        ("km-2", "1.2.3", r"[{regexp: '1\..*'}]", "1"),
        ("km-3", "1.2.3", "[{regexp: 'invalid)'}]", "invalid"),
        ("km-4", "1.2.3", r"[{regexp: 1.2.2}, {regexp: '0\..*'}]", "no mapping"),
        ("km-5", "5.14.0-70.el9.x86_64", "[{regexp: '14'}]", "1"),
        (
            "km-6",
            "1.2.3",
            "[{regexp: ., containerImage: 'r/x:dot'}, {literal: 1.2.3}]",
            "dot",
        ),
        ("km-7", "1.2.3", "[{literal: 1.2.3}, {regexp: 'bad('}]", "1"),
        ("km-8", "1.2.3", "[{}]", "no mapping"),
        ("km-9", "1.2.3", "[]", "no mapping"),
        ("km-22", "1.2.3", "[{literal: 1.2.30}]", "no mapping"),
        ("case counts", "1.2.3-A", "[{literal: 1.2.3-a}]", "no mapping"),
        (
            "kv-p1, kv-p2: KMM leaves one trailing + out",
            "1.2.3+",
            "[{literal: 1.2.3}]",
            "1",
        ),
        (
            "and so a literal with it never matches",
            "1.2.3+",
            "[{literal: 1.2.3+}]",
            "no mapping",
        ),
        ("an empty regexp is none", "1.2.3", "[{regexp: ''}, {regexp: .}]", "1"),
    ] {
        assert_eq!(outcome(mappings, kernel), expected, "{id}");
    }
}

#[test]
fn a_mapping_with_a_literal_and_a_regexp_is_refused_once_it_matches() {
    for (id, mappings) in [
        ("km-10", "[{literal: 9.9.9, regexp: '1.2.3'}]"),
        ("wm-c7", "[{regexp: '^1', literal: 1.2.3}]"),
    ] {
        assert!(
            problems(&format!("{{kernelMappings: {mappings}}}"), "1.2.3").contains("mutually exclusive"),
            "{id}"
        );
    }
}

#[test]
fn a_module_without_a_loader_has_nothing_to_load() {
    // km-25, D08, wm-o1
    let mut module = module("{}");
    module.spec.module_loader = None;
    let kernel = KernelVersion::parse(KERNEL).unwrap();
    assert!(matches!(resolve(&module, &kernel), Resolution::NothingToLoad));
}

#[test]
fn the_image_is_the_mappings_else_the_containers() {
    for (id, container, expected) in [
        (
            "km-20, wm-c4",
            "{containerImage: 'r.example.com/a:1', kernelMappings: [{regexp: .}]}",
            "r.example.com/a:1",
        ),
        (
            "wm-c5",
            "{containerImage: 'r.example.com/a:1', kernelMappings: [{literal: 5.14.0-427.el9.x86_64}]}",
            "r.example.com/a:1",
        ),
        (
            "wm-c3",
            "{containerImage: 'r.example.com/a:1', kernelMappings: [{regexp: ., containerImage: 'r.example.com/b:2'}]}",
            "r.example.com/b:2",
        ),
        (
            "an empty one is none",
            "{containerImage: 'r.example.com/a:1', kernelMappings: [{regexp: ., containerImage: ''}]}",
            "r.example.com/a:1",
        ),
        (
            "ts-21",
            "{kernelMappings: [{regexp: ., containerImage: 'r/x:${KERNEL_FULL_VERSION}'}]}",
            "r/x:5.14.0-427.el9.x86_64",
        ),
        (
            "ts-22",
            "{kernelMappings: [{regexp: ., containerImage: 'r/$MOD_NAMESPACE/$MOD_NAME:$KERNEL_XYZ'}]}",
            "r/ns1/kmod:5.14.0",
        ),
    ] {
        assert_eq!(target(container, KERNEL).image_text, expected, "{id}");
    }
    let rt = target(
        "{containerImage: 'r/x:${KERNEL_FULL_VERSION}', kernelMappings: [{regexp: .}]}",
        "5.14.0-427.18.1.el9_4.x86_64+rt",
    );
    assert_eq!(
        rt.image_text, "r/x:5.14.0-427.18.1.el9_4.x86_64_rt",
        "ts-21: + is no character of a tag"
    );
}

#[test]
fn an_image_that_no_node_could_pull_is_named_with_its_field() {
    let mapping = "spec.moduleLoader.container.kernelMappings[0].containerImage: ";
    for (id, container, expected) in [
        (
            "wm-c9",
            "{containerImage: '', kernelMappings: [{regexp: .}]}",
            "is missing, and the container has no",
        ),
        (
            "wm-i1, wm-c10",
            "{kernelMappings: [{regexp: ., containerImage: image-url}]}",
            "must name a tag or a digest",
        ),
        (
            "wm-i4",
            "{kernelMappings: [{regexp: ., containerImage: 'registry:5000/foo'}]}",
            "must name a tag or a digest",
        ),
        (
            "D09, ts-12, km-24",
            "{kernelMappings: [{regexp: ., containerImage: 'r/x:${KERNEL_XYZ'}]}",
            "closing brace expected",
        ),
        (
            "ts-4",
            "{kernelMappings: [{regexp: ., containerImage: 'r/x:${NOPE}'}]}",
            "NOPE",
        ),
        (
            "ts-20",
            "{kernelMappings: [{regexp: ., containerImage: 'some image:${KERNEL_XYZ}'}]}",
            "is not the name of a repository",
        ),
    ] {
        let problems = problems(container, KERNEL);
        assert!(
            problems.starts_with(mapping) && problems.contains(expected),
            "{id}: {problems}"
        );
    }
    let of_container = problems("{containerImage: image-url, kernelMappings: [{regexp: .}]}", KERNEL);
    assert!(
        of_container.starts_with("spec.moduleLoader.container.containerImage: "),
        "wm-c2: {of_container}"
    );
    let regexp = problems("{kernelMappings: [{literal: x}, {regexp: '*-invalid-regexp'}]}", KERNEL);
    assert!(
        regexp.starts_with("spec.moduleLoader.container.kernelMappings[1].regexp: "),
        "wm-c6, km-21: {regexp}"
    );
}

#[test]
fn the_deprecated_single_in_tree_module_and_the_list_exclude_each_other() {
    let list = "inTreeModulesToRemove: [a]";
    let single = "inTreeModuleToRemove: b";
    for (id, container) in [
        (
            "wm-c11",
            format!("{{{list}, {single}, kernelMappings: [{{regexp: .}}]}}"),
        ),
        (
            "wm-c12",
            format!("{{kernelMappings: [{{regexp: ., {list}, {single}}}]}}"),
        ),
        (
            "wm-c13",
            format!("{{{list}, kernelMappings: [{{regexp: ., {single}}}]}}"),
        ),
        (
            "wm-c14",
            format!("{{{single}, kernelMappings: [{{regexp: ., {list}}}]}}"),
        ),
    ] {
        assert!(problems(&container, KERNEL).contains("inTreeModulesToRemove"), "{id}");
    }
}

#[test]
fn a_modprobe_section_that_kmm_refuses_is_refused() {
    for (id, modprobe, expected) in [
        (
            "wm-m1",
            "{}",
            "load and unload rawArgs must be set when moduleName is unset",
        ),
        (
            "wm-m2",
            "{rawArgs: {load: [], unload: [arg]}}",
            "load and unload rawArgs must be set",
        ),
        (
            "wm-m3",
            "{moduleName: m, rawArgs: {load: [arg], unload: [arg]}}",
            "rawArgs cannot be set when moduleName is set",
        ),
        (
            "wm-m4",
            "{rawArgs: {load: [arg], unload: []}}",
            "load and unload rawArgs must be set",
        ),
        (
            "wm-m7",
            "{moduleName: m, modulesLoadingOrder: [m]}",
            "at least two values",
        ),
        ("wm-m8", "{modulesLoadingOrder: []}", "moduleName"),
        (
            "wm-m9",
            "{modulesLoadingOrder: [a, b], rawArgs: {load: [x], unload: [x]}}",
            "cannot be set when moduleName is unset",
        ),
        (
            "wm-m10",
            "{moduleName: m, modulesLoadingOrder: [m, test, test]}",
            "duplicate value test",
        ),
        (
            "wm-m11",
            "{moduleName: a, modulesLoadingOrder: [b, a]}",
            "the first element must be moduleName",
        ),
        (
            "a folder with a blank breaks KMM's command",
            "{moduleName: m, dirName: '/my modules'}",
            "dirName",
        ),
        (
            "and so does one with a shell character",
            "{moduleName: m, firmwarePath: '/fw;reboot'}",
            "firmwarePath",
        ),
    ] {
        let problems = problems(
            &format!("{{modprobe: {modprobe}, kernelMappings: [{{regexp: .}}]}}"),
            KERNEL,
        );
        assert!(problems.contains(expected), "{id}: {problems}");
    }
}

#[test]
fn modprobe_is_called_as_kmm_would_call_it() {
    let load = |modprobe: &str| {
        let container = format!("{{modprobe: {modprobe}, kernelMappings: [{{regexp: .}}]}}");
        target(&container, KERNEL).load(SignaturePolicy::default())
    };
    let named = load(
        "{moduleName: m, args: {load: [-f], unload: []}, parameters: [a=1, b=2], modulesLoadingOrder: [m, other]}",
    ); // wm-m6
    let strings = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let expected = LoadCommand::Named {
        module: "m".to_owned(),
        args: strings(&["-f"]),
        parameters: strings(&["a=1", "b=2"]),
    };
    assert_eq!(
        (named.command, named.dir_name, named.loading_order),
        (expected, "/opt".to_owned(), strings(&["m", "other"]))
    );
    let raw = load("{rawArgs: {load: [-d, /tmp/opt, m], unload: [-r]}, dirName: opt//x/../modules/}"); // wm-m5
    assert_eq!(
        (raw.command, raw.dir_name),
        (
            LoadCommand::Raw(strings(&["-d", "/tmp/opt", "m"])),
            "/opt/modules".to_owned()
        )
    );
}

#[test]
fn the_architecture_is_the_kernels_else_the_selectors() {
    let architecture = |kernel: &str, selector: &str| {
        let mut module = module("{kernelMappings: [{regexp: .}]}");
        module.spec.selector = serde_saphyr::from_str(selector).unwrap();
        match resolve(&module, &KernelVersion::parse(kernel).unwrap()) {
            Resolution::Target(target) => target.architecture.map(Architecture::go_name),
            Resolution::NothingToLoad => Some("nothing to load"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(architecture("5.14.0-1.el9.aarch64", "{}"), Some("arm64"), "D19");
    assert_eq!(
        architecture("5.14.0-1.el9.aarch64", "{kubernetes.io/arch: amd64}"),
        Some("nothing to load"),
        "D19"
    );
    assert_eq!(
        architecture("6.8.0-45-generic", "{kubernetes.io/arch: s390x}"),
        Some("s390x")
    );
    assert_eq!(architecture("6.8.0-45-generic", "{}"), None);
}

#[test]
fn the_rest_is_copied_and_kmms_own_tolerations_are_added() {
    let mut module = module("{kernelMappings: [{regexp: .}]}");
    module.spec.image_repo_secret = serde_saphyr::from_str("{name: pull}").unwrap();
    module.spec.tolerations = serde_saphyr::from_str("[{key: gpu, operator: Exists}]").unwrap();
    module.spec.module_loader.as_mut().unwrap().service_account_name = Some("loader".to_owned());
    let Resolution::Target(target) = resolve(&module, &KernelVersion::parse(KERNEL).unwrap()) else {
        panic!()
    };
    assert_eq!(
        (target.pull_secret.as_deref(), target.service_account.as_deref()),
        (Some("pull"), Some("loader"))
    );
    let keys: Vec<_> = target
        .tolerations
        .iter()
        .map(|toleration| toleration.key.clone().unwrap())
        .collect();
    let pressure = |what: &str| format!("node.kubernetes.io/{what}-pressure");
    assert_eq!(
        keys,
        ["gpu".to_owned(), pressure("disk"), pressure("memory"), pressure("pid")]
    );
}
