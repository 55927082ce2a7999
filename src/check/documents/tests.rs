//! Documents as people write them, and as they break.

use std::fs;
use std::path::Path;

use kube::ResourceExt;
use miette::Diagnostic;

use super::{Documents, Source, read};

/// Reads one text as if it were a file that the user named.
fn reading(text: impl AsRef<[u8]>) -> Documents {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("given.yaml");
    fs::write(&path, text).expect("a file");
    let mut documents = read(&[Source::Path(path)], &mut std::io::empty());
    let prefix = format!("{}/", folder.path().display());
    documents
        .notes
        .iter_mut()
        .for_each(|note| *note = note.replace(&prefix, ""));
    documents
}

/// The sentences of what is wrong, without the folder of the test.
fn problems(documents: &Documents) -> Vec<String> {
    let sentence = |problem: &super::DocumentProblem| problem.to_string();
    let plain = |sentence: String| {
        sentence
            .split_once("given.yaml")
            .map_or(sentence.clone(), |(_, rest)| rest.to_owned())
    };
    documents.problems.iter().map(sentence).map(plain).collect()
}

fn module(name: &str) -> String {
    format!(
        "apiVersion: kmm.sigs.x-k8s.io/v1beta1\nkind: Module\nmetadata: {{name: {name}, namespace: drivers}}\nspec:\n  \
         moduleLoader:\n    container:\n      kernelMappings: []\n      modprobe: {{moduleName: {name}}}\n"
    )
}

fn preflight(spec: &str) -> String {
    format!(
        "apiVersion: kmm.sigs.x-k8s.io/v1beta2\nkind: PreflightValidationOCP\nmetadata: {{name: upgrade}}\nspec: {spec}\n"
    )
}

fn names(documents: &Documents) -> Vec<String> {
    documents.modules.iter().map(ResourceExt::name_any).collect()
}

#[test]
fn several_documents_of_one_file_are_all_read() {
    let text = format!(
        "# first\n---\n{}---\n\n---\n{}...\n---\n{}",
        module("a"),
        preflight("{}"),
        module("b")
    );
    let documents = reading(text);
    assert_eq!(problems(&documents), Vec::<String>::new());
    assert_eq!(names(&documents), ["a", "b"]);
    assert_eq!(documents.preflights.len(), 1);
}

#[test]
fn json_is_read_as_kubectl_and_jq_write_it() {
    let a = serde_json::json!({"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module",
        "metadata": {"name": "a", "namespace": "drivers", "annotations": {"note": "tab\t, quote\", slash/, smile 😀"}},
        "spec": {"selector": {}}});
    let mut b = a.clone();
    b["metadata"]["name"] = "b".into();
    let text = format!(
        "{}\n{b}",
        serde_json::to_string_pretty(&a).expect("JSON").replace("  ", "\t")
    );
    let documents = reading(text.replace('😀', "\\ud83d\\ude00"));
    assert_eq!(problems(&documents), Vec::<String>::new());
    assert_eq!(names(&documents), ["a", "b"]);
    let note = documents.modules[0].annotations().get("note").expect("an annotation");
    assert_eq!(note, "tab\t, quote\", slash/, smile 😀");
}

#[test]
fn lists_give_their_items_whether_or_not_these_name_their_type() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: dockerfile, namespace: x}}\n";
    let typed = "apiVersion: kmm.sigs.x-k8s.io/v1beta1\nkind: ModuleList\nitems:\n- {metadata: {name: a, namespace: x}, spec: {}}\n";
    let documents = reading(format!("{list}---\n{typed}"));
    assert_eq!(problems(&documents), Vec::<String>::new());
    assert_eq!(
        (documents.config_maps.len(), names(&documents)),
        (1, vec!["a".to_owned()])
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_problem() {
    let documents = reading(format!("\u{feff}{}", module("a").replace('\n', "\r\n")));
    assert_eq!(problems(&documents), Vec::<String>::new());
    assert_eq!(names(&documents), ["a"]);
}

#[test]
fn null_means_not_there() {
    let documents = reading(module("a").replace("kernelMappings: []", "kernelMappings: null\n      sign: null"));
    assert_eq!(problems(&documents), Vec::<String>::new());
}

#[test]
fn each_mistake_is_named_with_its_place_and_its_field() {
    let cases: &[(&str, String, &str)] = &[
        (
            "a number where a string belongs",
            preflight("{kernelVersion: 5.14}"),
            ":4:23: PreflightValidationOCP upgrade: spec.kernelVersion: invalid type: floating point `5.14`, expected a string",
        ),
        (
            "a field of a list's item",
            module("a").replace("kernelMappings: []", "kernelMappings:\n      - literal: [1]"),
            ":8:18: Module drivers/a: spec.moduleLoader.container.kernelMappings[0].literal: invalid type: sequence, expected a string",
        ),
        (
            "a required field that is missing",
            module("a").replace("modprobe:", "modprobes:"),
            ":7:7: Module drivers/a: spec.moduleLoader.container: missing field `modprobe`",
        ),
        (
            "an object without a name",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: x}\n".to_owned(),
            ":3:11: ConfigMap x/without a name: metadata.name: missing",
        ),
        ("a document that is a text", "hello\n".to_owned(), ":1:1: not a Kubernetes object: it has no fields"),
        ("no kind", "apiVersion: v1\n".to_owned(), ":1:1: not a Kubernetes object: it has no `kind`"),
        (
            "a mistake inside a list",
            "kind: List\napiVersion: v1\nitems:\n- {apiVersion: kmm.sigs.x-k8s.io/v1beta1, kind: Module, metadata: {name: b}, spec: {selector: 3}}\n".to_owned(),
            ":4:95: Module default/b: spec.selector: invalid type: integer `3`, expected a map",
        ),
    ];
    for (name, text, expected) in cases {
        assert_eq!(problems(&reading(text)), [*expected], "{name}");
    }
}

