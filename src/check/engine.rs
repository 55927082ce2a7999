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
use crate::plan::{self, Look, Subject, Supplies, Target, Verdict, World};

/// Images looked at at the same time, whatever their registries. Each registry has a bound of its own besides.
const IMAGES_AT_ONCE: usize = 32;

/// What questions are answered with.
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

/// One question on its way to an answer.
struct Asking<'a> {
    engine: &'a Engine,
    question: &'a Question,
    deadline: Instant,
    now: Timestamp,
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
        let deadline = Instant::now() + self.time_limit;
        let asking = Asking {
            engine: self,
            question,
            deadline,
            now,
        };
        let verdicts = asking.verdicts(&world).await;
        answered(&question.preflight, &subjects, verdicts, now)
    }
}

impl Asking<'_> {
    async fn verdicts(&self, world: &World<'_>) -> Vec<Verdict> {
        let toolkit = self.toolkit().boxed().shared();
        let mut verdicts = plan::decide(world, |_| &Look::Pending, self.now);
        self.tell_of_what_needs_no_look(world.subjects, &verdicts);
        let mut seen = futures::stream::iter(self.groups(world.subjects))
            .map(|group| self.look(group, toolkit.clone()).boxed())
            .buffer_unordered(IMAGES_AT_ONCE);
        while let Some(looks) = seen.next().await {
            for (at, look) in looks {
                if let (Some(subject), Some(slot)) = (world.subjects.get(at), verdicts.get_mut(at)) {
                    *slot = plan::verdict(world, subject, &look, self.now);
                    self.tell(subject, slot);
                }
            }
        }
        verdicts
    }

    fn groups<'t>(&self, subjects: &'t [Subject]) -> Vec<Group<'t>> {
        let mut groups: BTreeMap<_, Group<'t>> = BTreeMap::new();
        for (at, target) in subjects
            .iter()
            .enumerate()
            .filter_map(|(at, subject)| Some((at, subject.target()?)))
        {
            let request = self.request(target);
            let key = (
                request.reference.clone(),
                request.access.fingerprint(),
                request.architecture,
            );
            let group = groups.entry(key).or_insert_with(|| Group {
                request,
                targets: Vec::new(),
            });
            group.targets.push((at, target));
        }
        groups.into_values().collect()
    }

    fn request(&self, target: &Target) -> ImageRequest {
        ImageRequest {
            reference: target.image.clone(),
            access: self.engine.credentials.of(target),
            architecture: target.architecture.or(self.question.options.architecture),
        }
    }

    async fn look(&self, group: Group<'_>, toolkit: Shared<impl Future<Output = Toolkit>>) -> Vec<(usize, Look)> {
        let image = timeout_at(self.deadline, self.engine.inspector.image(&group.request).boxed()).await;
        let image = match image.unwrap_or_else(|_| Err(self.too_late(&group.request))) {
            Ok(image) => image,
            Err(failure) => {
                let look = |target| Look::Failed {
                    failure: self.explained(&failure, target),
                    since: self.now,
                };
                return group.targets.iter().map(|(at, target)| (*at, look(target))).collect();
            }
        };
        let toolkit = toolkit.await;
        group
            .targets
            .into_iter()
            .map(|(at, target)| (at, self.judged(&image, target, &toolkit)))
            .collect()
    }

    /// A registry cannot know that the credentials it misses stand in a Secret that nobody gave.
    fn explained(&self, failure: &LookFailure, target: &Target) -> LookFailure {
        let secret = match failure.kind {
            LookFailureKind::Denied => self.engine.credentials.absent_secret(target),
            _ => None,
        };
        secret.map_or_else(
            || failure.clone(),
            |secret| {
                let said = &failure.message;
                let lack = format!("the pull secret {secret} of the Module was not given, or holds no credentials");
                LookFailure::new(failure.kind, format!("{said}; {lack}"))
            },
        )
    }

    /// An image as one target's loader would meet it. A toolkit that could not be reached leaves the question open.
    fn judged(&self, image: &InspectedImage, target: &Target, toolkit: &Toolkit) -> Look {
        let staged = image.stage(&StageRequest {
            dir_name: target.modprobe.dir_name.clone(),
            kernel_folder: target.kernel.folder().to_owned(),
            firmware_path: target.modprobe.firmware_path.clone(),
        });
        let mut load = target.load(self.question.signatures(target));
        load.architecture = load.architecture.or(self.question.options.architecture);
        let failure = match toolkit {
            Ok(evidence) => {
                return Look::Judged {
                    digest: image.digest.clone(),
                    findings: judge(&staged, &load, evidence),
                };
            }
            Err(failure) => failure,
        };
        let findings = judge(&staged, &load, &ToolkitEvidence::NotGiven);
        if failure.kind == LookFailureKind::Unreachable && !plan::decides(&findings) {
            let message = format!("the driver toolkit could not be read: {}", failure.message);
            return Look::Failed {
                failure: LookFailure::new(failure.kind, message),
                since: self.now,
            };
        }
        let evidence = ToolkitEvidence::Unreadable(failure.message.clone());
        Look::Judged {
            digest: image.digest.clone(),
            findings: judge(&staged, &load, &evidence),
        }
    }

    async fn toolkit(&self) -> Toolkit {
        let Some(image) = self.question.preflight.spec.dtk_image.as_deref() else {
            return Ok(ToolkitEvidence::NotGiven);
        };
        let reference = Reference::parse(image);
        let request = ImageRequest {
            reference: reference.map_err(|why| LookFailure::new(LookFailureKind::NotFound, why.to_string()))?,
            access: self.engine.credentials.own(),
            architecture: self
                .question
                .kernel
                .architecture()
                .or(self.question.options.architecture),
        };
        let evidence = self
            .engine
            .inspector
            .toolkit(&request, self.question.kernel.raw())
            .boxed();
        timeout_at(self.deadline, evidence)
            .await
            .unwrap_or_else(|_| Err(self.too_late(&request)))
    }

    fn too_late(&self, request: &ImageRequest) -> LookFailure {
        let seconds = self.engine.time_limit.as_secs();
        let message = format!("{} was not read within {seconds} s (see --timeout)", request.reference);
        LookFailure::new(LookFailureKind::Unreachable, message)
    }

    fn tell_of_what_needs_no_look(&self, subjects: &[Subject], verdicts: &[Verdict]) {
        self.engine.progress.tell(ProgressEvent::Total(subjects.len()));
        for (subject, verdict) in subjects
            .iter()
            .zip(verdicts)
            .filter(|(subject, _)| subject.target().is_none())
        {
            self.tell(subject, verdict);
        }
    }

    fn tell(&self, subject: &Subject, verdict: &Verdict) {
        self.engine.progress.tell(ProgressEvent::ModuleDone {
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
