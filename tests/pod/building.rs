//! `pod build`: with a stand-in for buildah that fails in every way, and with buildah itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kmm_preflight::plan::work::Testimony;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::stage::{Run, open_to_all, pod, present, run, variable};
use crate::support::fake_image::{FakeImage, digest_of};
use crate::support::small_disk::SmallDisk;

/// How long something that has to happen is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder with a Dockerfile, secrets, a place for the result, and a folder of programs.
struct Bench {
    folder: TempDir,
    dockerfile: String,
}

impl Bench {
    fn of(dockerfile: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("Dockerfile"), dockerfile).expect("a Dockerfile");
        fs::create_dir(folder.path().join("programs")).expect("a folder");
        Self {
            folder,
            dockerfile: dockerfile.to_owned(),
        }
    }

    /// With a program called buildah in the place of buildah.
    fn with_stand_in(script: &str) -> Self {
        let bench = Self::of("FROM base\n");
        let program = bench.path("programs/buildah");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a program");
        open_to_all(&program, 0o755);
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn text(&self, path: &str) -> String {
        self.path(path).to_str().expect("text").to_owned()
    }

    fn secret(&self, name: &str, key: &str, value: &str) -> String {
        let folder = self.path(&format!("secrets/{name}"));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(key), value).expect("a secret");
        folder.to_str().expect("text").to_owned()
    }

    fn command(&self, options: &[&str]) -> Command {
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

    fn build(&self, options: &[&str]) -> Run {
        run(self.command(options))
    }

    /// The files that this program has left behind beside what it was asked for.
    fn left_behind(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("kmm-preflight-")).collect()
    }
}

/// A stand-in that builds: it notes what it was told, and `push` leaves a layout with that image.
fn good(bench: &Bench) -> String {
    let image = FakeImage::new();
    crate::support::fake_image::write_layout(&bench.path("ready"), &[("built", &image)]);
    "env > $HERE/environment; printf '%s\\n' \"$@\" >> $HERE/words\n\
     case $1 in\n\
     bud) while [ $# -gt 0 ]; do [ \"$1\" = --iidfile ] && echo sha256:0123 > \"$2\"; \
     [ \"$1\" = --file ] && cp \"$2\" $HERE/seen; shift; done ;;\n\
     push) cp -R $HERE/ready/. $HERE/built/ ;;\n\
     esac"
        .to_owned()
}

fn with_good_stand_in() -> Bench {
    let bench = Bench::with_stand_in("true");
    let script = good(&bench);
    fs::write(bench.path("programs/buildah"), format!("#!/bin/sh\n{script}\n")).expect("a program");
    bench
}

#[test]
fn buildah_is_told_all_that_was_ordered_and_nothing_else() {
    let bench = with_good_stand_in();
    let secret = bench.secret("tokens", "token", "hunter22");
    let authfile = bench.secret("pull", ".dockerconfigjson", "{\"auths\":{}}");
    let authfile = format!("{authfile}/.dockerconfigjson");
    let options = [
        "--build-arg",
        "KERNEL_FULL_VERSION=6.1",
        "--build-arg",
        "MOD_NAME=a b",
        "--secret-dir",
        &secret,
        "--authfile",
        &authfile,
        "--insecure",
        "--architecture",
        "arm64",
    ];
    let built = bench.build(&options).ended_with(0);
    let digest = FakeImage::new().digest();
    assert_eq!(
        built.message,
        format!("{{\"outcome\":\"built\",\"digest\":\"{digest}\"}}")
    );
    let words = fs::read_to_string(bench.path("words")).expect("its words");
    for expected in [
        "bud\n--layers=false\n--format=oci\n--file\n",
        "\n--build-arg\nKERNEL_FULL_VERSION=6.1\n--build-arg\nMOD_NAME=a b\n",
        &format!("\n--volume\n{secret}:/run/secrets/tokens:ro\n"),
        &format!("\n--authfile\n{authfile}\n"),
        "\n--tls-verify=false\n--arch\narm64\n",
        &format!("\npush\nsha256:0123\noci:{}:built\n", bench.text("built")),
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    let environment = fs::read_to_string(bench.path("environment")).expect("its environment");
    assert!(environment.contains("\nBUILDAH_ISOLATION=chroot\n"), "{environment}");
    assert!(environment.contains("\nSTORAGE_DRIVER=vfs\n"), "{environment}");
    assert_eq!(fs::read_to_string(bench.path("seen")).expect("a copy"), "FROM base\n");
    assert_eq!(bench.left_behind(), [""; 0]);
}

/// The folder that buildah is given beside the system's holds these certificates and nothing that stands beside them.
#[test]
fn what_registries_are_trusted_by_is_handed_to_buildah() {
    let bench = with_good_stand_in();
    let script = fs::read_to_string(bench.path("programs/buildah")).expect("the program");
    let peeking = "[ \"$1\" = bud ] && cp -R \"${SSL_CERT_DIR##*:}\" $HERE/trusted\n";
    fs::write(
        bench.path("programs/buildah"),
        script.replacen('\n', &format!("\n{peeking}"), 1),
    )
    .expect("a program");
    let ca = bench.secret("trust", "ca.pem", "-----BEGIN CERTIFICATE-----");
    bench.secret("trust", "other.pem", "another's");
    let ca = format!("{ca}/ca.pem");
    let mut command = bench.command(&["--ca-file", &ca]);
    command.env("SSL_CERT_DIR", "/etc/mine");
    run(command).ended_with(0);
    let names = fs::read_dir(bench.path("trusted")).expect("a copy").flatten();
    let names: Vec<_> = names.map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["0.pem"]);
    let copy = fs::read_to_string(bench.path("trusted/0.pem")).expect("a copy");
    assert_eq!(copy, "-----BEGIN CERTIFICATE-----");
    let gone = bench.build(&["--ca-file", "/nowhere/ca.pem"]).ended_with(1);
    assert!(gone.failure().0.contains("the CA file /nowhere/ca.pem cannot be taken"));
}

