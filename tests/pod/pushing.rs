//! `pod judge --push`: only what is good, only where nobody else has put something, and never half.

use std::fs;
use std::process::Command;

use kmm_preflight::kmod::load::{Load, LoadCommand, LoadedModules, SignaturePolicy};
use kmm_preflight::plan::work::{Brief, Testimony};

use crate::stage::{IMAGES, KERNEL, Run, pod, present, run};

/// A good image of the example.
const GOOD: &str = "registry.example.com/network/quicknic:6.1.0-50-cloud-amd64";

/// Docker's registry on a free port; it ends with the value.
struct Registry(xtask::Registry);

impl Registry {
    fn open() -> Option<Self> {
        Self::of(xtask::Registry::start)
    }

    fn of(start: impl FnOnce() -> anyhow::Result<xtask::Registry>) -> Option<Self> {
        present(&["docker-registry", "skopeo"]).then(|| Self(start().expect("a registry")))
    }

    fn image(&self, rest: &str) -> String {
        format!("{}/{rest}", self.0.host())
    }

    /// Puts an image of the example there.
    fn put(&self, from: &str, to: &str) {
        let status = Command::new("skopeo")
            .args([
                "--insecure-policy",
                "copy",
                "--quiet",
                "--all",
                "--dest-tls-verify=false",
            ])
            .args([format!("oci:{IMAGES}:{from}"), format!("docker://{}", self.image(to))])
            .status();
        assert!(status.expect("skopeo").success());
    }

    /// A good image under a temporary tag: that, and the final one.
    fn building(&self) -> (String, String) {
        self.put(GOOD, "net/quicknic:1-building");
        (self.image("net/quicknic:1-building"), self.image("net/quicknic:1"))
    }

    /// Judges a good image under a temporary tag for a Module that loads this, with leave to push it and to remove the
    /// tag; the tag, and what came of it.
    fn judge_building(&self, module: &str) -> (String, Run) {
        let (from, to) = self.building();
        let options = ["--insecure", "--temporary", &from];
        let run = judge(&brief(&to, module), &from, &to, &options).ended_with(0);
        (from, run)
    }

    /// The digest that a tag has there.
    fn digest(&self, image: &str) -> Option<String> {
        let place = format!("docker://{}", self.image(image));
        let output = Command::new("skopeo")
            .args(["inspect", "--raw", "--tls-verify=false", &place])
            .output();
        let output = output.expect("skopeo");
        output
            .status
            .success()
            .then(|| crate::support::fake_image::digest_of(&output.stdout))
    }
}

/// The brief of a Module whose module is in the good image, and of one whose is not.
fn brief(image: &str, module: &str) -> String {
    let load = Load {
        kernel: KERNEL.to_owned(),
        architecture: None,
        dir_name: "/opt".to_owned(),
        command: LoadCommand::Named {
            module: module.to_owned(),
            args: Vec::new(),
            parameters: Vec::new(),
        },
        loading_order: Vec::new(),
        in_tree_to_remove: Vec::new(),
        signatures: SignaturePolicy::default(),
        loaded: LoadedModules::default(),
    };
    let brief = Brief {
        load,
        image: image.to_owned(),
        firmware_path: None,
    };
    brief.to_json()
}

fn judge(brief: &str, from: &str, to: &str, options: &[&str]) -> Run {
    let words = [
        "judge",
        "--brief",
        brief,
        "--image",
        from,
        "--push",
        to,
        "--push-insecure",
    ];
    run(pod(&[words.as_slice(), options].concat()))
}

#[track_caller]
fn pushed(run: &Run) -> (String, bool) {
    match run.testimony() {
        Testimony::Judged { digest, pushed, .. } => (digest.expect("a digest").to_string(), pushed),
        other => panic!("not judged: {other:?}"),
    }
}

fn in_layout(image: &str) -> String {
    format!("oci:{IMAGES}:{image}")
}

#[test]
fn a_good_image_of_a_layout_gets_its_final_tag() {
    let Some(registry) = Registry::open() else { return };
    let to = registry.image("net/quicknic:1");
    for _twice in 0..2 {
        let run = judge(&brief(&to, "quicknic"), &in_layout(GOOD), &to, &[]).ended_with(0);
        let (digest, pushed) = pushed(&run);
        assert!(pushed, "{}", run.message);
        assert_eq!(registry.digest("net/quicknic:1"), Some(digest));
    }
}

#[test]
fn an_image_that_would_not_load_is_not_pushed() {
    let Some(registry) = Registry::open() else { return };
    let to = registry.image("net/other:1");
    let run = judge(&brief(&to, "other"), &in_layout(GOOD), &to, &[]).ended_with(0);
    assert!(!pushed(&run).1, "{}", run.message);
    assert_eq!(registry.digest("net/other:1"), None);
}

