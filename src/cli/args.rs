//! The command line as typed, and the help that teaches it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use super::operator::OperatorArgs;
use super::pod::PodArgs;
use super::sign::SignArgs;

/// Answers before a kernel upgrade: will every KMM Module load on the target kernel?
///
/// Looks into the Modules' images, and predicts what KMM's loader and the kernel will do with them on an upgraded
/// node. `check` asks it of Modules and a PreflightValidationOCP in files: no cluster is asked, nothing is changed.
/// `operator` answers the PreflightValidationOCPs of a cluster. `sign` signs modules as KMM would.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_long_help = "Start with `check --help`. What a finding means, and how to mend it: `explain RULE`.")]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) task: Task,
}

#[derive(Debug, Subcommand)]
pub(super) enum Task {
    Check(Box<CheckArgs>),
    Explain(ExplainArgs),
    Sign(Box<SignArgs>),
    Operator(Box<OperatorArgs>),
    Pod(Box<PodArgs>),

    /// Print the CustomResourceDefinition of PreflightValidationOCP
    ///
    /// Pipe it into `kubectl apply --server-side -f -` where KMM has not installed its own.
    Crd {
        /// How it is printed
        #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = CrdFormat::Yaml)]
        output: CrdFormat,
    },
    /// Print a completion script for a shell
    ///
    /// For instance: kmm-preflight completions bash > /etc/bash_completion.d/kmm-preflight
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    ///
    /// For instance: kmm-preflight man check > /usr/share/man/man1/kmm-preflight-check.1
    Man {
        /// Of this command; without one, of the program
        command: Option<String>,
    },
}

const CHECK_EXAMPLES: &str = "\
EXAMPLES
  Everything in a folder: a PreflightValidationOCP, Modules, and images in an OCI layout:
    kmm-preflight check -f examples/upgrade

  Modules from a cluster, for a kernel that no object names yet:
    kubectl get modules -A -o yaml | kmm-preflight check -f - \\
      --kernel-version 5.14.0-570.19.1.el9_6.x86_64 --dtk-image registry.example.com/dtk@sha256:…

  In CI, with a report for the build's page:
    kmm-preflight check -f deploy/ -f preflight.yaml -o junit > report.xml

WHAT THE FILES MAY HOLD
  PreflightValidationOCP  kernel, driver toolkit and flags, which options override; each gets a report
  Module                  what is judged
  Secret                  pull secrets (imageRepoSecret), and certificates of `sign`
  ConfigMap               Dockerfiles of `build`
  NodeFeature             which in-tree modules each node has loaded
  Other kinds are skipped with a note.

EXIT CODES
  0  every Module is verified
  1  at least one Module failed
  2  the question was wrong: arguments, files, malformed objects
  3  no Module failed, but some have no answer: a registry did not answer,
     or an image would have to be built first";

/// Check that every Module in the files will load on the target kernel
///
/// For each Module: which image KMM would use for the kernel, whether it can be pulled, and whether modprobe and
/// the kernel would take the module in it: folder, index, dependencies, signature, symbol versions, vermagic,
/// symbols, parameters. With a driver toolkit image (`dtkImage`) the kernel's own facts decide; without one, what
/// could not be checked is named.
#[derive(Debug, Args)]
#[command(after_long_help = CHECK_EXAMPLES)]
pub(super) struct CheckArgs {
    /// File, folder, or `-` for standard input; may be given several times
    ///
    /// YAML with any number of documents, JSON, or `List`s of both. Of a folder every *.yaml, *.yml and *.json is
    /// read, also in folders below it; an OCI image layout in it is used as if named with --oci-layout.
    #[arg(short, long = "filename", value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub(super) filenames: Vec<PathBuf>,

    /// Judge the Modules of this namespace only; may be given several times
    #[arg(short, long = "namespace", value_name = "NAMESPACE")]
    pub(super) namespaces: Vec<String>,

    /// How the answer is printed
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub(super) output: Format,

    /// Only the report: no notes, no progress
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    /// Say which images are read, on standard error; twice: every request too
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,

    #[command(flatten)]
    pub(super) target: TargetArgs,

    #[command(flatten)]
    pub(super) images: ImageArgs,
}

