//! One round of looks: credentials first, then every image; results come back one image at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::mpsc;

use super::Operator;
use super::gathered::{Case, Gathered};
use super::memory::Sight;
use super::wallet::Wallet;
use crate::examine::{Examination, Seen, Toolkit, toolkit_tls};
use crate::kernel::KernelVersion;
use crate::kmod::load::{LoadedModules, SignaturePolicy};
use crate::kmod::signature::Certificate;
use crate::kmod::unmet_dependencies;
use crate::plan::work::LookBy;
use crate::plan::{KnownSecret, ObjectName, Precedents, Resolution, Target, kernels_today, resolve};

/// What a round of looks has to tell.
pub(super) enum Report {
    /// What is known of the Secrets that builds and signatures need, and the certificates among them.
    Secrets(BTreeMap<ObjectName, KnownSecret>, BTreeMap<ObjectName, Certificate>),
    /// Of these, only the Secrets were asked for: a node looks at their images.
    Asked(Vec<ObjectName>),
    /// What looking at some targets came to.
    Seen(Vec<Sight>),
}

/// One round: some cases of what was gathered.
pub(super) struct Round {
    /// What was gathered.
    pub(super) gathered: Arc<Gathered>,
    /// Which of its cases.
    pub(super) cases: Vec<usize>,
}

impl Round {
    /// Looks, and reports until all is seen or nobody listens any more.
    pub(super) async fn run(self, operator: Arc<Operator>, reports: mpsc::Sender<Report>) {
        // Nobody listens where the preflight is gone: then the round is over too.
        let _ = self.look(&operator, &reports).await;
    }

    async fn look(
        &self,
        operator: &Operator,
        reports: &mpsc::Sender<Report>,
    ) -> Result<(), mpsc::error::SendError<Report>> {
        let targets: Vec<&Target> = self.targets().map(|(_, _, target)| target).collect();
        let wallet = Wallet::fetch(
            &operator.client,
            &targets,
            operator.settings.cluster_pull_secret.as_ref(),
        )
        .await;
        reports
            .send(Report::Secrets(wallet.known(), wallet.certificates()))
            .await?;
        reports.send(Report::Asked(self.of_nodes())).await?;
        let (examinations, failed) = self.examinations(&wallet);
        reports.send(Report::Seen(failed)).await?;
        let mut waiting = Vec::new();
        let mut seen = std::pin::pin!(operator.examiner.look(examinations, self.toolkit(operator, &wallet)));
        while let Some(group) = seen.next().await {
            let stats = operator.examiner.inspector.stats();
            operator
                .telemetry
                .read_layers(stats.layers_scanned, stats.bytes_scanned);
            let sights = group.into_iter().filter_map(|(at, seen)| self.sight(at, seen));
            let (unmet, told) = sights.partition(|sight| self.has_an_example(sight));
            waiting.extend::<Vec<Sight>>(unmet);
            reports.send(Report::Seen(told)).await?;
        }
        self.look_at_examples(operator, &wallet, &mut waiting).await;
        reports.send(Report::Seen(waiting)).await
    }

    /// Whether what was seen may be weighed by what the Module loads today.
    fn has_an_example(&self, sight: &Sight) -> bool {
        let unmet =
            matches!(&sight.seen, Seen::Judged { findings, .. } if unmet_dependencies(findings).next().is_some());
        unmet && !self.examples(sight).is_empty()
    }

    /// What the Module of a sight loads today: a target for each kernel that its nodes run.
    fn examples(&self, sight: &Sight) -> Vec<Target> {
        let (around, (namespace, name)) = (&self.gathered.around, &sight.name);
        let module = around.module(namespace, name);
        let target = self.gathered.case(&sight.name).and_then(Case::target);
        let Some((module, target)) = module.zip(target) else {
            return Vec::new();
        };
        let kernels = kernels_today(around, target).into_iter().map(KernelVersion::parse);
        let example = |kernel: KernelVersion| match resolve(module, &kernel) {
            Resolution::Target(target) => Some(*target),
            _ => None,
        };
        kernels.filter_map(Result::ok).filter_map(example).collect()
    }

