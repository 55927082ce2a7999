//! Watches on the Jobs that work for preflights, and on their pods: what each is at, joined to [`WorkSeen`]s. Apart
//! from the other watches, for a pod that moves on is no reason to resolve a thousand Modules anew.

mod known;
mod seen;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::api::Api;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::known::{KnownJobs, Part};
use self::seen::{SeenJob, SeenPod, WireJob, WirePod};
use super::follow::{News, Watched, follow};
use super::known::Change;
use crate::plan::ObjectName;
use crate::plan::work::{MANAGED_BY, MANAGER, WorkSeen};

/// Jobs in one page of a list; each has its pod template.
const JOB_PAGE: u32 = 100;
/// Pods in one page of a list.
const POD_PAGE: u32 = 100;

/// A Job of ours, as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnJob {
    /// Which one of its name.
    pub uid: String,
    /// The UID of the preflight that it works for, as its label says.
    pub preflight: String,
    /// What is known of it.
    pub work: WorkSeen,
}

/// The running watches on Jobs and their pods. Dropped, they stop.
pub struct JobWatches {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    known: Mutex<KnownJobs>,
    changes: watch::Sender<u64>,
}

impl JobWatches {
    /// Starts to watch the Jobs that have our label, and their pods.
    pub fn start(client: &Client) -> Arc<Self> {
        let shared = Arc::new(Shared {
            known: Mutex::default(),
            changes: watch::channel(0).0,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).jobs(client.clone()));
        tasks.spawn(Arc::clone(&shared).pods(client.clone()));
        Arc::new(Self { shared, _tasks: tasks })
    }

    /// Whether all Jobs and pods were listed once. Before that, a Job that is not seen may well be there.
    pub fn synced(&self) -> bool {
        self.shared.known().is_synced()
    }

    /// The Jobs that work for the preflight with this UID, in the order of their names.
    pub fn of(&self, preflight: &str) -> Vec<OwnJob> {
        self.shared.known().of(preflight)
    }

    /// The names of all Jobs that have not ended and are not being deleted, whatever preflight they work for.
    pub fn unfinished(&self) -> BTreeSet<ObjectName> {
        self.shared.known().unfinished()
    }

    /// The preflights, by their UIDs, for which any Job is there.
    pub fn preflights(&self) -> BTreeSet<String> {
        self.shared.known().preflights()
    }

    /// Counts the changes of anything that is known here.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

impl fmt::Debug for JobWatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobWatches")
            .field("synced", &self.synced())
            .finish_non_exhaustive()
    }
}

impl Shared {
    async fn jobs(self: Arc<Self>, client: Client) {
        let keep = |known: &mut KnownJobs, change| known.jobs.change(change);
        self.keep("Jobs", ours::<WireJob>(client, JOB_PAGE), SeenJob::new, keep)
            .await;
    }

    async fn pods(self: Arc<Self>, client: Client) {
        let keep = |known: &mut KnownJobs, change| known.pods.change(change);
        self.keep("pods of Jobs", ours::<WirePod>(client, POD_PAGE), SeenPod::new, keep)
            .await;
    }

    /// Follows a watch and keeps what it tells. A watch that does not get on is logged when it begins to be so.
    async fn keep<K, T: Part>(
        &self,
        about: &str,
        watched: Watched<K>,
        read: impl Fn(K) -> T,
        keep: impl Fn(&mut KnownJobs, Change<T>) -> bool,
    ) where
        K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
    {
        let mut stuck = None;
        let tell = |news| match news {
            News::Seen(change) => {
                if stuck.take().is_some() {
                    tracing::info!("{about} can be watched again");
                }
                let changed = keep(&mut self.known(), change);
                if changed {
                    self.changes.send_modify(|count| *count += 1);
                }
            }
            News::Stuck(why) => {
                if stuck.as_ref() != Some(&why) {
                    tracing::warn!("{about} cannot be watched, so nothing new is begun in pods: {why}");
                    stuck = Some(why);
                }
            }
        };
        follow(watched, read, tell).await;
    }

    fn known(&self) -> MutexGuard<'_, KnownJobs> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything of a kind that has our label.
fn ours<K: Resource<DynamicType = ()>>(client: Client, page: u32) -> Watched<K> {
    Watched {
        api: Api::all(client),
        fields: None,
        labels: Some(format!("{MANAGED_BY}={MANAGER}")),
        page,
    }
}
