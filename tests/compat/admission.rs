//! `webhook_preflight`: which preflights are admitted.

use kmm_preflight::api::{PreflightValidationOCP, PreflightValidationOCPSpec};
use kmm_preflight::plan::Surroundings;
use kmm_preflight::validate::preflight::{admit_create, admit_update, apply_defaults};

use crate::rows::{row, text};

fn preflight(kernel_version: &str) -> PreflightValidationOCP {
    let spec = PreflightValidationOCPSpec {
        kernel_version: kernel_version.to_owned(),
        ..Default::default()
    };
    PreflightValidationOCP::new("upgrade", spec)
}

/// What upstream does, or what the row wants instead.
fn is_admitted(id: &str) -> bool {
    let row = row(id);
    let answer = row["want"].as_str().unwrap_or_else(|| text(row, "out"));
    answer.starts_with("allow")
}

#[test]
fn preflights_are_admitted_by_their_kernel() {
    for id in ["wp-1", "wp-2", "wp-3", "wp-4", "wp-5", "wp-6", "wp-7", "wp-8"] {
        let errors = admit_create(&preflight(text(row(id), "kernelVersion")), &Surroundings::default()).errors;
        assert_eq!(errors.is_empty(), is_admitted(id), "{id}: {errors:?}");
        for error in errors {
            assert_eq!(error.path, "spec.kernelVersion", "{id}");
        }
    }
}

#[test]
fn an_update_of_the_spec_has_the_rules_of_a_new_object() {
    assert_eq!(row("wp-9")["out"], "same rules as create");
    let (old, around) = (preflight("6.1.0-18-amd64"), Surroundings::default());
    for kernel in ["6.0.15-300.fc37.x86_64", "test", "1.2", "5,14,0"] {
        let new = preflight(kernel);
        assert_eq!(
            admit_update(&old, &new, &around),
            admit_create(&new, &around),
            "wp-9: {kernel}"
        );
    }
}

/// Upstream admits it and then fails for ever without a status.
#[test]
fn a_release_with_commas_is_refused() {
    assert_eq!(row("D16")["ours"], "denied");
    let errors = admit_create(&preflight("5,14,0"), &Surroundings::default()).errors;
    assert!(
        matches!(errors.as_slice(), [error] if error.to_string().contains("','")),
        "D16: {errors:?}"
    );
}

#[test]
fn errors_come_all_at_once_and_defaults_change_nothing_that_is_written() {
    let mut preflight = preflight(" 5.14.0 ");
    preflight.spec.dtk_image = Some("UPPER/Case:tag:tag".to_owned());
    apply_defaults(&mut preflight, &Surroundings::default());
    assert_eq!(preflight.spec.push_built_image, Some(false));
    assert_eq!(preflight.spec.kernel_version, " 5.14.0 ");
    let errors = admit_create(&preflight, &Surroundings::default()).errors;
    let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["spec.kernelVersion", "spec.dtkImage"]);
}