#[test]
fn the_environment_may_choose_isolation_and_storage() {
    let bench = with_good_stand_in();
    let mut command = bench.command(&[]);
    command
        .env("BUILDAH_ISOLATION", "rootless")
        .env("STORAGE_DRIVER", "overlay");
    run(command).ended_with(0);
    let environment = fs::read_to_string(bench.path("environment")).expect("its environment");
    assert!(environment.contains("\nBUILDAH_ISOLATION=rootless\n"), "{environment}");
    assert!(environment.contains("\nSTORAGE_DRIVER=overlay\n"), "{environment}");
}

#[test]
fn the_old_form_of_credentials_is_made_into_the_new_one() {
    let bench = with_good_stand_in();
    let script = fs::read_to_string(bench.path("programs/buildah")).expect("the program");
    let peeking = "for word in \"$@\"; do case $word in *auth.json) cp \"$word\" $HERE/auth ;; esac; done\n";
    fs::write(
        bench.path("programs/buildah"),
        script.replacen('\n', &format!("\n{peeking}"), 1),
    )
    .expect("a program");
    let folder = bench.secret("pull", "config.json", "{\"r\":{\"auth\":\"dTpw\"}}");
    bench
        .build(&["--authfile", &format!("{folder}/config.json")])
        .ended_with(0);
    let auth = fs::read_to_string(bench.path("auth")).expect("credentials");
    assert_eq!(auth, "{\"auths\":{\"r\":{\"auth\":\"dTpw\"}}}");
}

#[test]
fn secrets_are_shown_to_nobody() {
    let script = "echo STEP 1/1: RUN echo hunter22; echo the token is hunter22.; echo robotpw22 >&2; \
                  echo 'Error: building at STEP \"RUN echo hunter22\": exit status 1'; exit 1";
    let bench = Bench::with_stand_in(script);
    let secret = bench.secret("tokens", "token", "hunter22\n");
    let pull = bench.secret(
        "pull",
        "config.json",
        "{\"auths\":{\"r\":{\"username\":\"robot\",\"password\":\"robotpw22\"}}}",
    );
    let built = bench
        .build(&["--secret-dir", &secret, "--authfile", &format!("{pull}/config.json")])
        .ended_with(1);
    for text in [&built.out, &built.err, &built.message] {
        assert!(!text.contains("hunter22") && !text.contains("robotpw22"), "{text}");
    }
    assert!(built.out.contains("the token is ***.\n***\n"), "{}", built.out);
    let (message, log, _) = built.failure();
    assert_eq!(message, "build failed at step 1/1 (RUN echo ***): exit status 1");
    assert_eq!(log, ["the token is ***.", "***"]);
}

