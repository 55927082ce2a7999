//! Watches on the Jobs that work for preflights, and on their pods: what each is at, joined to [`WorkSeen`]s. Apart
//! from the other watches, for a pod that moves on is no reason to resolve a thousand Modules anew.

mod known;
mod seen;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::Api;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::known::{KnownJobs, Part};
use self::seen::{SeenBuild, SeenJob, SeenPod, SeenRefusal, WireBuild, WireJob, WirePod};
use super::follow::{News, Watched, follow};
use super::known::Change;
use crate::cluster::CallError;
use crate::plan::ObjectName;
use crate::plan::work::{BuildSeen, MANAGED_BY, MANAGER, TEMPORARY_IMAGE, Work, WorkSeen, build_progress, progress};

/// Jobs in one page of a list. Each has its pod template, and in that the certificates that registries are trusted by: up to 512 KiB
/// (`--ca-file`). A page is held as a whole while it is read.
const JOB_PAGE: u32 = 20;
/// Pods in one page of a list; each has the same certificates.
const POD_PAGE: u32 = 20;
/// Events in one page of a list.
const EVENT_PAGE: u32 = 100;
/// What a Job controller tells where a Job gets no pod (`pkg/controller: FailedCreatePodReason`). The Job itself says nothing of it.
const REFUSED_PODS: &str = "reason=FailedCreate,involvedObject.kind=Job";

/// A Job of ours, as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnJob {
    /// Which one of its name.
    pub uid: String,
    /// The UID of the preflight that it works for, as its label says.
    pub preflight: String,
    /// What is known of it.
    pub work: WorkSeen,
    /// The OpenShift Build of the same name that comes before it, where this is that and not the Job.
    pub build: Option<BuildSeen>,
    /// Whether this is a Build whose Job is there.
    pub is_followed: bool,
}

impl OwnJob {
    /// What it is at. A Build that is done is still at work until its Job is.
    pub fn progress(&self) -> Work {
        match self.build.as_ref().map(build_progress) {
            None | Some(Work::None) => progress(&self.work),
            Some(work) => work,
        }
    }

    /// The temporary tag that would stand on in its registry, and nobody would have told of it, were this deleted now.
    pub fn leaves(&self) -> Option<&str> {
        match &self.build {
            Some(build) if build.phase == BUILT && !self.is_followed => {
                self.work.annotations.get(TEMPORARY_IMAGE).map(String::as_str)
            }
            Some(_) => None,
            None if self.work.end.is_some() => None,
            None => self.work.leaves(),
        }
    }

    /// Whether this is a Build that is done, and whose Job is to be made now.
    pub fn wants_its_job(&self) -> bool {
        let done = self.build.as_ref().is_some_and(|build| build.phase == BUILT);
        done && !self.is_followed && !self.work.going
    }
}

/// The phase of an OpenShift Build that is done.
const BUILT: &str = "Complete";

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
    /// Starts to watch the Jobs that have our label, and their pods; `builds`: and OpenShift's Builds, where that API is served.
    pub fn start(client: &Client, builds: bool) -> Arc<Self> {
        let shared = Arc::new(Shared {
            known: Mutex::default(),
            changes: watch::channel(0).0,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).jobs(client.clone()));
        tasks.spawn(Arc::clone(&shared).pods(client.clone()));
        tasks.spawn(Arc::clone(&shared).refusals(client.clone()));
        if builds {
            tasks.spawn(Arc::clone(&shared).builds(client.clone()));
        } else {
            shared.known().builds_unserved = true;
        }
        Arc::new(Self { shared, _tasks: tasks })
    }

    /// Whether all Jobs and pods were listed once. Before that, a Job that is not seen may well be there.
    pub fn synced(&self) -> bool {
        self.shared.known().is_synced()
    }

    /// Whether OpenShift's Builds can be had.
    pub fn can_build(&self) -> bool {
        !self.shared.known().builds_unserved
    }

    /// The Jobs, and the Builds before them, that work for the preflight with this UID, in the order of their names.
    pub fn of(&self, preflight: &str) -> Vec<OwnJob> {
        self.shared.known().of(preflight)
    }

    /// The names of all Jobs, made since that moment, that have not ended and are not being deleted, whatever preflight they work
    /// for; of each Module and kind the last one.
    pub fn unfinished(&self, since: Timestamp) -> BTreeSet<ObjectName> {
        self.shared.known().unfinished(since)
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

    async fn refusals(self: Arc<Self>, client: Client) {
        let watched = Watched {
            api: Api::<Event>::all(client),
            fields: Some(REFUSED_PODS.to_owned()),
            labels: None,
            page: EVENT_PAGE,
        };
        let keep = |known: &mut KnownJobs, change| known.refusals.change(change);
        self.keep("Events of Jobs without pods", watched, SeenRefusal::new, keep)
            .await;
    }

    async fn builds(self: Arc<Self>, client: Client) {
        let keep = |known: &mut KnownJobs, change| {
            known.builds_unserved = false;
            known.builds.change(change)
        };
        self.keep(
            "OpenShift Builds",
            ours::<WireBuild>(client, JOB_PAGE),
            SeenBuild::new,
            keep,
        )
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
        let calm = |stuck: &mut Option<CallError>| {
            if stuck.take().is_some() {
                tracing::info!("{about} can be watched again");
            }
        };
        let tell = |news| match news {
            News::Calm => calm(&mut stuck),
            News::Seen(change) => {
                calm(&mut stuck);
                let changed = keep(&mut self.known(), change);
                if changed {
                    self.changes.send_modify(|count| *count += 1);
                }
            }
            News::Stuck(CallError::NotFound(_)) => {
                // Of the four, only OpenShift's kind may be none that is served.
                let is_news = !std::mem::replace(&mut self.known().builds_unserved, true);
                if is_news {
                    self.changes.send_modify(|count| *count += 1);
                }
            }
            News::Stuck(why) => {
                if stuck.as_ref() != Some(&why) {
                    tracing::warn!("{about} cannot be watched, and what hangs on them waits: {why}");
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
