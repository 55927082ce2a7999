//! People and deadlines that do not wait for a registry that never answers.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::cli::support::{MODULE, check};

/// A Module whose image is at a registry that takes connections and says nothing.
fn module_of(registry: &TcpListener) -> String {
    let address = registry.local_addr().expect("an address");
    let image = format!("containerImage: '{address}/nic:1', registryTLS: {{insecure: true}}");
    MODULE.replace("containerImage: 'registry.invalid/nic:1'", &image)
}

fn silent_registry() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

#[test]
fn the_time_limit_ends_in_an_answer_that_names_it() {
    let registry = silent_registry();
    let said = check("-f - --kernel-version 6.1.0-18-amd64 --no-cache --timeout 1s")
        .with_input(&module_of(&registry))
        .ends_with(3);
    assert!(
        said.out.contains("--timeout") && said.out.contains("1 without an answer"),
        "{}",
        said.out
    );
}

#[test]
fn ctrl_c_ends_at_once_with_130() {
    let registry = silent_registry();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("module.yaml");
    std::fs::write(&file, module_of(&registry)).expect("a file");
    let mut program = Command::new(env!("CARGO_BIN_EXE_kmm-preflight"));
    program
        .args(["check", "--kernel-version", "6.1.0-18-amd64", "--no-cache", "-f"])
        .arg(&file);
    let mut child = program
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a run");
    // Once it has connected it is in the middle of its work.
    let _connection = registry.accept().expect("a connection");
    let signal = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("a signal");
    assert!(signal.success());
    assert_eq!(child.wait().expect("an end").code(), Some(130));
}
