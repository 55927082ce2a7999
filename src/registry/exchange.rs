//! One question to one registry: with each login that may serve, and again when that may help.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::Response;

use super::access::Access;
use super::body::{read_capped, retry_after};
use super::challenge::Challenge;
use super::credential::{Credential, Login, secret};
use super::excerpt::Said;
use super::keyring::Candidates;
use super::remote::Remote;
use super::scope::Scope;
use super::token::{Tokens, Wanted};
use super::transport::{Ask, Transport, host_of};
use super::trouble::{Remedy, Trouble};
use crate::image::{LookFailureKind, Reference};

/// The largest body of a refusal that is read.
const REFUSAL_CAP: usize = 64 << 10;
/// The longest `Retry-After` that is waited for; whoever asks for more is reported as busy.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(10);
/// How often one login is shown: unasked, as the challenge wants it, and once more with a fresh token.
const ROUNDS: usize = 3;
/// How many refused logins a message names.
const NAMED_CAP: usize = 5;

/// A conversation with one registry about one image.
pub(super) struct Exchange<'a> {
    pub(super) transport: &'a Transport,
    pub(super) tokens: &'a Tokens,
    pub(super) remote: &'a Remote,
    pub(super) image: &'a Reference,
    pub(super) access: &'a Access,
}

/// What is asked of the registry, with whichever login.
pub(super) struct Query<'a> {
    /// What is done.
    pub(super) method: Method,
    /// A path of the registry, with its query.
    pub(super) path: &'a str,
    /// Headers.
    pub(super) headers: HeaderMap,
    /// What is sent along.
    pub(super) body: Option<Bytes>,
    /// What a token has to allow for it.
    pub(super) scope: Scope,
}

/// An `Authorization` header, and whether it is a token from an earlier request.
#[derive(Default)]
struct Pass {
    header: Option<HeaderValue>,
    kept: bool,
}

impl Exchange<'_> {
    /// Does something in turn, and again when that may help. The turn is kept while it waits: what troubles one
    /// request mostly troubles the next, and a registry that asks for a pause shall have it.
    pub(super) async fn persistently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let _turn = self.remote.turn().await?;
        self.again_and_again(attempt).await
    }

    /// The same for what takes long, like sending a blob: it waits for no turn, and holds up nobody.
    pub(super) async fn again_and_again<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let mut tries = 1;
        loop {
            let outcome = attempt().await;
            let trouble = match outcome {
                Err(trouble) if trouble.remedy.is_time() => trouble,
                answered => {
                    self.remote.answered();
                    return answered;
                }
            };
            match self.pause(tries, &trouble) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(given_up(tries, trouble)),
            }
            tries += 1;
        }
    }

    /// How long to wait before the next attempt, if there is to be one.
    fn pause(&self, tries: u32, trouble: &Trouble) -> Option<Duration> {
        let settings = &self.transport.settings;
        let pause = match trouble.remedy {
            _ if tries >= settings.attempts => None,
            Remedy::Again(Some(pause)) => (pause <= RETRY_AFTER_CAP).then(|| pause + jittered(settings.backoff)),
            _ => Some(jittered(settings.backoff.saturating_mul(1 << (tries - 1).min(10)))),
        };
        self.remote.failed(trouble, pause.is_none());
        pause.filter(|_| self.remote.check_health().is_ok())
    }

    /// Asks for a path of the registry with each login in turn, at last with none.
    pub(super) async fn get(&self, path: &str, headers: &HeaderMap) -> Result<Response, Trouble> {
        let query = Query {
            method: Method::GET,
            path,
            headers: headers.clone(),
            body: None,
            scope: Scope::pull(self.image.repository()),
        };
        self.ask(&query).await
    }

    /// Asks with each login in turn, at last with none.
    pub(super) async fn ask(&self, query: &Query<'_>) -> Result<Response, Trouble> {
        let candidates = self.access.keyring.candidates(self.image).await;
        if !candidates.credentials.is_empty() {
            self.remote.greet(self.transport).await?;
        }
        let last = candidates.credentials.len();
        let first = self.working_login(&query.scope).min(last);
        let mut refusals = Refusals::default();
        for position in (first..=last).chain(0..first) {
            let credential = candidates.credentials.get(position);
            if credential.is_none() && refusals.missing.is_some() {
                continue;
            }
            match self.ask_as(credential.map(|credential| &credential.login), query).await {
                Ok(response) => {
                    let keyring = self.access.keyring.fingerprint();
                    self.remote
                        .remember_login(&query.scope.remembered_as(), keyring, position);
                    return Ok(response);
                }
                // Whoever may write sees what is there.
                Err(trouble) if query.scope.writes() && trouble.kind == LookFailureKind::NotFound => {
                    return Err(trouble);
                }
                Err(trouble) => refusals.add(credential, trouble)?,
            }
        }
        Err(refusals.summed_up(self.image.registry(), &candidates))
    }

    /// What to show for a body that can be sent only once: the login that worked for the request before it.
    pub(super) async fn working_pass(&self, scope: &Scope) -> Result<Option<HeaderValue>, Trouble> {
        let candidates = self.access.keyring.candidates(self.image).await;
        let credential = candidates.credentials.get(self.working_login(scope));
        let pass = self
            .pass(credential.map(|credential| &credential.login), scope, None)
            .await?;
        Ok(pass.header)
    }

    fn working_login(&self, scope: &Scope) -> usize {
        let keyring = self.access.keyring.fingerprint();
        self.remote.working_login(&scope.remembered_as(), keyring)
    }

    async fn ask_as(&self, login: Option<&Login>, query: &Query<'_>) -> Result<Response, Trouble> {
        let home = self.remote.home(self.transport).await?;
        let mut stale = None;
        let mut last = Trouble::refused("the registry asks for a login in a way that is not known here");
        for _ in 0..ROUNDS {
            let pass = self.pass(login, &query.scope, stale.as_ref()).await?;
            let ask = Ask {
                method: query.method.clone(),
                url: home.url(query.path)?,
                headers: query.headers.clone(),
                authorization: pass.header.clone(),
                body: query.body.clone(),
            };
            let response = self.transport.send(home, ask).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                return self.accept(response, query.scope.writes()).await;
            }
            let new = self.remote.learn(home, &response);
            last = self.refusal(response, query.scope.writes()).await?;
            if !new && !pass.kept {
                break;
            }
            stale = pass.header;
        }
        Err(last)
    }

    /// What to show to the registry, as far as it is known what it wants.
    async fn pass(&self, login: Option<&Login>, scope: &Scope, stale: Option<&HeaderValue>) -> Result<Pass, Trouble> {
        match (self.remote.challenge(), login) {
            (_, Some(Login::Token(token))) => Ok(Pass {
                header: secret(&format!("Bearer {token}")),
                kept: false,
            }),
            (Some(Challenge::Basic), Some(login)) => Ok(Pass {
                header: login.basic(),
                kept: false,
            }),
            (Some(Challenge::Bearer(service)), login) => {
                let home = self.remote.home(self.transport).await?;
                let wanted = Wanted {
                    home,
                    service: &service,
                    scope,
                    login,
                };
                let token = self.tokens.get(self.transport, &wanted, stale).await?;
                Ok(Pass {
                    header: Some(token.header),
                    kept: token.kept,
                })
            }
            (None | Some(Challenge::Basic), _) => Ok(Pass::default()),
        }
    }

    /// The answer, or why it was refused.
    pub(super) async fn accept(&self, response: Response, writes: bool) -> Result<Response, Trouble> {
        match response.status() {
            status if status.is_success() || status == StatusCode::NOT_MODIFIED => Ok(response),
            _ => Err(self.refusal(response, writes).await?),
        }
    }

    /// Reads why it was refused.
    async fn refusal(&self, response: Response, writes: bool) -> Result<Trouble, Trouble> {
        let (status, pause, host) = (response.status(), retry_after(&response), host_of(response.url()));
        let body = read_capped(&self.transport.settings.deadlines, response, REFUSAL_CAP).await?;
        let said = Said::in_body(&body.unwrap_or_default());
        let understand = if writes { Trouble::rejection } else { Trouble::answer };
        Ok(understand(&host, status, pause, &said))
    }
}

