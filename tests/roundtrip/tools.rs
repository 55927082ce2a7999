//! Programs of the machine: whether they are there, and running them to their end.

use std::io::Write as _;
use std::process::Command;
use std::{env, io};

/// Whether all of these programs are there. Says loudly which is not, and fails in CI.
pub(super) fn present(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return true;
    }
    let complaint = format!("SKIPPED: {missing:?} not found in PATH; tests/run installs what is missing");
    assert!(variable("CI") != "true", "{complaint}");
    // Written past the macros, whose text the test runner keeps to itself where a test passes.
    writeln!(io::stderr(), "{complaint}").expect("standard error");
    false
}

fn is_there(program: &str) -> bool {
    let path = variable("PATH");
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line that could read it first"
)]
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Runs a program at the root of the project; what it prints.
#[track_caller]
pub(super) fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("a program");
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// `skopeo copy`, with these options and words.
#[track_caller]
pub(super) fn skopeo_copy(options: &[&str], from: &str, to: &str) {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
    run(command.args(options).args([from, to]));
}
