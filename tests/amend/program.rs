//! The program: a real module signed with a real key, and judged by `check`; what it says, and to whom.

use std::process::Output;

use assert_cmd::Command;

use crate::support::small_disk::SmallDisk;
use crate::*;

const IMAGES: &str = "examples/upgrade/images";
const ATTESTOR: &str = "registry.example.com/security/attestor:6.1.0-50-cloud-amd64";
const MODULE: &str = "/opt/lib/modules/6.1.0-50-cloud-amd64/attestor.ko";

/// A Module without a `sign` section: only the options say what the nodes trust.
const UNTOLD: &str = "\
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata: {name: attestor, namespace: security}
spec:
  moduleLoader:
    container:
      modprobe: {moduleName: attestor}
      kernelMappings:
        - {regexp: '^.+$', containerImage: 'registry.example.com/security/attestor:${KERNEL_FULL_VERSION}'}
  selector: {node-role.kubernetes.io/worker: ''}
";

/// A folder with a key and its certificate.
fn with_key() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, "the signer");
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
    folder
}

fn program(folder: &Path, words: &[&str]) -> Output {
    let place = |word: &&str| word.replace("HERE", &folder.display().to_string());
    let mut command = Command::cargo_bin("kmm-preflight").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_clear();
    command.args(words.iter().map(place)).output().unwrap()
}

