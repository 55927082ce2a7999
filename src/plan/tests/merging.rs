//! Two sections → one.

use super::{KERNEL, problems, target};
use crate::api::module::{Build, BuildArg, Sign};
use crate::plan::build_args;
use crate::plan::build_args::overridden;

fn built(container: &str, mapping: &str) -> Option<Build> {
    target(
        &format!("{{{container}kernelMappings: [{{regexp: .{mapping}}}]}}"),
        KERNEL,
    )
    .build
}

#[test]
fn the_mappings_build_section_overrides_the_containers() {
    let parsed = |yaml: &str| Some(serde_saphyr::from_str::<Build>(yaml).unwrap());
    let tls = "baseImageRegistryTLS: {insecure: true, insecureSkipTLSVerify: true}";
    for (id, container, mapping, expected) in [
        (
            "bm-1",
            String::new(),
            ", build: {dockerfileConfigMap: {name: A}}",
            parsed("{dockerfileConfigMap: {name: A}}"),
        ),
        (
            "bm-2",
            "build: {dockerfileConfigMap: {name: B}}, ".to_owned(),
            "",
            parsed("{dockerfileConfigMap: {name: B}}"),
        ),
        (
            "bm-3",
            format!("build: {{dockerfileConfigMap: {{name: B}}, {tls}}}, "),
            ", build: {dockerfileConfigMap: {name: A}}",
            parsed(&format!("{{dockerfileConfigMap: {{name: A}}, {tls}}}")),
        ),
        ("bm-4", String::new(), "", None),
        (
            "secrets are appended, a selector replaced",
            "build: {dockerfileConfigMap: {name: B}, secrets: [{name: s}], selector: {a: b}}, ".to_owned(),
            ", build: {dockerfileConfigMap: {name: ''}, secrets: [{name: s}], selector: {c: d}}",
            parsed("{dockerfileConfigMap: {name: B}, secrets: [{name: s}, {name: s}], selector: {c: d}}"),
        ),
    ] {
        assert_eq!(built(&container, mapping), expected, "{id}");
    }
}

fn args(pairs: &[(&str, &str)]) -> Vec<BuildArg> {
    pairs
        .iter()
        .map(|(name, value)| BuildArg {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        })
        .collect()
}

#[test]
fn overrides_replace_in_place_and_the_rest_follows_by_name() {
    for (id, given, overrides, expected) in [
        (
            "ba-1",
            args(&[("name1", "value1"), ("name2", "value2")]),
            args(&[("name1", "valueOverride1"), ("overrideName2", "overrideValue2")]),
            args(&[
                ("name1", "valueOverride1"),
                ("name2", "value2"),
                ("overrideName2", "overrideValue2"),
            ]),
        ),
        (
            "ba-2",
            args(&[]),
            args(&[("b", "2"), ("a", "1")]),
            args(&[("a", "1"), ("b", "2")]),
        ),
        (
            "ba-3",
            args(&[("a", "x"), ("a", "y")]),
            args(&[("a", "1")]),
            args(&[("a", "1"), ("a", "1")]),
        ),
        (
            "ba-4",
            args(&[("MOD_NAME", "evil")]),
            args(&[("MOD_NAME", "real")]),
            args(&[("MOD_NAME", "real")]),
        ),
    ] {
        assert_eq!(overridden(&given, &overrides), expected, "{id}");
    }
}

#[test]
fn kmm_sets_its_own_arguments_whatever_the_user_says() {
    let container = "{kernelMappings: [{regexp: ., build: {dockerfileConfigMap: {name: A}, buildArgs: [{name: X, value: '${KERNEL_XYZ}'}, {name: MOD_NAME, value: evil}]}}]}";
    let target = target(container, "5.14.0-1.el9.x86_64+rt");
    let raw = "5.14.0-1.el9.x86_64+rt";
    let mut expected = args(&[("X", "${KERNEL_XYZ}"), ("MOD_NAME", "kmod"), ("DTK_AUTO", "r/dtk:1")]); // D07, ba-6, ts-20
    expected.extend(args(&[
        ("KERNEL_FULL_VERSION", raw),
        ("KERNEL_VERSION", raw),
        ("MOD_NAMESPACE", "ns1"),
    ]));
    assert_eq!(build_args(&target, Some("r/dtk:1")), expected);
    assert!(build_args(&target, None).iter().all(|arg| arg.name != "DTK_AUTO"));
}

fn signed(container: &str, mapping: &str) -> Option<Sign> {
    let section = |sign: &str| {
        if sign.is_empty() {
            String::new()
        } else {
            format!("sign: {{{sign}}}, ")
        }
    };
    let (container, mapping) = (section(container), section(mapping));
    let yaml = format!(
        "{{{container}modprobe: {{moduleName: kmod, dirName: /modules}}, kernelMappings: [{{{mapping}regexp: .}}]}}"
    );
    target(&yaml, KERNEL).sign
}