#[test]
fn a_syntax_error_has_line_and_column_and_hides_no_other_document() {
    let documents = reading(format!(
        "{}---\nkind: Module\n  metadata: [\n---\n{}",
        module("a"),
        module("b")
    ));
    assert_eq!(names(&documents), ["a", "b"]);
    let problems = problems(&documents);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(":11:11: "), "{problems:?}");
}

#[test]
fn a_duplicate_key_is_refused() {
    let problems = problems(&reading(
        module("a").replace("kind: Module", "kind: Module\nkind: Secret"),
    ));
    assert!(
        problems[0].contains("the key `kind` stands here a second time"),
        "{problems:?}"
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "apiVersion: v1\nkind: ConfigMap\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        text.extend(["a", &level.to_string(), ": &a", &level.to_string(), " [", &below, "]\n"]);
    }
    let documents = reading(text);
    assert_eq!(documents.problems.len(), 1);
    assert!(documents.problems[0].to_string().len() < 300);
}

#[test]
fn deep_nesting_is_refused() {
    let documents = reading(format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000)));
    assert_eq!(documents.problems.len(), 1);
}

#[test]
fn bytes_that_are_no_text_are_named_by_line() {
    let mut bytes = module("a").into_bytes();
    bytes.extend(b"\xff");
    assert_eq!(
        problems(&reading(bytes)),
        [": not UTF-8 text: line 9 has a byte that is none; save the file as UTF-8"]
    );
}

#[test]
fn what_a_secret_holds_is_never_shown() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: pull, namespace: x}\n";
    for data in [
        "data: {password: hunter2!}",
        "data: {password: [hunter2!]}",
        "data: hunter2!",
        "data: {a: hunter2!",
    ] {
        let documents = reading(format!("{secret}{data}\n"));
        let shown = format!("{:?}", documents.problems);
        assert_eq!(documents.problems.len(), 1, "{data}");
        assert!(!shown.contains("hunter2"), "{data}: {shown}");
    }
}

#[test]
fn an_unknown_field_is_noted_and_the_likely_one_offered() {
    let documents = reading(preflight("{kernelVersion: 5.14.0, kernelVerison: x, dtkimage: y}"));
    assert_eq!(
        documents.notes,
        [
            "given.yaml: PreflightValidationOCP upgrade: there is no field `spec.dtkimage`, so it means nothing; did you mean `spec.dtkImage`?",
            "given.yaml: PreflightValidationOCP upgrade: there is no field `spec.kernelVerison`, so it means nothing; did you mean `spec.kernelVersion`?",
        ]
    );
    let documents = reading(
        module("a")
            .replace("kernelMappings: []", "kernelMappings: [{regex: x}]")
            .replace("spec:", "spec:\n  devicePlugin: {}"),
    );
    assert_eq!(
        documents.notes,
        [
            "given.yaml: Module drivers/a: there is no field `spec.moduleLoader.container.kernelMappings[0].regex`, so it means nothing"
        ]
    );
}

#[test]
fn other_kinds_are_counted_and_skipped() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n";
    let documents = reading(format!("{deployment}---\n{deployment}---\n{}", module("a")));
    assert_eq!(
        documents.notes,
        ["skipped 2 objects of kind Deployment (apps/v1), which the check does not use"]
    );
}

