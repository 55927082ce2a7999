//! One fact from an inspection that speaks for or against loading.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rule;

/// How much a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Severity {
    /// Worth knowing; speaks neither for nor against loading.
    Informs,
    /// The module loads, but something will not be as its owner expects.
    Warns,
    /// The module does not load.
    Decides,
}

/// One fact from an inspection, in words for a person and with a stable name for a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The stable name of the rule that found it; `kmm-preflight explain RULE` says more. Any name fits
    /// the schema, so that a newer program can write to an older cluster.
    #[schemars(with = "String")]
    pub rule: Rule,
    /// How much it counts.
    pub severity: Severity,
    /// The file of the image it speaks of, if it speaks of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The kernel symbol, parameter or module it speaks of, if it speaks of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// The sentence: what was found, where, and what to do about it.
    pub message: String,
}

impl Finding {
    /// A finding that decides: the module does not load.
    pub fn decides(rule: Rule, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Decides, message)
    }

    /// A finding that warns.
    pub fn warns(rule: Rule, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Warns, message)
    }

    /// A finding that informs.
    pub fn informs(rule: Rule, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Informs, message)
    }

    fn new(rule: Rule, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity,
            file: None,
            symbol: None,
            message: message.into(),
        }
    }

    /// Names the file it speaks of.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Names the symbol, parameter or module it speaks of.
    #[must_use]
    pub fn of_symbol(mut self, symbol: impl Into<String>) -> Self {
        self.symbol = Some(symbol.into());
        self
    }
}
