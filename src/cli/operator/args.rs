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

    /// The namespace of Node Feature Discovery, whose NodeFeatures tell which in-tree modules nodes have loaded
    ///
    /// Who may write NodeFeatures there speaks for all nodes; those of other namespaces count for nothing.
    #[arg(long, value_name = "NAMESPACE", default_value = "node-feature-discovery")]
    pub(super) node_features_namespace: String,

    /// Do not ask Node Feature Discovery which in-tree modules nodes have loaded
    #[arg(long)]
    pub(super) ignore_node_features: bool,

    #[command(flatten)]
    pub(super) admission: AdmissionArgs,

    #[command(flatten)]
    pub(super) registries: RegistryArgs,

    #[command(flatten)]
    pub(super) work: WorkArgs,
}

/// What runs in pods, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Work in pods")]
pub(super) struct WorkArgs {
    /// This program's own image, for what runs in pods: builds, signatures, looks on a node; without it nothing does
    #[arg(long, value_name = "IMAGE")]
    pub(super) work_image: Option<String>,

    /// The image with buildah, in which Modules are built
    #[arg(long, value_name = "IMAGE", default_value = "quay.io/buildah/stable:v1.42.2")]
    pub(super) builder_image: String,

    /// When nodes pull these two
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = PullPolicy::IfNotPresent)]
    pub(super) work_pull_policy: PullPolicy,

    /// What builds: a Job with buildah, or an OpenShift Build where that API is served and the result is to be pushed
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Builder::Job)]
    pub(super) build_with: Builder,

    /// How images are looked at: through the registry and, where it cannot be reached or refuses, on a node; or one of these alone
    ///
    /// A Module's annotation preflight.kmm.sigs.x-k8s.io/image-check says otherwise for that Module.
    #[arg(long, value_name = "WAY", value_enum, default_value_t = Way::Auto)]
    pub(super) look_by: Way,

    /// How many Jobs are at work at once, over all preflights
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs_at_once: u16,

    /// How long one Job may take
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(super) job_deadline: String,

    /// How long a Job that failed is kept for a person to look at; 0s deletes it as soon as its answer is written
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(super) keep_failed_jobs: String,

    /// The service account of pods that build and sign, in each Module's namespace; without it, `default`
    #[arg(long, value_name = "NAME")]
    pub(super) work_service_account: Option<String>,

    /// Have the builder run privileged: for clusters on which nothing less works
    #[arg(long)]
    pub(super) privileged_builds: bool,

    /// Have builds run in a user namespace of their own (`hostUsers: false`): for nodes that can
    #[arg(long)]
    pub(super) user_namespaces: bool,

    /// Leave the user of pods in which nothing is built to the cluster, and ask for restricted-v2: for OpenShift
    #[arg(long)]
    pub(super) assigned_users: bool,

    /// What a builder is sure to get, like cpu=500m,memory=512Mi
    #[arg(
        long,
        value_name = "AMOUNTS",
        value_delimiter = ',',
        default_value = "cpu=500m,memory=512Mi"
    )]
    pub(super) builder_requests: Vec<String>,

    /// What a builder gets at the most; without it, what its node has
    #[arg(long, value_name = "AMOUNTS", value_delimiter = ',')]
    pub(super) builder_limits: Vec<String>,

    /// What every other container is sure to get
    #[arg(
        long,
        value_name = "AMOUNTS",
        value_delimiter = ',',
        default_value = "cpu=50m,memory=64Mi"
    )]
    pub(super) work_requests: Vec<String>,

    /// What every other container gets at the most
    #[arg(long, value_name = "AMOUNTS", value_delimiter = ',', default_value = "memory=512Mi")]
    pub(super) work_limits: Vec<String>,

    /// Disk for each volume that holds an image
    #[arg(long, value_name = "AMOUNT", default_value = "20Gi")]
    pub(super) work_disk: String,
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

/// When a node pulls an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(super) enum PullPolicy {
    /// Each time
    Always,
    /// Where it is not there yet
    IfNotPresent,
    /// Never: it must be there
    Never,
}

/// What builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Builder {
    /// A Job with buildah
    Job,
    /// An OpenShift Build where it can be judged, else a Job
    #[value(name = "openshift")]
    OpenShift,
}

/// How images are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    /// Through the registry; where that does not tell, on a node
    Auto,
    /// Through the registry alone
    Registry,
    /// On a node alone, by its container runtime
    Runtime,
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
