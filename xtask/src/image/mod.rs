//! Container images: the operator's own, the one that a node's pods begin with, and those that are made of Debian's packages.

mod buildah;
mod debian;
mod kept;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use crate::environment;
use crate::process::run;
use buildah::Buildah;
pub use kept::{Kept, kernels};

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
    /// An OCI layout, with this name in it.
    Layout { folder: PathBuf, name: String },
}

impl Destination {
    /// How the tools around containers write it, and whether they shall ask for a certificate there.
    fn transport(&self) -> (String, bool) {
        match self {
            Self::Registry { reference, tls_verify } => (format!("docker://{reference}"), *tls_verify),
            Self::Archive { file, name } => (format!("docker-archive:{}:{name}", file.display()), true),
            Self::Layout { folder, name } => (format!("oci:{}:{name}", folder.display()), true),
        }
    }
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
