//! `check` with questions that are wrong in every way, and the way to an answer.

use crate::cli::support::{MODULE, PREFLIGHT, check};

#[test]
fn a_file_is_required() {
    check("").fails_with("--filename <PATH>");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    check("-f absent.yaml").fails_with("absent.yaml: there is no such file or folder");
}

#[test]
fn what_kubectl_takes_for_a_file_is_answered_with_what_to_do() {
    check("-f https://example.com/m.yaml").fails_with("curl -sSfL ADDRESS | kmm-preflight check -f -");
    check("-f a.yaml,b.yaml")
        .with_file("a.yaml", MODULE)
        .with_file("b.yaml", PREFLIGHT)
        .fails_with("put a -f before each of the files");
    check("a.yaml")
        .with_file("a.yaml", MODULE)
        .fails_with("to check the file a.yaml, put -f before it");
    let said = check("-f a.yaml -A").with_file("a.yaml", MODULE).ends_with(2);
    assert!(!said.err.contains("to check the file"), "{}", said.err);
}

#[test]
fn who_asks_is_told_of_every_image_and_who_insists_of_every_request() {
    let module = MODULE.replace("registry.invalid/nic:1", "127.0.0.1:1/nic:1");
    let said = |flag: &str| {
        let words = format!("-f m.yaml --kernel-version 6.1.0-18-amd64 --no-cache {flag}");
        check(&words).with_file("m.yaml", &module).ends_with(3).err
    };
    let (once, twice) = (said("-v"), said("-vv"));
    let request = "GET https://127.0.0.1:1/v2/nic/manifests/1: 127.0.0.1:1 refuses the connection";
    assert!(
        once.contains("127.0.0.1:1/nic:1: begun") && !once.contains(request),
        "{once}"
    );
    assert!(
        twice.contains("127.0.0.1:1/nic:1: begun") && twice.contains(request),
        "{twice}"
    );
    assert_eq!(said(""), "");
}

#[test]
fn no_kernel_is_answered_with_what_to_do() {
    check("-f module.yaml")
        .with_file("module.yaml", MODULE)
        .fails_with("name the kernel with --kernel-version");
}

#[test]
fn no_module_is_no_all_clear() {
    check("-f preflight.yaml")
        .with_file("preflight.yaml", PREFLIGHT)
        .fails_with("there is no Module, so there is nothing to check");
}

#[test]
fn a_namespace_without_modules_is_no_all_clear() {
    let check = check("-f . -n elsewhere").with_file("all.yaml", &format!("{MODULE}---\n{PREFLIGHT}"));
    check.fails_with("there is no Module in namespace elsewhere");
}

#[test]
fn a_file_behind_an_option_is_named_with_the_option() {
    let said = check(
        "-f m.yaml --kernel-version 6.1.0 --loaded-modules no --trusted-cert . --oci-layout m.yaml --cache-dir m.yaml",
    )
    .with_file("m.yaml", MODULE)
    .ends_with(2);
    for complaint in [
        "--loaded-modules no: there is no such file",
        "--trusted-cert .: it is a folder; name a file",
        "--oci-layout m.yaml: it is a file; name the folder",
        "--cache-dir m.yaml: it is a file; name a folder",
    ] {
        assert!(said.err.contains(complaint), "{complaint}: {}", said.err);
    }
}

#[test]
fn every_broken_document_is_shown_with_its_place() {
    let broken = MODULE.replace("moduleName: nic", "moduleName: 7");
    let syntax = "kind: Module\n  metadata: [\n";
    let said = check("-f all.yaml")
        .with_file("all.yaml", &format!("{broken}---\n{syntax}---\n{PREFLIGHT}"))
        .ends_with(2);
    insta::assert_snapshot!(said.err);
}

#[test]
fn a_folder_names_its_broken_files() {
    let check = check("-f deploy")
        .with_file("deploy/1.yaml", MODULE)
        .with_file("deploy/sub/2.json", "{\"kind\": ");
    check.fails_with("deploy/sub/2.json:1:1: unclosed bracket");
}

#[test]
fn wrong_arguments_are_all_named_at_once() {
    let said = check("-f x --architecture vax --timeout soon").ends_with(2);
    assert!(
        said.err.contains("error: --architecture `vax`") && said.err.contains("error: --timeout `soon`"),
        "{}",
        said.err
    );
}

#[test]
fn what_is_skipped_is_noted_unless_it_must_be_quiet() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n";
    let noted = check("-f all.yaml").with_file("all.yaml", service).ends_with(2);
    assert!(
        noted.err.starts_with("note: skipped 1 object of kind Service (v1)"),
        "{}",
        noted.err
    );
    let quiet = check("-q -f all.yaml").with_file("all.yaml", service).ends_with(2);
    assert!(quiet.err.starts_with("error: no target kernel"), "{}", quiet.err);
}

#[test]
fn standard_input_and_an_option_make_a_question() {
    let said = check("-f - --kernel-version 6.1.0-18-amd64 --timeout 20s --no-cache -o json")
        .with_input(MODULE)
        .ends_with(3);
    let answer: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(answer["kind"], "PreflightValidationOCP");
    assert_eq!(answer["metadata"]["name"], "preflight");
    assert_eq!(answer["spec"]["kernelVersion"], "6.1.0-18-amd64");
    assert_eq!(answer["status"]["modules"][0]["name"], "nic");
    assert_eq!(answer["status"]["modules"][0]["verificationStatus"], "InProgress");
    assert_eq!(said.err, "", "nobody watches, so there is no progress");
}

#[test]
fn options_override_what_files_say() {
    let said = check("-f all.yaml --kernel-version 6.1.0-18-amd64 --push-built-image --timeout 20s --no-cache -o json")
        .with_file("all.yaml", &format!("{MODULE}---\n{PREFLIGHT}"))
        .ends_with(3);
    let answer: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(answer["metadata"]["name"], "upgrade");
    assert_eq!(answer["spec"]["kernelVersion"], "6.1.0-18-amd64");
    assert_eq!(answer["spec"]["pushBuiltImage"], true);
}

#[test]
fn several_preflights_give_several_reports() {
    let other = PREFLIGHT.replace("upgrade", "later");
    let said = check("-f all.yaml --timeout 20s --no-cache")
        .with_file("all.yaml", &format!("{MODULE}---\n{PREFLIGHT}---\n{other}"))
        .ends_with(3);
    assert!(
        said.out.contains("Preflight upgrade: ") && said.out.contains("Preflight later: "),
        "{}",
        said.out
    );
}

#[test]
fn a_malformed_preflight_is_refused_as_admission_would() {
    let malformed = PREFLIGHT.replace(
        "5.14.0-570.19.1.el9_6.x86_64",
        "'5.14.0; rm -rf /', dtkImage: 'no image'",
    );
    let said = check("-f all.yaml")
        .with_file("all.yaml", &format!("{MODULE}---\n{malformed}"))
        .ends_with(2);
    insta::assert_snapshot!(said.err);
}

#[test]
fn a_module_with_nothing_to_load_ends_well() {
    let plugin =
        "{apiVersion: kmm.sigs.x-k8s.io/v1beta1, kind: Module, metadata: {name: plugin, namespace: edge}, spec: {}}";
    let said = check("-f - --kernel-version 6.1.0-18-amd64 --no-cache")
        .with_input(plugin)
        .ends_with(0);
    assert!(said.out.contains("1 of 1 Module verified"), "{}", said.out);
}
