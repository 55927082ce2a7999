//! The command line of `pod`: one command for each container of a Job. The operator writes these lines, people seldom.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueHint};

/// Do one step of a Job of the operator, in its container
///
/// The operator writes these command lines; by hand they serve to see what a container does. How it ended is said as JSON
/// on standard output and in the container's termination message.
#[derive(Debug, Args)]
#[command(
    hide = true,
    after_long_help = "\
EXIT CODES
  0  the step is done (for `judge`: the image was judged, whatever the findings)
  1  it came to nothing; the testimony says why
  2  wrong arguments"
)]
pub(in crate::cli) struct PodArgs {
    #[command(subcommand)]
    pub(super) step: PodStep,

    /// Where it is said how the step ended [default: /dev/termination-log, where that exists]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) testimony: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum PodStep {
    Place(PlaceArgs),
    Toolkit(ToolkitArgs),
    Build(BuildArgs),
    Judge(JudgeArgs),
}

/// Copy this program, and the certificates that are trusted, to where the other containers find them
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// The copy of this program, which is made executable
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(super) to: PathBuf,

    /// The file for the certificates (PEM)
    #[arg(long, value_name = "FILE", requires = "trust", value_hint = ValueHint::FilePath)]
    pub(super) trusted: Option<PathBuf>,

    /// A certificate: DER in Base64, as between the first and the last line of a PEM file; may be given several times
    #[arg(long, value_name = "BASE64", requires = "trusted")]
    pub(super) trust: Vec<String>,
}

/// Read the driver toolkit in whose image this runs, and write down what it says of a kernel
#[derive(Debug, Args)]
pub(super) struct ToolkitArgs {
    /// The target kernel, as `uname -r` will print it
    #[arg(long, value_name = "RELEASE")]
    pub(super) kernel: String,

    /// The image, for messages
    #[arg(long, value_name = "IMAGE")]
    pub(super) image: String,

    /// The file for the facts
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) to: PathBuf,

    /// The root of the toolkit's file system
    #[arg(long, value_name = "DIR", default_value = "/", value_hint = ValueHint::DirPath)]
    pub(super) root: PathBuf,

    /// How long it may take
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    pub(super) timeout: String,
}

/// Build an image with buildah into an OCI layout
///
/// The context is empty, as with KMM. Isolation and storage are those of $BUILDAH_ISOLATION and $STORAGE_DRIVER, else
/// chroot and vfs, which work in a pod that is not privileged. The output is shown with all secrets masked.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// The Dockerfile
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) dockerfile: PathBuf,

    /// The digest that the Dockerfile must have, as in sha256:…
    #[arg(long, value_name = "DIGEST")]
    pub(super) dockerfile_digest: String,

    /// A build argument; may be given several times
    #[arg(long = "build-arg", value_name = "NAME=VALUE")]
    pub(super) arguments: Vec<String>,

    /// A folder of secrets, which the Dockerfile's commands see as /run/secrets/<its name>; may be given several times
    #[arg(long = "secret-dir", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) secret_dirs: Vec<PathBuf>,

    /// The architecture of the image (amd64, arm64, …), where it is not this machine's
    #[arg(long, value_name = "ARCH")]
    pub(super) architecture: Option<String>,

    /// The folder for the OCI layout; the image is named `built` in it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) to: PathBuf,

    /// Certificates (PEM) to trust beside the system's when base images are pulled; may be given several times
    #[arg(long = "ca-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) ca_files: Vec<PathBuf>,

    /// How long it may take
    #[arg(long, value_name = "DURATION", default_value = "2h")]
    pub(super) timeout: String,

    #[command(flatten)]
    pub(super) access: AccessArgs,
}

/// Judge whether the modules of an image will load
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").required(true))]
pub(super) struct JudgeArgs {
    /// What the judge has to know of the Module: JSON, or @FILE
    #[arg(long, value_name = "JSON|@FILE")]
    pub(super) brief: String,

    /// The driver toolkit's facts, as `pod toolkit` wrote them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) toolkit: Option<PathBuf>,

    /// The root of the file system to judge: in a container of the image, `/`
    #[arg(long, group = "subject", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) root: Option<PathBuf>,

    /// The image to judge: oci:DIR[:NAME] for one in an OCI layout, else a reference
    #[arg(long, group = "subject", value_name = "IMAGE")]
    pub(super) image: Option<String>,

    /// Certificates (PEM) to trust beside the system's when talking to registries; may be given several times
    #[arg(long = "ca-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) ca_files: Vec<PathBuf>,

    /// How long it may take
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    pub(super) timeout: String,

    #[command(flatten)]
    pub(super) access: AccessArgs,

    #[command(flatten)]
    pub(super) push: PushArgs,
}

/// Where a good image goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Push")]
pub(super) struct PushArgs {
    /// Push the image here if no finding decides against it; a tag that somebody else has made meanwhile is left alone
    #[arg(long, value_name = "IMAGE", requires = "image")]
    pub(super) push: Option<String>,

    /// The image that may be replaced there
    #[arg(long, value_name = "DIGEST", requires = "push")]
    pub(super) replaces: Option<String>,

    /// Credentials for the push, where they are not those of --authfile
    #[arg(long, value_name = "FILE", requires = "push", value_hint = ValueHint::FilePath)]
    pub(super) push_authfile: Option<PathBuf>,

    /// The registry that is pushed to may speak plain HTTP, as with --insecure
    #[arg(long, requires = "push")]
    pub(super) push_insecure: bool,

    /// The registry that is pushed to may have any certificate, as with --skip-tls-verify
    #[arg(long, requires = "push")]
    pub(super) push_skip_tls_verify: bool,

    /// A temporary tag, which is removed at the end whatever the verdict, with the credentials for the push
    #[arg(long, value_name = "IMAGE")]
    pub(super) temporary: Option<String>,
}

/// How registries are asked.
#[derive(Debug, Args)]
pub(super) struct AccessArgs {
    /// Credentials: the file of a pull secret (.dockerconfigjson or .dockercfg), or ~/.docker/config.json
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) authfile: Option<PathBuf>,

    /// The registry may speak plain HTTP
    #[arg(long)]
    pub(super) insecure: bool,

    /// The registry may have any certificate
    #[arg(long)]
    pub(super) skip_tls_verify: bool,
}
