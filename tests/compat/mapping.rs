//! `kernel_mapping` and those checks of `webhook_module` that concern loading, through `plan::resolve`.

use kmm_preflight::api::Module;
use kmm_preflight::kernel::KernelVersion;
use kmm_preflight::plan::{self, Resolution};
use serde_json::{Value, json};

use crate::rows::{row, text};

const KERNEL: &str = "5.14.0-427.el9.x86_64";

/// The Module `ns1/kmod` with that container section.
pub(crate) fn module(mut container: Value) -> Module {
    let section = container.as_object_mut().expect("a section has fields");
    section
        .entry("modprobe")
        .or_insert_with(|| json!({"moduleName": "kmod"}));
    serde_json::from_value(json!({
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": "kmod", "namespace": "ns1"},
        "spec": {"selector": {}, "moduleLoader": {"container": container}},
    }))
    .expect("a Module")
}

pub(crate) fn resolve(module: &Module, kernel: &str) -> Resolution {
    plan::resolve(module, &KernelVersion::parse(kernel).expect("a release"))
}

/// Mappings that each name an image of their own, so that the image tells which one matched.
fn mappings(row: &Value) -> Vec<Value> {
    let mut mappings = row["mappings"].as_array().expect("mappings").clone();
    for (at, mapping) in mappings.iter_mut().enumerate() {
        mapping["containerImage"] = json!(format!("r.example.com/kmod:{at}"));
    }
    mappings
}

