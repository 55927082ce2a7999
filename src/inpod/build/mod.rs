//! Builds an image with buildah, which does the work, and tells in a person's words what became of it.
//!
//! What the Dockerfile runs is foreign code: its output is masked, bounded and only repeated; its files stay in
//! buildah's own folders. The result goes into an OCI layout. Nothing is pushed anywhere.

mod buildah;
mod fault;
mod masking;
mod story;
mod supervise;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::Instant;

use super::Failure;
use crate::image::{Digest, DigestAlgorithm, Reference};
use crate::registry::Layout;
use masking::Mask;
use story::Story;
use supervise::{Ended, Stop};

/// The name that the built image has in its layout.
pub const BUILT: &str = "built";

/// The largest Dockerfile that is read, in bytes: no ConfigMap holds more.
const DOCKERFILE_CAP: u64 = 1 << 20;

/// What is to be built, from what, and where the result goes.
#[derive(Clone, Debug)]
pub struct Building {
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// What it has to be: who ordered the build has judged that text and no other.
    pub dockerfile_digest: Digest,
    /// Build arguments, `NAME=VALUE`, in their order.
    pub build_args: Vec<String>,
    /// Credentials for base images, in a form of Docker's.
    pub authfile: Option<PathBuf>,
    /// Certificates (PEM) that the registries of base images are trusted by, beside those of the system.
    pub ca_files: Vec<PathBuf>,
    /// Whether the registries of base images may speak plain HTTP, or have any certificate.
    pub any_certificate: bool,
    /// Folders of secrets; each is seen by the Dockerfile's commands as `/run/secrets/<its name>`.
    pub secret_dirs: Vec<PathBuf>,
    /// The architecture of the image, as Go names it; without one, this machine's.
    pub architecture: Option<String>,
    /// The folder for the OCI layout.
    pub to: PathBuf,
    /// How long it may take.
    pub time_limit: Duration,
    /// How buildah isolates what it runs, and how it stores images.
    pub surroundings: Surroundings,
}

/// Variables that buildah is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// `BUILDAH_ISOLATION`.
    pub isolation: String,
    /// `STORAGE_DRIVER`.
    pub storage_driver: String,
    /// `SSL_CERT_DIR`: the folders of certificates that Go's programs trust, beside one file for all; separated by colons.
    pub certificate_folders: String,
}

impl Default for Surroundings {
    /// What works in a pod that is not privileged.
    fn default() -> Self {
        Self {
            isolation: "chroot".to_owned(),
            storage_driver: "vfs".to_owned(),
            certificate_folders: "/etc/ssl/certs:/etc/pki/tls/certs".to_owned(),
        }
    }
}

/// Builds, and says the digest of the image; `tell` gets every line that may be shown, `stopped` ends when the build is to
/// be given up.
///
/// # Errors
///
/// Whatever kept the image from being built: at which step, why, and the last lines of what was said.
pub async fn build(
    building: &Building,
    mut tell: impl FnMut(&str),
    stopped: impl Future<Output = ()>,
) -> Result<Digest, Failure> {
    let bench = Bench::set_up(building)?;
    let mask = Mask::of(&building.secret_dirs, building.authfile.as_deref())?;
    let stop = Stop {
        deadline: Instant::now() + building.time_limit,
        limit: building.time_limit,
    };
    let mut stopped = pin!(stopped);
    let mut tell_masked = |line: &str, story: &mut Story| {
        let line = mask.masked(line);
        tell(&line);
        story.hear(&line);
    };
    perform(
        buildah::bud(building, &bench),
        &stop,
        stopped.as_mut(),
        &mut tell_masked,
    )
    .await?;
    let image = bench.image()?;
    perform(
        buildah::push(building, &image),
        &stop,
        stopped.as_mut(),
        &mut tell_masked,
    )
    .await?;
    built(&building.to)
}

/// Runs buildah once, to a good end.
async fn perform(
    command: Command,
    stop: &Stop,
    stopped: Pin<&mut impl Future<Output = ()>>,
    tell: &mut impl FnMut(&str, &mut Story),
) -> Result<(), Failure> {
    let mut story = Story::default();
    match supervise::run(command, stop, stopped, |line| tell(line, &mut story)).await {
        Ok(Ended::Exited(status)) if status.success() => Ok(()),
        Ok(ended) => Err(fault::of(&ended, &story)),
        Err(error) => Err(fault::not_started(&error)),
    }
}

/// The folder of certificates on a bench.
const TRUST: &str = "trust";

/// What buildah works with: a copy of the Dockerfile that nobody changes any more, an empty context.
struct Bench {
    folder: TempDir,
    authfile: Option<PathBuf>,
}