#[test]
fn a_dockerfile_that_changed_meanwhile_is_not_built() {
    let bench = with_good_stand_in();
    fs::write(bench.path("Dockerfile"), "FROM evil\n").expect("a Dockerfile");
    let (message, _, again) = bench.build(&[]).ended_with(1).failure();
    assert!(
        message.starts_with("the Dockerfile has changed since this build was ordered"),
        "{message}"
    );
    assert!(again, "it is ordered anew");
    assert!(!bench.path("words").exists(), "buildah was not asked");
}

#[test]
fn what_is_missing_is_said_before_anything_is_built() {
    let bench = with_good_stand_in();
    let (message, ..) = bench
        .build(&["--secret-dir", "/nowhere/tokens"])
        .ended_with(1)
        .failure();
    assert!(
        message.starts_with("the secret /nowhere/tokens cannot be read"),
        "{message}"
    );
    fs::remove_file(bench.path("Dockerfile")).expect("it was there");
    let (message, ..) = bench.build(&[]).ended_with(1).failure();
    assert!(message.contains("Dockerfile cannot be read"), "{message}");
    assert!(!bench.path("words").exists(), "buildah was not asked");
}

#[test]
fn an_image_without_buildah_is_said_to_be_so() {
    let bench = Bench::of("FROM base\n");
    let mut command = bench.command(&[]);
    command.env("PATH", bench.path("programs"));
    let (message, _, again) = run(command).ended_with(1).failure();
    assert!(
        message.starts_with("the builder's image has no buildah in its PATH"),
        "{message}"
    );
    assert!(!again);
}

#[test]
fn a_full_disk_and_a_kill_may_pass() {
    for (script, said) in [
        (
            "echo STEP 2/3: RUN make; echo 'cp: error writing x: No space left on device' >&2; exit 1",
            "the build ran out of disk \
          at step 2/3 (RUN make)",
        ),
        (
            "echo STEP 2/3: RUN make; kill -9 $$",
            "the build was killed at step 2/3 (RUN make)",
        ),
    ] {
        let (message, _, again) = Bench::with_stand_in(script).build(&[]).ended_with(1).failure();
        assert!(message.starts_with(said), "{message}");
        assert!(again, "{message}");
    }
}

#[test]
fn a_layout_that_cannot_be_written_is_told_as_the_disks_fault() {
    let script = "case $1 in bud) while [ $# -gt 0 ]; do [ \"$1\" = --iidfile ] && echo 1 > \"$2\"; shift; done ;; \
                  push) echo 'Error: writing blob: storing blob: write /built: no space left on device' >&2; exit 125 ;; esac";
    let (message, _, again) = Bench::with_stand_in(script).build(&[]).ended_with(1).failure();
    assert!(
        message.starts_with("the build ran out of disk: no space left on device"),
        "{message}"
    );
    assert!(again);
}

#[test]
fn a_buildah_that_lies_about_its_result_is_found_out() {
    let script = "while [ $# -gt 0 ]; do [ \"$1\" = --iidfile ] && echo 1 > \"$2\"; shift; done";
    let (message, ..) = Bench::with_stand_in(script).build(&[]).ended_with(1).failure();
    assert!(message.contains("cannot read "), "{message}");
}

#[test]
fn endless_output_is_streamed_and_bounded() {
    let script = "echo STEP 1/1: RUN make; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; \
                  head -c 3000000 /dev/zero | tr '\\0' x; echo; head -c 300000 /dev/urandom; echo; exit 2";
    let built = Bench::with_stand_in(script).build(&[]).ended_with(1);
    assert!(built.out.contains("\nline 19999\n"));
    assert!(built.out.lines().all(|line| line.len() < 20_000), "long lines are cut");
    let (message, log, _) = built.failure();
    assert_eq!(
        message,
        "build failed at step 1/1 (RUN make): buildah ended with exit status 2"
    );
    assert!(!log.is_empty());
}

