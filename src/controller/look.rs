//! One round of looks: credentials first, then every image; results come back one image at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::mpsc;

use super::Operator;
use super::examples::Today;
use super::gathered::{Case, Gathered};
use super::memory::Sight;
use super::wallet::Wallet;
use crate::examine::{Examination, Seen, Toolkit, toolkit_tls};
use crate::kmod::load::LoadedModules;
use crate::kmod::signature::Certificate;
use crate::plan::work::LookBy;
use crate::plan::{KnownSecret, ObjectName, Target};

/// What a round of looks has to tell.
pub(super) enum Report {
    /// What is known of the Secrets that builds and signatures need, and the certificates among them.
    Secrets(BTreeMap<ObjectName, KnownSecret>, BTreeMap<ObjectName, Certificate>),
    /// Of these, only the Secrets were asked for: a node looks at their images.
    Asked(Vec<ObjectName>),
    /// What looking at some targets came to.
    Seen(Vec<Sight>),
    /// What some Modules load today.
    Today(Vec<Today>),
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
        let mut seen = std::pin::pin!(operator.examiner.look(examinations, self.toolkit(operator, &wallet)));
        while let Some(group) = seen.next().await {
            count_layers(operator);
            let sights = group.into_iter().filter_map(|(at, seen)| self.sight(at, seen));
            reports.send(Report::Seen(sights.collect())).await?;
        }
        Ok(())
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
        })
    }
}

/// Tells how much was read so far.
pub(super) fn count_layers(operator: &Operator) {
    let stats = operator.examiner.inspector.stats();
    operator
        .telemetry
        .read_layers(stats.layers_scanned, stats.bytes_scanned);
}
