//! Words of remote servers, cleaned before they stand in a message: short, one line, nothing that a terminal obeys.

use oci_distribution::errors::{OciEnvelope, OciErrorCode};
use serde::Deserialize;

/// The longest excerpt, in characters.
const EXCERPT_CAP: usize = 160;

/// The cleaned beginning of a remote text.
pub(super) fn excerpt(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let visible: String = visible.filter(|c| !is_hidden(*c)).take(EXCERPT_CAP * 4).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(EXCERPT_CAP) {
        None => line,
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
    }
}

/// Control characters, and those that reorder or hide text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What a registry or a token service says about its refusal.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The first error code, if the body is the error envelope of the distribution specification.
    pub(super) code: Option<OciErrorCode>,
    /// The message, cleaned; empty when there is none that could be shown.
    pub(super) words: String,
}

/// The error of a token service: Docker's `details`, OAuth's `error` and `error_description`.
#[derive(Deserialize)]
struct TokenError {
    details: Option<String>,
    error_description: Option<String>,
    error: Option<String>,
}

impl Said {
    /// Reads the body of a refusal. What is not a known form of error is never shown.
    pub(super) fn in_body(body: &[u8]) -> Self {
        if let Ok(envelope) = serde_json::from_slice::<OciEnvelope>(body) {
            return envelope.errors.into_iter().next().map_or_else(Self::default, |error| {
                let words = if error.message.is_empty() {
                    code_words(&error.code)
                } else {
                    error.message
                };
                Self {
                    code: Some(error.code),
                    words: excerpt(&words),
                }
            });
        }
        let error = serde_json::from_slice::<TokenError>(body).ok();
        let words = error.and_then(|error| error.details.or(error.error_description).or(error.error));
        Self {
            code: None,
            words: words.map(|words| excerpt(&words)).unwrap_or_default(),
        }
    }
}

fn code_words(code: &OciErrorCode) -> String {
    let text = serde_json::to_value(code).ok();
    text.and_then(|text| text.as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_words_are_short_clean_and_on_one_line() {
        let rows = [
            ("plain", "plain"),
            ("two\r\nlines\tand  gaps", "two lines and gaps"),
            ("\u{1b}[31mred\u{1b}[0m \u{7}bell\0", "[31mred[0m bell"),
            ("re\u{202e}versed\u{200b}\u{e0041}", "reversed"),
            ("\u{9b}2J", "2J"),
        ];
        for (remote, shown) in rows {
            assert_eq!(excerpt(remote), shown, "{remote:?}");
        }
        assert_eq!(excerpt(&"ä".repeat(10_000)), format!("{}…", "ä".repeat(EXCERPT_CAP)));
    }

    #[test]
    fn only_known_forms_of_errors_are_shown() {
        let rows = [
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest\nunknown"}]}"#,
                "manifest unknown",
            ),
            (r#"{"errors":[{"code":"DENIED"}]}"#, "DENIED"),
            (r#"{"errors":[]}"#, ""),
            (
                r#"{"details":"incorrect username or password"}"#,
                "incorrect username or password",
            ),
            (r#"{"error":"invalid_grant"}"#, "invalid_grant"),
            (r#"{"error":"invalid_grant","error_description":"expired"}"#, "expired"),
            ("<html>internal page with secrets</html>", ""),
            (r#"{"secret":"of another service"}"#, ""),
        ];
        for (body, shown) in rows {
            assert_eq!(Said::in_body(body.as_bytes()).words, shown, "{body}");
        }
        let unknown = Said::in_body(br#"{"errors":[{"code":"NAME_UNKNOWN","message":"x"}]}"#);
        assert_eq!(unknown.code, Some(OciErrorCode::NameUnknown));
    }
}
