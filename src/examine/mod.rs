//! Targets → what looking at their images came to: every image is looked at once, and judged for each of its targets
//! as that target's node would meet it. Files and clusters ask in the same way.

mod example;
mod secrets;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{FutureExt, Shared};
use futures::stream::{Stream, StreamExt};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::api::Finding;
use crate::api::module::RegistryTls;
use crate::image::{Digest, LookFailure, LookFailureKind, Reference};
use crate::inspect::{ImageRequest, InspectedImage, Inspector, StageRequest};
use crate::kernel::{Architecture, KernelVersion};
use crate::kmod::judge;
use crate::kmod::load::{Load, LoadedModules, SignaturePolicy};
use crate::kmod::staged::StagedImage;
use crate::kmod::toolkit::ToolkitEvidence;
use crate::plan::{Look, Target, decides};
use crate::registry::{Access, RegistryPattern};

pub use secrets::{certificate, keyring};

/// Images looked at at the same time, whatever their registries. Each registry has a bound of its own besides.
pub const IMAGES_AT_ONCE: usize = 32;

/// Looks at the images of targets.
#[derive(Clone, Debug)]
pub struct Examiner {
    /// Looks at images.
    pub inspector: Inspector,
    /// How long all of one preflight's images may take.
    pub time_limit: TimeLimit,
}

/// A limit, and what a person can do about it.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimit {
    /// How long.
    pub duration: Duration,
    /// What sets it, as it is told to the person who meets it.
    pub set_by: &'static str,
}

/// One target whose image is to be looked at.
#[derive(Clone, Debug)]
pub struct Examination<'a> {
    /// What the caller knows it by.
    pub at: usize,
    /// The target.
    pub target: &'a Target,
    /// Whom to be at its registry.
    pub access: Access,
    /// Credentials that the Module names and that could not be had, as the end of a sentence.
    pub missing_credentials: Option<String>,
    /// The architecture of its nodes, where the target itself does not tell.
    pub architecture: Option<Architecture>,
    /// What is known of signatures where it loads.
    pub signatures: SignaturePolicy,
    /// The modules that its nodes are known to have loaded.
    pub loaded: LoadedModules,
}

/// The driver toolkit of a preflight.
#[derive(Clone, Debug)]
pub struct Toolkit<'a> {
    /// Its image, as written.
    pub image: &'a str,
    /// The target kernel.
    pub kernel: &'a KernelVersion,
    /// Whom to be at its registry.
    pub access: Access,
    /// The architecture of the nodes, where the kernel's name does not tell.
    pub architecture: Option<Architecture>,
}

/// How to talk to the registry of a driver toolkit: over plain HTTP where somebody has said that it may be. For a Module's
/// image the Module itself says so.
pub fn toolkit_tls(image: &str, plain: &[RegistryPattern]) -> RegistryTls {
    let reference = Reference::parse(image).ok();
    RegistryTls {
        insecure: reference.is_some_and(|image| plain.iter().any(|registry| registry.covers(&image))),
        ..RegistryTls::default()
    }
}

/// What looking at one target's image came to.
#[derive(Clone, Debug)]
pub enum Seen {
    /// It was read, and the rules have judged it.
    Judged {
        /// The digest that the reference named.
        digest: Digest,
        /// What the rules found, in the order in which a node would meet it.
        findings: Vec<Finding>,
    },
    /// It could not be read.
    Failed(LookFailure),
}

impl Seen {
    /// As decisions want it; `since` is when a failure began.
    pub fn into_look(self, since: Timestamp) -> Look {
        match self {
            Self::Judged { digest, findings } => Look::Judged { digest, findings },
            Self::Failed(failure) => Look::Failed { failure, since },
        }
    }
}

/// What the driver toolkit says, or why it says nothing.
type Evidence = Result<ToolkitEvidence, LookFailure>;

/// The targets that share an image, credentials and an architecture, so that each image is looked at once.
struct Group<'a> {
    request: ImageRequest,
    members: Vec<Examination<'a>>,
}

