//! One preflight over files: resolve every Module, look at every image at once, judge, decide.
//!
//! The engine knows nothing of files or terminals. It is given a question and an inspector, and returns the
//! object as a cluster would show it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{FutureExt, Shared};
use futures::stream::StreamExt;
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::answer::answered;
use super::credentials::Credentials;
use super::{Progress, ProgressEvent, Question};
use crate::api::PreflightValidationOCP;
use crate::image::{LookFailure, LookFailureKind, Reference};
use crate::inspect::{ImageRequest, InspectedImage, Inspector, StageRequest};
use crate::kmod::judge;
use crate::kmod::toolkit::ToolkitEvidence;
use crate::plan::{self, Look, Resolution, Subject, Supplies, Target, Verdict, World};

/// Images looked at at the same time, whatever their registries. Each registry has a bound of its own besides.
const IMAGES_AT_ONCE: usize = 64;

/// What the engine works with.
pub struct Engine {
    /// Looks at images.
    pub inspector: Inspector,
    /// Whom to be at which registry.
    pub credentials: Credentials,
    /// Told of every Module that has its verdict.
    pub progress: Progress,
    /// How long one preflight may take in all.
    pub time_limit: Duration,
}

/// What the driver toolkit says, or why it says nothing.
type Toolkit = Result<ToolkitEvidence, LookFailure>;

/// The targets that share an image, credentials and an architecture, so that each image is looked at once.
struct Group<'a> {
    request: ImageRequest,
    targets: Vec<(usize, &'a Target)>,
}

impl Engine {
    /// Answers a question: every Module gets a row, by the time limit at the latest.
    pub async fn answer(&self, question: &Question, now: Timestamp) -> PreflightValidationOCP {
        let subjects = subjects(question);
        let supplies = Supplies::from_files(&question.config_maps, &question.secrets);
        let world = World {
            subjects: &subjects,
            supplies: &supplies,
            toolkit_image: question.preflight.spec.dtk_image.as_deref(),
            push_built_image: question.preflight.spec.push_built_image.unwrap_or_default(),
        };
        self.progress.tell(ProgressEvent::Total(subjects.len()));
        let verdicts = self.verdicts(question, &world, now).await;
        answered(&question.preflight, &subjects, verdicts, now)
    }

    async fn verdicts(&self, question: &Question, world: &World<'_>, now: Timestamp) -> Vec<Verdict> {
        let deadline = Instant::now() + self.time_limit;
        let toolkit = self.toolkit(question, deadline).boxed().shared();
        let mut verdicts = plan::decide(world, |_| &Look::Pending, now);
        let mut seen = futures::stream::iter(self.groups(question, world.subjects))
            .map(|group| self.look(group, question, toolkit.clone(), deadline, now))
            .buffer_unordered(IMAGES_AT_ONCE);
        while let Some(looks) = seen.next().await {
            for (at, look) in looks {
                if let (Some(subject), Some(slot)) = (world.subjects.get(at), verdicts.get_mut(at)) {
                    *slot = plan::verdict(world, subject, &look, now);
                    self.tell(subject, slot);
                }
            }
        }
        verdicts
    }

    fn groups<'a>(&self, question: &Question, subjects: &'a [Subject]) -> Vec<Group<'a>> {
        let mut groups: BTreeMap<_, Group<'a>> = BTreeMap::new();
        for (at, subject) in subjects.iter().enumerate() {
            let Resolution::Target(target) = &subject.resolution else {
                continue;
            };
            let access = self.credentials.of(target);
            let architecture = target.architecture.or(question.options.architecture);
            groups
                .entry((target.image.to_string(), access.fingerprint(), architecture))
                .or_insert_with(|| Group {
                    request: ImageRequest {
                        reference: target.image.clone(),
                        access,
                        architecture,
                    },
                    targets: Vec::new(),
                })
                .targets
                .push((at, target));
        }
        groups.into_values().collect()
    }

    async fn look(
        &self,
        group: Group<'_>,
        question: &Question,
        toolkit: Shared<impl Future<Output = Toolkit>>,
        deadline: Instant,
        now: Timestamp,
    ) -> Vec<(usize, Look)> {
        let image = timeout_at(deadline, self.inspector.image(&group.request)).await;
        let image = image.unwrap_or_else(|_| Err(self.too_late(&group.request)));
        match image {
            Ok(image) => {
                let toolkit = toolkit.await;
                let judge = |target: &Target| judged(&image, target, question, &toolkit, now);
                group
                    .targets
                    .into_iter()
                    .map(|(at, target)| (at, judge(target)))
                    .collect()
            }
            Err(failure) => {
                let look = Look::Failed { failure, since: now };
                group.targets.into_iter().map(|(at, _)| (at, look.clone())).collect()
            }
        }
    }

    async fn toolkit(&self, question: &Question, deadline: Instant) -> Toolkit {
        let Some(image) = question.preflight.spec.dtk_image.as_deref() else {
            return Ok(ToolkitEvidence::NotGiven);
        };
        let reference =
            Reference::parse(image).map_err(|why| LookFailure::new(LookFailureKind::NotFound, why.to_string()))?;
        let architecture = question.kernel.architecture().or(question.options.architecture);
        let request = ImageRequest {
            reference,
            access: self.credentials.own(),
            architecture,
        };
        let evidence = timeout_at(deadline, self.inspector.toolkit(&request, question.kernel.raw())).await;
        evidence.unwrap_or_else(|_| Err(self.too_late(&request)))
    }

    fn too_late(&self, request: &ImageRequest) -> LookFailure {
        LookFailure::new(
            LookFailureKind::Unreachable,
            format!(
                "{} was not read within {} s (see --timeout)",
                request.reference,
                self.time_limit.as_secs()
            ),
        )
    }

    fn tell(&self, subject: &Subject, verdict: &Verdict) {
        self.progress.tell(ProgressEvent::ModuleDone {
            namespace: subject.namespace.clone(),
            name: subject.name.clone(),
            status: verdict.status,
        });
    }
}

fn subjects(question: &Question) -> Vec<Subject> {
    let resolve = |module| Subject::resolve(module, &question.kernel);
    let mut subjects: Vec<Subject> = question.modules.iter().map(resolve).collect();
    subjects.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    subjects
}

/// An image as one target's loader would meet it. A toolkit that could not be reached leaves the question open.
fn judged(image: &InspectedImage, target: &Target, question: &Question, toolkit: &Toolkit, now: Timestamp) -> Look {
    let staged = image.stage(&StageRequest {
        dir_name: target.modprobe.dir_name.clone(),
        kernel_folder: target.kernel.folder().to_owned(),
        firmware_path: target.modprobe.firmware_path.clone(),
    });
    let mut load = target.load(question.signatures(target));
    load.architecture = load.architecture.or(question.options.architecture);
    let (findings, unreachable) = match toolkit {
        Ok(evidence) => (judge(&staged, &load, evidence), None),
        Err(failure) => {
            let evidence = ToolkitEvidence::Unreadable(failure.message.clone());
            let unreachable = Some(failure).filter(|failure| failure.kind == LookFailureKind::Unreachable);
            (judge(&staged, &load, &evidence), unreachable)
        }
    };
    match unreachable {
        Some(failure) if !plan::decides(&findings) => {
            let message = format!("the driver toolkit could not be read: {}", failure.message);
            Look::Failed {
                failure: LookFailure::new(failure.kind, message),
                since: now,
            }
        }
        _ => Look::Judged {
            digest: image.digest.clone(),
            findings,
        },
    }
}
