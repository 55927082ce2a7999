//! `pod toolkit` and `pod judge`: an image unpacked gives the very same findings as the image itself.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use kmm_preflight::api::{Finding, Module};
use kmm_preflight::check::{Source, documents};
use kmm_preflight::kernel::KernelVersion;
use kmm_preflight::kmod::load::SignaturePolicy;
use kmm_preflight::plan::work::{Brief, Testimony};
use kmm_preflight::plan::{Subject, decides};
use tempfile::TempDir;

use crate::stage::{IMAGES, KERNEL, Run, TOOLKIT, open_to_all, pod, pod_of, run, unpacked};

/// The user as which a container looks at a Module's image.
const NOBODY: u32 = 65532;

/// The briefs of all Modules of the example that have an image there.
fn briefs() -> Vec<Brief> {
    let documents = documents::read(&[Source::Path("examples/upgrade".into())], &mut std::io::empty());
    assert!(documents.problems.is_empty(), "{:?}", documents.problems);
    let index = fs::read_to_string(Path::new(IMAGES).join("index.json")).expect("an index");
    let briefs: Vec<_> = documents.modules.iter().filter_map(brief).collect();
    let briefs: Vec<_> = briefs
        .into_iter()
        .filter(|brief| index.contains(&format!("\"{}\"", brief.image)))
        .collect();
    assert!(briefs.len() >= 10, "only {}", briefs.len());
    briefs
}

fn brief(module: &Module) -> Option<Brief> {
    let kernel = KernelVersion::parse(KERNEL).expect("a kernel");
    let subject = Subject::resolve(module, &kernel);
    let target = subject.target()?;
    Some(Brief {
        load: target.load(SignaturePolicy::default()),
        image: target.image_text.clone(),
        firmware_path: target.modprobe.firmware_path.clone(),
    })
}

fn brief_of(image: &str) -> Brief {
    let found = briefs().into_iter().find(|brief| brief.image.contains(image));
    found.unwrap_or_else(|| panic!("no Module with {image}"))
}

/// The toolkit's facts in a file that everybody may read.
fn toolkit_facts() -> (TempDir, String) {
    let root = unpacked(TOOLKIT);
    let folder = tempfile::tempdir().expect("a folder");
    open_to_all(folder.path(), 0o755);
    let to = folder.path().join("facts/toolkit");
    let to = to.to_str().expect("text").to_owned();
    let from = root.path().to_str().expect("text");
    let read = run(pod(&[
        "toolkit", "--kernel", KERNEL, "--image", TOOLKIT, "--root", from, "--to", &to,
    ]));
    assert_eq!(read.ended_with(0).message, "", "the facts speak for themselves");
    (folder, to)
}

fn judge(brief: &Brief, toolkit: Option<&str>, subject: &[&str]) -> Run {
    let brief = brief.to_json();
    let toolkit = toolkit.iter().flat_map(|file| ["--toolkit", file]);
    let words: Vec<&str> = ["judge", "--brief", &brief]
        .into_iter()
        .chain(toolkit)
        .chain(subject.iter().copied())
        .collect();
    run(pod(&words))
}

#[track_caller]
fn judged(run: &Run) -> (Option<String>, Vec<Finding>, usize) {
    match run.testimony() {
        Testimony::Judged {
            digest,
            findings,
            left_out,
            ..
        } => (digest.map(|digest| digest.to_string()), findings, left_out),
        other => panic!("not judged: {other:?}"),
    }
}

#[test]
fn an_unpacked_image_gives_the_very_same_findings_as_the_image() {
    let (_folder, toolkit) = toolkit_facts();
    let mut decided = 0;
    for brief in briefs() {
        let root = unpacked(&brief.image);
        let subject = ["--root", root.path().to_str().expect("text")];
        let image = format!("oci:{IMAGES}:{}", brief.image);
        for toolkit in [None, Some(toolkit.as_str())] {
            let live = judge(&brief, toolkit, &subject).ended_with(0);
            let packed = judge(&brief, toolkit, &["--image", &image]).ended_with(0);
            let ((no_digest, live, _), (digest, packed, _)) = (judged(&live), judged(&packed));
            assert_eq!(live, packed, "{}", brief.image);
            assert_eq!(no_digest, None, "a container does not know the digest of its own image");
            assert!(digest.is_some(), "{}", brief.image);
            decided += usize::from(decides(&live));
        }
    }
    assert!(decided > 5, "the example has many that would not load: {decided}");
}

