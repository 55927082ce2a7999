//! What the program says of itself.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::cli::support::kmm_preflight;

#[test]
fn help_teaches() {
    insta::assert_snapshot!("help", kmm_preflight("--help").ends_with(0).out);
    insta::assert_snapshot!("help of check", kmm_preflight("check --help").ends_with(0).out);
    insta::assert_snapshot!("help of sign", kmm_preflight("sign --help").ends_with(0).out);
}

#[test]
fn without_a_command_help_is_given_and_the_question_was_wrong() {
    assert!(
        kmm_preflight("")
            .ends_with(2)
            .err
            .contains("Usage: kmm-preflight <COMMAND>")
    );
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(
        kmm_preflight("--version").ends_with(0).out,
        format!("kmm-preflight {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn an_unknown_option_is_refused_in_one_sentence() {
    kmm_preflight("check --kernel 5").fails_with("unexpected argument '--kernel' found");
}

#[test]
fn as_a_kubectl_plugin_it_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = folder.path().join("kubectl-preflight");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kmm-preflight"), &plugin).expect("a link");
    let output = Command::new(&plugin)
        .args(["check", "--nonsense"])
        .output()
        .expect("a run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Usage: kubectl preflight check"), "{said}");
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = kmm_preflight(&format!("completions {shell}")).ends_with(0).out;
        assert!(script.contains("kernel-version"), "{shell}");
    }
}

#[test]
fn manual_pages_are_roff() {
    let page = kmm_preflight("man").ends_with(0).out;
    assert!(page.contains(".TH kmm-preflight 1"), "{page}");
    let page = kmm_preflight("man check").ends_with(0).out;
    assert!(
        page.contains("EXIT CODES") && page.contains("\\-\\-kernel\\-version"),
        "{page}"
    );
    kmm_preflight("man nonsense").fails_with("there is no command `nonsense`");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_kmm-preflight"));
    let mut child = program
        .arg("crd")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a run");
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("standard error")
        .read_to_string(&mut said)
        .expect("text");
    assert_eq!((child.wait().expect("an end").code(), said.as_str()), (Some(0), ""));
}
