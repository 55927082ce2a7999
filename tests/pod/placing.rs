//! `pod place`: the program copies itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::stage::{pod, pod_of, run};
use crate::support::small_disk::SmallDisk;

#[test]
fn the_copy_is_the_program_itself_and_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("kmm-preflight/bin/kmm-preflight");
    let placed = run(pod(&["place", "--to", to.to_str().expect("text")])).ended_with(0);
    assert_eq!(placed.message, "", "there is nothing to say");
    let mode = fs::metadata(&to).expect("the copy").permissions().mode();
    assert_eq!(mode & 0o777, 0o555);
    let original = fs::read(env!("CARGO_BIN_EXE_kmm-preflight")).expect("the program");
    assert!(fs::read(&to).expect("the copy") == original, "byte for byte");
    let again = folder.path().join("again");
    run(pod_of(&to, &["place", "--to", again.to_str().expect("text")])).ended_with(0);
    let left = fs::read_dir(to.parent().expect("a folder")).expect("a folder").count();
    assert_eq!(left, 1, "nothing unfinished is left");
}

#[test]
fn what_stands_there_is_replaced_even_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("kmm-preflight");
    fs::write(&to, "something else").expect("a file");
    for _ in 0..2 {
        run(pod(&["place", "--to", to.to_str().expect("text")])).ended_with(0);
    }
    assert!(fs::metadata(&to).expect("the copy").len() > 1 << 20);
}

#[test]
fn certificates_are_placed_as_one_pem_file_that_anybody_may_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let certificates = ["a.example", "b.example"].map(|name| {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
        made.cert.der().to_vec()
    });
    let [first, second] = certificates.clone().map(|der| STANDARD.encode(der));
    let (to, trusted) = (path("program"), path("trust/ca.pem"));
    let words = [
        "place",
        "--to",
        &to,
        "--trusted",
        &trusted,
        "--trust",
        &first,
        "--trust",
        &second,
    ];
    run(pod(&words)).ended_with(0);
    let read = kmm_preflight::registry::ca_certificates(Path::new(&trusted)).expect("certificates");
    assert_eq!(read, certificates);
    assert_eq!(
        fs::metadata(&trusted).expect("a file").permissions().mode() & 0o777,
        0o444
    );
    let words = ["place", "--to", &to, "--trusted", &trusted, "--trust", "no Base64"];
    let (message, ..) = run(pod(&words)).ended_with(1).failure();
    assert!(message.contains("certificate 1 of --trust is no Base64"), "{message}");
}

#[test]
fn a_place_that_cannot_be_written_is_testified() {
    let placed = run(pod(&["place", "--to", "/proc/self/nowhere/kmm-preflight"])).ended_with(1);
    let (message, _, again) = placed.failure();
    assert!(
        message.contains("cannot be copied to /proc/self/nowhere/kmm-preflight: "),
        "{message}"
    );
    assert!(!again);
    assert!(placed.err.starts_with("error: "), "{}", placed.err);
}

#[test]
fn a_disk_without_room_for_the_program_may_have_it_another_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(_disk) = SmallDisk::at(&folder.path().join("bin"), 64) else {
        return;
    };
    let to = folder.path().join("bin/kmm-preflight");
    let (message, _, again) = run(pod(&["place", "--to", to.to_str().expect("text")]))
        .ended_with(1)
        .failure();
    assert!(message.contains("No space left on device") && again, "{message}");
    assert!(!to.exists(), "whole, or not at all");
}

#[test]
fn wrong_words_are_refused_without_a_testimony() {
    let refused = run(pod(&[
        "build",
        "--dockerfile",
        "d",
        "--dockerfile-digest",
        "x",
        "--to",
        "t",
    ]))
    .ended_with(2);
    assert_eq!(refused.message, "");
    assert!(refused.err.contains("`x` is not a digest"), "{}", refused.err);
    run(pod(&["judge", "--brief", "{}"])).ended_with(2);
    run(pod(&["judge", "--brief", "{}", "--root", "/", "--push", "r/x:1"])).ended_with(2);
}

#[test]
fn the_command_is_not_among_those_for_people_but_explains_itself() {
    let program = env!("CARGO_BIN_EXE_kmm-preflight");
    let help = std::process::Command::new(program)
        .arg("--help")
        .output()
        .expect("help");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("\n  pod "));
    let own = std::process::Command::new(program)
        .args(["pod", "--help"])
        .output()
        .expect("help");
    let own = String::from_utf8_lossy(&own.stdout).into_owned();
    for step in ["place", "toolkit", "build", "judge"] {
        assert!(own.contains(&format!("\n  {step} ")), "{step}: {own}");
    }
}