#[test]
fn the_verdicts_are_those_of_check() {
    let (_folder, toolkit) = toolkit_facts();
    for (image, rule) in [
        ("storage/fastblk:", None),
        ("network/geotunnel", Some("symbol-missing")),
        ("storage/cachepin", Some("crc-mismatch")),
        ("security/sealbox", Some("symbol-gpl-only")),
        ("network/legacynic", Some("kernel-folder-missing")),
        ("edge/armvision", Some("image-architecture")),
    ] {
        let brief = brief_of(image);
        let root = unpacked(&brief.image);
        let run = judge(&brief, Some(&toolkit), &["--root", root.path().to_str().expect("text")]).ended_with(0);
        let (_, findings, _) = judged(&run);
        let first = findings
            .first()
            .filter(|_| decides(&findings))
            .map(|finding| finding.rule.name());
        assert_eq!(first, rule, "{image}: {findings:?}");
    }
}

#[test]
fn a_brief_may_come_from_a_file() {
    let brief = brief_of("storage/fastblk:");
    let root = unpacked(&brief.image);
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), brief.to_json()).expect("a brief");
    let at = format!("@{}", file.path().display());
    run(pod(&[
        "judge",
        "--brief",
        &at,
        "--root",
        root.path().to_str().expect("text"),
    ]))
    .ended_with(0);
}

#[test]
fn what_the_judge_cannot_read_is_testified() {
    let json = brief_of("storage/fastblk:").to_json();
    let layout = format!("oci:{IMAGES}:registry.example.com/none:1");
    for (words, said, again) in [
        (
            vec!["--brief", "{}", "--root", "/proc/self/fdinfo"],
            "the brief cannot be read",
            false,
        ),
        (
            vec!["--brief", "@/nowhere", "--root", "/"],
            "the brief in /nowhere cannot be read",
            false,
        ),
        (
            vec!["--brief", &json, "--root", "/nowhere"],
            "could not be looked at",
            true,
        ),
        (
            vec!["--brief", &json, "--image", "oci:/nowhere"],
            "cannot read /nowhere/oci-layout",
            false,
        ),
        (
            vec!["--brief", &json, "--image", &layout],
            "registry.example.com/none:1",
            false,
        ),
        (
            vec!["--brief", &json, "--image", "127.0.0.1:1/x:1"],
            "refuses the connection",
            true,
        ),
        (
            vec!["--brief", &json, "--root", "/proc/self/fdinfo", "--toolkit", "/nowhere"],
            "the toolkit's facts in /nowhere cannot be read",
            false,
        ),
        (
            vec![
                "--brief",
                &json,
                "--root",
                "/proc/self/fdinfo",
                "--toolkit",
                "Cargo.toml",
            ],
            "another version of this program wrote them",
            false,
        ),
    ] {
        let words: Vec<&str> = ["judge"].into_iter().chain(words).collect();
        let (message, _, is_again) = run(pod(&words)).ended_with(1).failure();
        assert!(message.contains(said), "{said}: {message}");
        assert_eq!(is_again, again, "{message}");
    }
}

#[test]
fn a_toolkit_of_another_kernel_is_written_down_and_decides() {
    let root = unpacked(TOOLKIT);
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("toolkit");
    let (from, to) = (root.path().to_str().expect("text"), to.to_str().expect("text"));
    run(pod(&[
        "toolkit",
        "--kernel",
        "5.14.0-1.el9.x86_64",
        "--image",
        TOOLKIT,
        "--root",
        from,
        "--to",
        to,
    ]))
    .ended_with(0);
    let brief = brief_of("storage/fastblk:");
    let image = unpacked(&brief.image);
    let run = judge(&brief, Some(to), &["--root", image.path().to_str().expect("text")]).ended_with(0);
    let (_, findings, _) = judged(&run);
    assert_eq!(
        findings.first().map(|finding| finding.rule.name()),
        Some("toolkit-other-kernel")
    );
}

/// The program, as a user that is nobody: root may read everything, so that root's tests become somebody else.
fn as_nobody(program: &Path, words: &[&str]) -> Command {
    let mut command = pod_of(program, words);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/");
    command
}

