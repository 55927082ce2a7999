//! `webhook_preflight`: which preflights are admitted.

use kmm_preflight::api::{PreflightValidationOCP, PreflightValidationOCPSpec};
use kmm_preflight::plan::Surroundings;
use kmm_preflight::validate::preflight::{apply_defaults, validate};

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
        let found = validate(&preflight(text(row(id), "kernelVersion")));
        assert_eq!(found.is_ok(), is_admitted(id), "{id}: {found:?}");
        for error in found.err().into_iter().flatten() {
            assert_eq!(error.path, "spec.kernelVersion", "{id}");
        }
    }
}

/// Upstream admits it and then fails for ever without a status.
#[test]
fn a_release_with_commas_is_refused() {
    let errors = validate(&preflight("5,14,0")).expect_err("D16");
    assert!(errors[0].to_string().contains("','"), "D16: {errors:?}");
}

#[test]
fn errors_come_all_at_once_and_defaults_change_nothing_that_is_written() {
    let mut preflight = preflight(" 5.14.0 ");
    preflight.spec.dtk_image = Some("UPPER/Case:tag:tag".to_owned());
    apply_defaults(&mut preflight, &Surroundings::default());
    assert_eq!(preflight.spec.push_built_image, Some(false));
    assert_eq!(preflight.spec.kernel_version, " 5.14.0 ");
    let paths: Vec<String> = validate(&preflight)
        .expect_err("two errors")
        .into_iter()
        .map(|e| e.path)
        .collect();
    assert_eq!(paths, ["spec.kernelVersion", "spec.dtkImage"]);
}
