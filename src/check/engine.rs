//! One preflight over files: resolve every Module, look at every image at once, judge, decide.
//!
//! The engine knows nothing of files or terminals. It is given a question and an examiner, and returns the
//! object as a cluster would show it.

use futures::stream::StreamExt;
use jiff::Timestamp;

use super::credentials::Credentials;
use super::{Progress, ProgressEvent, Question};
use crate::api::PreflightValidationOCP;
use crate::examine::{Examination, Examiner, Toolkit, toolkit_tls};
use crate::plan::work::Works;
use crate::plan::{self, Answer, Evidence, Look, Pods, Subject, Supplies, Target, Verdict, World};

/// What questions are answered with.
pub struct Engine {
    /// Looks at images.
    pub examiner: Examiner,
    /// Whom to be at which registry.
    pub credentials: Credentials,
    /// Told of every Module that has its verdict.
    pub progress: Progress,
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
            pods: Pods::None,
        };
        let verdicts = self.verdicts(question, &world, now).await;
        let answers = subjects.iter().zip(verdicts).map(|(subject, verdict)| Answer {
            namespace: subject.namespace.clone(),
            name: subject.name.clone(),
            verdict,
            inputs: None,
        });
        let status = plan::status(None, question.preflight.metadata.generation, answers, now);
        PreflightValidationOCP {
            status: Some(status),
            ..question.preflight.clone()
        }
    }

    async fn verdicts(&self, question: &Question, world: &World<'_>, now: Timestamp) -> Vec<Verdict> {
        let evidence = Evidence::of_files(&question.loaded);
        let mut verdicts = plan::decide(world, |_| &Look::Pending, now);
        self.tell_of_what_needs_no_look(world.subjects, &verdicts);
        let targets = world.subjects.iter().enumerate();
        let examinations = targets
            .filter_map(|(at, subject)| Some(self.examination(question, at, subject.target()?)))
            .collect();
        let mut seen = std::pin::pin!(self.examiner.look(examinations, self.toolkit(question)));
        while let Some(group) = seen.next().await {
            for (at, seen) in group {
                if let (Some(subject), Some(slot)) = (world.subjects.get(at), verdicts.get_mut(at)) {
                    let seen = (&seen.into_look(now), &Works::default());
                    *slot = evidence.verdict(world, subject, seen, now);
                    self.tell(subject, slot);
                }
            }
        }
        verdicts
    }

    fn examination<'a>(&self, question: &Question, at: usize, target: &'a Target) -> Examination<'a> {
        let absent = self.credentials.absent_secret(target);
        Examination {
            at,
            target,
            access: self.credentials.of(target),
            missing_credentials: absent
                .map(|secret| format!("the pull secret {secret} of the Module was not given, or holds no credentials")),
            architecture: question.options.architecture,
            signatures: question.signatures(target),
            loaded: question.options.loaded_modules.clone(),
        }
    }

    fn toolkit<'a>(&self, question: &'a Question) -> Option<Toolkit<'a>> {
        let image = question.preflight.spec.dtk_image.as_deref()?;
        let tls = toolkit_tls(image, &question.options.plain_toolkit_registries);
        Some(Toolkit {
            image,
            kernel: &question.kernel,
            access: self.credentials.own(tls),
            architecture: question.options.architecture,
        })
    }

    fn tell_of_what_needs_no_look(&self, subjects: &[Subject], verdicts: &[Verdict]) {
        self.progress.tell(ProgressEvent::Total(subjects.len()));
        for (subject, verdict) in subjects
            .iter()
            .zip(verdicts)
            .filter(|(subject, _)| subject.target().is_none())
        {
            self.tell(subject, verdict);
        }
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