/// The program where everybody may run it.
fn placed() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    open_to_all(folder.path(), 0o755);
    let program = folder.path().join("kmm-preflight");
    run(pod(&["place", "--to", program.to_str().expect("text")])).ended_with(0);
    (folder, program)
}

#[test]
fn a_user_without_rights_judges_an_image_without_a_shell() {
    let (_folder, program) = placed();
    let (_facts, toolkit) = toolkit_facts();
    let brief = brief_of("storage/fastblk:");
    let root = unpacked(&brief.image);
    fs::remove_file(root.path().join("bin/sh")).expect("a shell");
    let json = brief.to_json();
    let root = root.path().to_str().expect("text");
    let run = run(as_nobody(
        &program,
        &["judge", "--brief", &json, "--toolkit", &toolkit, "--root", root],
    ))
    .ended_with(0);
    let (_, findings, _) = judged(&run);
    let decisive: Vec<_> = findings.iter().map(|finding| finding.rule.name()).collect();
    assert_eq!(
        decisive.first(),
        Some(&"copy-tool-missing"),
        "KMM needs one: {decisive:?}"
    );
}

#[test]
fn a_file_that_may_not_be_read_is_not_checked() {
    let (_folder, program) = placed();
    let brief = brief_of("storage/fastblk:");
    let root = unpacked(&brief.image);
    let folder = root.path().join(format!("opt/lib/modules/{KERNEL}"));
    let module = walk(&folder)
        .into_iter()
        .find(|path| path.to_string_lossy().contains(".ko"));
    open_to_all(&module.expect("a module"), 0o000);
    let (json, at) = (brief.to_json(), root.path().to_str().expect("text").to_owned());
    let run = run(as_nobody(&program, &["judge", "--brief", &json, "--root", &at])).ended_with(0);
    let (_, findings, _) = judged(&run);
    let unread = findings.iter().find(|finding| finding.rule.name() == "file-not-read");
    let message = &unread.unwrap_or_else(|| panic!("{findings:?}")).message;
    assert!(message.contains("may not read it (it belongs to user "), "{message}");
    assert!(message.contains("with mode 0000)"), "{message}");
    assert!(!decides(&findings), "{findings:?}");
}

#[test]
fn a_folder_that_may_not_be_looked_into_leaves_the_question_open() {
    let (_folder, program) = placed();
    let brief = brief_of("storage/fastblk:");
    for closed in ["opt", "opt/lib/modules", &format!("opt/lib/modules/{KERNEL}")] {
        let root = unpacked(&brief.image);
        let at = root.path().join(closed);
        open_to_all(&at, 0o000);
        let (json, path) = (brief.to_json(), root.path().to_str().expect("text").to_owned());
        let run = run(as_nobody(&program, &["judge", "--brief", &json, "--root", &path])).ended_with(1);
        open_to_all(&at, 0o755);
        let (message, _, again) = run.failure();
        assert!(message.contains("nothing was judged: user "), "{closed}: {message}");
        assert!(!again);
    }
}

#[test]
fn a_toolkit_behind_a_closed_folder_is_no_toolkit_of_another_kernel() {
    let (_folder, program) = placed();
    let root = unpacked(TOOLKIT);
    let closed: Vec<_> = ["usr/src", "lib/modules", "usr/lib/modules"]
        .iter()
        .map(|path| root.path().join(path))
        .collect();
    let closed: Vec<_> = closed.into_iter().filter(|path| path.is_dir()).collect();
    for path in &closed {
        open_to_all(path, 0o000);
    }
    let from = root.path().to_str().expect("text").to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    open_to_all(folder.path(), 0o777);
    let to = folder.path().join("toolkit");
    let words = [
        "toolkit",
        "--kernel",
        KERNEL,
        "--image",
        TOOLKIT,
        "--root",
        &from,
        "--to",
        to.to_str().expect("text"),
    ];
    let run = run(as_nobody(&program, &words)).ended_with(1);
    for path in &closed {
        open_to_all(path, 0o755);
    }
    let (message, _, _) = run.failure();
    assert!(message.contains("cannot be told: /"), "{message}");
    assert!(!to.exists(), "nothing is written down");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}
