//! One watch that never ends: it lists, follows, and begins anew after whatever goes wrong on the way.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::stream::{Stream, StreamExt};
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Error, Resource};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

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
/// A watch that has failed and then is silent for so long gets on: a failure comes sooner.
const CALM: Duration = Duration::from_secs(10);

/// What is watched.
pub(super) struct Watched<K> {
    /// The objects.
    pub(super) api: Api<K>,
    /// What of them, by field selector.
    pub(super) fields: Option<String>,
    /// What of them, by label selector.
    pub(super) labels: Option<String>,
    /// Objects in one page of a list, which is held in memory as text.
    pub(super) page: u32,
}

/// What a watch has to tell.
pub(super) enum News<T> {
    /// Something was seen.
    Seen(Change<T>),
    /// It does not get on, and why.
    Stuck(CallError),
    /// It gets on again; nothing has changed since.
    Calm,
}

/// How a watch goes on.
enum Step<K> {
    Event(Event<K>),
    /// It has been silent for [`CALM`].
    Silence,
    /// It failed, and goes on from where it was when it is asked again. `None` is not worth a word.
    Failed(Option<CallError>),
    /// It must be begun anew.
    Dead(Option<CallError>),
}

/// Follows what is watched for ever: `read` makes of each object what is kept of it, `tell` is told.
pub(super) async fn follow<K, T>(watched: Watched<K>, read: impl Fn(K) -> T, mut tell: impl FnMut(News<T>))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let (mut failures, mut is_stuck) = (0, false);
    loop {
        let mut events = pin!(watcher(watched.api.clone(), watched.config()));
        let mut listing: Option<Vec<T>> = None;
        loop {
            let (error, is_dead) = match step(events.as_mut(), listing.is_some(), is_stuck).await {
                Step::Event(event) => {
                    failures = if matches!(event, Event::Init) { failures } else { 0 };
                    if let Some(change) = change(event, &mut listing, &read) {
                        is_stuck = false;
                        tell(News::Seen(change));
                    }
                    continue;
                }
                Step::Silence => {
                    (failures, is_stuck) = (0, false);
                    tell(News::Calm);
                    continue;
                }
                Step::Failed(error) => (error, false),
                Step::Dead(error) => (error, true),
            };
            if let Some(error) = error {
                is_stuck = true;
                tell(News::Stuck(error));
            }
            failures += 1;
            sleep(pause(failures)).await;
            if is_dead || failures % FAILURES_BEFORE_LISTING == 0 {
                break;
            }
        }
    }
}

