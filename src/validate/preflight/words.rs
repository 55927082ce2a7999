//! The words in which admission speaks: refusals, lists of names, and foreign text that is safe to show.

use crate::api::FieldError;
use crate::plan::Target;

/// The longest foreign text that stands in a message, in characters.
const MAX_SHOWN: usize = 300;

/// A refusal, in the words in which kubectl passes on what admission says.
pub fn refusal(preflight: &str, errors: &[FieldError]) -> String {
    let head = format!("The PreflightValidationOCP \"{}\" is invalid:", shown(preflight));
    match errors {
        [error] => format!("{head} {error}"),
        errors => errors.iter().fold(head, |text, error| format!("{text}\n* {error}")),
    }
}

/// A text with nothing that a terminal obeys, shortened where it is long.
pub(super) fn shown(text: &str) -> String {
    let visible = |c: char| {
        let quote = matches!(c, '"' | '\'' | '\\').then(|| c.to_string());
        quote.unwrap_or_else(|| c.escape_debug().to_string())
    };
    let shown: String = text.chars().take(MAX_SHOWN).map(visible).collect();
    let is_long = text.chars().nth(MAX_SHOWN).is_some();
    if is_long { format!("{shown}…") } else { shown }
}

/// A Module as it is named in messages.
pub(super) fn name(target: &Target) -> String {
    format!("{}/{}", target.namespace, target.name)
}

/// The first names, and how many there are besides.
pub(super) fn listed(names: &[String], most: usize) -> String {
    let shown = names.get(..most).unwrap_or(names);
    match (shown, names.len().saturating_sub(shown.len())) {
        ([], more) => more.to_string(),
        ([only], 0) => only.clone(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}