#[test]
fn a_kind_that_is_nearly_one_that_is_used_is_told_apart() {
    let rows = [
        (
            "Module",
            "kmm.sigs.x-k8s.io/v1beta2",
            "Module (kmm.sigs.x-k8s.io/v1beta1)",
        ),
        (
            "module",
            "kmm.sigs.x-k8s.io/v1beta1",
            "Module (kmm.sigs.x-k8s.io/v1beta1)",
        ),
        (
            "PreflightValidation",
            "kmm.sigs.x-k8s.io/v1beta2",
            "PreflightValidationOCP (kmm.sigs.x-k8s.io/v1beta2)",
        ),
    ];
    for (kind, version, meant) in rows {
        let object = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n");
        let skipped =
            format!("skipped 1 object of kind {kind} ({version}), which the check does not use; it uses {meant}");
        assert_eq!(reading(object).notes, [skipped]);
    }
}

#[test]
fn a_source_with_nothing_in_it_is_named() {
    assert_eq!(
        reading("---\n# nothing\n").notes,
        ["given.yaml: there is nothing in it"]
    );
    let folder = tempfile::tempdir().expect("a folder");
    let documents = read(&[Source::Path(folder.path().to_owned())], &mut std::io::empty());
    assert_eq!(
        documents.notes,
        [format!(
            "{}: there is no *.yaml, *.yml or *.json in it",
            folder.path().display()
        )]
    );
}

#[test]
fn the_parser_speaks_to_who_writes_documents() {
    let bomb: String = ('b'..='j')
        .zip('a'..)
        .fold("a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, (own, before)| {
            let nine = vec![format!("*{before}"); 9].join(",");
            format!("{text}{own}: &{own} [{nine}]\n")
        });
    let rows = [
        (
            "kind: A\nkind: B\n".to_owned(),
            "2:1: the key `kind` stands here a second time",
            "`---`",
        ),
        (
            "spec:\n  a: 1\n  a: 2\n".to_owned(),
            "3:3: the key `a` stands here a second time",
            "remove one of the two",
        ),
        (bomb, "aliases (`*name`) stand for more than 100000 values", "write out"),
        ("[".repeat(1000), "values nest more than 64 deep", ""),
        ("{a: ".repeat(1000), "values nest more than 64 deep", ""),
    ];
    for (text, message, advice) in rows {
        let documents = reading(text);
        let [problem] = documents.problems.as_slice() else {
            panic!("{:?}", documents.problems)
        };
        let told = Diagnostic::help(problem)
            .map(|help| help.to_string())
            .unwrap_or_default();
        assert!(
            problem.to_string().contains(message) && told.contains(advice),
            "{problem}: {told}"
        );
    }
}

#[test]
fn the_last_object_of_a_name_wins_and_a_namespace_is_assumed() {
    let first = module("a").replace(", namespace: drivers", "");
    let second = first.replace("moduleName: a", "moduleName: second");
    let documents = reading(format!("{first}---\n{}---\n{second}", module("a")));
    assert_eq!(names(&documents), ["a", "a"]);
    let loader = documents.modules[0].spec.module_loader.as_ref().expect("a loader");
    assert_eq!(loader.container.modprobe.module_name.as_deref(), Some("second"));
    assert_eq!(
        documents.notes,
        [
            "given.yaml: Module default/a replaces an earlier one",
            "no namespace, so taken to be in `default`: Module a, Module a",
        ]
    );
}

#[test]
fn an_older_preflight_with_a_status_is_read() {
    let text = preflight("{kernelVersion: 5.14.0}").replace("v1beta2", "v1beta1");
    let documents = reading(format!(
        "{text}status: {{crStatuses: {{a: {{verificationStage: Image}}}}, modules: wrong}}\n"
    ));
    assert_eq!(problems(&documents), Vec::<String>::new());
    assert_eq!(documents.preflights.len(), 1);
}

#[test]
fn the_excerpt_of_an_endless_line_is_short() {
    let text = module("a").replace(
        "kernelMappings: []",
        &format!("kernelMappings: [{{literal: {}, regexp: 5}}]", "x".repeat(1 << 20)),
    );
    let documents = reading(text);
    assert!(format!("{:?}", documents.problems).len() < 1_000);
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

#[test]
fn a_folder_is_read_in_order_without_hidden_files_and_layouts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b, c) = (module("a"), module("b"), module("c"));
    write(
        folder.path(),
        &[
            ("2.yml", &b),
            ("1.yaml", &a),
            ("sub/3.json", &c),
            ("README.md", "not this"),
            (".git/config.yaml", "{"),
            ("images/oci-layout", "{}"),
            ("images/index.json", "{"),
            ("values.yaml", "replicas: 3\n"),
        ],
    );
    let documents = read(&[Source::Path(folder.path().to_owned())], &mut std::io::empty());
    assert_eq!(problems(&documents), Vec::<String>::new());
    assert_eq!(names(&documents), ["a", "b", "c"]);
    assert_eq!(documents.layouts, [folder.path().join("images")]);
    assert!(documents.notes[0].ends_with("values.yaml: skipped a document that is no Kubernetes object"));
}

