//! `WWW-Authenticate`: how a registry wants to be asked.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// How a registry wants to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With a token from this service.
    Bearer(TokenService),
    /// With a name and a password.
    Basic,
}

/// Where tokens come from, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenService {
    /// The address that issues tokens.
    pub(super) realm: String,
    /// The name of the registry in the service's words; some services want none.
    pub(super) service: Option<String>,
}

impl Challenge {
    /// The strongest challenge that we can answer; none when the headers name no such.
    ///
    /// The scope that it may name is not read: what we ask for is our own affair.
    pub(super) fn in_headers(headers: &HeaderMap) -> Option<Self> {
        let all = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let known: Vec<Self> = all.flat_map(Self::in_text).collect();
        let bearer = known.iter().find(|challenge| matches!(challenge, Self::Bearer(_)));
        bearer.or(known.first()).cloned()
    }

    fn in_text(text: &str) -> Vec<Self> {
        let challenges = http_auth::parse_challenges(text).unwrap_or_default();
        challenges.iter().filter_map(Self::understand).collect()
    }

    fn understand(challenge: &http_auth::ChallengeRef<'_>) -> Option<Self> {
        let named = |name: &str| {
            let parameter = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            parameter.map(|(_, value)| value.to_unescaped())
        };
        match challenge.scheme.to_ascii_lowercase().as_str() {
            "bearer" => {
                let realm = named("realm")?;
                Some(Self::Bearer(TokenService {
                    realm,
                    service: named("service"),
                }))
            }
            "basic" => Some(Self::Basic),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(lines: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, line.parse().unwrap());
        }
        Challenge::in_headers(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        let service = service.map(str::to_owned);
        Challenge::Bearer(TokenService {
            realm: realm.to_owned(),
            service,
        })
    }

    #[test]
    fn challenges_are_understood() {
        let token = r#"Bearer realm="https://auth.example/t",service="reg",scope="repository:a/b:pull""#;
        let rows: &[(&[&str], Option<Challenge>)] = &[
            (&[token], Some(bearer("https://auth.example/t", Some("reg")))),
            (&[r#"bearer REALM="https://a/t""#], Some(bearer("https://a/t", None))),
            (&[r#"Basic realm="registry""#], Some(Challenge::Basic)),
            (
                &[r#"Basic realm="r", Bearer realm="https://a/t""#],
                Some(bearer("https://a/t", None)),
            ),
            (
                &[r#"Basic realm="r""#, r#"Bearer realm="https://a/t""#],
                Some(bearer("https://a/t", None)),
            ),
            (&[r#"Negotiate, Basic realm="r""#], Some(Challenge::Basic)),
            (&[r#"Bearer service="no realm""#], None),
            (&["Bearer realm=\"unfinished"], None),
            (&[""], None),
            (&[], None),
        ];
        for (lines, expected) in rows {
            assert_eq!(challenge(lines), *expected, "{lines:?}");
        }
    }
}