fn sign(folder: &Path, words: &[&str]) -> Output {
    let fixed = ["sign", "--key", "HERE/key.pem", "--cert", "HERE/cert.pem"];
    program(folder, &[&fixed[..], words].concat())
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_image_of_the_example_is_signed_and_then_judged_good() {
    let folder = with_key();
    let from = format!("oci:{IMAGES}:{ATTESTOR}");
    let to = format!("oci:HERE/signed:{ATTESTOR}");
    let testimony = ["--testimony", "HERE/log"];
    let output = sign(
        folder.path(),
        &[&["--file", MODULE, &from, &to][..], &testimony].concat(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("1 file signed by CN=the signer"), "{said}");
    let log: Value = serde_json::from_slice(&std::fs::read(folder.path().join("log")).unwrap()).unwrap();
    assert_eq!((&log["outcome"], &log["files"]), (&json!("signed"), &json!(1)));
    assert!(said.contains(log["digest"].as_str().unwrap()), "{said}");

    std::fs::write(folder.path().join("module.yaml"), UNTOLD).unwrap();
    let check = [
        "check",
        "--no-cache",
        "-o",
        "wide",
        "-f",
        "HERE/module.yaml",
        "-f",
        "examples/upgrade/preflight.yaml",
    ];
    let trust = [
        "--enforce-signatures",
        "--trusted-cert",
        "HERE/cert.pem",
        "--oci-layout",
    ];
    let judged = |layouts: &[&str]| {
        let output = program(folder.path(), &[&check[..], &trust, layouts].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let signed = judged(&["HERE/signed", "--oci-layout", IMAGES]);
    assert!(
        signed.contains("[signature-good]") && signed.contains("1 of 1 Module verified"),
        "{signed}"
    );
    assert!(judged(&[IMAGES]).contains("[signature-missing]"));
}

#[test]
fn skopeo_takes_what_was_written() {
    let folder = with_key();
    let (from, to) = (format!("oci:{IMAGES}:{ATTESTOR}"), "oci:HERE/signed:x");
    let output = sign(folder.path(), &["--file", "/opt/lib/modules/*/*.ko", &from, to]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let from = format!("oci:{}/signed:x", folder.path().display());
    let to = format!("dir:{}/copied", folder.path().display());
    let copied = std::process::Command::new("skopeo")
        .args(["copy", "--quiet", &from, &to])
        .output()
        .unwrap();
    assert!(copied.status.success(), "{}", err(&copied));
}

#[test]
fn what_went_wrong_is_said_to_people_and_to_the_operator() {
    let folder = with_key();
    let from = format!("oci:{IMAGES}:{ATTESTOR}");
    let rows: [(&[&str], i32, bool, &str); 4] = [
        (
            &["--file", "/opt/no.ko", &from, "oci:HERE/to:x"],
            1,
            false,
            "oci:examples/upgrade/images:registry.example.com/security/attestor:6.1.0-50-cloud-amd64: `/opt/no.ko` in \
             filesToSign matches no file",
        ),
        (
            &["--file", MODULE, "oci:HERE/none", "oci:HERE/to:x"],
            1,
            false,
            "an OCI image layout has it",
        ),
        (
            &["--file", MODULE, "127.0.0.1:1/x:1", "oci:HERE/to:x"],
            3,
            true,
            "refuses the connection",
        ),
        (
            &["--file", MODULE, "--architecture", "vax", &from, "oci:HERE/to:x"],
            2,
            false,
            "not one of amd64",
        ),
    ];
    for (words, code, again, said) in rows {
        let output = sign(folder.path(), &[words, &["--testimony", "HERE/log"]].concat());
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", err(&output));
        let log: Value = serde_json::from_slice(&std::fs::read(folder.path().join("log")).unwrap()).unwrap();
        assert_eq!(
            (&log["outcome"], &log["again"]),
            (&json!("failed"), &json!(again)),
            "{log}"
        );
        assert!(log["message"].as_str().unwrap().contains(said), "{log}");
        assert!(err(&output).contains(said), "{}", err(&output));
        std::fs::remove_file(folder.path().join("log")).unwrap();
    }
}

#[test]
fn a_disk_that_is_full_may_have_room_another_time() {
    let folder = with_key();
    let Some(_disk) = SmallDisk::at(&folder.path().join("disk"), 16) else {
        return;
    };
    let (from, log) = (format!("oci:{IMAGES}:{ATTESTOR}"), folder.path().join("log"));
    let words = ["--file", MODULE, "--testimony", "HERE/log", &from, "oci:HERE/disk/to:x"];
    let output = sign(folder.path(), &words);
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    let log: Value = serde_json::from_slice(&std::fs::read(log).unwrap()).unwrap();
    assert_eq!(log["again"], json!(true), "{log}");
    let message = log["message"].as_str().unwrap();
    assert!(
        message.contains("No space left on device") && message.contains("make room there"),
        "{log}"
    );
}

#[test]
fn so_may_one_for_a_module_file() {
    let folder = with_key();
    let Some(_disk) = SmallDisk::at(&folder.path().join("disk"), 4) else {
        return;
    };
    std::fs::write(folder.path().join("nic.ko"), b"\x7fELF".repeat(10_000)).unwrap();
    let log = folder.path().join("log");
    let output = sign(
        folder.path(),
        &["--testimony", "HERE/log", "HERE/nic.ko", "HERE/disk/nic.ko"],
    );
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    assert!(err(&output).contains("No space left on device"), "{}", err(&output));
    let log: Value = serde_json::from_slice(&std::fs::read(log).unwrap()).unwrap();
    assert_eq!(log["again"], json!(true), "{log}");
}

#[test]
fn a_packed_module_is_signed_inside_unless_it_is_to_be_as_sign_file_does_it() {
    let folder = with_key();
    let module = b"\x7fELF".repeat(100);
    let packed = zstd::encode_all(&module[..], 3).unwrap();
    let layer = FakeLayer::new().file("opt/a.ko.zst", &packed).gzip();
    write_layout(
        &folder.path().join("from"),
        &[("x", &FakeImage::new().layer(LAYER_GZIP, layer))],
    );
    let signed = |option: &[&str]| {
        let _ = std::fs::remove_dir_all(folder.path().join("to"));
        let output = sign(
            folder.path(),
            &[option, &["--file", "/opt/a.ko.zst", "oci:HERE/from", "oci:HERE/to"]].concat(),
        );
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        let written = Written {
            manifest: serde_json::from_slice(&blob(&folder.path().join("to"), said.lines().last().unwrap())).unwrap(),
            folder: folder.path().join("to"),
            _kept: Arc::new(tempfile::tempdir().unwrap()),
        };
        let top = written.top();
        let mut tar = tar::Archive::new(&top[..]);
        let mut members = tar.entries().unwrap().map(Result::unwrap);
        let mut member = members
            .find(|member| member.path().unwrap().ends_with("a.ko.zst"))
            .unwrap();
        let mut file = Vec::new();
        member.read_to_end(&mut file).unwrap();
        file
    };
    let inside = zstd::decode_all(&signed(&[])[..]).unwrap();
    assert!(inside.starts_with(&module) && inside.ends_with(b"~Module signature appended~\n"));
    let behind = signed(&["--as-sign-file"]);
    assert!(behind.starts_with(&packed) && behind.ends_with(b"~Module signature appended~\n"));
}

#[test]
fn a_key_that_is_none_is_told_to_the_operator_without_its_bytes() {
    let folder = with_key();
    let key = [
        "sign",
        "--key",
        "HERE/cert.pem",
        "--cert",
        "HERE/cert.pem",
        "--testimony",
        "HERE/log",
    ];
    let output = program(folder.path(), &[&key[..], &["oci:HERE/a", "oci:HERE/to"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        log.contains("cert.pem is no key to sign with") && !log.contains("BEGIN"),
        "{log}"
    );
}

#[test]
fn an_image_without_files_to_sign_is_copied_with_a_warning() {
    let folder = with_key();
    let from = format!("oci:{IMAGES}:{ATTESTOR}");
    let output = sign(folder.path(), &["--testimony", "HERE/log", &from, "oci:HERE/to:x"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        err(&output).contains("warning: filesToSign is empty"),
        "{}",
        err(&output)
    );
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("filesToSign is empty"), "{log}");
}
