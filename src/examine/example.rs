//! What the image that a Module loads today tells of the next one.

use futures::future::FutureExt;
use futures::stream::{Stream, StreamExt};
use tokio::time::Instant;

use super::{Examination, Examiner, Group, IMAGES_AT_ONCE, groups, met};
use crate::kmod::{Ways, ways};

impl Examiner {
    /// How each image comes by the modules that it needs; `None` where it cannot be read or does not tell. Each comes as soon as it
    /// was read, and all of them by the time limit.
    pub fn look_for_ways<'a>(
        &'a self,
        examinations: Vec<Examination<'a>>,
    ) -> impl Stream<Item = Vec<(usize, Option<Ways>)>> + Send + 'a {
        let deadline = Instant::now() + self.time_limit.duration;
        futures::stream::iter(groups(examinations))
            .map(move |group| self.ways_of(group, deadline).boxed())
            .buffer_unordered(IMAGES_AT_ONCE)
    }

    async fn ways_of(&self, group: Group<'_>, deadline: Instant) -> Vec<(usize, Option<Ways>)> {
        let image = self.image(&group.request, deadline).await.ok();
        let told = |member: &Examination<'_>| {
            let (staged, load) = met(image.as_ref()?, member);
            ways(&staged, &load)
        };
        group.members.iter().map(|member| (member.at, told(member))).collect()
    }
}
