//! What is wrong with one field of an object.

use std::fmt;

/// What is wrong with one field, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path, for instance `spec.kernelVersion`.
    pub path: String,
    /// What is wrong with it, as the end of a sentence that begins with the path.
    pub message: String,
}

impl FieldError {
    /// An error in the field of that path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    /// A value that does not fit the type of its field, in serde's words and with advice where there is any. serde
    /// repeats the value, of which the middle is left out where it is long.
    pub fn mismatch(path: impl Into<String>, message: &str) -> Self {
        let message = &abridged(message);
        match quoting_advice(message) {
            Some(advice) => Self::new(path, format!("{message}; {advice}")),
            None => Self::new(path, message),
        }
    }
}

/// How much of a long message is kept, in characters: of the value, and of what was expected in its place.
const KEPT: (usize, usize) = (120, 80);

fn abridged(message: &str) -> String {
    let (head, tail) = KEPT;
    let length = message.chars().count();
    if length <= head + tail {
        return message.to_owned();
    }
    let begin: String = message.chars().take(head).collect();
    let end: String = message.chars().skip(length - tail).collect();
    format!("{begin}…{end}")
}

/// What to do where a text was expected and serde found another scalar: `kernelVersion: 5.14` is a number in YAML, and
/// `on` a boolean.
pub fn quoting_advice(message: &str) -> Option<&'static str> {
    let scalar = ["integer", "floating point", "boolean"];
    let is_scalar = scalar
        .iter()
        .any(|kind| message.starts_with(&format!("invalid type: {kind}")));
    (is_scalar && message.ends_with("expected a string")).then_some("put the value in quotes")
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
