//! The example `examples/upgrade`, and the program run on it or on changed copies of its files.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// A finished run.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Fails unless it ended with this code, and shows what was said instead.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}

/// A path of the example, from the root of the project.
pub(crate) fn example(path: &str) -> PathBuf {
    Path::new("examples/upgrade").join(path)
}

/// `kmm-preflight check`, without a cache, at the root of the project.
pub(crate) fn check<'a>(words: impl IntoIterator<Item = &'a str>) -> Run {
    check_input(words, "")
}

/// `check` with something on standard input.
pub(crate) fn check_input<'a>(words: impl IntoIterator<Item = &'a str>, input: &str) -> Run {
    let output = Command::cargo_bin("kmm-preflight")
        .expect("the program")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .args(["check", "--no-cache"])
        .args(words)
        .write_stdin(input)
        .output()
        .expect("a run");
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// One object of one file of the example.
pub(crate) fn document(file: &str, name: &str) -> String {
    let text = fs::read_to_string(example(file)).expect("a file of the example");
    let line = format!("  name: {name}\n");
    let found = text.split("\n---\n").find(|document| document.contains(&line));
    format!("{}\n", found.expect("an object of this name"))
}