/// The process that a stand-in has left word of.
fn noted_process(bench: &Bench) -> Pid {
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

fn is_gone(pid: Pid) -> bool {
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

/// A build that never ends, and whose child does not listen.
const STUBBORN: &str = "echo STEP 1/2: RUN sleep; (trap '' TERM; echo $$ > /dev/null; sh -c 'echo $PPID' > $HERE/pid; \
                        while :; do sleep 1; done) & wait";

#[test]
fn a_build_that_takes_too_long_is_ended_with_all_that_it_started() {
    let bench = Bench::with_stand_in(STUBBORN);
    let start = Instant::now();
    let built = bench.build(&["--timeout", "1s"]).ended_with(1);
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    let (message, _, again) = built.failure();
    assert!(
        message.starts_with("the build took longer than 1 s at step 1/2 (RUN sleep)"),
        "{message}"
    );
    assert!(!again);
    assert!(is_gone(noted_process(&bench)), "its child outlives it");
    assert_eq!(bench.left_behind(), [""; 0]);
}

#[test]
fn a_pod_that_is_told_to_end_says_so() {
    let bench = Bench::with_stand_in(STUBBORN);
    let log = bench.path("termination-log");
    let mut command = bench.command(&["--testimony", log.to_str().expect("text")]);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a build");
    let pid = noted_process(&bench);
    let own = Pid::from_raw(child.id().cast_signed()).expect("a process");
    kill_process(own, Signal::TERM).expect("a signal");
    assert_eq!(end_of(child), Some(1));
    match Testimony::parse(&fs::read_to_string(log).expect("a message")) {
        Some(Testimony::Failed { message, again, .. }) => {
            assert_eq!(message, "the build's pod was told to end at step 1/2 (RUN sleep)");
            assert!(again);
        }
        other => panic!("{other:?}"),
    }
    assert!(is_gone(pid), "its child outlives it");
}

fn end_of(mut child: Child) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("its end") {
            return status.code();
        }
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A bench with buildah itself, storage of its own, and a base image in it; none where buildah is not there.
fn real(dockerfile: &str) -> Option<(Bench, PathBuf)> {
    if !present(&["buildah", "busybox"]) {
        return None;
    }
    let bench = Bench::of(dockerfile);
    let storage = bench.path("storage.conf");
    let (root, runroot) = (bench.text("storage"), bench.text("run"));
    let config = format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{root}\"\nrunroot = \"{runroot}\"\n");
    fs::write(&storage, config).expect("a configuration");
    let context = bench.path("context");
    fs::create_dir(&context).expect("a folder");
    let busybox = std::env::split_paths(&variable("PATH"))
        .map(|folder| folder.join("busybox"))
        .find(|file| file.is_file());
    fs::copy(busybox.expect("busybox"), context.join("busybox")).expect("a copy");
    let base = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
    fs::write(context.join("Dockerfile"), base).expect("a Dockerfile");
    let made = Command::new("buildah")
        .args(["bud", "--layers=false", "--tag", "localhost/base"])
        .arg(&context)
        .envs(surroundings(&storage))
        .output()
        .expect("buildah");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some((bench, storage))
}

fn surroundings(storage: &Path) -> [(&'static str, &std::ffi::OsStr); 3] {
    [
        ("CONTAINERS_STORAGE_CONF", storage.as_os_str()),
        ("BUILDAH_ISOLATION", "chroot".as_ref()),
        ("STORAGE_DRIVER", "vfs".as_ref()),
    ]
}

fn build_really(bench: &Bench, storage: &Path, options: &[&str]) -> Run {
    let mut command = bench.command(options);
    command.envs(surroundings(storage));
    run(command)
}

#[test]
fn buildah_builds_in_stages_with_arguments_and_secrets() {
    let dockerfile = "ARG DTK_AUTO\nFROM ${DTK_AUTO} AS builder\nARG KERNEL_FULL_VERSION\n\
                      RUN mkdir -p /opt/lib/modules/$KERNEL_FULL_VERSION && \
                      md5sum < /run/secrets/tokens/token > /opt/lib/modules/$KERNEL_FULL_VERSION/x.ko && \
                      cat /run/secrets/tokens/token\n\
                      FROM ${DTK_AUTO}\nCOPY --from=builder /opt /opt\n";
    let Some((bench, storage)) = real(dockerfile) else {
        return;
    };
    let secret = bench.secret("tokens", "token", "hunter22");
    let arguments = [
        "--build-arg",
        "DTK_AUTO=localhost/base",
        "--build-arg",
        "KERNEL_FULL_VERSION=6.1",
        "--secret-dir",
        &secret,
    ];
    let built = build_really(&bench, &storage, &arguments).ended_with(0);
    assert!(
        matches!(built.testimony(), Testimony::Built { .. }),
        "{}",
        built.message
    );
    assert!(
        built.out.contains("\n***") && !built.out.contains("hunter22"),
        "{}",
        built.out
    );
    let index = fs::read_to_string(bench.path("built/index.json")).expect("a layout");
    assert!(
        index.contains("\"org.opencontainers.image.ref.name\":\"built\""),
        "{index}"
    );
    assert_eq!(bench.left_behind(), [""; 0]);
}

#[test]
fn a_step_that_fails_is_named_with_the_compilers_last_words() {
    let dockerfile = "FROM localhost/base\nRUN true\nRUN echo 'm.c:1: error: unknown type'; exit 2\n";
    let Some((bench, storage)) = real(dockerfile) else {
        return;
    };
    let (message, log, again) = build_really(&bench, &storage, &[]).ended_with(1).failure();
    assert_eq!(
        message,
        "build failed at step 3/3 (RUN echo 'm.c:1: error: unknown type'; exit 2): exit status 2"
    );
    assert_eq!(log, ["m.c:1: error: unknown type"]);
    assert!(!again);
}

#[test]
fn dockerfiles_and_bases_that_are_no_good_are_told_apart() {
    let Some((bench, storage)) = real("") else { return };
    for (dockerfile, said, is_again) in [
        (
            "FROM localhost/base\nFOO bar\n",
            "build failed at step 2/2 (FOO bar): Unknown instruction: \"FOO\"",
            false,
        ),
        (
            "RUN true\n",
            "the Dockerfile cannot be understood: no FROM statement found",
            false,
        ),
        (
            "FROM localhost/base\nCOPY a /a\n",
            "KMM builds without files beside the Dockerfile",
            false,
        ),
        ("FROM nowhere\n", "a base image has no registry in its name", false),
        (
            "FROM 127.0.0.1:1/base:1\n",
            "the base image 127.0.0.1:1/base:1 could not be pulled",
            true,
        ),
        (
            "FROM localhost/base\nRUN kill -9 $$\n",
            "the build was killed at step 2/2",
            true,
        ),
    ] {
        let bench = Bench {
            folder: tempfile::tempdir_in(bench.folder.path()).expect("a folder"),
            dockerfile: dockerfile.to_owned(),
        };
        fs::write(bench.path("Dockerfile"), dockerfile).expect("a Dockerfile");
        let (message, _, again) = build_really(&bench, &storage, &[]).ended_with(1).failure();
        assert!(message.contains(said), "{said}: {message}");
        assert_eq!(again, is_again, "{message}");
    }
}

#[test]
fn what_a_dockerfile_runs_ends_with_its_time() {
    let Some((bench, storage)) = real("FROM localhost/base\nRUN sleep 86399 & sleep 86399\n") else {
        return;
    };
    let (message, ..) = build_really(&bench, &storage, &["--timeout", "3s"])
        .ended_with(1)
        .failure();
    assert!(
        message.starts_with("the build took longer than 3 s at step 2/2"),
        "{message}"
    );
    let sleeps = |process: &fs::DirEntry| {
        let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains("sleep\x0086399")
    };
    let deadline = Instant::now() + PATIENCE;
    while fs::read_dir("/proc")
        .expect("processes")
        .flatten()
        .any(|process| sleeps(&process))
    {
        assert!(Instant::now() < deadline, "what it ran outlives it");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_disk_that_is_full_is_told_and_may_have_room_another_time() {
    let Some((bench, storage)) = real("FROM localhost/base\nRUN true\n") else {
        return;
    };
    let Some(_disk) = SmallDisk::at(&bench.path("built"), 64) else {
        return;
    };
    let (message, log, again) = build_really(&bench, &storage, &[]).ended_with(1).failure();
    assert!(
        message.starts_with("the build ran out of disk: no space left on device"),
        "{message} {log:?}"
    );
    assert!(again, "{message}");
}

/// buildah itself, which trusts the registry by what it was handed alone.
#[test]
fn a_base_image_of_a_registry_with_a_ca_of_its_own_is_pulled() {
    if !present(&["docker-registry", "skopeo"]) {
        return;
    }
    let registry = xtask::Registry::start_with_tls().expect("a registry");
    let base = registry.reference("registry.example.com/network/legacynic:1.9");
    let Some((bench, storage)) = real(&format!("FROM {base}\nLABEL trusted=yes\n")) else {
        return;
    };
    registry
        .push_layout(Path::new("examples/upgrade/images"))
        .expect("images");
    let (message, ..) = build_really(&bench, &storage, &[]).ended_with(1).failure();
    assert!(message.contains("certificate"), "{message}");
    let ca = registry.ca_file();
    let options = ["--ca-file", ca.to_str().expect("text")];
    let built = build_really(&bench, &storage, &options).ended_with(0);
    assert!(
        matches!(built.testimony(), Testimony::Built { .. }),
        "{}",
        built.message
    );
}
