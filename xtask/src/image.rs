//! Container images made by buildah, which needs no daemon: the operator's own, and the one that a node's pods begin with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use crate::environment;
use crate::folder::Folder;
use crate::process::run;

/// What the operator's binary is compiled for: linked statically, it needs nothing of an image.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The public certificates, where Debian has them.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where an image goes to.
pub enum Destination {
    /// A registry, under this reference.
    Registry { reference: String, tls_verify: bool },
    /// An archive as `docker save` writes it, with this name in it.
    Archive { file: PathBuf, name: String },
}

/// Builds the operator's image from the `Dockerfile` at the top of the repository, with the program that
/// `KMM_PREFLIGHT_STATIC` names, or else one that is compiled now.
pub fn build_operator(destination: &Destination) -> anyhow::Result<()> {
    let repository = repository();
    let program = environment::static_program().map_or_else(|| compile(&repository), Ok)?;
    let context = operator_context(&program)?;
    let image = Buildah::new()?;
    let recipe = format!("--file={}", repository.join("Dockerfile").display());
    let version = concat!("--build-arg=VERSION=", env!("CARGO_PKG_VERSION"));
    let revision = format!("--build-arg=REVISION={}", revision(&repository));
    image.build(context.path(), &["--target=prebuilt", &recipe, version, &revision])?;
    image.send(destination)
}

/// Compiles the operator for an image. As a target is named, build scripts keep the machine's own flags.
fn compile(repository: &Path) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(repository)
        .args(["build", "--release", "--locked", "--bin=kmm-preflight"])
        .args(["--target", TARGET])
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    anyhow::ensure!(
        cargo.status().context("cargo does not start")?.success(),
        "the operator does not compile"
    );
    Ok(repository.join("target").join(TARGET).join("release/kmm-preflight"))
}

/// What the stage `prebuilt` of the `Dockerfile` takes: the program and the public certificates.
fn operator_context(program: &Path) -> anyhow::Result<TempDir> {
    let context = tempfile::tempdir()?;
    fs::copy(program, context.path().join("kmm-preflight")).with_context(|| format!("no {}", program.display()))?;
    fs::copy(CERTIFICATES, context.path().join("ca-certificates.crt"))
        .with_context(|| format!("no {CERTIFICATES}: `apt-get install ca-certificates`"))?;
    Ok(context)
}

/// The commit that is checked out; `unknown` outside of git.
fn revision(repository: &Path) -> String {
    let mut git = Command::new("git");
    run(git.current_dir(repository).args(["rev-parse", "HEAD"]))
        .map_or_else(|_| "unknown".to_owned(), |commit| commit.trim().to_owned())
}

/// The top of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds an image of Debian's static busybox: a shell and its tools. Left to itself it sleeps for ever, so that it
/// serves for the "pause" container, too.
pub(crate) fn build_busybox(destinations: &[Destination]) -> anyhow::Result<()> {
    let context = tempfile::tempdir()?;
    fs::copy("/bin/busybox", context.path().join("busybox"))
        .context("no /bin/busybox: `apt-get install busybox-static`")?;
    let recipe = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n\
                  CMD [\"/bin/sleep\", \"2147483647\"]\n";
    fs::write(context.path().join("Dockerfile"), recipe)?;
    let image = Buildah::new()?;
    image.build(context.path(), &[])?;
    destinations.iter().try_for_each(|destination| image.send(destination))
}

/// buildah with a storage of its own, which is gone with this.
struct Buildah {
    storage: Folder,
}

impl Buildah {
    fn new() -> anyhow::Result<Self> {
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

    fn build(&self, context: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command("build");
        run(command
            .args(["--quiet", "--tag", "localhost/image"])
            .args(arguments)
            .arg(context))
        .context("`apt-get install buildah` where it is missing")?;
        Ok(())
    }

    fn send(&self, destination: &Destination) -> anyhow::Result<()> {
        let (to, tls_verify) = match destination {
            Destination::Registry { reference, tls_verify } => (format!("docker://{reference}"), *tls_verify),
            Destination::Archive { file, name } => (format!("docker-archive:{}:{name}", file.display()), true),
        };
        let mut command = self.command("push");
        run(command.args(["--quiet", &format!("--tls-verify={tls_verify}"), "localhost/image", &to]))?;
        Ok(())
    }
}
