//! `template_substitution`: what stands in for `${VAR}`.

use kmm_preflight::kernel::{Template, TemplateError, Variables};
use kmm_preflight::plan::Resolution;

use crate::mapping::{module, resolve};
use crate::rows::{pairs, row, text};

fn expand(id: &str) -> Result<String, TemplateError> {
    let row = row(id);
    let variables: Variables = pairs(&row["env"]).collect();
    Template::expand(text(row, "in"), &variables)
}

#[test]
fn templates_give_what_upstream_gives() {
    let ids = [
        "ts-1", "ts-2", "ts-3", "ts-5", "ts-6", "ts-7", "ts-8", "ts-9", "ts-10", "ts-11", "ts-14", "ts-15",
    ];
    for id in ids {
        assert_eq!(expand(id).as_deref(), Ok(text(row(id), "out")), "{id}");
    }
}

/// Upstream replaces it by nothing; a wrong image would be pulled.
#[test]
fn a_variable_that_is_not_defined_is_an_error_that_names_it() {
    for (id, name) in [("ts-4", "NOPE"), ("ts-13", "A_x")] {
        match expand(id) {
            Err(TemplateError::Unset { variable, .. }) => assert_eq!(variable, name, "{id}"),
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn an_open_brace_is_an_error() {
    let error = expand("ts-12").expect_err("ts-12").to_string();
    assert!(error.contains(text(row("ts-12"), "error_contains")), "ts-12: {error}");
}

#[test]
fn images_are_named_after_the_kernel_and_the_module() {
    for id in ["ts-21", "ts-22"] {
        let row = row(id);
        let container = serde_json::json!({
            "kernelMappings": [{"regexp": ".", "containerImage": row["containerImage"]}],
        });
        let mut module = module(container);
        module.metadata.name = Some(row["name"].as_str().unwrap_or("kmod").to_owned());
        match resolve(&module, text(row, "kernel")) {
            Resolution::Target(target) => assert_eq!(target.image_text, text(row, "out"), "{id}"),
            other => panic!("{id}: {other:?}"),
        }
    }
}

/// The row's image has a blank in its name, which no runtime would take: its template alone is the test.
#[test]
fn build_arguments_are_not_templates() {
    let row = row("ts-20");
    let kernel = kmm_preflight::kernel::KernelVersion::parse(text(row, "kernel")).unwrap();
    let variables: Variables = kernel.components().variables().into_iter().collect();
    let image = Template::expand(text(row, "containerImage"), &variables);
    assert_eq!(image.as_deref(), Ok(text(row, "out")), "ts-20");

    let argument = serde_json::json!({"name": "FULL", "value": "${KERNEL_FULL_VERSION}"});
    let module = module(serde_json::json!({
        "kernelMappings": [{"regexp": ".", "containerImage": "r.example.com/x:1"}],
        "build": {"dockerfileConfigMap": {"name": "d"}, "buildArgs": [argument]},
    }));
    let Resolution::Target(target) = resolve(&module, text(row, "kernel")) else {
        panic!("ts-20 is no target")
    };
    let build = target.build.expect("ts-20 has a build section");
    assert_eq!(build.build_args[0].value, "${KERNEL_FULL_VERSION}", "ts-20");
}