/// Awaits the next event; while a list is read, not for ever, for `watcher` sets no limit to that; and a watch that was
/// stuck says by its silence that it is not any more.
async fn step<K>(
    mut events: Pin<&mut impl Stream<Item = watcher::Result<Event<K>>>>,
    is_listing: bool,
    is_stuck: bool,
) -> Step<K> {
    let limit = match (is_listing, is_stuck) {
        (true, _) => LIST_DEADLINE,
        (false, true) => CALM,
        (false, false) => Duration::MAX,
    };
    match timeout(limit, events.next()).await {
        Ok(Some(Ok(event))) => Step::Event(event),
        Ok(Some(Err(error))) if is_expired(&error) => Step::Failed(None),
        Ok(Some(Err(error))) => Step::Failed(Some(call_error(error))),
        Ok(None) => Step::Dead(None),
        Err(_) if is_listing => Step::Dead(Some(CallError::Timeout(LIST_DEADLINE))),
        Err(_) => Step::Silence,
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
            label_selector: self.labels.clone(),
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

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt;
    use kube::client::Body;
    use serde_json::{Value, json};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use tower_test::mock::{self, Handle};

    use super::*;

    /// A watch over ConfigMaps of a server that is played here, and what it tells.
    fn followed() -> (Handle<Request<Body>, Response<Body>>, UnboundedReceiver<String>) {
        let (service, server) = mock::pair();
        let (told, news) = unbounded_channel();
        let watched = Watched::<ConfigMap> {
            api: Api::all(kube::Client::new(service, "default")),
            fields: None,
            labels: None,
            page: 2,
        };
        tokio::spawn(follow(
            watched,
            |map| map.name_any(),
            move |news| {
                let text = match news {
                    News::Seen(Change::All(names)) => format!("all: {}", names.join(" ")),
                    News::Seen(Change::Put(name)) => format!("put: {name}"),
                    News::Seen(Change::Gone(name)) => format!("gone: {name}"),
                    News::Stuck(error) => format!("stuck: {error}"),
                    News::Calm => "calm".to_owned(),
                };
                told.send(text).expect("the test listens");
            },
        ));
        (server, news)
    }

    fn map(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "resourceVersion": "5"}})
    }

    fn list(name: &str, go_on: &str) -> String {
        let metadata = json!({"resourceVersion": "5", "continue": go_on});
        json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": metadata, "items": [map(name)]}).to_string()
    }

    fn event(kind: &str, object: &Value) -> String {
        json!({"type": kind, "object": object}).to_string() + "\n"
    }

    /// Answers the next request, which must contain this.
    async fn answer(server: &mut Handle<Request<Body>, Response<Body>>, asked: &str, code: u16, body: String) {
        let (request, respond) = server.next_request().await.expect("a request");
        let uri = request.uri().to_string();
        assert!(uri.contains(asked), "{uri} instead of {asked}");
        let answer = Response::builder().status(code).body(Body::from(body.into_bytes()));
        respond.send_response(answer.expect("a response"));
    }

    #[tokio::test(start_paused = true)]
    async fn it_lists_page_by_page_follows_and_lists_again_what_the_server_forgot() {
        let (mut server, mut news) = followed();
        let gone = json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "old"});
        let events = [
            event("MODIFIED", &map("a")),
            event("DELETED", &map("b")),
            event("ERROR", &gone),
        ]
        .concat();
        answer(&mut server, "limit=2", 200, list("a", "next")).await;
        answer(&mut server, "continue=next", 200, list("b", "")).await;
        assert_eq!(news.recv().await.as_deref(), Some("all: a b"));
        answer(&mut server, "watch=true", 200, events).await;
        assert_eq!(news.recv().await.as_deref(), Some("put: a"));
        assert_eq!(news.recv().await.as_deref(), Some("gone: b"));
        answer(&mut server, "limit=2", 200, list("c", "")).await;
        assert_eq!(
            news.recv().await.as_deref(),
            Some("all: c"),
            "without a word of trouble"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_takes_a_list_and_never_answers_is_asked_again() {
        let (mut server, mut news) = followed();
        let unanswered = server.next_request().await.expect("a request");
        assert_eq!(
            news.recv().await.as_deref(),
            Some("stuck: the API server did not answer within 30 s")
        );
        answer(&mut server, "limit=2", 200, list("a", "")).await;
        assert_eq!(news.recv().await.as_deref(), Some("all: a"));
        drop(unanswered);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_refuses_is_asked_again_ever_more_slowly() {
        let (mut server, mut news) = followed();
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let asked = tokio::time::Instant::now();
            answer(&mut server, "limit=2", 503, "no".to_owned()).await;
            let told = news.recv().await.expect("told");
            assert!(told.starts_with("stuck: the API server cannot be reached"), "{told}");
            pauses.push(asked.elapsed());
        }
        let waited: Duration = pauses.iter().sum();
        assert!(
            waited >= Duration::from_secs(15) && waited <= Duration::from_mins(2),
            "{pauses:?}"
        );
        answer(&mut server, "limit=2", 200, list("a", "")).await;
        assert_eq!(news.recv().await.as_deref(), Some("all: a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_was_refused_once_and_then_has_nothing_to_say_is_not_stuck_any_more() {
        let (mut server, mut news) = followed();
        answer(&mut server, "limit=2", 200, list("a", "")).await;
        assert_eq!(news.recv().await.as_deref(), Some("all: a"));
        answer(&mut server, "watch=true", 429, "come again".to_owned()).await;
        let told = news.recv().await.expect("told");
        assert!(told.starts_with("stuck: "), "{told}");
        let unanswered = server.next_request().await.expect("a request");
        assert_eq!(news.recv().await.as_deref(), Some("calm"));
        drop(unanswered);
    }
}
