//! The preflights as a cluster would show them.

use std::borrow::Cow;

use serde::Serialize;

use crate::api::PreflightValidationOCP;

/// Several objects as kubectl prints them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    api_version: &'static str,
    kind: &'static str,
    items: &'a [PreflightValidationOCP],
}

/// One preflight as it is, several as a `List`; JSON.
pub fn json(preflights: &[PreflightValidationOCP]) -> String {
    let text = match preflights {
        [preflight] => serde_json::to_string_pretty(preflight),
        items => serde_json::to_string_pretty(&list(items)),
    };
    text.expect("invariant: objects of strings, numbers and times are JSON") + "\n"
}

/// One preflight as it is, several as a `List`; YAML.
pub fn yaml(preflights: &[PreflightValidationOCP]) -> String {
    let text = match preflights {
        [preflight] => serde_saphyr::to_string(preflight),
        items => serde_saphyr::to_string(&list(items)),
    };
    let text = Cow::from(text.expect("invariant: objects of strings, numbers and times are YAML"));
    text.trim_end().to_owned() + "\n"
}

fn list(items: &[PreflightValidationOCP]) -> List<'_> {
    List {
        api_version: "v1",
        kind: "List",
        items,
    }
}
