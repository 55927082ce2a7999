//! The webhook of one replica: where its certificate comes from, and how it is served.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::map_response;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;
use tokio::time::sleep;
use tracing::info;
use webhook_certs::{CertificateResolver, Keeper, MountedFiles, Settings, WebhookConfiguration};

use super::args::CertificateSource;
use super::{Shared, listen};
use crate::cli::environment;
use crate::cluster::FIELD_MANAGER;
use crate::webhook::probes::Readiness;
use crate::webhook::{Bounds, Knowledge, Limits, Observation, Observer, Server, router};

/// Who keeps the certificate.
pub(super) enum Certificate {
    /// Nobody: there is no webhook.
    Unwanted,
    /// This program, in a Secret.
    Kept(Box<Keeper>),
    /// Somebody else, in files.
    Mounted(Box<MountedFiles>),
}

impl Certificate {
    /// The certificate that the settings ask for. Nothing is read yet.
    pub(super) fn of(shared: &Shared) -> Self {
        let args = &shared.args.admission;
        match (&shared.settings.names, args.certificates) {
            _ if args.no_webhook => Self::Unwanted,
            (Some(names), CertificateSource::SelfMade) => {
                let (namespace, secret) = (&shared.args.namespace, &args.certificate_secret);
                let mut settings = Settings::new(namespace, secret, names.clone(), FIELD_MANAGER);
                let configuration = &args.webhook_configuration;
                settings.configurations = vec![
                    WebhookConfiguration::Mutating(configuration.clone()),
                    WebhookConfiguration::Validating(configuration.clone()),
                ];
                let keeper = Keeper::new(shared.client.clone(), settings, Box::new(environment::now));
                Self::Kept(Box::new(keeper))
            }
            _ => Self::Mounted(Box::new(MountedFiles::new(&args.certificate_dir))),
        }
    }

    /// What the TLS server asks.
    pub(super) fn resolver(&self) -> Option<CertificateResolver> {
        match self {
            Self::Unwanted => None,
            Self::Kept(keeper) => Some(keeper.resolver()),
            Self::Mounted(files) => Some(files.resolver()),
        }
    }

    async fn keep(self) -> Infallible {
        match self {
            Self::Unwanted => std::future::pending().await,
            Self::Kept(keeper) => keeper.run().await,
            Self::Mounted(files) => files.run().await,
        }
    }
}

/// Whether the API server should send reviews here.
pub(super) fn readiness(shared: &Arc<Shared>, resolver: Option<CertificateResolver>) -> Readiness {
    let shared = Arc::clone(shared);
    Arc::new(move || match &resolver {
        _ if shared.is_ending() => Err("ending"),
        Some(resolver) if !resolver.is_ready() => Err("no certificate yet"),
        _ => Ok(()),
    })
}

/// For how long admission goes on after the process was asked to end: until every API server has heard that this pod
/// is leaving, and has had its connections closed with an answer. On a busy control plane 5 s were not enough.
const LEAVING: Duration = Duration::from_secs(10);

/// Waits until the process is asked to end, and API servers know.
async fn left(shared: &Shared) {
    shared.end().await;
    sleep(LEAVING).await;
}

/// Tells an HTTP/1 client (as API servers are to webhooks) to go elsewhere with its next request. Were the connection
/// closed while it is idle, a request could be on its way already, and Go sends no POST twice.
fn last_of_its_connection(mut response: Response) -> Response {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

/// Serves admission until the process is asked to end and every accepted request has its answer.
pub(super) async fn serve(shared: Arc<Shared>, certificate: Certificate) -> anyhow::Result<()> {
    let Some(resolver) = certificate.resolver() else {
        shared.end().await;
        return Ok(());
    };
    let listener = listen(shared.args.admission.webhook_port, "--webhook-port").await?;
    info!("admission on {}", listener.local_addr()?);
    let router = router::router(knowledge(&shared), observer(&shared), &Bounds::default());
    let leaving = Arc::clone(&shared);
    let router = router.layer(map_response(move |response| {
        let leaving = leaving.is_ending();
        async move {
            if leaving {
                last_of_its_connection(response)
            } else {
                response
            }
        }
    }));
    let server = Server::tls(listener, Arc::new(resolver), router, Limits::default())?;
    tokio::select! {
        () = server.run(left(&shared)) => Ok(()),
        never = certificate.keep() => match never {},
    }
}

fn knowledge(shared: &Arc<Shared>) -> Knowledge {
    let watches = Arc::clone(&shared.watches);
    Arc::new(move || watches.surroundings())
}

fn observer(shared: &Arc<Shared>) -> Observer {
    let telemetry = Arc::clone(&shared.telemetry);
    Arc::new(move |observation: Observation| {
        let (operation, outcome) = (observation.operation.as_str(), observation.outcome.as_str());
        telemetry.admitted(operation, outcome, observation.elapsed.as_secs_f64());
    })
}
