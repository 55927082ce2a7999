//! What is wrong with a document, and where.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use super::excerpt::Excerpt;

/// What is wrong with a document, in a sentence that begins with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentProblem {
    message: String,
    advice: Option<String>,
    excerpt: Option<Box<Excerpt>>,
}

impl DocumentProblem {
    /// A problem that has no place in a text.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            advice: None,
            excerpt: None,
        }
    }

    /// Shows the lines around it.
    pub(super) fn showing(mut self, excerpt: Excerpt) -> Self {
        self.excerpt = Some(Box::new(excerpt));
        self
    }

    /// Says what to do about it.
    pub(super) fn advising(mut self, advice: Option<String>) -> Self {
        self.advice = advice;
        self
    }
}

impl fmt::Display for DocumentProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DocumentProblem {}

impl Diagnostic for DocumentProblem {
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.advice
            .as_ref()
            .map(|advice| Box::new(advice) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|excerpt| excerpt.as_ref() as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let excerpt = self.excerpt.as_ref()?;
        let label = LabeledSpan::new_primary_with_span(None, excerpt.span());
        Some(Box::new(std::iter::once(label)))
    }
}
