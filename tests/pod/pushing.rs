//! `pod judge --push`: only what is good, only where nobody else has put something, and never half.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use kmm_preflight::kmod::load::{Load, LoadCommand, LoadedModules, SignaturePolicy};
use kmm_preflight::plan::work::{Brief, Testimony};
use tempfile::TempDir;

use crate::stage::{IMAGES, KERNEL, Run, pod, present, run};

/// How long a registry may take to listen; it takes 50 ms.
const PATIENCE: Duration = Duration::from_secs(15);
/// A good image of the example.
const GOOD: &str = "registry.example.com/network/quicknic:6.1.0-50-cloud-amd64";
/// Who may push where a registry asks, as htpasswd keeps it: the password is `pw`.
const HTPASSWD: &str = "example:$2y$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q\n";

/// Docker's registry on a free port; it ends with the value.
struct Registry {
    child: Child,
    place: String,
    _folder: TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().expect("its end");
        self.child.wait().expect("its end");
    }
}

impl Registry {
    fn start(auth: &str) -> Option<Self> {
        if !present(&["docker-registry", "skopeo"]) {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().to_str().expect("text");
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nhttp: {{addr: '127.0.0.1:0', secret: example}}\n\
             storage: {{filesystem: {{rootdirectory: {at}/data}}, delete: {{enabled: true}}}}\n{}\n",
            auth.replace("FOLDER", at)
        );
        fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("passwords");
        fs::write(folder.path().join("config.yml"), config).expect("a configuration");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a registry");
        let place = listening_place(&mut child);
        Some(Self {
            child,
            place,
            _folder: folder,
        })
    }

    fn open() -> Option<Self> {
        Self::start("")
    }

    fn image(&self, rest: &str) -> String {
        format!("{}/{rest}", self.place)
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

/// Where it listens, as it says in its log; the rest of the log is read away, lest it waits for a reader.
fn listening_place(child: &mut Child) -> String {
    let log = BufReader::new(child.stderr.take().expect("its log"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            let place = line.split_once("listening on ").map(|(_, rest)| rest);
            if let Some(place) = place.and_then(|rest| rest.split(['"', ' ', ',']).next()) {
                // Nobody waits for a second place.
                let _second = sender.send(place.to_owned());
            }
        }
    });
    receiver.recv_timeout(PATIENCE).expect("a registry that listens")
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
    registry.put(GOOD, "net/quicknic:1-building");
    let (from, to) = (
        registry.image("net/quicknic:1-building"),
        registry.image("net/quicknic:1"),
    );
    let run = judge(
        &brief(&to, "quicknic"),
        &from,
        &to,
        &["--insecure", "--temporary", &from],
    )
    .ended_with(0);
    let (digest, pushed) = pushed(&run);
    assert!(pushed, "{}", run.message);
    assert_eq!(registry.digest("net/quicknic:1"), Some(digest));
    assert_eq!(registry.digest("net/quicknic:1-building"), None, "{}", run.err);
}

#[test]
fn a_temporary_tag_is_removed_although_its_image_is_no_good() {
    let Some(registry) = Registry::open() else { return };
    registry.put(GOOD, "net/quicknic:1-building");
    let (from, to) = (
        registry.image("net/quicknic:1-building"),
        registry.image("net/quicknic:1"),
    );
    let run = judge(&brief(&to, "other"), &from, &to, &["--insecure", "--temporary", &from]).ended_with(0);
    assert!(!pushed(&run).1);
    assert_eq!(registry.digest("net/quicknic:1-building"), None, "{}", run.err);
    assert_eq!(registry.digest("net/quicknic:1"), None);
}

#[test]
fn credentials_decide_who_may_push() {
    let Some(registry) = Registry::start("auth: {htpasswd: {realm: example, path: FOLDER/htpasswd}}") else {
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
        registry.place
    );
    fs::write(&secret, auths).expect("a secret");
    let options = ["--push-authfile", secret.to_str().expect("text")];
    let run = judge(&brief, &in_layout(GOOD), &to, &options).ended_with(0);
    assert!(pushed(&run).1, "{}", run.message);
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
