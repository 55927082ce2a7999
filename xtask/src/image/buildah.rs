//! buildah, which makes images without a daemon.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::Destination;
use crate::folder::Folder;
use crate::process::run;

/// buildah with a storage of its own, which is gone with this.
pub(super) struct Buildah {
    storage: Folder,
}

impl Buildah {
    pub(super) fn new() -> anyhow::Result<Self> {
        let storage = Folder::create()?;
        Ok(Self { storage })
    }

    /// The way that works in containers, without overlay mounts and user namespaces.
    fn command(&self, task: &str) -> Command {
        let mut command = Command::new("buildah");
        let folder = |name: &str| self.storage.path().join(name);
        command
            .arg("--storage-driver=vfs")
            .arg("--root")
            .arg(folder("root"))
            .arg("--runroot")
            .arg(folder("run"));
        command.arg(task).env("BUILDAH_ISOLATION", "chroot");
        command
    }

    /// Builds the image of this context.
    pub(super) fn build(&self, context: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command("build");
        run(command
            .args(["--quiet", "--tag", "localhost/image"])
            .args(arguments)
            .arg(context))
        .context("`apt-get install buildah` where it is missing")?;
        Ok(())
    }

    /// Sends the image that was built.
    pub(super) fn send(&self, destination: &Destination) -> anyhow::Result<()> {
        let (to, tls_verify) = destination.transport();
        let mut command = self.command("push");
        run(command.args(["--quiet", &format!("--tls-verify={tls_verify}"), "localhost/image", &to]))?;
        Ok(())
    }
}
