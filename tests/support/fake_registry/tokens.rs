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
    good: BTreeMap<String, (String, Option<String>)>,
}

impl Issued {
    fn issue(&mut self, scope: &str, user: Option<String>) -> String {
        self.serial += 1;
        let token = format!("token-{}", self.serial);
        let repository = scope.split(':').nth(1).unwrap_or_default().to_owned();
        self.good.insert(token.clone(), (repository, user));
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
    let scope = parameter(query, "scope")
        .or_else(|| parameter(form, "scope"))
        .unwrap_or_default();
    let token = locked(&state.tokens).issue(&scope, user);
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
            let Some((scope, user)) = bearer(headers).and_then(|token| tokens.good.get(&token)) else {
                return false;
            };
            repository.is_none_or(|name| scope == name && (public || user.is_some()))
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
    let url = reqwest::Url::parse(&format!("http://query/?{encoded}")).ok()?;
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