impl Bench {
    fn set_up(building: &Building) -> Result<Self, Failure> {
        let text = dockerfile(building)?;
        let set_up = || -> io::Result<Self> {
            let folder = tempfile::Builder::new().prefix("kmm-preflight-build-").tempdir()?;
            fs::write(folder.path().join("Dockerfile"), text)?;
            fs::create_dir(folder.path().join("context"))?;
            fs::create_dir(folder.path().join(TRUST))?;
            let authfile = building.authfile.as_deref();
            Ok(Self {
                authfile: authfile.map(|file| modern(file, folder.path())).transpose()?,
                folder,
            })
        };
        let bench = set_up().map_err(|error| Failure::of_file("the build cannot be prepared", &error))?;
        fs::create_dir_all(&building.to)
            .map_err(|error| Failure::of_file(&format!("{} cannot be made", building.to.display()), &error))?;
        for (at, file) in building.ca_files.iter().enumerate() {
            fs::copy(file, bench.trusted().join(format!("{at}.pem"))).map_err(|error| {
                Failure::of_file(&format!("the CA file {} cannot be taken", file.display()), &error)
            })?;
        }
        Ok(bench)
    }

    /// The folder of the certificates that are trusted; whatever else stands beside the files that were named is not.
    fn trusted(&self) -> PathBuf {
        self.folder.path().join(TRUST)
    }

    fn dockerfile(&self) -> PathBuf {
        self.folder.path().join("Dockerfile")
    }

    fn context(&self) -> PathBuf {
        self.folder.path().join("context")
    }

    /// The file into which buildah writes the identifier of the image.
    fn image_id(&self) -> PathBuf {
        self.folder.path().join("image-id")
    }

    /// The identifier of the image, once it is built.
    fn image(&self) -> Result<String, Failure> {
        let id = fs::read_to_string(self.image_id());
        let id = id.map_err(|error| Failure::of_file("what buildah built cannot be told", &error))?;
        Ok(id.trim().to_owned())
    }
}

/// The Dockerfile's text, if it is the one that was ordered.
fn dockerfile(building: &Building) -> Result<Vec<u8>, Failure> {
    let path = building.dockerfile.display();
    let mut text = Vec::new();
    let read = File::open(&building.dockerfile).and_then(|file| file.take(DOCKERFILE_CAP + 1).read_to_end(&mut text));
    read.map_err(|error| Failure::of_file(&format!("the Dockerfile {path} cannot be read"), &error))?;
    if text.len() as u64 > DOCKERFILE_CAP {
        let limit = DOCKERFILE_CAP >> 20;
        return Err(Failure::lasting(format!(
            "the Dockerfile {path} has more than {limit} MiB"
        )));
    }
    let expected = &building.dockerfile_digest;
    let algorithm = match expected.algorithm() {
        DigestAlgorithm::Sha256 => &SHA256,
        DigestAlgorithm::Sha512 => &SHA512,
    };
    let is = Digest::from_bytes(expected.algorithm(), digest(algorithm, &text).as_ref());
    if is.as_ref() == Some(expected) {
        Ok(text)
    } else {
        Err(Failure::passing(
            "the Dockerfile has changed since this build was ordered; it is ordered anew with the present one",
        ))
    }
}

/// Credentials in the form that buildah reads: the old `.dockercfg` has the entries of `auths` alone.
fn modern(file: &Path, folder: &Path) -> io::Result<PathBuf> {
    let content = fs::read(file)?;
    if !is_legacy(&content) {
        return Ok(file.to_owned());
    }
    let entries: serde_json::Value = serde_json::from_slice(&content)?;
    let modern = folder.join("auth.json");
    fs::write(&modern, serde_json::json!({ "auths": entries }).to_string())?;
    Ok(modern)
}

/// Whether a file of credentials has Docker's old form (`.dockercfg`): the entries alone, by registry. Pods see both forms
/// under the same name.
pub fn is_legacy(content: &[u8]) -> bool {
    const MODERN: [&str; 3] = ["auths", "credHelpers", "credsStore"];
    let entries: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(content);
    entries.is_ok_and(|entries| !entries.is_empty() && !MODERN.iter().any(|key| entries.contains_key(*key)))
}

/// The digest of what lies in the layout now.
fn built(layout: &Path) -> Result<Digest, Failure> {
    let found = Layout::open(layout).map_err(|error| Failure::lasting(error.to_string()))?;
    let digest = Reference::parse(BUILT).ok().and_then(|name| found.find(&name));
    digest.ok_or_else(|| {
        let layout = layout.display();
        Failure::lasting(format!(
            "buildah said that it wrote the image to {layout}, but it is not there"
        ))
    })
}
