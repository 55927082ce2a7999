//! The verdicts that the example's README promises, and what changes when the question does.

#[path = "support/upgrade.rs"]
mod upgrade;

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use upgrade::{Run, check, check_input, document, example};

const IMAGES: &str = "examples/upgrade/images";
const PREFLIGHT: &str = "examples/upgrade/preflight.yaml";

/// What the README promises: Module, status, and what its reason says.
const VERDICTS: [(&str, &str, &str); 17] = [
    ("storage/fastblk", "Success", "loads fastblk on 6.1.0-50-cloud-amd64"),
    ("network/quicknic", "Success", "loads quicknic on 6.1.0-50-cloud-amd64"),
    ("storage/raidmesh", "Success", "loads raidmesh on 6.1.0-50-cloud-amd64"),
    ("gpu/vectra", "Success", "loads vectra on 6.1.0-50-cloud-amd64"),
    ("edge/gpio-plugin", "Success", "no kernel module to load"),
    ("sensors/i2cbridge", "InProgress", "would be built from ConfigMap"),
    ("storage/coldtier", "Failure", "does not exist"),
    ("edge/fieldbus", "Failure", "mapping not found"),
    ("edge/armvision", "Failure", "[image-architecture]"),
    ("network/legacynic", "Failure", "[kernel-folder-missing]"),
    ("sensors/thermprobe", "Failure", "[dep-index-missing]"),
    ("gpu/peerlink", "Failure", "[dependency-missing]"),
    ("security/attestor", "Failure", "[signature-missing]"),
    ("storage/cachepin", "Failure", "[crc-mismatch]"),
    ("network/geotunnel", "Failure", "[symbol-missing]"),
    ("security/sealbox", "Failure", "[symbol-gpl-only]"),
    ("storage/fastblk-tuned", "Failure", "[parameter-malformed]"),
];

// Row "st-14": of every namespace.
#[test]
fn every_module_of_the_example_has_the_verdict_of_the_readme() {
    let table = check(["-f", "examples/upgrade"]).ended_with(1).out;
    for (module, status, reason) in VERDICTS {
        let row = table
            .lines()
            .find(|line| line.split_whitespace().next() == Some(module))
            .unwrap_or_else(|| panic!("no row for {module} in {table}"));
        assert_eq!(row.split_whitespace().nth(2), Some(status), "{row}");
        assert!(row.contains(reason), "{module}: {reason}: {row}");
    }
}

/// Runs `check` for `storage/fastblk`, changed, and with these options besides.
fn fastblk(change: impl Fn(String) -> String, options: &[&str]) -> Run {
    let module = change(document("storage.yaml", "fastblk"));
    check_input(["-f", "-", "-f", PREFLIGHT].iter().chain(options).copied(), &module)
}

#[test]
fn a_module_that_loads_ends_with_0() {
    let run = fastblk(|module| module, &["--oci-layout", IMAGES]).ended_with(0);
    assert!(run.out.contains("1 of 1 Module verified"), "{}", run.out);
}

#[test]
fn everything_can_come_from_standard_input() {
    let preflight = fs::read_to_string(PREFLIGHT).expect("a file");
    let both = format!("{}---\n{preflight}", document("storage.yaml", "fastblk"));
    check_input(["-f", "-", "--oci-layout", IMAGES], &both).ended_with(0);
}

#[test]
fn a_malformed_kernel_is_refused_in_the_words_of_admission() {
    let run = fastblk(|module| module, &["--kernel-version", "a.b.c"]).ended_with(2);
    assert_eq!(
        run.err,
        "error: The PreflightValidationOCP \"upgrade\" is invalid: spec.kernelVersion: it must begin with three \
         numbers, as in 6.12.0-55.el10.x86_64 (it comes from --kernel-version)\n"
    );
    assert_eq!(run.out, "", "a refusal has nothing for standard output");
}

#[test]
fn a_registry_that_does_not_answer_leaves_the_question_open() {
    let elsewhere = |module: String| module.replace("registry.example.com", "127.0.0.1:1");
    let run = fastblk(elsewhere, &["--oci-layout", IMAGES]).ended_with(3);
    assert!(run.out.contains("127.0.0.1:1 refuses the connection"), "{}", run.out);
}

