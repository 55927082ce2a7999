//! One blob on its way into a registry: an upload is opened (or a blob is lent), and the bytes are sent in one piece.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Body, Response, Url};
use tokio::time::Instant;

use super::pushing::{Pusher, check_digest};
use super::supply::{Chunks, Supply};
use super::{Came, PublishFailure};
use crate::image::{LookFailure, LookFailureKind};
use crate::registry::Descriptor;
use crate::registry::exchange::{Exchange, Query};
use crate::registry::scope::Scope;
use crate::registry::transport::{Ask, REDIRECT_CAP, Transport, host_of, redirected, without_login};
use crate::registry::trouble::Trouble;

/// How many times longer than a silence between chunks a registry may take to store what it has: it checks the digest
/// of all, and may copy it into another storage.
const STORING: u32 = 4;

/// One blob on its way.
pub(super) struct Upload<'a> {
    pub(super) pusher: &'a Pusher,
    pub(super) descriptor: &'a Descriptor,
    pub(super) supply: Supply<'a>,
}

/// How far the body has come, and what ended it early.
#[derive(Default)]
struct Course {
    sent: AtomicU64,
    broken: Mutex<Option<LookFailure>>,
}

/// What the registry answers to the wish to upload.
enum Opened {
    /// It has the blob now.
    Lent,
    /// The blob is to be sent there.
    At(Url),
}

impl Upload<'_> {
    /// Sends it, and again when that may help. A failure of the source is not the registry's.
    pub(super) async fn run(&self) -> Result<Came, PublishFailure> {
        let exchange = self.pusher.exchange();
        let course = Arc::new(Course::default());
        let outcome = exchange.again_and_again(|| self.attempt(&exchange, &course)).await;
        outcome.map_err(|trouble| match course.broken() {
            Some(failure) => PublishFailure::from(failure),
            None => self
                .pusher
                .failure(&trouble.within(&format!("blob {}", self.descriptor.digest))),
        })
    }

    async fn attempt(&self, exchange: &Exchange<'_>, course: &Arc<Course>) -> Result<Came, Trouble> {
        match self.open(exchange).await? {
            Opened::Lent => Ok(Came::Lent),
            Opened::At(place) => self.send(exchange, place, course).await.map(|()| Came::Sent),
        }
    }

    /// Asks for a place to upload to, and before that for the blob itself where another repository has it.
    async fn open(&self, exchange: &Exchange<'_>) -> Result<Opened, Trouble> {
        let Some(from) = self.lender() else {
            return self.begin(exchange, "blobs/uploads/", self.pusher.scope()).await;
        };
        let path = format!("blobs/uploads/?mount={}&from={from}", self.descriptor.digest);
        let scope = Scope::mount(self.pusher.image().repository(), from);
        match self.begin(exchange, &path, scope).await {
            Err(trouble) if !trouble.remedy.is_time() => {
                self.begin(exchange, "blobs/uploads/", self.pusher.scope()).await
            }
            opened => opened,
        }
    }

    fn lender(&self) -> Option<&str> {
        let Supply::Image(origin) = &self.supply else {
            return None;
        };
        let image = self.pusher.image();
        let from = origin.repository_at(image.registry());
        from.filter(|from| *from != image.repository())
    }

    async fn begin(&self, exchange: &Exchange<'_>, path: &str, scope: Scope) -> Result<Opened, Trouble> {
        let path = self.pusher.path(path);
        let query = Query {
            method: Method::POST,
            path: &path,
            headers: HeaderMap::new(),
            body: Some(Bytes::new()),
            scope,
        };
        let answer = exchange.ask(&query).await?;
        match answer.status() {
            StatusCode::CREATED => Ok(Opened::Lent),
            StatusCode::ACCEPTED => place_in(&answer).map(Opened::At),
            status => Err(Trouble::damaged(format!(
                "{} answers the wish to upload with {}, which means nothing there",
                host_of(answer.url()),
                status.as_u16()
            ))),
        }
    }

    /// Sends the bytes to where the registry wants them. Credentials are shown to the registry alone.
    async fn send(&self, exchange: &Exchange<'_>, place: Url, course: &Arc<Course>) -> Result<(), Trouble> {
        let home = exchange.remote.home(exchange.transport).await?;
        let mut url = with_digest(place, self.descriptor);
        for _ in 0..=REDIRECT_CAP {
            let authorization = if home.is(&url) {
                exchange.working_pass(&self.pusher.scope()).await?
            } else {
                None
            };
            let ask = Ask {
                method: Method::PUT,
                headers: headers(self.descriptor.size),
                authorization,
                ..Ask::get(url)
            };
            let chunks = self.supply.open(self.descriptor).await;
            let chunks = chunks.map_err(|failure| course.broke(failure))?;
            let request = exchange.transport.request(home, &ask).await?;
            let request = request.body(Body::wrap_stream(pouring(chunks, Arc::clone(course))));
            let answer = self.watch(exchange.transport, &ask.url, request.send(), course).await?;
            match redirected(&answer) {
                Some(next) if matches!(answer.status().as_u16(), 307 | 308) => url = next?,
                _ => return self.stored(exchange, answer).await,
            }
        }
        Err(Trouble::unreachable(format!("{} redirects without end", home.host())))
    }

    async fn stored(&self, exchange: &Exchange<'_>, answer: Response) -> Result<(), Trouble> {
        if answer.status() == StatusCode::UNAUTHORIZED {
            let host = host_of(answer.url());
            return Err(Trouble::passing(format!(
                "{host} began to take the blob and then refused the login"
            )));
        }
        let answer = exchange.accept(answer, true).await?;
        check_digest(&answer, &self.descriptor.digest)
    }

    /// Waits for the answer as long as bytes go out, and then until they are stored.
    async fn watch(
        &self,
        transport: &Transport,
        url: &Url,
        sending: impl Future<Output = reqwest::Result<Response>>,
        course: &Course,
    ) -> Result<Response, Trouble> {
        let deadlines = &transport.settings.deadlines;
        let (host, end) = (host_of(url), Instant::now() + deadlines.blob);
        tokio::pin!(sending);
        loop {
            let before = course.sent.load(Ordering::Relaxed);
            let silence = if before < self.descriptor.size {
                deadlines.idle
            } else {
                deadlines.idle.saturating_mul(STORING)
            };
            let wait = silence.min(end.saturating_duration_since(Instant::now()));
            match tokio::time::timeout(wait, &mut sending).await {
                Ok(answer) => return answer.map_err(|error| Trouble::transport(&host, &error)),
                Err(_elapsed) if Instant::now() >= end => return Err(too_slow(&host, deadlines.blob)),
                Err(_elapsed) if course.sent.load(Ordering::Relaxed) == before => {
                    return Err(Trouble::passing(format!(
                        "{host} took {before} of {} bytes and then nothing for {} s",
                        self.descriptor.size,
                        silence.as_secs()
                    )));
                }
                Err(_elapsed) => {}
            }
        }
    }
}