/// What is asked: the kernel and what is known of the nodes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
pub(super) struct TargetArgs {
    /// The target kernel, as `uname -r` will print it; overrides spec.kernelVersion
    #[arg(long, value_name = "RELEASE")]
    pub(super) kernel_version: Option<String>,

    /// The driver toolkit image of that kernel; overrides spec.dtkImage
    #[arg(long, value_name = "IMAGE")]
    pub(super) dtk_image: Option<String>,

    /// Sets spec.pushBuiltImage: an image that has to be built would be pushed
    #[arg(long)]
    pub(super) push_built_image: bool,

    /// The nodes' architecture (amd64, arm64, ppc64le, s390x, riscv64), where the kernel's name does not tell it
    #[arg(long, value_name = "ARCH")]
    pub(super) architecture: Option<String>,

    /// The nodes' kernels take signed modules only (Secure Boot, lockdown, module.sig_enforce)
    ///
    /// Modules with a `sign` section are judged so in any case.
    #[arg(long)]
    pub(super) enforce_signatures: bool,

    /// A certificate (PEM or DER) that the nodes' kernels trust; may be given several times
    #[arg(long = "trusted-cert", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) trusted_certificates: Vec<PathBuf>,

    /// What the nodes have loaded before: a copy of a node's /proc/modules, or the output of lsmod
    ///
    /// A module that needs an in-tree module, and whose image has no link to the node's own, loads only where that
    /// is loaded already. Without this file, such a module fails.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) loaded_modules: Option<PathBuf>,
}

/// Where images come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Images")]
pub(super) struct ImageArgs {
    /// An OCI image layout in which images are looked up first, by the reference they were copied under
    /// (`skopeo copy … oci:DIR:REFERENCE`); may be given several times
    #[arg(long = "oci-layout", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) layouts: Vec<PathBuf>,

    /// Credentials in the form of ~/.docker/config.json, for Modules without an imageRepoSecret among the files
    ///
    /// Without it: $REGISTRY_AUTH_FILE, ${XDG_RUNTIME_DIR}/containers/auth.json, $DOCKER_CONFIG/config.json or
    /// ~/.docker/config.json, whichever is there first. Credential helpers are asked.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) authfile: Option<PathBuf>,

    /// Certificates (PEM) to trust beside the system's when talking to registries; may be given several times
    #[arg(long = "ca-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) ca_files: Vec<PathBuf>,

    /// A registry whose driver toolkits may be read over plain HTTP, as host[:port][/path]; may be given several times
    ///
    /// For a Module's image the Module says so itself (`registryTLS.insecure`).
    #[arg(long = "plain-toolkit-registry", value_name = "PATTERN")]
    pub(super) plain_toolkit_registries: Vec<String>,

    /// Where to keep what was learnt of image layers [default: $XDG_CACHE_HOME/kmm-preflight]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "no_cache")]
    pub(super) cache_dir: Option<PathBuf>,

    /// Neither use nor keep anything of earlier runs
    #[arg(long)]
    pub(super) no_cache: bool,

    /// How long the whole check may take; what has no answer by then is reported so
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub(super) timeout: String,

    /// How many requests each registry gets at once
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) concurrency: u16,
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for people
    Table,
    /// The table with images, digests and every finding
    Wide,
    /// The PreflightValidationOCP as a cluster would show it; a List where there are several
    Json,
    /// The same in YAML
    Yaml,
    /// JUnit's XML, for CI
    Junit,
    /// Markdown, for a comment on a pull request
    Markdown,
}

/// Explain what a finding means, how to see it by hand, and how to mend it
///
/// Findings stand in the wide table, in JSON and in JUnit under the stable name of their rule.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The rule; without one, all rules are listed
    #[arg(value_name = "RULE")]
    pub(super) rule: Option<String>,

    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = ExplainFormat::Text)]
    pub(super) output: ExplainFormat,
}

/// How an explanation is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExplainFormat {
    /// Text for a terminal
    Text,
    /// Markdown; without a rule, the whole of docs/findings.md
    Markdown,
}

/// How the definition is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CrdFormat {
    /// YAML, for kubectl
    Yaml,
    /// Markdown: docs/api.md
    Markdown,
}
