//! The token service of the fake registry: who may have a token for what, and which tokens are good.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Asks, Setup, State, locked};

/// The tokens that were issued: the token, its repository, and who asked.
#[derive(Default)]
pub(super) struct Issued {
    serial: usize,
    good: BTreeMap<String, Granted>,
}

/// What a token is good for.
struct Granted {
    scopes: Vec<String>,
    user: Option<String>,
}

impl Granted {
    fn allows(&self, repository: &str, action: &str) -> bool {
        self.scopes.iter().any(|scope| {
            let mut parts = scope.split(':').skip(1);
            parts.next() == Some(repository)
                && parts
                    .next()
                    .is_some_and(|actions| actions.split(',').any(|one| one == action))
        })
    }
}

impl Issued {
    fn issue(&mut self, scopes: Vec<String>, user: Option<String>) -> String {
        self.serial += 1;
        let token = format!("token-{}", self.serial);
        self.good.insert(token.clone(), Granted { scopes, user });
        token
    }

    pub(super) fn revoke(&mut self) {
        self.good.clear();
    }
}

/// The body of the token service's answer, or the refusal.
pub(super) fn answer(state: &State, headers: &HeaderMap, query: &str, form: &str) -> Result<String, String> {
    let refused = || r#"{"details":"incorrect username or password"}"#.to_owned();
    let user = if let Some(refresh) = parameter(form, "refresh_token") {
        Some(state.setup.identities.get(&refresh).cloned().ok_or_else(refused)?)
    } else {
        match basic(headers) {
            Some(login) => Some(state.setup.user(&login).ok_or_else(refused)?),
            None => None,
        }
    };
    let scopes = parameters(query, "scope").into_iter().chain(parameters(form, "scope"));
    let token = locked(&state.tokens).issue(scopes.collect(), user);
    let mut answer = serde_json::json!({"token": token});
    if let Some(seconds) = state.setup.expires_in {
        answer["expires_in"] = seconds.into();
    }
    Ok(answer.to_string())
}

/// Whether a request may read this repository. Asking for no repository is a ping.
pub(super) fn may_read(state: &State, headers: &HeaderMap, repository: Option<&str>) -> bool {
    let setup = &state.setup;
    let public = repository.is_some_and(|name| setup.public.contains(name));
    match setup.asks {
        Asks::Nothing => true,
        Asks::Basic => public || basic(headers).is_some_and(|login| setup.user(&login).is_some()),
        Asks::Bearer => {
            let tokens = locked(&state.tokens);
            let Some(granted) = bearer(headers).and_then(|token| tokens.good.get(&token)) else {
                return false;
            };
            repository.is_none_or(|name| granted.allows(name, "pull") && (public || granted.user.is_some()))
        }
    }
}

/// Whether a request may write to this repository.
pub(super) fn may_write(state: &State, headers: &HeaderMap, repository: Option<&str>) -> bool {
    let setup = &state.setup;
    let is_writer = |user: &String| !setup.readers.contains(user);
    match setup.asks {
        Asks::Nothing => true,
        Asks::Basic => basic(headers)
            .and_then(|login| setup.user(&login))
            .is_some_and(|user| is_writer(&user)),
        Asks::Bearer => {
            let tokens = locked(&state.tokens);
            let granted = bearer(headers).and_then(|token| tokens.good.get(&token));
            granted.is_some_and(|granted| {
                repository.is_none_or(|name| granted.allows(name, "push"))
                    && granted.user.as_ref().is_some_and(is_writer)
            })
        }
    }
}

/// The `WWW-Authenticate` header.
pub(super) fn challenge(state: &State, host: &str, repository: Option<&str>) -> Option<String> {
    let scheme = if state.setup.tls.is_some() { "https" } else { "http" };
    let realm = state
        .setup
        .realm
        .clone()
        .unwrap_or_else(|| format!("{scheme}://{host}/token"));
    let scope = repository
        .map(|name| format!(r#",scope="repository:{name}:pull""#))
        .unwrap_or_default();
    match state.setup.asks {
        Asks::Nothing => None,
        Asks::Basic => Some(r#"Basic realm="the registry""#.to_owned()),
        Asks::Bearer => Some(format!(r#"Bearer realm="{realm}",service="fake"{scope}"#)),
    }
}

impl Setup {
    fn user(&self, login: &(String, String)) -> Option<String> {
        (self.logins.get(&login.0) == Some(&login.1)).then(|| login.0.clone())
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    headers
        .get("authorization")?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
        .map(str::to_owned)
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get("authorization")?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    text.split_once(':')
        .map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// One parameter of a query or of a form.
fn parameter(encoded: &str, name: &str) -> Option<String> {
    parameters(encoded, name).into_iter().next()
}

/// All parameters of that name.
fn parameters(encoded: &str, name: &str) -> Vec<String> {
    let url = reqwest::Url::parse(&format!("http://query/?{encoded}")).ok();
    let pairs = url.iter().flat_map(reqwest::Url::query_pairs);
    pairs
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .collect()
}
