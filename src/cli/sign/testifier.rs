//! What came of it, for whoever started this in a pod: one line of JSON, no longer than Kubernetes keeps.

use std::path::PathBuf;

use anyhow::Context;

use crate::plan::work::{TESTIMONY_LIMIT, Testimony};

/// How many bytes a message may have: escapes may double them, and the rest of the line needs room too.
const MESSAGE_CAP: usize = TESTIMONY_LIMIT / 2 - 256;
/// How many warnings are handed on, and how many bytes each may have.
const WARNINGS: (usize, usize) = (4, 300);

/// Says once what came of it.
pub(super) struct Testifier {
    file: Option<PathBuf>,
}

impl Testifier {
    /// Into this file, where somebody wants to know.
    pub(super) const fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    /// Says that it came to nothing.
    pub(super) fn failed(&mut self, message: &str, again: bool) -> anyhow::Result<()> {
        self.say(&Testimony::Failed {
            message: message.to_owned(),
            log: Vec::new(),
            again,
        })
    }

    /// Says what came of it; nothing where that was said before.
    pub(super) fn say(&mut self, testimony: &Testimony) -> anyhow::Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let line = serde_json::to_string(&shortened(testimony.clone()))?;
        std::fs::write(&file, format!("{line}\n")).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// The same, with room enough.
fn shortened(mut testimony: Testimony) -> Testimony {
    match &mut testimony {
        Testimony::Failed { message, .. } => cut(message, MESSAGE_CAP),
        Testimony::Signed { warnings, .. } => {
            warnings.truncate(WARNINGS.0);
            for warning in warnings {
                cut(warning, WARNINGS.1);
            }
        }
        Testimony::Built { .. } | Testimony::Judged { .. } => {}
    }
    testimony
}

fn cut(text: &mut String, cap: usize) {
    if let Some(end) = (0..=cap).rev().find(|end| text.is_char_boundary(*end)) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_happened_fits_into_a_termination_message() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        for message in ["\"".repeat(9000), "é".repeat(9000), "short".to_owned()] {
            let mut testifier = Testifier::new(Some(file.clone()));
            testifier.failed(&message, true).unwrap();
            testifier.failed("said before", false).unwrap();
            let line = std::fs::read_to_string(&file).unwrap();
            assert!(line.len() <= TESTIMONY_LIMIT, "{}", line.len());
            let Testimony::Failed {
                message: said, again, ..
            } = serde_json::from_str(&line).unwrap()
            else {
                panic!("{line}");
            };
            assert!(message.starts_with(&said) && !said.is_empty() && again);
        }
    }
}
