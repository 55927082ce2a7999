//! `operator`: one process that serves admission and reconciles. Wires the rooms, and ends in order: no request that
//! was accepted is lost, no write comes after the Lease is given up.
#![expect(clippy::disallowed_types, reason = "hands the client to the rooms that use it")]

mod admission;
mod args;
mod settings;
mod workshop;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;
use tracing_subscriber::EnvFilter;
use webhook_certs::CertificateResolver;

use self::admission::Certificate;

use self::args::LogFormat;
pub(super) use self::args::OperatorArgs;
use self::settings::OperatorSettings;
use super::{Ending, environment};
use crate::cluster::{self, Election, Events, JobWatches, LeaseSettings, WatchSettings, Watches};
use crate::controller::{self, Operator, Parts};
use crate::examine::{Examiner, TimeLimit};
use crate::inspect::cache::{Bounds, Cache};
use crate::inspect::{Inspector, Limits, SCANS};
use crate::plan::work::BuildWith;
use crate::registry::Sources;
use crate::telemetry::Telemetry;
use crate::webhook::{self, Server, probes};

/// How long all images of one round may take: a registry that is slower is met again in the next round.
const ROUND: TimeLimit = TimeLimit {
    duration: Duration::from_mins(10),
    set_by: "the operator's limit for one round of looks",
};
/// Namespace and name of the image stream in which OpenShift keeps its releases' driver toolkits.
const OPENSHIFT_TOOLKITS: (&str, &str) = ("openshift", "driver-toolkit");
/// Threads for what blocks: a scan of a layer each, and some for names and files.
const BLOCKING_THREADS: usize = SCANS + 8;

/// What the parts of the process share.
struct Shared {
    args: OperatorArgs,
    settings: OperatorSettings,
    client: Client,
    watches: Arc<Watches>,
    telemetry: Arc<Telemetry>,
    /// True from the moment in which the process is asked to end.
    ending: watch::Receiver<bool>,
}

/// Runs until the process is asked to end.
pub(super) fn run(args: OperatorArgs) -> anyhow::Result<Ending> {
    let settings = OperatorSettings::new(&args, environment::variable)?;
    log(&args)?;
    let (answering, reconciling) = (threads("answers")?, threads("reconciles")?);
    let ended = reconciling.block_on(operate(args, settings, answering.handle().clone()));
    answering.shutdown_background();
    reconciling.shutdown_background();
    ended.map(|()| Ending::Good)
}

/// A runtime with one thread of its own for what waits, however many cores the node has: everything that computes runs
/// on its blocking threads. Reviews are answered on another than that which reconciles, so that no pass over a
/// thousand Modules stands before a review; and one thread has nobody to wake.
fn threads(name: &str) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(name)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
}

/// Runs all parts; those that somebody waits for, where they are answered.
async fn operate(args: OperatorArgs, settings: OperatorSettings, answering: Handle) -> anyhow::Result<()> {
    let (end, ending) = watch::channel(false);
    let stop = stop_signal()?;
    tokio::spawn(async move {
        stop.await;
        end.send_replace(true);
        // Held until the process ends: what watches it must not take its loss for an answer.
        end.closed().await;
    });
    let config = Config::infer()
        .await
        .context("no cluster: neither is this a pod, nor is there a kubeconfig")?;
    let client = cluster::connect(config)?;
    let toolkits = args.toolkits_config_map.clone();
    let watched = WatchSettings {
        toolkits: toolkits.map(|name| (args.namespace.clone(), name)),
        image_stream: Some((OPENSHIFT_TOOLKITS.0.to_owned(), OPENSHIFT_TOOLKITS.1.to_owned())),
        node_features: (!args.ignore_node_features).then(|| args.node_features_namespace.clone()),
    };
    let shared = Arc::new(Shared {
        watches: Watches::start(&client, watched),
        args,
        settings,
        client,
        telemetry: Arc::new(Telemetry::new()),
        ending,
    });
    let certificate = Certificate::of(&shared);
    let resolver = certificate.resolver();
    tokio::try_join!(
        part(answering.spawn(admission::serve(Arc::clone(&shared), certificate))),
        part(answering.spawn(probes(Arc::clone(&shared), resolver))),
        part(tokio::spawn(reconcile(Arc::clone(&shared)))),
    )?;
    info!("ended in order");
    Ok(())
}

