//! The chart's command line, held against the program that it starts.

use std::process::{Command, Output};

use crate::chart::helm::rendered;
use crate::chart::settings::EVERY_WAY;

/// The program with these words, asked for its help: it reads them all first.
pub(crate) fn help_after(words: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_kmm-preflight"));
    program.args(words).arg("--help").output().expect("the program")
}

#[test]
fn the_program_knows_every_word_with_which_the_chart_starts_it() {
    for (name, values) in EVERY_WAY {
        let Some(release) = rendered(values) else { return };
        let words = release.arguments();
        assert_eq!(words.first(), Some(&"operator"), "{name}");
        let output = help_after(&words);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {words:?}\n{complaint}");
    }
}

#[test]
fn a_word_that_the_program_does_not_know_would_be_noticed() {
    for wrong in [
        "--no-such-word",
        "--allow-places=moon",
        "--certificates=none",
        "--webhook-port=x",
    ] {
        let output = help_after(&["operator", wrong]);
        assert!(!output.status.success(), "{wrong}");
    }
}
