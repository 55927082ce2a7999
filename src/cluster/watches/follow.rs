//! One watch that never ends: it lists, follows, and begins anew after whatever goes wrong on the way.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::time::Duration;

use futures::stream::StreamExt;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Error, Resource};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::known::Change;
use crate::cluster::CallError;

/// How long the API server keeps a watch open. A connection that died without a word is noticed 5 s later.
const WATCH_TIMEOUT: u32 = 120;
/// How long one page of a list may take.
const LIST_DEADLINE: Duration = Duration::from_secs(30);
/// The pause after a first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause: an API server that is back is noticed by then.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// So many failures in a row, and everything is listed anew: an etcd that was restored from a backup may not know
/// the version to go on from.
const FAILURES_BEFORE_LISTING: u32 = 8;

/// What is watched.
pub(super) struct Watched<K> {
    /// The objects.
    pub(super) api: Api<K>,
    /// What of them, by field selector.
    pub(super) fields: Option<String>,
    /// Objects in one page of a list, which is held in memory as text.
    pub(super) page: u32,
}

/// What a watch has to tell.
pub(super) enum News<T> {
    /// Something was seen.
    Seen(Change<T>),
    /// It does not get on, and why.
    Stuck(CallError),
}

/// Follows what is watched for ever: `read` makes of each object what is kept of it, `tell` is told.
pub(super) async fn follow<K, T>(watched: Watched<K>, read: impl Fn(K) -> T, mut tell: impl FnMut(News<T>))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut failures = 0;
    loop {
        let mut stream = pin!(watcher(watched.api.clone(), watched.config()));
        let mut listing: Option<Vec<T>> = None;
        loop {
            let limit = if listing.is_some() {
                LIST_DEADLINE
            } else {
                Duration::MAX
            };
            let event = match timeout(limit, stream.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => {
                    if is_expired(&error) {
                        debug!(%error, "a watch begins anew");
                    } else {
                        tell(News::Stuck(call_error(error)));
                    }
                    failures += 1;
                    sleep(pause(failures)).await;
                    if failures % FAILURES_BEFORE_LISTING == 0 {
                        break;
                    }
                    continue;
                }
                Ok(None) => break,
                Err(_) => {
                    tell(News::Stuck(CallError::Timeout(LIST_DEADLINE)));
                    failures += 1;
                    break;
                }
            };
            if !matches!(event, Event::Init) {
                failures = 0;
            }
            if let Some(change) = change(event, &mut listing, &read) {
                tell(News::Seen(change));
            }
        }
    }
}

/// What an event means; a list is collected until it is whole.
fn change<K, T>(event: Event<K>, listing: &mut Option<Vec<T>>, read: impl Fn(K) -> T) -> Option<Change<T>> {
    match event {
        Event::Init => {
            *listing = Some(Vec::new());
            None
        }
        Event::InitApply(object) => {
            listing.get_or_insert_default().push(read(object));
            None
        }
        Event::InitDone => Some(Change::All(listing.take().unwrap_or_default())),
        Event::Apply(object) => Some(Change::Put(read(object))),
        Event::Delete(object) => Some(Change::Gone(read(object))),
    }
}

impl<K> Watched<K> {
    fn config(&self) -> watcher::Config {
        watcher::Config {
            field_selector: self.fields.clone(),
            timeout: Some(WATCH_TIMEOUT),
            page_size: Some(self.page),
            ..watcher::Config::default()
        }
    }
}

/// Whether the API server forgot where the watch was: it lists again, and nothing is wrong.
fn is_expired(error: &watcher::Error) -> bool {
    const GONE: u16 = 410;
    match error {
        watcher::Error::InitialListFailed(Error::Api(status))
        | watcher::Error::WatchStartFailed(Error::Api(status))
        | watcher::Error::WatchFailed(Error::Api(status))
        | watcher::Error::WatchError(status) => status.code == GONE,
        _ => false,
    }
}

fn call_error(error: watcher::Error) -> CallError {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        watcher::Error::WatchError(status) => Error::Api(status).into(),
        watcher::Error::NoResourceVersion => CallError::Garbled("an object without a version".to_owned()),
    }
}

/// The pause after so many failures in a row: between half of it and all of it, so that replicas spread.
fn pause(failures: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    let share = u32::try_from(RandomState::new().build_hasher().finish() % 1000).unwrap_or_default();
    longest / 2 + longest / 2 * share / 1000
}
