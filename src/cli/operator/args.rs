//! What `operator` is told on its command line. The chart fills it in; every default is what the chart would give.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

const OPERATOR_EXAMPLES: &str = "\
EXAMPLES
  In a cluster the chart starts it:
    helm install kmm-preflight charts/kmm-preflight -n kmm-preflight --create-namespace

  On your own machine, against the cluster of your kubeconfig, without admission:
    kmm-preflight operator --no-webhook --namespace default";

/// Run the operator: admission of PreflightValidationOCP, and the reconciler that answers them
///
/// Serves the admission webhook on every replica, and reconciles on the one that leads. Talks to the API server of
/// the pod it runs in, else of $KUBECONFIG. Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
#[derive(Debug, Args)]
#[command(after_long_help = OPERATOR_EXAMPLES)]
pub(in crate::cli) struct OperatorArgs {
    /// The operator's own namespace
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "POD_NAMESPACE",
        default_value = "kmm-preflight"
    )]
    pub(super) namespace: String,

    /// This replica's name, which events and the Lease tell
    #[arg(long, value_name = "NAME", env = "POD_NAME", default_value = "kmm-preflight")]
    pub(super) pod_name: String,

    /// How much is logged: error, warn, info, debug, or filters like info,kmm_preflight=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(super) log_level: String,

    /// How it is logged
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,

    /// The port of health and metrics, plain HTTP; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(super) metrics_port: u16,

    /// The Lease by which replicas agree on who reconciles
    #[arg(long, value_name = "NAME", default_value = "kmm-preflight")]
    pub(super) leader_election_lease: String,

    /// The ConfigMap of the operator's namespace that maps kernels to driver toolkit images (key `toolkits.yaml`)
    #[arg(long, value_name = "NAME")]
    pub(super) toolkits_config_map: Option<String>,

    #[command(flatten)]
    pub(super) admission: AdmissionArgs,

    #[command(flatten)]
    pub(super) registries: RegistryArgs,
}

/// The webhook and its certificate.
#[derive(Debug, Args)]
#[command(next_help_heading = "Admission")]
pub(super) struct AdmissionArgs {
    /// Serve no webhook: preflights are validated when they are reconciled
    #[arg(long)]
    pub(super) no_webhook: bool,

    /// The port of the webhook; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 9443)]
    pub(super) webhook_port: u16,

    /// Where the certificate comes from: made and renewed here, or files that somebody else keeps
    #[arg(long, value_name = "SOURCE", value_enum, default_value_t = CertificateSource::SelfMade)]
    pub(super) certificates: CertificateSource,

    /// The folder of tls.crt and tls.key, for `--certificates files`
    #[arg(long, value_name = "DIR", default_value = "/etc/kmm-preflight/tls")]
    pub(super) certificate_dir: PathBuf,

    /// The Secret that the replicas share, for `--certificates self`
    #[arg(long, value_name = "NAME", default_value = "kmm-preflight-webhook")]
    pub(super) certificate_secret: String,

    /// The Service by which the API server calls the webhook
    #[arg(long, value_name = "NAME", default_value = "kmm-preflight")]
    pub(super) service_name: String,

    /// A further name that the certificate is good for; may be given several times
    #[arg(long = "certificate-name", value_name = "NAME")]
    pub(super) certificate_names: Vec<String>,

    /// The name of both webhook configurations, into which the CA is written
    #[arg(long, value_name = "NAME", default_value = "kmm-preflight")]
    pub(super) webhook_configuration: String,
}

/// Which registries are asked, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registries")]
pub(super) struct RegistryArgs {
    /// A pull secret that counts for every Module, after its own: NAMESPACE/NAME
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub(super) cluster_pull_secret: Option<String>,

    /// PEM file with certificates to trust beside the system's; may be given several times
    #[arg(long = "ca-file", value_name = "FILE")]
    pub(super) ca_files: Vec<PathBuf>,

    /// Where registries may be, besides the public network
    #[arg(
        long,
        value_name = "PLACES",
        value_enum,
        value_delimiter = ',',
        default_value = "private"
    )]
    pub(super) allow_places: Vec<Place>,

    /// The registries that may be asked, as host[:port][/path], the host perhaps with *; without it, all
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',')]
    pub(super) allow_registries: Vec<String>,

    /// A registry whose driver toolkits may be read over plain HTTP, as host[:port][/path]; may be given several times
    ///
    /// For a Module's image the Module says so itself (`registryTLS.insecure`).
    #[arg(long = "plain-toolkit-registry", value_name = "PATTERN")]
    pub(super) plain_toolkit_registries: Vec<String>,

    /// How many requests each registry gets at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) concurrency: u16,

    /// Folder in which facts about layers survive a restart of the container; without it they are kept in memory
    #[arg(long, value_name = "DIR")]
    pub(super) cache_dir: Option<PathBuf>,
}

/// Who makes the webhook's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CertificateSource {
    /// This program: a CA and certificates in a Secret, renewed and rotated
    #[value(name = "self")]
    SelfMade,
    /// Somebody else: files that are read again when they change
    Files,
}

/// A place that is not the public network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Place {
    /// Private networks (RFC 1918 and the like), where a cluster's own registries are
    Private,
    /// Link-local addresses, where clouds keep their metadata
    Link,
    /// This very machine or pod
    Machine,
    /// Nothing but the public network
    None,
}

/// How it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people
    Text,
    /// An object a line
    Json,
}
