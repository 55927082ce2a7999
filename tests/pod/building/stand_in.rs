//! With a stand-in for buildah: what it is told, what is said of its end, and how it is ended.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use kmm_preflight::plan::work::Testimony;
use rustix::process::{Pid, Signal, kill_process};

use super::bench::{Bench, PATIENCE, is_gone, noted_process};
use crate::stage::run;
use crate::support::fake_image::FakeImage;

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