#[test]
fn the_first_mapping_that_matches_wins() {
    let ids = ["km-1", "km-2", "km-3", "km-4", "km-5", "km-6", "km-7", "km-8", "km-9"];
    for id in ids {
        let row = row(id);
        let found = resolve(&module(json!({"kernelMappings": mappings(row)})), text(row, "kernel"));
        match (&row["out"], &found) {
            (out, Resolution::Target(target)) => {
                assert_eq!(
                    json!({"index": target.image.tag().and_then(|t| t.parse::<u32>().ok())}),
                    *out,
                    "{id}"
                );
            }
            (out, Resolution::NoMapping { .. }) => assert_eq!(out["error"], "not_found", "{id}"),
            (out, Resolution::Invalid(problems)) => {
                assert_eq!(out["error"], "other", "{id}: {problems:?}");
                assert!(
                    problems[0].path.contains("kernelMappings[0].regexp"),
                    "{id}: {problems:?}"
                );
            }
            (_, other) => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn a_mapping_gives_a_target_or_its_error() {
    let sound = module(json!({"kernelMappings": [{"literal": KERNEL, "containerImage": "r.example.com/x:1"}]}));
    assert!(matches!(resolve(&sound, KERNEL), Resolution::Target(_)), "km-20");
    let broken = module(json!({"kernelMappings": [{"regexp": "("}, {"literal": KERNEL}]}));
    assert!(matches!(resolve(&broken, KERNEL), Resolution::Invalid(_)), "km-21");
}

/// Upstream matches a literal without its `+` with a release that still has it, and misses.
#[test]
fn a_release_with_a_plus_matches_as_on_the_node() {
    let release = text(row("kv-p2"), "in");
    let matched = module(json!({"kernelMappings": [{"literal": "1.2.3", "containerImage": "r.example.com/x:1"}]}));
    match resolve(&matched, release) {
        Resolution::Target(target) => assert_eq!(target.kernel.raw(), release, "kv-p2: the release stays"),
        other => panic!("kv-p2: {other:?}"),
    }
    let missed = module(json!({"kernelMappings": [{"literal": release, "containerImage": "r.example.com/x:1"}]}));
    assert!(
        matches!(resolve(&missed, release), Resolution::NoMapping { .. }),
        "kv-p2"
    );
}

#[test]
fn a_module_without_a_loader_has_nothing_to_load() {
    let mut module = module(json!({"kernelMappings": []}));
    module.spec.module_loader = None;
    for id in ["km-25", "D08", "wm-o1"] {
        assert!(matches!(resolve(&module, KERNEL), Resolution::NothingToLoad), "{id}");
    }
}

/// The problems of a Module, or none where it has a target.
fn problems(module: &Module) -> Vec<String> {
    match resolve(module, KERNEL) {
        Resolution::Target(_) => Vec::new(),
        Resolution::Invalid(problems) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broken_template_spoils_its_own_module_only() {
    let broken = module(json!({"kernelMappings": [{"regexp": ".", "containerImage": "r.example.com/x:${KERNEL_XYZ"}]}));
    let sound = module(json!({"kernelMappings": [{"regexp": ".", "containerImage": "r.example.com/x:${KERNEL_XYZ}"}]}));
    for id in ["D09", "km-24", "st-13"] {
        let found = problems(&broken);
        assert!(
            found.len() == 1 && found[0].contains("kernelMappings[0].containerImage"),
            "{id}: {found:?}"
        );
        assert_eq!(problems(&sound), Vec::<String>::new(), "{id}");
    }
}

#[test]
fn images_name_a_tag_or_a_digest() {
    for (id, is_sound) in [("wm-i1", false), ("wm-i2", true), ("wm-i4", false)] {
        let image = text(row(id), "in");
        let found = problems(&module(
            json!({"kernelMappings": [{"regexp": ".", "containerImage": image}]}),
        ));
        assert_eq!(found.is_empty(), is_sound, "{id}: {found:?}");
    }
}

/// Upstream's check looks for an `@` only. No runtime takes such a digest, so the Module could never load.
#[test]
fn a_digest_has_the_form_of_one() {
    let image = text(row("wm-i3"), "in");
    let found = problems(&module(
        json!({"kernelMappings": [{"regexp": ".", "containerImage": image}]}),
    ));
    assert_eq!(found.len(), 1, "wm-i3: {found:?}");
    let digest = format!("image-url@sha256:{}", "0a".repeat(32));
    let sound = module(json!({"kernelMappings": [{"regexp": ".", "containerImage": digest}]}));
    assert_eq!(problems(&sound), Vec::<String>::new(), "wm-i3");
}

#[test]
fn containers_are_checked_as_far_as_loading_needs() {
    let tagged = "image-url:mytag";
    let cases = [
        (
            "wm-c2",
            json!({"containerImage": "image-url", "kernelMappings": [{"regexp": "."}]}),
            "tag or a digest",
        ),
        (
            "wm-c3",
            json!({"kernelMappings": [{"regexp": "x9", "containerImage": tagged}, {"regexp": "^.*$", "containerImage": tagged}]}),
            "",
        ),
        (
            "wm-c4",
            json!({"containerImage": tagged, "kernelMappings": [{"regexp": "."}]}),
            "",
        ),
        (
            "wm-c5",
            json!({"containerImage": tagged, "kernelMappings": [{"literal": KERNEL}]}),
            "",
        ),
        (
            "wm-c6",
            json!({"containerImage": tagged, "kernelMappings": [{"regexp": "*-invalid-regexp"}]}),
            "missing argument to repetition operator",
        ),
        ("wm-c9", json!({"kernelMappings": [{"regexp": "."}]}), "is missing"),
        (
            "wm-c10",
            json!({"kernelMappings": [{"regexp": ".", "containerImage": "image-url"}]}),
            "tag or a digest",
        ),
    ];
    for (id, container, expected) in cases {
        let found = problems(&module(container)).join("; ");
        assert_eq!(found.is_empty(), expected.is_empty(), "{id}: {found}");
        assert!(found.contains(expected), "{id}: {found}");
    }
}

/// Admission refuses a mapping without literal and regexp; the mapper skips it, and so a file's Module has none.
#[test]
fn a_module_without_usable_mappings_has_no_mapping() {
    for (id, mappings) in [
        ("wm-c1", json!([])),
        ("wm-c8", json!([{"containerImage": "image-url:1"}])),
    ] {
        let found = resolve(&module(json!({"kernelMappings": mappings})), KERNEL);
        assert!(matches!(found, Resolution::NoMapping { .. }), "{id}: {found:?}");
    }
}

#[test]
fn modprobe_sections_are_sound_with_a_name_or_with_raw_arguments() {
    let cases = [
        ("wm-m5", json!({"rawArgs": {"load": ["arg"], "unload": ["arg"]}})),
        ("wm-m6", json!({"moduleName": "module-name"})),
    ];
    for (id, modprobe) in cases {
        let container = json!({"modprobe": modprobe, "containerImage": "i:1", "kernelMappings": [{"regexp": "."}]});
        assert_eq!(problems(&module(container)), Vec::<String>::new(), "{id}");
    }
}

/// A Module that signs what it builds, or what `unsignedImage` holds.
fn signing(files: &Value, other: &Value) -> Module {
    let mut container = json!({
        "containerImage": "r.example.com/x:1",
        "kernelMappings": [{"regexp": "."}],
        "sign": {"keySecret": {"name": "k"}, "certSecret": {"name": "c"}, "filesToSign": files},
    });
    for (field, value) in other.as_object().expect("fields") {
        container[field] = value.clone();
    }
    module(container)
}

#[test]
fn there_must_be_something_to_sign() {
    let files = json!(["/opt/lib/modules/x.ko"]);
    let built = json!({"build": {"dockerfileConfigMap": {"name": "d"}}});
    assert_eq!(problems(&signing(&files, &built)), Vec::<String>::new(), "br-5");
    let found = problems(&signing(&files, &json!({}))).join("; ");
    assert!(found.contains("no image to sign"), "br-5: {found}");
}

/// Upstream writes each entry into a Dockerfile as it stands, and runs that with the private key mounted.
#[test]
fn files_to_sign_cannot_smuggle_instructions() {
    let id = "br-25";
    let built = json!({"build": {"dockerfileConfigMap": {"name": "d"}}});
    let hostile = [
        "/opt/x.ko\nRUN id",
        "/opt/x.ko; id",
        "/opt/$(id).ko",
        "/opt/../etc/shadow",
        "/opt/`id`",
        "/opt/a b.ko",
    ];
    for file in hostile {
        assert_eq!(problems(&signing(&json!([file]), &built)).len(), 1, "{id}: {file:?}");
    }
    for file in [
        "/opt/lib/modules/${KERNEL_FULL_VERSION}/*.ko",
        "/opt/${MOD_NAME}/[ab]?.ko",
    ] {
        let found = problems(&signing(&json!([file]), &built));
        assert!(found.is_empty(), "{id}: {file:?}: {found:?}");
    }
}

#[test]
fn builds_know_the_modules_own_name_and_the_toolkit() {
    let build = json!({"dockerfileConfigMap": {"name": "d"}, "buildArgs": [{"name": "MOD_NAME", "value": "evil"}]});
    let module = module(json!({"containerImage": "i:1", "build": build, "kernelMappings": [{"regexp": "."}]}));
    let Resolution::Target(target) = resolve(&module, KERNEL) else {
        panic!("D07 is no target")
    };
    let toolkit = text(row("ba-6"), "dtk_map");
    let arguments = plan::build_args(&target, Some(toolkit));
    let value = |name: &str| arguments.iter().find(|a| a.name == name).map(|a| a.value.as_str());
    assert_eq!(value("MOD_NAME"), Some("kmod"), "D07");
    assert_eq!(value("DTK_AUTO"), Some(toolkit), "ba-6");
}