fn given_up(tries: u32, mut trouble: Trouble) -> Trouble {
    if tries > 1 {
        let asked = format!(" (asked {tries} times)");
        trouble.message.push_str(&asked);
    }
    trouble
}

/// Between half of it and one and a half, so that many who wait do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    let share = u32::try_from(random).unwrap_or_default();
    pause / 2 + pause * share / 1000
}

/// Which logins were refused, and how.
#[derive(Default)]
struct Refusals {
    refused: Vec<(String, String)>,
    missing: Option<Trouble>,
}

impl Refusals {
    /// Takes note of a refusal; anything else ends the search. What one login does not see, another may.
    fn add(&mut self, credential: Option<&Credential>, trouble: Trouble) -> Result<(), Trouble> {
        let who = credential.map_or("no credentials", Credential::origin).to_owned();
        match (trouble.kind, trouble.remedy) {
            (LookFailureKind::NotFound, _) => {
                self.missing.get_or_insert(trouble);
            }
            (_, Remedy::OtherLogin) => self.refused.push((who, trouble.message)),
            _ => return Err(trouble),
        }
        Ok(())
    }

    fn summed_up(self, registry: &str, candidates: &Candidates) -> Trouble {
        if let Some(missing) = self.missing {
            return missing;
        }
        let unknown = candidates.credentials.is_empty();
        let unknown = unknown.then(|| format!("there are no credentials for {registry}"));
        let said = std::iter::once(self.in_words()).chain(unknown);
        let all: Vec<String> = said.chain(candidates.complaints.iter().cloned()).collect();
        Trouble::new(LookFailureKind::Denied, all.join("; "))
    }

    /// Each answer once, with those who got it.
    fn in_words(&self) -> String {
        let mut answers: Vec<(&str, Vec<&str>)> = Vec::new();
        for (who, message) in self.refused.iter().take(NAMED_CAP) {
            match answers.iter_mut().find(|(answer, _)| answer == message) {
                Some((_, asked)) => asked.push(who),
                None => answers.push((message, vec![who])),
            }
        }
        let answers: Vec<String> = answers
            .iter()
            .map(|(answer, asked)| format!("{answer} to {}", asked.join(", then to ")))
            .collect();
        answers.join("; ")
    }
}
