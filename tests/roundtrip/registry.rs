//! Docker's registry, and what skopeo puts there.

use std::process::Command;

use super::tools::{run, skopeo_copy};
use super::{IMAGES, REGISTRY};

pub(super) use xtask::registry::{PASSWORD, USER};

/// A running registry; it ends with the value.
pub(super) struct Registry {
    /// Host and port.
    pub(super) place: String,
    /// What `skopeo` needs to know to push.
    login: Vec<&'static str>,
    _server: xtask::Registry,
}

impl Registry {
    /// Everybody may pull and push.
    pub(super) fn open() -> Self {
        Self::of(xtask::Registry::start().expect("a registry"), Vec::new())
    }

    /// Only [`USER`] may pull and push.
    pub(super) fn with_password() -> Self {
        let server = xtask::Registry::start_with_password().expect("a registry");
        Self::of(server, vec!["--dest-creds", "example:pw"])
    }

    fn of(server: xtask::Registry, login: Vec<&'static str>) -> Self {
        Self {
            place: server.host(),
            login,
            _server: server,
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