/// A part of the process, to its end.
async fn part(part: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    part.await
        .context("a part of the operator has a fault; please report it")?
}

/// SIGTERM, by which a kubelet asks a pod to end, or Ctrl-C.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        info!("asked to end");
    })
}

impl Shared {
    /// Waits until the process is asked to end.
    async fn end(&self) {
        let mut ending = self.ending.clone();
        let _ = ending.wait_for(|ending| *ending).await;
    }

    fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }
}

/// Health and metrics, until everything else has ended.
async fn probes(shared: Arc<Shared>, resolver: Option<CertificateResolver>) -> anyhow::Result<()> {
    let listener = listen(shared.args.metrics_port, "--metrics-port").await?;
    info!("health and metrics on {}", listener.local_addr()?);
    let readiness = admission::readiness(&shared, resolver.clone());
    let measured = Arc::clone(&shared);
    let router = probes::router(readiness, Arc::new(move || measured.metrics(resolver.as_ref())));
    Server::plain(listener, router, webhook::Limits::default())
        .run(shared.end())
        .await;
    Ok(())
}

impl Shared {
    /// The metrics, with what is looked up when they are asked for.
    fn metrics(&self, resolver: Option<&CertificateResolver>) -> String {
        if let Some(expiry) = resolver.and_then(CertificateResolver::expiry) {
            self.telemetry.certificate_expires(expiry.as_second());
        }
        let around = self.watches.surroundings();
        self.telemetry.unreadable("Module", around.unreadable.len());
        self.telemetry.problems(self.watches.problems().len());
        self.telemetry.text()
    }
}

/// Listens on IPv6 and IPv4 both; where there is no IPv6, on IPv4 alone.
async fn listen(port: u16, option: &str) -> anyhow::Result<TcpListener> {
    let listener = match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if error.kind() != ErrorKind::AddrInUse => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await,
        bound => bound,
    };
    listener.with_context(|| format!("cannot listen on port {port}; choose another with {option}"))
}

/// Stands for election, and reconciles while it leads. Hands over at the end.
async fn reconcile(shared: Arc<Shared>) -> anyhow::Result<()> {
    let args = &shared.args;
    let identity = format!("{}_{}", args.pod_name, environment::random_word());
    let lease = LeaseSettings::new(args.namespace.clone(), args.leader_election_lease.clone(), identity);
    let election = Election::start(shared.client.clone(), lease, Arc::new(environment::now));
    let operator = Operator::new(Parts {
        client: shared.client.clone(),
        watches: Arc::clone(&shared.watches),
        examiner: examiner(&shared)?,
        telemetry: Arc::clone(&shared.telemetry),
        events: Events::new(shared.client.clone(), args.pod_name.clone()),
        clock: environment::now,
        settings: controller::Settings {
            cluster_pull_secret: shared.settings.cluster_pull_secret.clone(),
            plain_toolkit_registries: shared.settings.plain_toolkit_registries.clone(),
        },
        work: shared.settings.workshop.clone().map(|workshop| {
            let jobs = JobWatches::start(&shared.client, workshop.build_with == BuildWith::OpenShift);
            (workshop, jobs)
        }),
    });
    tokio::select! {
        () = operator.run(election.leadership()) => {}
        () = shared.end() => {}
    }
    // The operator's future is dropped here: nobody writes any more when the Lease is given up.
    election.release().await;
    Ok(())
}

fn examiner(shared: &Shared) -> anyhow::Result<Examiner> {
    let sources = Sources::new(Vec::new(), shared.settings.registries.clone())?;
    let cache = Cache::new(shared.args.registries.cache_dir.clone(), Bounds::default());
    Ok(Examiner {
        inspector: Inspector::new(sources, cache, Limits::default()),
        time_limit: ROUND,
    })
}

fn log(args: &OperatorArgs) -> anyhow::Result<()> {
    let level = &args.log_level;
    let filter = EnvFilter::try_new(level).with_context(|| format!("--log-level `{level}` is no filter"))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match args.log_format {
        LogFormat::Text => log.with_ansi(environment::complaints_take_colours()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot log: {error}"))
}