#[test]
fn a_driver_toolkit_of_another_kernel_decides() {
    let options = ["--oci-layout", IMAGES, "--kernel-version", "6.1.0-47-cloud-amd64"];
    let run = fastblk(|module| module, &options).ended_with(1);
    assert!(
        run.out
            .contains("is the driver toolkit of 6.1.0-50-cloud-amd64, not of 6.1.0-47-cloud-amd64"),
        "{}",
        run.out
    );
}

#[test]
fn enforced_signatures_refuse_what_is_not_signed() {
    let options = ["--oci-layout", IMAGES, "--enforce-signatures"];
    let run = fastblk(|module| module, &options).ended_with(1);
    assert!(run.out.contains("[signature-missing]"), "{}", run.out);
}

/// `gpu/vectra` without its `sign` section: only the options say what the nodes trust.
fn vectra_as_enforced(options: &[&str]) -> Run {
    let module = document("gpu.yaml", "vectra");
    let (before, sign) = module.split_once("          sign:\n").expect("a sign section");
    let (_, after) = sign.split_once("  devicePlugin:\n").expect("what follows it");
    let fixed = [
        "-f",
        "-",
        "-f",
        PREFLIGHT,
        "--oci-layout",
        IMAGES,
        "--enforce-signatures",
    ];
    check_input(
        fixed.iter().chain(options).copied(),
        &format!("{before}  devicePlugin:\n{after}"),
    )
}

#[test]
fn a_signature_is_good_where_its_certificate_is_trusted() {
    let certificate = example("rebuild/example-cert.pem");
    let options = ["-o", "wide", "--trusted-cert", certificate.to_str().expect("a path")];
    let run = vectra_as_enforced(&options).ended_with(0);
    assert!(run.out.contains("[signature-good]"), "{}", run.out);
}

#[test]
fn a_signature_that_no_certificate_here_proves_is_not_called_good() {
    let run = vectra_as_enforced(&["-o", "wide"]).ended_with(0);
    assert!(run.out.contains("[signature-present]"), "{}", run.out);
    assert!(
        run.out.contains("not verified: no trusted certificate is known here"),
        "{}",
        run.out
    );
}

#[test]
fn a_signature_by_another_key_than_the_trusted_one_is_refused() {
    let other = rcgen::generate_simple_self_signed(["example".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("other.pem");
    fs::write(&file, other.cert.pem()).expect("a file");
    let run = vectra_as_enforced(&["--trusted-cert", file.to_str().expect("a path")]).ended_with(1);
    assert!(run.out.contains("[signature-untrusted]"), "{}", run.out);
}

/// A copy of the images, in which the first layer of this image has one byte changed; and that layer's digest.
fn altered_images(reference: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("blobs/sha256")).expect("a folder");
    for file in ["oci-layout", "index.json"] {
        fs::copy(Path::new(IMAGES).join(file), folder.path().join(file)).expect("a copy");
    }
    for blob in fs::read_dir(Path::new(IMAGES).join("blobs/sha256")).expect("blobs") {
        let blob = blob.expect("a blob");
        fs::copy(blob.path(), folder.path().join("blobs/sha256").join(blob.file_name())).expect("a copy");
    }
    let blob = |digest: &str| folder.path().join("blobs").join(digest.replace(':', "/"));
    let json =
        |path: &Path| -> serde_json::Value { serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON") };
    let index = json(&folder.path().join("index.json"));
    let mut manifests = index["manifests"].as_array().expect("manifests").iter();
    let found = manifests
        .find(|manifest| manifest["annotations"]["org.opencontainers.image.ref.name"] == reference)
        .expect("the image");
    let manifest = json(&blob(found["digest"].as_str().expect("a digest")));
    let layers = manifest["layers"].as_array().expect("layers");
    let digest = layers.last().expect("a layer")["digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    let mut bytes = fs::read(blob(&digest)).expect("the layer");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(blob(&digest), bytes).expect("the altered layer");
    (folder, digest)
}

#[test]
fn an_altered_blob_is_a_failure_that_names_its_digest() {
    let (images, digest) = altered_images("registry.example.com/network/geotunnel:6.1.0-50-cloud-amd64");
    let module = document("network.yaml", "geotunnel");
    let layout = images.path().to_str().expect("a path");
    let run = check_input(["-f", "-", "-f", PREFLIGHT, "--oci-layout", layout], &module).ended_with(1);
    assert!(run.out.contains(&digest), "{digest}: {}", run.out);
    assert!(
        !run.out.contains("[symbol-missing]"),
        "an altered image proves nothing: {}",
        run.out
    );
}
