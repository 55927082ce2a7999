//! Docker's registry as a child process on a free port.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::tools::{run, skopeo_copy};
use super::{IMAGES, REGISTRY};

/// How long a registry may take to listen; it takes 50 ms.
const PATIENCE: Duration = Duration::from_secs(15);
/// Who may pull from a registry that asks.
pub(super) const USER: &str = "example";
/// With which password.
pub(super) const PASSWORD: &str = "pw";
/// The password as htpasswd keeps it.
const PASSWORD_HASH: &str = "$2y$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q";

/// A running registry; it ends with the value.
pub(super) struct Registry {
    child: Child,
    /// Host and port.
    pub(super) place: String,
    /// What `skopeo` needs to know to push.
    login: Vec<&'static str>,
    _folder: TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().expect("its end");
        self.child.wait().expect("its end");
    }
}

impl Registry {
    /// Everybody may pull and push.
    pub(super) fn open() -> Self {
        Self::start("", Vec::new())
    }

    /// Only [`USER`] may pull and push.
    pub(super) fn with_password() -> Self {
        let auth = "auth: {htpasswd: {realm: example, path: FOLDER/htpasswd}}";
        Self::start(auth, vec!["--dest-creds", "example:pw"])
    }

    fn start(auth: &str, login: Vec<&'static str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: FOLDER/data}}}}\n\
             http: {{addr: '127.0.0.1:0', secret: example}}\n{auth}\n"
        );
        let config = config.replace("FOLDER", folder.path().to_str().expect("a path"));
        let file = folder.path().join("config.yml");
        fs::write(&file, config).expect("a configuration");
        fs::write(folder.path().join("htpasswd"), format!("{USER}:{PASSWORD_HASH}\n")).expect("passwords");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a registry");
        let place = listening_place(&mut child);
        Self {
            child,
            place,
            login,
            _folder: folder,
        }
    }

    /// Copies images of the example to it, with these options.
    pub(super) fn push(&self, images: &[&str], options: &[&str]) {
        let options: Vec<_> = self.login.iter().chain(options).copied().collect();
        for image in images {
            let to = format!("docker://{}", image.replace(REGISTRY, &self.place));
            skopeo_copy(&options, &format!("oci:{IMAGES}:{image}"), &to);
        }
    }

    /// The manifest of one of its images, as it is served.
    pub(super) fn manifest(&self, image: &str) -> String {
        let image = format!("docker://{}", image.replace(REGISTRY, &self.place));
        let mut command = Command::new("skopeo");
        let raw = run(command.args(["inspect", "--raw", "--tls-verify=false", &image]));
        String::from_utf8(raw).expect("text")
    }
}

/// Where it listens, as it says in its log; the rest of the log is read away, lest it waits for a reader.
fn listening_place(child: &mut Child) -> String {
    let log = BufReader::new(child.stderr.take().expect("its log"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            let place = line.split_once("listening on ").map(|(_, rest)| rest);
            let place = place.and_then(|rest| rest.split(['"', ' ', ',']).next());
            if let Some(place) = place {
                // Nobody waits for a second place.
                let _ = sender.send(place.to_owned());
            }
        }
    });
    receiver.recv_timeout(PATIENCE).expect("a registry that listens")
}