#[test]
fn the_mappings_sign_section_overrides_the_containers() {
    const IMAGE: &str = "unsignedImage: my.registry/my/image";
    const FILES: &str = "filesToSign: [/modules/simple-kmod.ko, /modules/simple-procfs-kmod.ko]";
    let key = |name: &str| format!("keySecret: {{name: '{name}'}}");
    let cert = |name: &str| format!("certSecret: {{name: '{name}'}}");
    let (own_key, own_cert, no_key, no_cert) = (key("securebootkey"), cert("securebootcert"), key(""), cert(""));
    let all = [IMAGE, &own_key, &own_cert, FILES].join(", ");
    let expected = signed(&all, "");
    assert!(expected.is_some(), "sm-1");
    for (id, container, mapping) in [
        ("sm-2", String::new(), all.clone()),
        (
            "sm-3",
            [IMAGE, &no_key, &no_cert].join(", "),
            [&own_key, &own_cert, FILES].join(", "),
        ),
        (
            "sm-4",
            [IMAGE, &own_key, &no_cert].join(", "),
            [&no_key, &own_cert, FILES].join(", "),
        ),
        (
            "sm-5",
            [IMAGE, &own_key, &own_cert].join(", "),
            [&no_key, &no_cert, FILES].join(", "),
        ),
        (
            "sm-6",
            [&no_key, &no_cert, FILES].join(", "),
            [IMAGE, &own_key, &own_cert].join(", "),
        ),
    ] {
        assert_eq!(signed(&container, &mapping), expected, "{id}");
    }
    let both = signed(
        &[IMAGE, &own_key, &own_cert, "filesToSign: [/modules/a]"].join(", "),
        &[&own_key, &own_cert, "filesToSign: ['/modules/$KERNEL_XYZ/$MOD_NAME']"].join(", "),
    );
    assert_eq!(
        both.unwrap().files_to_sign,
        ["/modules/a", "/modules/5.14.0/kmod"],
        "sm-7"
    );
}

#[test]
fn a_sign_section_that_cannot_work_is_refused() {
    let refused = |sign: &str| {
        problems(
            &format!(
                "{{sign: {{keySecret: {{name: k}}, certSecret: {{name: c}}, {sign}}}, kernelMappings: [{{regexp: .}}]}}"
            ),
            KERNEL,
        )
    };
    for (id, sign, expected) in [
        (
            "br-5: nothing to sign",
            "filesToSign: [/opt/x.ko]",
            "there is no image to sign",
        ),
        (
            "outside of dirName",
            "unsignedImage: 'r/u:1', filesToSign: [/etc/x.ko]",
            "must start with `/opt/`",
        ),
        (
            "beside dirName",
            "unsignedImage: 'r/u:1', filesToSign: [/optional/x.ko]",
            "must start with `/opt/`",
        ),
        (
            "br-25: a new line",
            "unsignedImage: 'r/u:1', filesToSign: [\"/opt/x\\nRUN evil\"]",
            "no white space",
        ),
        ("dots", "unsignedImage: 'r/u:1', filesToSign: [/opt/../etc/x]", "`..`"),
        (
            "a shell character",
            "unsignedImage: 'r/u:1', filesToSign: ['/opt/x;reboot']",
            "no shell characters",
        ),
        (
            "a template that does not close",
            "unsignedImage: 'r/u:${KERNEL_XYZ', filesToSign: [/opt/x]",
            "sign.unsignedImage",
        ),
    ] {
        let problems = refused(sign);
        assert!(problems.contains(expected), "{id}: {problems}");
    }
}

#[test]
fn registry_tls_and_in_tree_modules_are_the_mappings_if_it_has_them() {
    let of = |container: &str, mapping: &str| {
        target(
            &format!("{{{container}kernelMappings: [{{regexp: .{mapping}}}]}}"),
            KERNEL,
        )
    };
    assert!(of("registryTLS: {insecure: true}, ", "").registry_tls.insecure);
    assert!(
        !of(
            "registryTLS: {insecure: true}, ",
            ", registryTLS: {insecureSkipTLSVerify: true}"
        )
        .registry_tls
        .insecure
    );
    let removed = |container: &str, mapping: &str| of(container, mapping).in_tree_to_remove;
    assert_eq!(removed("inTreeModulesToRemove: [a], ", ""), ["a"]);
    assert_eq!(
        removed("inTreeModulesToRemove: [a], ", ", inTreeModulesToRemove: []"),
        Vec::<String>::new()
    );
    assert_eq!(removed("inTreeModuleToRemove: a, ", ", inTreeModuleToRemove: b"), ["b"]);
    assert_eq!(removed("inTreeModuleToRemove: a, ", ""), ["a"]);
}