#[test]
fn standard_input_is_read_once() {
    let text = module("a");
    let documents = read(&[Source::Stdin, Source::Stdin], &mut text.as_bytes());
    assert_eq!(names(&documents), ["a"]);
    assert_eq!(
        problems(&documents),
        ["`-f -` was given twice: standard input can be read once"]
    );
}

#[test]
fn a_file_that_is_not_there_is_named_with_what_to_do() {
    let documents = read(&[Source::Path("no/such/file.yaml".into())], &mut std::io::empty());
    assert_eq!(
        problems(&documents),
        ["no/such/file.yaml: there is no such file or folder"]
    );
    let advice = documents.problems[0].help().expect("advice").to_string();
    assert!(advice.contains("after -f"), "{advice}");
}

#[test]
fn a_link_that_leads_nowhere_is_called_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("given.yaml");
    std::os::unix::fs::symlink("gone.yaml", &link).expect("a link");
    let documents = read(&[Source::Path(link)], &mut std::io::empty());
    assert_eq!(problems(&documents), [": it is a link that leads nowhere"]);
}

#[test]
fn a_file_that_is_no_document_at_all_is_called_what_it_is() {
    let documents = reading("<!DOCTYPE html>\n<title>502 Bad Gateway</title>\n");
    assert_eq!(
        problems(&documents),
        [": this is neither YAML nor JSON: it seems to be an HTML page"]
    );
    let advice = documents.problems[0].help().expect("advice").to_string();
    assert!(advice.contains("login page"), "{advice}");
}

#[test]
fn an_endless_standard_input_ends_at_the_cap() {
    let documents = read(&[Source::Stdin], &mut std::io::repeat(b'#'));
    assert_eq!(problems(&documents), ["<stdin>: larger than the 64 MiB that are read"]);
}

#[test]
fn the_problems_of_a_long_list_are_told_and_counted() {
    let item = "- {apiVersion: kmm.sigs.x-k8s.io/v1beta1, kind: Module, metadata: {name: a, namespace: b}, spec: 7}\n";
    let documents = reading(format!("apiVersion: v1\nkind: List\nitems:\n{}", item.repeat(250)));
    let problems = problems(&documents);
    assert_eq!(problems.len(), 101);
    assert!(problems[99].starts_with(":103:"), "{}", problems[99]);
    assert_eq!(problems[100], ": … and 150 more problems in this document");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_strange_to_read(text in "([a-z{}\\[\\]:,&*!|>'\"%@`#\\-.? \t\n\r\u{feff}é😀]{0,12}|---\n|kind: (List|Module|Secret)\n|apiVersion: v1\n|items:\n|metadata:\n|- ){0,16}") {
        let documents = reading(text);
        for problem in &documents.problems {
            let mut shown = String::new();
            let handler = miette::GraphicalReportHandler::new();
            proptest::prop_assert!(handler.render_report(&mut shown, problem).is_ok());
        }
    }
}

#[test]
fn what_a_node_has_loaded_its_own_node_feature_tells_and_no_other_does() {
    let feature = |name: &str, node: &str, modules: &str| {
        format!(
            "---\napiVersion: nfd.k8s-sigs.io/v1alpha1\nkind: NodeFeature\nmetadata: {{name: {name}, namespace: nfd, labels: \
             {{nfd.node.kubernetes.io/node-name: {node}}}}}\nspec: {{features: {{flags: {{{modules}}}}}}}\n"
        )
    };
    let loaded = "kernel.loadedmodule: {elements: {libcrc32c: {}}}";
    let text = [
        feature("n1", "n1", loaded),
        feature("forged", "n1", loaded),
        feature("vendor", "n1", "vendor.card: {elements: {x: {}}}"),
    ];
    let documents = reading(text.concat());
    let kept: Vec<String> = documents.node_features.iter().map(ResourceExt::name_any).collect();
    assert_eq!(kept, ["n1", "vendor"]);
    assert!(
        documents.notes.len() == 1 && documents.notes[0].starts_with("NodeFeature forged: not named as the node"),
        "{:?}",
        documents.notes
    );
}