#[test]
fn a_tag_that_came_into_being_meanwhile_is_left_alone() {
    let Some(registry) = Registry::open() else { return };
    registry.put("registry.example.com/network/legacynic:1.9", "net/quicknic:1");
    let there = registry.digest("net/quicknic:1").expect("an image");
    let to = registry.image("net/quicknic:1");
    let brief = brief(&to, "quicknic");
    let other = format!("sha256:{}", "0".repeat(64));
    for (options, said) in [
        (vec![], "has come into being meanwhile"),
        (vec!["--replaces", other.as_str()], "has changed meanwhile"),
    ] {
        let (message, _, again) = judge(&brief, &in_layout(GOOD), &to, &options).ended_with(1).failure();
        assert!(message.contains(said) && message.contains(&there), "{message}");
        assert!(again, "{message}");
        assert_eq!(registry.digest("net/quicknic:1").as_ref(), Some(&there));
    }
    let run = judge(&brief, &in_layout(GOOD), &to, &["--replaces", &there]).ended_with(0);
    let (digest, pushed) = pushed(&run);
    assert!(pushed, "the one that may be replaced is");
    assert_eq!(registry.digest("net/quicknic:1"), Some(digest));
}

#[test]
fn a_temporary_tag_is_judged_pushed_and_removed() {
    let Some(registry) = Registry::open() else { return };
    let (_, run) = registry.judge_building("quicknic");
    let (digest, pushed) = pushed(&run);
    assert!(pushed, "{}", run.message);
    assert_eq!(registry.digest("net/quicknic:1"), Some(digest));
    assert_eq!(registry.digest("net/quicknic:1-building"), None, "{}", run.err);
}

#[test]
fn a_temporary_tag_is_removed_although_its_image_is_no_good() {
    let Some(registry) = Registry::open() else { return };
    let (_, run) = registry.judge_building("other");
    assert!(!pushed(&run).1);
    assert_eq!(registry.digest("net/quicknic:1-building"), None, "{}", run.err);
    assert_eq!(registry.digest("net/quicknic:1"), None);
}

#[test]
fn credentials_decide_who_may_push() {
    let Some(registry) = Registry::of(xtask::Registry::start_with_password) else {
        return;
    };
    let to = registry.image("net/quicknic:1");
    let brief = brief(&to, "quicknic");
    let (message, _, again) = judge(&brief, &in_layout(GOOD), &to, &[]).ended_with(1).failure();
    assert!(
        message.contains("could not be pushed") && message.contains("give credentials that may push there"),
        "{message}"
    );
    assert!(!again);
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join(".dockerconfigjson");
    let auths = format!(
        r#"{{"auths":{{"{}":{{"username":"example","password":"pw"}}}}}}"#,
        registry.0.host()
    );
    fs::write(&secret, auths).expect("a secret");
    let options = ["--push-authfile", secret.to_str().expect("text")];
    let run = judge(&brief, &in_layout(GOOD), &to, &options).ended_with(0);
    assert!(pushed(&run).1, "{}", run.message);
}

/// By the certificates that its Job was given; and without them it says so.
#[test]
fn a_registry_whose_ca_the_operator_trusts_is_trusted() {
    let Some(registry) = Registry::of(xtask::Registry::start_with_tls) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (program, trusted) = (folder.path().join("program"), folder.path().join("ca.pem"));
    let [program, trusted] = [&program, &trusted].map(|path| path.to_str().expect("text").to_owned());
    let pem = fs::read_to_string(registry.0.ca_file()).expect("a certificate");
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let place = ["place", "--to", &program, "--trusted", &trusted, "--trust", &base64];
    run(pod(&place)).ended_with(0);
    let to = registry.image("net/quicknic:1");
    let brief = brief(&to, "quicknic");
    let words = ["judge", "--brief", &brief, "--image", &in_layout(GOOD), "--push", &to];
    let (message, ..) = run(pod(&words)).ended_with(1).failure();
    assert!(message.contains("certificate"), "{message}");
    assert_eq!(registry.digest("net/quicknic:1"), None);
    let trusting = run(pod(&[words.as_slice(), &["--ca-file", &trusted]].concat())).ended_with(0);
    assert!(pushed(&trusting).1, "{}", trusting.message);
}

#[test]
fn a_temporary_tag_that_cannot_be_removed_is_told() {
    let Some(registry) = Registry::of(xtask::Registry::start_without_deletion) else {
        return;
    };
    let (from, run) = registry.judge_building("quicknic");
    let Testimony::Judged { warnings, pushed, .. } = run.testimony() else {
        panic!("not judged: {}", run.message);
    };
    assert!(pushed, "{}", run.message);
    let left = format!("the temporary tag {from} is left, and empty: ");
    assert!(warnings.len() == 1 && warnings[0].starts_with(&left), "{warnings:?}");
}

/// What came to nothing says so of its tag, too.
#[test]
fn a_temporary_tag_of_a_registry_that_is_gone_is_told() {
    let (from, to) = ("127.0.0.1:1/net/quicknic:1-building", "127.0.0.1:1/net/quicknic:1");
    let options = ["--insecure", "--temporary", from];
    let (message, ..) = judge(&brief(to, "quicknic"), from, to, &options)
        .ended_with(1)
        .failure();
    let left = format!("; the temporary tag {from} is left: ");
    assert!(message.contains(&left), "{message}");
}

#[test]
fn a_registry_that_is_gone_may_come_back() {
    let to = "127.0.0.1:1/net/quicknic:1";
    let (message, _, again) = judge(&brief(to, "quicknic"), &in_layout(GOOD), to, &[])
        .ended_with(1)
        .failure();
    assert!(
        message.contains("127.0.0.1:1/net/quicknic:1 could not be pushed: 127.0.0.1:1 refuses the connection"),
        "{message}"
    );
    assert!(again);
}
