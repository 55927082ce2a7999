//! `operator`: one process that serves admission and reconciles. Wires the rooms, and ends in order: no request that
//! was accepted is lost, no write comes after the Lease is given up.
#![expect(clippy::disallowed_types, reason = "hands the client to the rooms that use it")]

mod admission;
mod args;
mod settings;
mod trust;
mod workshop;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kube::config::InferConfigError;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use webhook_certs::CertificateResolver;

use self::admission::Certificate;

use self::args::LogFormat;
pub(super) use self::args::OperatorArgs;
use self::settings::OperatorSettings;
use self::trust::CaFiles;
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
    // Seen before it is read: what changes in between is told of.
    let trusted = CaFiles::new(&args.registries.ca_files);
    let settings = OperatorSettings::new(&args, environment::variable)?;
    log(&args)?;
    let (answering, reconciling) = (threads("answers")?, threads("reconciles")?);
    let ended = reconciling.block_on(operate(args, settings, trusted, answering.handle().clone()));
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
async fn operate(
    args: OperatorArgs,
    settings: OperatorSettings,
    trusted: CaFiles,
    answering: Handle,
) -> anyhow::Result<()> {
    let (end, ending) = watch::channel(false);
    let stop = stop_signal()?;
    tokio::spawn(async move {
        stop.await;
        end.send_replace(true);
        // Held until the process ends: what watches it must not take its loss for an answer.
        end.closed().await;
    });
    let config = Config::infer().await.map_err(|why| no_cluster(&why))?;
    info!(server = %config.cluster_url, "the API server that is asked");
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
        part(tokio::spawn(reconcile(Arc::clone(&shared), trusted))),
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
async fn reconcile(shared: Arc<Shared>, mut trusted: CaFiles) -> anyhow::Result<()> {
    let args = &shared.args;
    let identity = format!("{}_{}", args.pod_name, environment::random_word());
    let lease = LeaseSettings::new(args.namespace.clone(), args.leader_election_lease.clone(), identity);
    let election = Election::start(shared.client.clone(), lease, Arc::new(environment::now));
    let workshop = shared.settings.workshop.as_ref();
    let jobs = workshop.map(|set| JobWatches::start(&shared.client, set.build_with == BuildWith::OpenShift));
    let mut tools = Tools::new(args, shared.settings.clone())?;
    loop {
        let operator = shared.operator(tools, jobs.clone());
        // The operator's future is dropped in the other two cases: nobody writes any more when the Lease is given up, or when the
        // next one begins.
        tokio::select! {
            () = operator.run(election.leadership()) => break,
            () = shared.end() => break,
            renewed = Tools::renewed(args, &mut trusted) => tools = renewed,
        }
    }
    election.release().await;
    Ok(())
}

/// What an operator works with that rests on files.
struct Tools {
    settings: OperatorSettings,
    examiner: Examiner,
}

impl Tools {
    fn new(args: &OperatorArgs, settings: OperatorSettings) -> anyhow::Result<Self> {
        let sources = Sources::new(Vec::new(), settings.registries.clone())?;
        let cache = Cache::new(args.registries.cache_dir.clone(), Bounds::default());
        let examiner = Examiner {
            inspector: Inspector::new(sources, cache, Limits::default()),
            time_limit: ROUND,
        };
        Ok(Self { settings, examiner })
    }

    /// Waits until the CA files have changed into something that can be used. Everything is looked at anew with these, as after a
    /// restart; but admission goes on, and so does leading.
    async fn renewed(args: &OperatorArgs, trusted: &mut CaFiles) -> Self {
        loop {
            trusted.changed().await;
            let settings = OperatorSettings::new(args, environment::variable).map_err(anyhow::Error::from);
            match settings.and_then(|settings| Self::new(args, settings)) {
                Ok(tools) => {
                    info!(
                        "the CA files have changed: from now on registries, and the registries of new Jobs, are trusted by what stands in them"
                    );
                    return tools;
                }
                Err(wrong) => {
                    warn!(
                        "the CA files have changed, and what they said before counts until this is mended: {wrong:#}"
                    );
                }
            }
        }
    }
}

impl Shared {
    fn operator(&self, tools: Tools, jobs: Option<Arc<JobWatches>>) -> Arc<Operator> {
        let Tools { settings, examiner } = tools;
        Operator::new(Parts {
            client: self.client.clone(),
            watches: Arc::clone(&self.watches),
            examiner,
            telemetry: Arc::clone(&self.telemetry),
            events: Events::new(self.client.clone(), self.args.pod_name.clone()),
            clock: environment::now,
            settings: controller::Settings {
                cluster_pull_secret: settings.cluster_pull_secret,
                plain_toolkit_registries: settings.plain_toolkit_registries,
            },
            work: settings.workshop.zip(jobs),
        })
    }
}

/// Why no cluster is known. The error itself names what it comes from, so that its causes are left out.
fn no_cluster(why: &InferConfigError) -> anyhow::Error {
    anyhow::anyhow!(
        "no cluster: neither is this a pod, nor is there a kubeconfig that can be used: {why}; name one in $KUBECONFIG, with a \
         current context"
    )
}

/// What is logged. Two libraries tell of each attempt what is told in full elsewhere: of certificates that cannot be trusted, the
/// rows that they keep from an answer; of requests to the API server, whoever made them.
fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    const TOLD_ELSEWHERE: [&str; 2] = ["rustls_platform_verifier", "kube_client::client::builder"];
    let lone = |part: &&str| !part.is_empty() && !part.contains(['=', '[', ':']);
    // A filter takes a word that is no level for the name of a library, and then nothing of ours is logged.
    for word in level.split(',').map(str::trim).filter(lone) {
        let known = word.parse::<LevelFilter>().is_ok();
        anyhow::ensure!(
            known,
            "--log-level `{level}`: `{word}` is none of error, warn, info, debug, trace and off; of one library it is written {word}=info"
        );
    }
    let unasked = TOLD_ELSEWHERE.iter().filter(|name| !level.contains(**name));
    let all = unasked.fold(level.to_owned(), |all, name| format!("{all},{name}=off"));
    EnvFilter::try_new(all).with_context(|| format!("--log-level `{level}` is no filter"))
}

fn log(args: &OperatorArgs) -> anyhow::Result<()> {
    let level = &args.log_level;
    let filter = filter(level)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match args.log_format {
        LogFormat::Text => log.with_ansi(environment::complaints_take_colours()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot log: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_refused_and_what_rows_tell_is_not_logged_again() {
        for good in [
            "info",
            "warn,kmm_preflight=debug",
            "INFO",
            "kmm_preflight::webhook=trace",
        ] {
            let told = filter(good).expect(good).to_string();
            assert!(
                told.contains("rustls_platform_verifier=off") && told.contains("kube_client::client::builder=off"),
                "{told}"
            );
        }
        let asked = filter("info,rustls_platform_verifier=error")
            .expect("a filter")
            .to_string();
        assert!(!asked.contains("rustls_platform_verifier=off"), "{asked}");
        let refused = filter("verbose").expect_err("a refusal").to_string();
        assert!(refused.contains("`verbose` is none of error, warn, info"), "{refused}");
    }
}
