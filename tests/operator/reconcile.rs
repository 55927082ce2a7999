//! From `kubectl apply` to verdicts, and what happens when the world changes.

use serde_json::Value;

use crate::stage::{KERNEL, Stage, condition, is_complete, module, preflight, row};

fn statuses(status: &Value) -> Vec<(String, String)> {
    let rows = status["modules"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rows.iter()
        .map(|row| (text(&row["name"]), text(&row["verificationStatus"])))
        .collect()
}

#[test]
fn the_example_gets_the_verdicts_that_check_gives() {
    let Some(stage) = Stage::set() else { return };
    stage.apply_the_example();
    let _operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    let status = stage.wait_for_status("upgrade", is_complete_but_for_builds);
    let found = statuses(&status);
    assert_eq!(found.len(), 17, "{status:#}");
    let verified: Vec<_> = found
        .iter()
        .filter(|(_, status)| status == "Success")
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(verified, ["gpio-plugin"], "{status:#}");
}

fn is_complete_but_for_builds(status: &Value) -> bool {
    statuses(status).len() == 17 && !status["modules"].to_string().contains("has not been looked at")
}
