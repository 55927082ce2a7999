//! The files that hold credentials: Docker's `config.json`, the Secret forms of it, containers' `auth.json`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::credential::Login;

/// What such a file says.
#[derive(Debug, Default)]
pub(super) struct DockerConfig {
    /// Registry (and path) → login.
    pub(super) logins: Vec<(String, Login)>,
    /// Registry → credential helper.
    pub(super) helpers: BTreeMap<String, String>,
    /// The helper for all other registries.
    pub(super) store: Option<String>,
}

/// What is wrong with such a file. No part of its content is repeated: it is secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum ConfigProblem {
    #[error("it is no JSON of the expected form (line {line}, column {column})")]
    Form { line: usize, column: usize },
    #[error("the entry `{key}` has an `auth` that is not base64 of NAME:PASSWORD")]
    Auth { key: String },
}

#[derive(Deserialize)]
struct File {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Docker pads, kubelet takes both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl DockerConfig {
    /// Reads `{"auths": {…}}`, with helpers.
    pub(super) fn parse(text: &[u8]) -> Result<Self, ConfigProblem> {
        let file: File = json(text)?;
        Ok(Self {
            logins: logins(file.auths.unwrap_or_default())?,
            helpers: file.helpers.unwrap_or_default(),
            store: file.store.filter(|store| !store.is_empty()),
        })
    }

    /// Reads the old `.dockercfg`: the entries alone.
    pub(super) fn parse_legacy(text: &[u8]) -> Result<Self, ConfigProblem> {
        Ok(Self {
            logins: logins(json(text)?)?,
            ..Self::default()
        })
    }
}

fn json<T: for<'a> Deserialize<'a>>(text: &[u8]) -> Result<T, ConfigProblem> {
    serde_json::from_slice(text).map_err(|error| ConfigProblem::Form {
        line: error.line(),
        column: error.column(),
    })
}

fn logins(entries: BTreeMap<String, Option<Entry>>) -> Result<Vec<(String, Login)>, ConfigProblem> {
    let mut logins = Vec::new();
    for (key, entry) in entries {
        let login = entry.unwrap_or_default().login();
        let login = login.map_err(|NotAnAuth| ConfigProblem::Auth {
            key: super::excerpt::excerpt(&key),
        })?;
        logins.extend(login.map(|login| (key, login)));
    }
    Ok(logins)
}

struct NotAnAuth;

impl Entry {
    /// The strongest login of the entry; `auth` wins over `username` and `password`, as it does for Docker.
    /// An empty entry says only that a helper knows the registry.
    fn login(self) -> Result<Option<Login>, NotAnAuth> {
        let set = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(token) = set(self.registrytoken) {
            return Ok(Some(Login::Token(token)));
        }
        if let Some(token) = set(self.identitytoken) {
            return Ok(Some(Login::Identity(token)));
        }
        if let Some(auth) = set(self.auth) {
            return decode(&auth).map(Some).ok_or(NotAnAuth);
        }
        let name = set(self.username);
        Ok(name.map(|name| Login::Password(name, self.password.unwrap_or_default())))
    }
}

fn decode(auth: &str) -> Option<Login> {
    let text = String::from_utf8(BASE64.decode(auth.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    // Docker once padded passwords with NUL.
    Some(Login::Password(
        name.to_owned(),
        password.trim_end_matches('\0').to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(name: &str, password: &str) -> Login {
        Login::Password(name.to_owned(), password.to_owned())
    }

    #[test]
    fn every_form_of_an_entry_is_read() {
        let rows = [
            (r#"{"auth":"dXNlcjpwYXNz"}"#, Some(password("user", "pass"))),
            (r#"{"auth":"dXNlcjpwYTpzcw=="}"#, Some(password("user", "pa:ss"))),
            (r#"{"auth":"dXNlcjpwYTpzcw"}"#, Some(password("user", "pa:ss"))),
            (r#"{"auth":"dXNlcjpwYXNzAAA="}"#, Some(password("user", "pass"))),
            (
                r#"{"username":"user","password":"pass"}"#,
                Some(password("user", "pass")),
            ),
            (
                r#"{"username":"other","password":"x","auth":"dXNlcjpwYXNz"}"#,
                Some(password("user", "pass")),
            ),
            (
                r#"{"auth":"dXNlcjpwYXNz","identitytoken":"id"}"#,
                Some(Login::Identity("id".into())),
            ),
            (r#"{"registrytoken":"jwt"}"#, Some(Login::Token("jwt".into()))),
            (r#"{"email":"a@b"}"#, None),
            ("{}", None),
            ("null", None),
        ];
        for (entry, login) in rows {
            let config = DockerConfig::parse(format!(r#"{{"auths":{{"r":{entry}}}}}"#).as_bytes()).unwrap();
            assert!(
                config.logins.first().map(|(_, login)| login) == login.as_ref(),
                "{entry}"
            );
            let legacy = DockerConfig::parse_legacy(format!(r#"{{"r":{entry}}}"#).as_bytes()).unwrap();
            assert!(legacy.logins == config.logins, "{entry}");
        }
    }

    #[test]
    fn a_damaged_file_is_refused_without_repeating_it() {
        let rows = [
            (
                r#"{"auths":{"r":{"auth":"s3cret!"}}}"#,
                "the entry `r` has an `auth` that is not base64 of NAME:PASSWORD",
            ),
            (
                r#"{"auths":{"r":{"auth":"dXNlcg=="}}}"#,
                "the entry `r` has an `auth` that is not base64 of NAME:PASSWORD",
            ),
            (
                "{\n\"auths\": \"s3cret\"}",
                "it is no JSON of the expected form (line 2, column 17)",
            ),
            ("s3cret", "it is no JSON of the expected form (line 1, column 1)"),
        ];
        for (text, problem) in rows {
            assert_eq!(DockerConfig::parse(text.as_bytes()).unwrap_err().to_string(), problem);
        }
    }

    #[test]
    fn helpers_are_read() {
        let text = br#"{"credsStore":"pass","credHelpers":{"quay.io":"quay"},"auths":{"a":{}}}"#;
        let config = DockerConfig::parse(text).unwrap();
        assert_eq!(config.store.as_deref(), Some("pass"));
        assert_eq!(config.helpers.get("quay.io").map(String::as_str), Some("quay"));
        assert!(config.logins.is_empty());
        assert!(DockerConfig::parse(b"{}").unwrap().store.is_none());
    }
}
