//! Tokens: fetched from a registry's token service, kept until they expire, asked for once however many wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use reqwest::{Response, Url};
use serde::Deserialize;
use tokio::time::Instant;

use super::body::read_capped;
use super::challenge::TokenService;
use super::credential::{Fingerprint, Login, secret};
use super::excerpt::Said;
use super::home::Home;
use super::scope::Scope;
use super::transport::{Ask, Transport, host_of, without_login};
use super::trouble::Trouble;

/// How long a token lives when its service does not say (distribution specification, token authentication).
const DEFAULT_LIFE: Duration = Duration::from_mins(1);
/// How long before its end a token is no longer used: requests take time, and clocks differ.
const LIFE_MARGIN: Duration = Duration::from_secs(5);
/// The longest life that is believed.
const LIFE_CAP: Duration = Duration::from_hours(1);
/// The largest answer of a token service; tokens with many claims reach some ten KiB.
const ANSWER_CAP: usize = 256 << 10;
/// How many tokens are kept; one per repository and login.
const KEPT_CAP: usize = 8192;
/// The name that token services know us by.
const CLIENT: &str = "kmm-preflight";
/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// Tokens by service, scope and login.
#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<Key, Slot>>,
}

/// A token, and a lock that whoever fetches it holds.
type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    service: TokenService,
    scope: Scope,
    login: Option<Fingerprint>,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    until: Instant,
}

/// A token, and whether it is one from an earlier request: such a one may have been revoked since.
pub(super) struct Given {
    pub(super) header: HeaderValue,
    pub(super) kept: bool,
}

/// Who asks for a token, and for what.
pub(super) struct Wanted<'a> {
    pub(super) home: &'a Home,
    pub(super) service: &'a TokenService,
    pub(super) scope: &'a Scope,
    pub(super) login: Option<&'a Login>,
}

/// What a token service answers.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Tokens {
    /// The `Authorization` header of a good token. `stale` is one that the registry has just refused.
    pub(super) async fn get(
        &self,
        transport: &Transport,
        wanted: &Wanted<'_>,
        stale: Option<&HeaderValue>,
    ) -> Result<Given, Trouble> {
        let slot = self.slot(wanted);
        let mut kept = slot.lock().await;
        if let Some(token) = kept.as_ref()
            && token.until > Instant::now()
            && stale != Some(&token.header)
        {
            return Ok(Given {
                header: token.header.clone(),
                kept: true,
            });
        }
        let token = fetch(transport, wanted).await?;
        let header = token.header.clone();
        *kept = Some(token);
        Ok(Given { header, kept: false })
    }

    fn slot(&self, wanted: &Wanted<'_>) -> Slot {
        let key = Key {
            service: wanted.service.clone(),
            scope: wanted.scope.clone(),
            login: wanted.login.map(Login::fingerprint),
        };
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= KEPT_CAP {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

async fn fetch(transport: &Transport, wanted: &Wanted<'_>) -> Result<Token, Trouble> {
    let asked = Instant::now();
    let ask = ask(wanted)?;
    let host = host_of(&ask.url);
    let response = transport.send(wanted.home, ask).await?;
    let status = response.status();
    let pause = super::body::retry_after(&response);
    let body = body(transport, &host, response).await?;
    match status {
        StatusCode::OK => understand(&host, &body, asked),
        // Services answer 400 for grants that they do not take.
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let refusal = Trouble::answer(&host, status, None, &Said::in_body(&body));
            Err(Trouble::refused(format!("the token service {}", refusal.message)))
        }
        _ => {
            let mut trouble = Trouble::answer(&host, status, pause, &Said::in_body(&body));
            // A token service that is not there says nothing of the image.
            trouble.kind = crate::image::LookFailureKind::Unreachable;
            trouble.message = format!("the token service {}", trouble.message);
            Err(trouble)
        }
    }
}

async fn body(transport: &Transport, host: &str, response: Response) -> Result<Vec<u8>, Trouble> {
    let read = read_capped(&transport.settings.deadlines, response, ANSWER_CAP).await?;
    read.ok_or_else(|| Trouble::damaged(format!("the token service {host} answers without end")))
}

/// A GET with the login as Basic, or a POST of OAuth's refresh grant for an identity token.
fn ask(wanted: &Wanted<'_>) -> Result<Ask, Trouble> {
    let service = wanted.service;
    let realm = Url::parse(&service.realm).ok().filter(Url::has_host).ok_or_else(|| {
        let realm = super::excerpt::excerpt(&service.realm);
        Trouble::unreachable(format!(
            "{} names the token service `{realm}`, which is no address",
            wanted.home.host()
        ))
    })?;
    let mut url = without_login(realm);
    url.set_fragment(None);
    let scopes = wanted.scope.in_words();
    let mut parameters: Vec<(&str, String)> = scopes.into_iter().map(|scope| ("scope", scope)).collect();
    parameters.extend(service.service.clone().map(|service| ("service", service)));
    if let Some(Login::Identity(token)) = wanted.login {
        let grant = [
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT),
            ("refresh_token", token),
        ];
        parameters.extend(grant.map(|(name, value)| (name, value.to_owned())));
        let mut post = Ask::get(url);
        post.method = Method::POST;
        post.headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
        post.body = Some(form(&parameters).into());
        return Ok(post);
    }
    url.query_pairs_mut().extend_pairs(&parameters);
    Ok(Ask {
        authorization: wanted.login.and_then(Login::basic),
        ..Ask::get(url)
    })
}

