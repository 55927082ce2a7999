//! Secrets for one round of looks: fetched by name, used, and let go. A Module's pull secret is read from its own
//! namespace alone.
#![expect(clippy::disallowed_types, reason = "hands the client to the cluster room")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use tokio::sync::mpsc;

use super::Operator;
use super::gathered::Gathered;
use super::look::Report;
use crate::api::module::RegistryTls;
use crate::cluster::{CallError, secrets};
use crate::examine::{certificate, keyring};
use crate::image::{LookFailure, LookFailureKind};
use crate::kmod::load::{Enforcement, SignaturePolicy};
use crate::kmod::signature::Certificate;
use crate::plan::{KnownSecret, ObjectName, Target};
use crate::registry::{Access, Keyring};

/// Secrets that are fetched at once: a thousand Modules may name a thousand.
const AT_ONCE: usize = 8;
/// The service account whose pull secrets count where a Module names neither.
const DEFAULT_ACCOUNT: &str = "default";

/// Why the cluster's pull secret does not count for a Module.
const WITHHELD: &str = "the cluster's pull secret is not used where registryTLS is relaxed; trust the registry's CA \
                        (--ca-file) instead, or give the Module a pull secret of its own";

/// The credentials and certificates of one round.
#[derive(Default)]
pub(super) struct Wallet {
    /// The cluster's own pull secret, which counts after everybody's.
    cluster: Keyring,
    purses: BTreeMap<Source, Purse>,
    supplies: BTreeMap<ObjectName, Supply>,
}

/// Where a target's credentials come from, in its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Secret(ObjectName),
    Account(ObjectName),
}

/// What a source came to.
enum Purse {
    /// Credentials that the Module may show.
    Open(Credentials),
    /// Why they could not be read, which leaves the question open.
    Shut(String),
}

/// What a Module may show to its registry.
struct Credentials {
    /// Those of its namespace.
    own: Arc<Keyring>,
    /// The same, and where they lead nowhere, the cluster's.
    all: Arc<Keyring>,
    /// What is wrong with its own, as a sentence.
    lack: Option<String>,
}

/// A Secret that a build or a signature needs.
struct Supply {
    known: KnownSecret,
    certificate: Option<Certificate>,
}

impl Wallet {
    /// Fetches what these targets name. Of a Secret with a key in it only the metadata is asked for.
    pub(super) async fn fetch(client: &Client, targets: &[&Target], cluster: Option<&ObjectName>) -> Self {
        let cluster = match cluster {
            Some(name) => clusters_keyring(client, name).await,
            None => Keyring::default(),
        };
        let sources: BTreeSet<Source> = targets.iter().map(|target| Source::of(target)).collect();
        let purses = stream::iter(sources).map(|source| source.open(client, &cluster));
        let purses = purses.buffer_unordered(AT_ONCE).collect().await;
        let supplies = targets
            .iter()
            .flat_map(|target| making(target).into_iter().chain(pull(target)));
        Self {
            cluster,
            purses,
            supplies: supplies_of(client, supplies.collect()).await,
        }
    }

    /// Fetches no credentials: only what these targets are built with and signed by.
    async fn fetch_supplies(client: &Client, targets: impl IntoIterator<Item = &Target>) -> Self {
        let supplies = targets.into_iter().flat_map(making).collect();
        Self {
            supplies: supplies_of(client, supplies).await,
            ..Self::default()
        }
    }

    /// Whom to be at a target's registry, and what the credentials that it names lack.
    ///
    /// # Errors
    /// Its credentials could not be read: what a registry would say without them says nothing.
    pub(super) fn access(&self, target: &Target) -> Result<(Access, Option<String>), LookFailure> {
        match self.purses.get(&Source::of(target)) {
            Some(Purse::Open(credentials)) => Ok(credentials.access(target.registry_tls)),
            Some(Purse::Shut(why)) => Err(LookFailure::new(LookFailureKind::Unreachable, why.clone())),
            None => Ok((Access::new(Arc::default(), target.registry_tls), None)),
        }
    }

    /// Whom to be at the registry of a driver toolkit, which belongs to no Module.
    pub(super) fn own(&self, tls: RegistryTls) -> Access {
        Access::new(Arc::new(self.cluster.clone()), tls)
    }

    /// What is known of signatures where a target loads.
    pub(super) fn signatures(&self, target: &Target) -> SignaturePolicy {
        signatures(target, |name| self.supplies.get(name)?.certificate.as_ref())
    }

