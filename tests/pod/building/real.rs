//! With the machine's own buildah.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kmm_preflight::plan::work::Testimony;

use super::bench::{Bench, PATIENCE};
use crate::stage::{Run, present, run, variable};
use crate::support::small_disk::SmallDisk;

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
