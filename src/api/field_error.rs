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
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