    /// The certificates that Modules are signed with, by their Secrets.
    pub(super) fn certificates(&self) -> BTreeMap<ObjectName, Certificate> {
        let of = |(name, supply): (&ObjectName, &Supply)| Some((name.clone(), supply.certificate.clone()?));
        self.supplies.iter().filter_map(of).collect()
    }

    /// What is known of the Secrets that builds and signatures need.
    pub(super) fn known(&self) -> BTreeMap<ObjectName, KnownSecret> {
        let known = |(name, supply): (&ObjectName, &Supply)| (name.clone(), supply.known.clone());
        self.supplies.iter().map(known).collect()
    }
}

/// What is known of signatures where a target loads: a sign section is judged as enforced, by its certificate.
pub(super) fn signatures<'a>(
    target: &Target,
    certificate: impl Fn(&ObjectName) -> Option<&'a Certificate>,
) -> SignaturePolicy {
    let Some(sign) = &target.sign else {
        return SignaturePolicy::default();
    };
    let name = (target.namespace.clone(), sign.cert_secret.name.clone());
    SignaturePolicy {
        enforced: Some(Enforcement::SignSection),
        trusted: certificate(&name).cloned().into_iter().collect(),
    }
}

impl Source {
    fn of(target: &Target) -> Self {
        let named = |name: &str| (target.namespace.clone(), name.to_owned());
        match (&target.pull_secret, &target.service_account) {
            (Some(secret), _) => Self::Secret(named(secret)),
            (None, account) => Self::Account(named(account.as_deref().unwrap_or(DEFAULT_ACCOUNT))),
        }
    }

    async fn open(self, client: &Client, cluster: &Keyring) -> (Self, Purse) {
        let purse = match &self {
            Self::Secret(name) => Purse::of_secret(client, name).await,
            Self::Account(name) => Purse::of_account(client, name).await,
        };
        (self, purse.then(cluster))
    }
}

impl Purse {
    async fn of_secret(client: &Client, (namespace, name): &ObjectName) -> Self {
        let named = format!("the pull secret {namespace}/{name}");
        let but = |problem: &str| Some(format!("{named} of the Module {problem}"));
        let (found, lack) = match secrets::secret(client, namespace, name).await {
            Err(why) => return Self::Shut(format!("{named} could not be read: {why}")),
            Ok(None) => (None, but("does not exist")),
            Ok(Some(secret)) => match keyring(&secret) {
                Some(Ok(keyring)) => (Some(keyring), None),
                Some(Err(why)) => (None, but(&format!("cannot be used: {why}"))),
                None => (None, but("is of no type that holds credentials")),
            },
        };
        Self::Open(Credentials::new(found.unwrap_or_default(), lack))
    }

    /// The pull secrets of a service account; those that are missing or damaged are passed over, as the kubelet does.
    async fn of_account(client: &Client, (namespace, account): &ObjectName) -> Self {
        match account_keyring(client, namespace, account).await {
            Ok(keyring) => Self::Open(Credentials::new(keyring, None)),
            Err(why) => Self::Shut(format!(
                "the pull secrets of the service account {namespace}/{account} could not be read: {why}"
            )),
        }
    }

    /// The same, and where these credentials lead nowhere, the others.
    fn then(self, other: &Keyring) -> Self {
        match self {
            Self::Open(Credentials { own, lack, .. }) => {
                let all = Arc::new(Keyring::clone(&own).then(other.clone()));
                Self::Open(Credentials { own, all, lack })
            }
            Self::Shut(why) => Self::Shut(why),
        }
    }
}

impl Credentials {
    fn new(own: Keyring, lack: Option<String>) -> Self {
        let own = Arc::new(own);
        let all = Arc::clone(&own);
        Self { own, all, lack }
    }

    /// Whom to be where TLS is as strict as this, and what is missing there. A Module's author may relax TLS for what is
    /// the namespace's own; what is the cluster's must not be read by whoever stands in the way, or in the registry's
    /// place.
    fn access(&self, tls: RegistryTls) -> (Access, Option<String>) {
        if !tls.insecure && !tls.insecure_skip_tls_verify {
            return (Access::new(Arc::clone(&self.all), tls), self.lack.clone());
        }
        let is_withheld = self.own.fingerprint() != self.all.fingerprint();
        let withheld = is_withheld.then(|| WITHHELD.to_owned());
        (Access::new(Arc::clone(&self.own), tls), self.lack.clone().or(withheld))
    }
}