impl Course {
    /// What ended the body early, if something did.
    fn broken(&self) -> Option<LookFailure> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note that the source failed; sending again does not help.
    fn broke(&self, failure: LookFailure) -> Trouble {
        let trouble = Trouble::new(LookFailureKind::Damaged, failure.message.clone());
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        trouble
    }
}

/// The body: chunk by chunk, counted. Each is held back until the next one has come, so that the last one goes out only
/// once the whole is known to be right: a registry that has all bytes of a wrong blob would be the one to complain.
fn pouring(chunks: Chunks, course: Arc<Course>) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    course.sent.store(0, Ordering::Relaxed);
    stream::unfold(
        (chunks, Bytes::new(), course),
        |(mut chunks, mut held, course)| async move {
            let chunk = loop {
                match chunks.recv().await {
                    Some(Ok(next)) if held.is_empty() => held = next,
                    Some(Ok(next)) => break Ok(std::mem::replace(&mut held, next)),
                    Some(Err(failure)) => break Err(std::io::Error::other(course.broke(failure).message)),
                    None if held.is_empty() => return None,
                    None => break Ok(std::mem::take(&mut held)),
                }
            };
            let length = chunk.as_ref().map_or(0, Bytes::len);
            course.sent.fetch_add(length as u64, Ordering::Relaxed);
            Some((chunk, (chunks, held, course)))
        },
    )
}

fn headers(size: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers
}

/// Where the registry wants the bytes.
fn place_in(answer: &Response) -> Result<Url, Trouble> {
    let location = answer.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    let place = location.and_then(|location| answer.url().join(location).ok());
    place.map(without_login).ok_or_else(|| {
        Trouble::damaged(format!(
            "{} takes an upload and does not say where it shall go (no Location)",
            host_of(answer.url())
        ))
    })
}

fn with_digest(mut place: Url, descriptor: &Descriptor) -> Url {
    place
        .query_pairs_mut()
        .append_pair("digest", &descriptor.digest.to_string());
    place
}

fn too_slow(host: &str, deadline: Duration) -> Trouble {
    Trouble::unreachable(format!("{host} took more than {} s to take a blob", deadline.as_secs()))
}