impl Examiner {
    /// Looks at every target's image, all at once; each image's targets come as soon as it was read, and all of them
    /// by the time limit.
    pub fn look<'a>(
        &'a self,
        examinations: Vec<Examination<'a>>,
        toolkit: Option<Toolkit<'a>>,
    ) -> impl Stream<Item = Vec<(usize, Seen)>> + Send + 'a {
        let deadline = Instant::now() + self.time_limit.duration;
        let evidence = async move { self.evidence(toolkit, deadline).await }.boxed().shared();
        futures::stream::iter(groups(examinations))
            .map(move |group| self.look_at(group, evidence.clone(), deadline).boxed())
            .buffer_unordered(IMAGES_AT_ONCE)
    }

    async fn look_at(
        &self,
        group: Group<'_>,
        evidence: Shared<impl Future<Output = Evidence>>,
        deadline: Instant,
    ) -> Vec<(usize, Seen)> {
        let image = match self.image(&group.request, deadline).await {
            Ok(image) => image,
            Err(failure) => {
                let failed = |member: &Examination<'_>| (member.at, Seen::Failed(explained(&failure, member)));
                return group.members.iter().map(failed).collect();
            }
        };
        let evidence = evidence.await;
        let judged = |member: &Examination<'_>| (member.at, judged(&image, member, &evidence));
        group.members.iter().map(judged).collect()
    }

    async fn image(&self, request: &ImageRequest, deadline: Instant) -> Result<InspectedImage, LookFailure> {
        debug!("{}: begun", request.reference);
        let image = timeout_at(deadline, self.inspector.image(request).boxed()).await;
        let image = image.unwrap_or_else(|_| Err(self.too_late(request)));
        match &image {
            Ok(image) => debug!("{}: read ({})", request.reference, image.digest),
            Err(failure) => debug!("{failure}"),
        }
        image
    }

    async fn evidence(&self, toolkit: Option<Toolkit<'_>>, deadline: Instant) -> Evidence {
        let Some(toolkit) = toolkit else {
            return Ok(ToolkitEvidence::NotGiven);
        };
        let reference = Reference::parse(toolkit.image);
        let request = ImageRequest {
            reference: reference.map_err(|why| LookFailure::new(LookFailureKind::NotFound, why.to_string()))?,
            access: toolkit.access,
            architecture: toolkit.kernel.architecture().or(toolkit.architecture),
        };
        let evidence = self.inspector.toolkit(&request, toolkit.kernel.raw()).boxed();
        timeout_at(deadline, evidence)
            .await
            .unwrap_or_else(|_| Err(self.too_late(&request)))
    }

    fn too_late(&self, request: &ImageRequest) -> LookFailure {
        let TimeLimit { duration, set_by } = self.time_limit;
        let message = format!(
            "{} was not read within {} s (see {set_by})",
            request.reference,
            duration.as_secs()
        );
        LookFailure::new(LookFailureKind::Unreachable, message)
    }
}

fn groups(examinations: Vec<Examination<'_>>) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<_, Group<'_>> = BTreeMap::new();
    for examination in examinations {
        let request = ImageRequest {
            reference: examination.target.image.clone(),
            access: examination.access.clone(),
            architecture: examination.target.architecture.or(examination.architecture),
        };
        let key = (
            request.reference.clone(),
            request.access.fingerprint(),
            request.architecture,
        );
        let group = groups.entry(key).or_insert_with(|| Group {
            request,
            members: Vec::new(),
        });
        group.members.push(examination);
    }
    groups.into_values().collect()
}

/// A registry cannot know of the credentials that it was not shown.
fn explained(failure: &LookFailure, member: &Examination<'_>) -> LookFailure {
    match &member.missing_credentials {
        Some(lack) if failure.kind == LookFailureKind::Denied => {
            LookFailure::new(failure.kind, format!("{}; {lack}", failure.message))
        }
        _ => failure.clone(),
    }
}

/// What one target's loader copies out of an image, and how it has that loaded.
fn met(image: &InspectedImage, member: &Examination<'_>) -> (StagedImage, Load) {
    let target = member.target;
    let staged = image.stage(&StageRequest {
        dir_name: target.modprobe.dir_name.clone(),
        kernel_folder: target.kernel.folder().to_owned(),
        firmware_path: target.modprobe.firmware_path.clone(),
    });
    let mut load = target.load(member.signatures.clone());
    load.architecture = load.architecture.or(member.architecture);
    load.loaded = member.loaded.clone();
    (staged, load)
}

/// An image as one target's loader would meet it. A toolkit that could not be reached leaves the question open.
fn judged(image: &InspectedImage, member: &Examination<'_>, evidence: &Evidence) -> Seen {
    let (staged, load) = met(image, member);
    let judge = |evidence: &ToolkitEvidence| judge(&staged, &load, evidence);
    let findings = match evidence {
        Ok(evidence) => judge(evidence),
        Err(failure) if failure.kind == LookFailureKind::Unreachable => {
            if !decides(&judge(&ToolkitEvidence::NotGiven)) {
                let message = format!("the driver toolkit could not be read: {}", failure.message);
                return Seen::Failed(LookFailure::new(failure.kind, message));
            }
            judge(&ToolkitEvidence::Unreadable(failure.message.clone()))
        }
        Err(failure) => judge(&ToolkitEvidence::Unreadable(failure.message.clone())),
    };
    Seen::Judged {
        digest: image.digest.clone(),
        findings,
    }
}