async fn account_keyring(client: &Client, namespace: &str, account: &str) -> Result<Keyring, CallError> {
    let names = secrets::pull_secret_names(client, namespace, account).await?;
    let found = secrets::pull_secrets(client, namespace, &names.unwrap_or_default()).await?;
    let keyrings = found.iter().filter_map(|(_, secret)| keyring(secret.as_ref()?)?.ok());
    Ok(keyrings.fold(Keyring::default(), Keyring::then))
}

/// The administrator's own pull secret. Where it is not to be had, the others still count.
async fn clusters_keyring(client: &Client, (namespace, name): &ObjectName) -> Keyring {
    let problem = match secrets::secret(client, namespace, name).await {
        Ok(Some(secret)) => match keyring(&secret) {
            Some(Ok(keyring)) => return keyring,
            Some(Err(why)) => why,
            None => "it is of no type that holds credentials".to_owned(),
        },
        Ok(None) => "it does not exist".to_owned(),
        Err(why) => why.to_string(),
    };
    tracing::warn!("the cluster's pull secret {namespace}/{name} is not used: {problem}");
    Keyring::default()
}

/// Asks for the Secrets again that verified Modules are built with and signed by, and for nothing else.
pub(super) async fn secrets_again(
    operator: Arc<Operator>,
    gathered: Arc<Gathered>,
    names: Vec<ObjectName>,
    reports: mpsc::Sender<Report>,
) {
    let targets = names.iter().filter_map(|name| gathered.case(name)?.target());
    let wallet = Wallet::fetch_supplies(&operator.client, targets).await;
    // In this order: what has changed is due at once, not after the next pause. Nobody listens where the preflight is gone.
    let secrets = Report::Secrets(wallet.known(), wallet.certificates());
    for report in [Report::Asked(names), secrets] {
        let _ = reports.send(report).await;
    }
}

/// What there is in these Secrets; those that could not be asked for are left out. With each stands whether it may be read.
async fn supplies_of(client: &Client, wanted: BTreeMap<ObjectName, bool>) -> BTreeMap<ObjectName, Supply> {
    let supplies = stream::iter(wanted).map(|(name, is_public)| supply(client, name, is_public));
    let supplies: Vec<_> = supplies.buffer_unordered(AT_ONCE).collect().await;
    supplies.into_iter().flatten().collect()
}

/// The Secrets that a target's build and signature need, and whether what stands in them is public: a certificate is.
fn making(target: &Target) -> Vec<(ObjectName, bool)> {
    let named = |name: &str| (target.namespace.clone(), name.to_owned());
    let mut wanted = Vec::new();
    if let Some(sign) = &target.sign {
        wanted.push((named(&sign.key_secret.name), false));
        // The same Secret may hold the key: then what is not ours to see stands beside what is.
        wanted.push((
            named(&sign.cert_secret.name),
            sign.cert_secret.name != sign.key_secret.name,
        ));
    }
    if let Some(build) = &target.build {
        wanted.extend(build.secrets.iter().map(|secret| (named(&secret.name), false)));
    }
    wanted
}

/// The Secret that what is made is pulled and pushed with.
fn pull(target: &Target) -> Option<(ObjectName, bool)> {
    let secret = target.pull_secret.as_ref().filter(|_| target.can_be_made())?;
    Some(((target.namespace.clone(), secret.clone()), false))
}

/// What is known of a Secret; nothing where it could not be asked for.
async fn supply(client: &Client, name: ObjectName, is_public: bool) -> Option<(ObjectName, Supply)> {
    let found = if is_public {
        secrets::secret(client, &name.0, &name.1)
            .await
            .map(|found| found.map(Supply::read))
    } else {
        let metadata = secrets::secret_metadata(client, &name.0, &name.1).await;
        metadata.map(|found| found.map(|metadata| Supply::of(KnownSecret::known_by(&metadata))))
    };
    match found {
        Ok(found) => Some((name, found.unwrap_or_else(|| Supply::of(KnownSecret::Absent)))),
        Err(why) => {
            tracing::debug!("the Secret {}/{} could not be asked for: {why}", name.0, name.1);
            None
        }
    }
}

impl Supply {
    fn of(known: KnownSecret) -> Self {
        let certificate = None;
        Self { known, certificate }
    }

    #[expect(clippy::needless_pass_by_value, reason = "what a Secret holds is let go here")]
    fn read(secret: Secret) -> Self {
        Self {
            known: KnownSecret::keys_of(&secret),
            certificate: certificate(&secret).and_then(Result::ok),
        }
    }
}