    /// Looks at what the Modules of these sights load today. The target kernel's own toolkit tells what in-tree modules export:
    /// that differs little from kernel to kernel, and a toolkit is large.
    async fn look_at_examples(&self, operator: &Operator, wallet: &Wallet, waiting: &mut [Sight]) {
        let of = |(at, sight)| self.examples(sight).into_iter().map(move |target| (at, target));
        let examples: Vec<(usize, Target)> = waiting.iter().enumerate().flat_map(of).collect();
        let targets = examples.iter().map(|(_, target)| target).enumerate();
        let examinations = targets.filter_map(|(at, target)| {
            let (access, missing_credentials) = wallet.access(target).ok()?;
            Some(Examination {
                at,
                target,
                access,
                missing_credentials,
                architecture: target.architecture,
                signatures: SignaturePolicy::default(),
                loaded: LoadedModules::default(),
            })
        });
        let examinations = examinations.collect();
        let mut seen = std::pin::pin!(operator.examiner.look(examinations, self.toolkit(operator, wallet)));
        while let Some(group) = seen.next().await {
            for (at, seen) in group {
                let example = examples.get(at);
                let sight = example.and_then(|(at, _)| waiting.get_mut(*at));
                if let (Some((_, target)), Some(sight), Seen::Judged { findings, .. }) = (example, sight, seen) {
                    let needs = unmet_dependencies(&findings).map(str::to_owned).collect();
                    sight.precedents.insert(target.kernel.raw().to_owned(), needs);
                }
            }
        }
    }

    /// The cases of this round, each with its place and its target.
    fn targets(&self) -> impl Iterator<Item = (usize, &Case, &Target)> {
        self.cases.iter().filter_map(|at| {
            let case = self.gathered.cases.get(*at)?;
            Some((*at, case, case.target()?))
        })
    }

    /// Whether the operator itself looks at the image of a case.
    fn is_ours(&self, case: &Case) -> bool {
        self.gathered.look_by(case) != LookBy::Runtime
    }

    /// The cases whose images only nodes look at.
    fn of_nodes(&self) -> Vec<ObjectName> {
        let of_nodes = self.targets().filter(|(_, case, _)| !self.is_ours(case));
        of_nodes.map(|(_, case, _)| case.name.clone()).collect()
    }

    /// What is to be looked at, and what cannot be for want of its credentials.
    fn examinations(&self, wallet: &Wallet) -> (Vec<Examination<'_>>, Vec<Sight>) {
        let (mut examinations, mut failed) = (Vec::new(), Vec::new());
        for (at, case, target) in self.targets().filter(|(_, case, _)| self.is_ours(case)) {
            match wallet.access(target) {
                Ok((access, missing_credentials)) => examinations.push(Examination {
                    at,
                    target,
                    access,
                    missing_credentials,
                    architecture: case.architecture,
                    signatures: wallet.signatures(target),
                    loaded: LoadedModules::default(),
                }),
                Err(why) => failed.extend(self.sight(at, Seen::Failed(why))),
            }
        }
        (examinations, failed)
    }

    fn toolkit(&self, operator: &Operator, wallet: &Wallet) -> Option<Toolkit<'_>> {
        let image = self.gathered.toolkit_image.as_deref()?;
        let tls = toolkit_tls(image, &operator.settings.plain_toolkit_registries);
        Some(Toolkit {
            image,
            kernel: &self.gathered.kernel,
            access: wallet.own(tls),
            architecture: self.gathered.cases.iter().find_map(|case| case.architecture),
        })
    }

    fn sight(&self, at: usize, seen: Seen) -> Option<Sight> {
        let case = self.gathered.cases.get(at)?;
        Some(Sight {
            name: case.name.clone(),
            inputs: case.inputs.clone()?,
            seen,
            precedents: Precedents::new(),
        })
    }
}
