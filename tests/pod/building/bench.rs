//! A folder with a Dockerfile, an order and the places that a build Job has, and the program in it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tempfile::TempDir;

use crate::stage::{Run, open_to_all, pod, run, variable};
use crate::support::fake_image::digest_of;

/// How long something that has to happen is waited for.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// A folder with a Dockerfile, secrets, a place for the result, and a folder of programs.
pub(super) struct Bench {
    pub(super) folder: TempDir,
    pub(super) dockerfile: String,
}

impl Bench {
    pub(super) fn of(dockerfile: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("Dockerfile"), dockerfile).expect("a Dockerfile");
        fs::create_dir(folder.path().join("programs")).expect("a folder");
        Self {
            folder,
            dockerfile: dockerfile.to_owned(),
        }
    }

    /// With a program called buildah in the place of buildah.
    pub(super) fn with_stand_in(script: &str) -> Self {
        let bench = Self::of("FROM base\n");
        let program = bench.path("programs/buildah");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a program");
        open_to_all(&program, 0o755);
        bench
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(super) fn text(&self, path: &str) -> String {
        self.path(path).to_str().expect("text").to_owned()
    }

    pub(super) fn secret(&self, name: &str, key: &str, value: &str) -> String {
        let folder = self.path(&format!("secrets/{name}"));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(key), value).expect("a secret");
        folder.to_str().expect("text").to_owned()
    }

    pub(super) fn command(&self, options: &[&str]) -> Command {
        let (dockerfile, to) = (self.text("Dockerfile"), self.text("built"));
        let digest = digest_of(self.dockerfile.as_bytes());
        let words = [
            "build",
            "--dockerfile",
            &dockerfile,
            "--dockerfile-digest",
            &digest,
            "--to",
            &to,
        ];
        let mut command = pod(&[words.as_slice(), options].concat());
        let path = format!("{}:{}", self.text("programs"), variable("PATH"));
        command
            .env("PATH", path)
            .env("HERE", self.folder.path())
            .env("TMPDIR", self.folder.path());
        command
    }

    pub(super) fn build(&self, options: &[&str]) -> Run {
        run(self.command(options))
    }

    /// The files that this program has left behind beside what it was asked for.
    pub(super) fn left_behind(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("kmm-preflight-")).collect()
    }
}

/// The process that a stand-in has left word of.
pub(super) fn noted_process(bench: &Bench) -> Pid {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let noted = fs::read_to_string(bench.path("pid")).unwrap_or_default();
        if let Some(pid) = noted
            .strip_suffix('\n')
            .and_then(|pid| Pid::from_raw(pid.parse().ok()?))
        {
            return pid;
        }
        assert!(Instant::now() < deadline, "it does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn is_gone(pid: Pid) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
        if status.is_empty() || status.contains(") Z ") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
