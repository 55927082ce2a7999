//! One round of looks at what Modules load today. Each Module's answer is told as soon as all its images were looked at.

use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendError;

use super::Operator;
use super::examples::{Question, Today};
use super::gathered::Gathered;
use super::look::{Report, count_layers};
use super::wallet::Wallet;
use crate::examine::Examination;
use crate::kmod::Ways;
use crate::kmod::load::{LoadedModules, SignaturePolicy};
use crate::plan::{ObjectName, Precedents, Target, examples};

/// One round: what is asked about some of the cases of what was gathered.
pub(super) struct TodayRound {
    /// What was gathered.
    pub(super) gathered: Arc<Gathered>,
    /// What is asked, and of whom.
    pub(super) asked: Vec<(ObjectName, Question)>,
}

/// One Module, while its images are looked at.
struct Open {
    today: Today,
    /// How many of them were not looked at yet.
    left: usize,
}

impl TodayRound {
    /// Looks, and reports until all is seen or nobody listens any more.
    pub(super) async fn run(self, operator: Arc<Operator>, reports: mpsc::Sender<Report>) {
        // Nobody listens where the preflight is gone: then the round is over too.
        let _ = self.look(&operator, &reports).await;
    }

    async fn look(self, operator: &Operator, reports: &mpsc::Sender<Report>) -> Result<(), SendError<Report>> {
        let images = self.images();
        let targets: Vec<&Target> = images.iter().map(|(_, target)| target).collect();
        let wallet = Wallet::fetch(
            &operator.client,
            &targets,
            operator.settings.cluster_pull_secret.as_ref(),
        )
        .await;
        let examinations = examinations(&images, &wallet);
        let places = examinations.iter().filter_map(|one| Some(images.get(one.at)?.0));
        let mut open = self.open(places);
        let without = open.iter().filter(|open| open.left == 0);
        let without = without.map(|open| open.today.clone()).collect();
        reports.send(Report::Today(without)).await?;
        let mut seen = std::pin::pin!(operator.examiner.look_for_ways(examinations));
        while let Some(group) = seen.next().await {
            count_layers(operator);
            let complete = group.into_iter().filter_map(|(at, ways)| {
                let (of, target) = images.get(at)?;
                open.get_mut(*of)?.take_in(target, ways)
            });
            reports.send(Report::Today(complete.collect())).await?;
        }
        Ok(())
    }

    /// What the Modules load today: a target for each kernel that their nodes run, with the place of the question that it is for.
    fn images(&self) -> Vec<(usize, Target)> {
        let of = |name: &ObjectName| -> Option<Vec<Target>> {
            let around = &self.gathered.around;
            let module = around.module(&name.0, &name.1)?;
            Some(examples(around, module, self.gathered.case(name)?.target()?))
        };
        let each = self.asked.iter().enumerate();
        let each = each.flat_map(|(at, (name, _))| of(name).into_iter().flatten().map(move |target| (at, target)));
        each.collect()
    }

    /// What is asked, each with how many images are to be looked at for it.
    fn open(self, places: impl Iterator<Item = usize>) -> Vec<Open> {
        let open = |(name, question)| Open {
            today: Today {
                name,
                question,
                precedents: Precedents::new(),
            },
            left: 0,
        };
        let mut open: Vec<Open> = self.asked.into_iter().map(open).collect();
        for place in places {
            if let Some(open) = open.get_mut(place) {
                open.left += 1;
            }
        }
        open
    }
}

impl Open {
    /// One of its images was looked at; if it was the last one, this is its answer.
    fn take_in(&mut self, target: &Target, ways: Option<Ways>) -> Option<Today> {
        let ways = ways.map(|ways| (target.kernel.raw().to_owned(), ways));
        self.today.precedents.extend(ways);
        self.left = self.left.saturating_sub(1);
        (self.left == 0).then(|| self.today.clone())
    }
}

/// The looks at these images; one whose credentials could not be had is not looked at.
fn examinations<'a>(images: &'a [(usize, Target)], wallet: &Wallet) -> Vec<Examination<'a>> {
    let examination = |(at, (_, target)): (usize, &'a (usize, Target))| {
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
    };
    images.iter().enumerate().filter_map(examination).collect()
}
