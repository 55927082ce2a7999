//! Runs the program in a folder of its own, and reads like a sentence: `check(…).fails_with(…)`.

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// A Module whose image stands nowhere.
pub(crate) const MODULE: &str = "\
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata: {name: nic, namespace: drivers}
spec:
  moduleLoader:
    container:
      modprobe: {moduleName: nic}
      kernelMappings: [{regexp: '.*', containerImage: 'registry.invalid/nic:1'}]
";

/// A preflight for a kernel that a distribution ships.
pub(crate) const PREFLIGHT: &str = "\
apiVersion: kmm.sigs.x-k8s.io/v1beta2
kind: PreflightValidationOCP
metadata: {name: upgrade}
spec: {kernelVersion: 5.14.0-570.19.1.el9_6.x86_64}
";

/// A run that is being prepared.
pub(crate) struct Run {
    folder: TempDir,
    command: Command,
}

/// The program with these words, parted by blanks.
pub(crate) fn kmm_preflight(words: &str) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::cargo_bin("kmm-preflight").expect("the program");
    command
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .args(words.split_whitespace());
    Run { folder, command }
}

/// `kmm-preflight check` with these words.
pub(crate) fn check(words: &str) -> Run {
    kmm_preflight(&format!("check {words}"))
}

impl Run {
    /// Puts a file into the folder in which the program runs.
    pub(crate) fn with_file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
        self
    }

    /// The folder in which the program runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs in the repository's own folder, where the examples are.
    pub(crate) fn in_repository(mut self) -> Self {
        self.command.current_dir(env!("CARGO_MANIFEST_DIR"));
        self
    }

    /// Gives the program this to read.
    pub(crate) fn with_input(mut self, text: &str) -> Self {
        self.command.write_stdin(text);
        self
    }

    /// Runs it; it has to end with this code.
    pub(crate) fn ends_with(mut self, code: i32) -> Said {
        let Output { status, stdout, stderr } = self.command.output().expect("a run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let said = Said {
            out: text(stdout),
            err: text(stderr),
            folder: self.folder,
        };
        assert_eq!(status.code(), Some(code), "stdout: {}\nstderr: {}", said.out, said.err);
        said
    }

    /// Runs it; the question has to be refused with this on standard error, and nothing on standard output.
    pub(crate) fn fails_with(self, message: &str) {
        let said = self.ends_with(2);
        assert!(said.err.contains(message), "expected {message:?} in {}", said.err);
        assert_eq!(said.out, "", "a refusal has nothing for standard output");
    }
}

/// What a run printed.
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    folder: TempDir,
}

impl Said {
    /// The folder in which the program ran.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file as the program left it.
    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).expect("a file")
    }
}
