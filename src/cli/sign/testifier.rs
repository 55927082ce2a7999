//! What came of it, for whoever started this in a pod: one line of JSON, no longer than Kubernetes keeps.

use std::path::PathBuf;

use anyhow::Context;

use crate::plan::work::Testimony;

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
        // In place, never by another file of the name: kubelet made the file, and reads that one.
        std::fs::write(&file, testimony.to_message()).with_context(|| format!("cannot write {}", file.display()))
    }
}