fn form(parameters: &[(&str, String)]) -> String {
    // An address that is never asked: its query is the form.
    let mut url = Url::parse("https://form.invalid/").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    url.and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

fn understand(host: &str, body: &[u8], asked: Instant) -> Result<Token, Trouble> {
    let damaged = || {
        Trouble::damaged(format!(
            "the token service {host} answers with no token that can be read"
        ))
    };
    let answer: Answer = serde_json::from_slice(body).map_err(|_error| damaged())?;
    let text = answer
        .token
        .or(answer.access_token)
        .filter(|token| !token.is_empty())
        .ok_or_else(damaged)?;
    let life = answer
        .expires_in
        .map_or(DEFAULT_LIFE, Duration::from_secs)
        .min(LIFE_CAP);
    let header = secret(&format!("Bearer {text}")).ok_or_else(damaged)?;
    Ok(Token {
        header,
        until: asked + life.saturating_sub(LIFE_MARGIN),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_as_long_as_its_service_says() {
        let now = Instant::now();
        let rows = [
            (r#"{"token":"t"}"#, 55),
            (r#"{"token":"t","expires_in":300}"#, 295),
            (r#"{"access_token":"t","expires_in":300}"#, 295),
            (r#"{"token":"t","expires_in":1}"#, 0),
            (r#"{"token":"t","expires_in":99999999999}"#, 3595),
        ];
        for (answer, seconds) in rows {
            let token = understand("auth.example", answer.as_bytes(), now).unwrap();
            assert_eq!(token.until - now, Duration::from_secs(seconds), "{answer}");
        }
        for garbage in ["", "{}", r#"{"token":""}"#, r#"{"token":"a\nb"}"#, "<html>"] {
            assert!(
                understand("auth.example", garbage.as_bytes(), now).is_err(),
                "{garbage}"
            );
        }
    }

    #[test]
    fn an_identity_token_is_posted_and_never_part_of_an_address() {
        let home = Home::new("r.example", false, crate::api::module::RegistryTls::default()).unwrap();
        let service = TokenService {
            realm: "https://u:p@a.example/t?x=1#y".into(),
            service: Some("s&s".into()),
        };
        let identity = Login::Identity("i d".into());
        let wanted = Wanted {
            home: &home,
            service: &service,
            scope: &Scope::pull("a/b"),
            login: Some(&identity),
        };
        let posted = ask(&wanted).unwrap();
        assert_eq!(posted.url.as_str(), "https://a.example/t?x=1");
        let form = String::from_utf8(posted.body.unwrap().to_vec()).unwrap();
        assert!(
            form.contains("refresh_token=i+d") && form.contains("service=s%26s"),
            "{form}"
        );
        let got = ask(&Wanted { login: None, ..wanted }).unwrap();
        assert_eq!(
            got.url.as_str(),
            "https://a.example/t?x=1&scope=repository%3Aa%2Fb%3Apull&service=s%26s"
        );
        assert!(got.authorization.is_none() && got.body.is_none());
    }
}
