//! Watches of the one Secret and the webhook configurations. Only metadata is watched: an event says "look again".
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use crate::keeper::Settings;
use futures::future::ready;
use futures::stream::{BoxStream, SelectAll, select_all};
use futures::{FutureExt, Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Error, Event, watcher};

/// Changes of anything that is kept.
pub(crate) struct Changes(SelectAll<BoxStream<'static, ()>>);

impl Changes {
    /// Starts to watch. Watches that fail are tried again by themselves; periodic looks do without them.
    pub(crate) fn watch(client: &Client, settings: &Settings) -> Self {
        let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(client.clone(), &settings.namespace);
        let secret = changes(watcher(secrets, only(&settings.secret)));
        let configurations = settings.configurations.iter().map(|configuration| {
            let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &configuration.resource());
            changes(watcher(api, only(configuration.name())))
        });
        Self(select_all(configurations.chain([secret])))
    }

    pub(crate) async fn next(&mut self) {
        if self.0.next().await.is_none() {
            // Watches do not end; should they, the periodic look remains.
            futures::future::pending::<()>().await;
        }
    }

    /// Drops the changes that came in meanwhile.
    pub(crate) fn forget(&mut self) {
        while let Some(Some(())) = self.0.next().now_or_never() {}
    }
}

fn only(name: &str) -> Config {
    Config::default().fields(&format!("metadata.name={name}"))
}

fn changes<K: Send + 'static>(
    events: impl Stream<Item = Result<Event<K>, Error>> + Send + 'static,
) -> BoxStream<'static, ()> {
    events
        .default_backoff()
        .filter_map(|event| ready(is_change(event)))
        .boxed()
}

fn is_change<K>(event: Result<Event<K>, Error>) -> Option<()> {
    match event {
        Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) => Some(()),
        Ok(Event::Init | Event::InitApply(_)) => None,
        Err(error) => {
            tracing::debug!(%error, "a watch of webhook certificates broke off; it starts again by itself");
            None
        }
    }
}
