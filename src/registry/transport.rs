//! Requests on the wire: clients by TLS policy, deadlines, redirects, and where a request may go.
//!
//! This is our own client of `reqwest`, not oci-client's: that one caps no size, loses the status and
//! `Retry-After` of refusals, keeps one credential per host for whoever asks next, and cannot be told where a
//! token service or a redirect may lead.
#![expect(clippy::disallowed_types, reason = "registry edge")]

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Client, NoProxy, Proxy, RequestBuilder, Response, Url, redirect};
use rustls::pki_types::CertificateDer;
use tracing::debug;

use super::home::Home;
use super::place::{GuardedResolver, Places};
use super::settings::{Settings, SettingsError};
use super::trouble::Trouble;

/// How many redirects are followed: registries need one or two on the way to their storage.
pub(super) const REDIRECT_CAP: usize = 5;
/// How long an unused connection is kept.
const POOL_IDLE: Duration = Duration::from_mins(1);

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// What is done.
    pub(super) method: Method,
    /// Where to.
    pub(super) url: Url,
    /// Headers for whoever answers in the end.
    pub(super) headers: HeaderMap,
    /// Credentials for the host of `url` alone; they do not follow a redirect to another.
    pub(super) authorization: Option<HeaderValue>,
    /// What is sent along.
    pub(super) body: Option<Bytes>,
}

impl Ask {
    pub(super) fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            authorization: None,
            body: None,
        }
    }

    /// What is written goes on only where the redirect says that method and body stay (RFC 9110, 15.4).
    fn may_follow(&self, status: u16) -> bool {
        self.method.is_safe() || matches!(status, 307 | 308)
    }
}

/// Whose certificates are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Trust {
    /// Plain HTTP: no certificates at all, not even the system's need to be there.
    Plain,
    /// Those that the system and the CA files vouch for.
    Verified,
    /// Anybody's.
    Anybody,
}

/// Sends requests.
pub(super) struct Transport {
    pub(super) settings: Settings,
    certificates: Vec<CertificateDer<'static>>,
    proxies: Vec<Proxy>,
    proxy_hosts: Vec<String>,
    clients: Mutex<HashMap<(Trust, Places), Client>>,
}

impl Transport {
    /// Reads the CA files and the proxies' addresses.
    pub(super) fn new(settings: Settings) -> Result<Self, SettingsError> {
        let mut certificates = Vec::new();
        for path in &settings.ca_files {
            certificates.extend(super::ca_certificates(path)?.into_iter().map(CertificateDer::from));
        }
        let (proxies, proxy_hosts) = proxies(&settings)?;
        Ok(Self {
            settings,
            certificates,
            proxies,
            proxy_hosts,
            clients: Mutex::default(),
        })
    }

    /// Sends a request and follows redirects; `home` is the registry on whose behalf we ask.
    pub(super) async fn send(&self, home: &Home, mut ask: Ask) -> Result<Response, Trouble> {
        let owner = ask.url.origin();
        for _ in 0..=REDIRECT_CAP {
            if ask.url.origin() != owner {
                ask.authorization = None;
            }
            let response = self.send_once(home, &ask).await?;
            match redirected(&response) {
                Some(next) if ask.may_follow(response.status().as_u16()) => ask.url = next?,
                _ => return Ok(response),
            }
        }
        Err(Trouble::unreachable(format!("{} redirects without end", home.host())))
    }

    async fn send_once(&self, home: &Home, ask: &Ask) -> Result<Response, Trouble> {
        let answer = self.answer(home, ask).await;
        let (method, place) = (&ask.method, place(&ask.url));
        match &answer {
            Ok(response) => debug!("{method} {place}: {}", response.status()),
            Err(trouble) => debug!("{method} {place}: {}", trouble.message),
        }
        answer
    }

    async fn answer(&self, home: &Home, ask: &Ask) -> Result<Response, Trouble> {
        let host = host_of(&ask.url);
        let mut request = self.request(home, ask).await?;
        if let Some(body) = &ask.body {
            request = request.body(body.clone());
        }
        match tokio::time::timeout(self.settings.deadlines.head, request.send()).await {
            Ok(answer) => answer.map_err(|error| Trouble::transport(&host, &error)),
            Err(_elapsed) => Err(Trouble::passing(format!(
                "{host} does not answer within {} s",
                self.settings.deadlines.head.as_secs()
            ))),
        }
    }

    /// A request that is allowed to go where it goes, without its body.
    pub(super) async fn request(&self, home: &Home, ask: &Ask) -> Result<RequestBuilder, Trouble> {
        let places = self.places(home, &ask.url).await?;
        let client = self.client(trust(home, &ask.url), places)?;
        let request = client
            .request(ask.method.clone(), ask.url.clone())
            .headers(ask.headers.clone());
        Ok(match &ask.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        })
    }

    /// Where this request may lead; refused when the address says already that it leads elsewhere.
    async fn places(&self, home: &Home, url: &Url) -> Result<Places, Trouble> {
        let places = if home.is(url) {
            self.settings.registry_places
        } else {
            require_tls(home, url)?;
            let allowed = home.places().await.within(self.settings.registry_places);
            allowed.and(self.settings.other_places)
        };
        match literal(url) {
            Some(address) if !places.allow(address) => Err(Trouble::forbidden_place(&host_of(url))),
            _ => Ok(places),
        }
    }

    /// The client for such requests; connections are shared by all that use it.
    fn client(&self, trust: Trust, places: Places) -> Result<Client, Trouble> {
        let mut clients = self.clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(client) = clients.get(&(trust, places)) {
            return Ok(client.clone());
        }
        let client = self.build(trust, places)?;
        clients.insert((trust, places), client.clone());
        Ok(client)
    }

    fn build(&self, trust: Trust, places: Places) -> Result<Client, Trouble> {
        let resolver = GuardedResolver {
            places,
            proxies: self.proxy_hosts.clone(),
        };
        let builder = Client::builder()
            .user_agent(concat!("kmm-preflight/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(self.settings.deadlines.connect)
            .pool_idle_timeout(POOL_IDLE)
            .referer(false)
            .dns_resolver(resolver)
            .no_proxy();
        let builder = self
            .proxies
            .iter()
            .fold(builder, |builder, proxy| builder.proxy(proxy.clone()));
        let builder = match trust {
            Trust::Plain => builder.tls_certs_only([]),
            Trust::Verified => {
                let tls = super::verifier::configuration(&self.certificates).map_err(|error| no_tls(&error))?;
                builder.tls_backend_preconfigured(tls)
            }
            Trust::Anybody => builder.tls_certs_only([]).tls_danger_accept_invalid_certs(true),
        };
        builder.build().map_err(|error| no_tls(&error))
    }
}

fn no_tls(error: &dyn std::error::Error) -> Trouble {
    let cause = error.source().unwrap_or(error);
    Trouble::unreachable(format!(
        "no TLS is possible here: {cause}; are the system's CA certificates installed?"
    ))
}

fn trust(home: &Home, url: &Url) -> Trust {
    match url.scheme() {
        "http" => Trust::Plain,
        _ if home.tls.insecure_skip_tls_verify => Trust::Anybody,
        _ => Trust::Verified,
    }
}

/// Another host is asked over TLS only, unless the registry itself speaks plain HTTP.
fn require_tls(home: &Home, url: &Url) -> Result<(), Trouble> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if home.is_plain() => Ok(()),
        _ => Err(Trouble::unreachable(format!(
            "{} sends us on to {}, which is not reached over TLS; that is refused",
            home.host(),
            host_of(url)
        ))),
    }
}

/// The next address, if the answer is a redirect.
pub(super) fn redirected(response: &Response) -> Option<Result<Url, Trouble>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok();
    let next = location.and_then(|location| response.url().join(location).ok());
    Some(
        next.map(without_login).ok_or_else(|| {
            Trouble::unreachable(format!("{} redirects to what is no address", host_of(response.url())))
        }),
    )
}

/// A remote server does not say with which name and password we ask another.
pub(super) fn without_login(mut url: Url) -> Url {
    // Both fail only for addresses without a host, which cannot be asked anyway.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// A URL for the log: without what may be secret in it, name, password and query.
fn place(url: &Url) -> Url {
    let mut url = without_login(url.clone());
    url.set_query(None);
    url
}

/// Host and port, for messages.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("an address without a host");
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The address in a URL that names no host but an address.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn proxies(settings: &Settings) -> Result<(Vec<Proxy>, Vec<String>), SettingsError> {
    let direct = settings.proxies.no_proxy.as_deref().and_then(NoProxy::from_string);
    let mut proxies = Vec::new();
    let mut hosts = Vec::new();
    let kinds: [(_, fn(&str) -> _); 2] = [
        (&settings.proxies.http, |url| Proxy::http(url)),
        (&settings.proxies.https, |url| Proxy::https(url)),
    ];
    for (address, make) in kinds {
        let Some(address) = address else { continue };
        let url = proxy_url(address)?;
        let proxy = make(url.as_str()).map_err(|_error| bad_proxy(address))?;
        hosts.extend(url.host_str().map(str::to_owned));
        proxies.push(proxy.no_proxy(direct.clone()));
    }
    Ok((proxies, hosts))
}

fn proxy_url(address: &str) -> Result<Url, SettingsError> {
    let address = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    Url::parse(&address)
        .ok()
        .filter(Url::has_host)
        .ok_or_else(|| bad_proxy(&address))
}

fn bad_proxy(address: &str) -> SettingsError {
    let proxy = address.rsplit('@').next().unwrap_or_default();
    SettingsError::Proxy {
        proxy: super::excerpt::excerpt(proxy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_no_secrets_of_a_url() {
        let url = Url::parse("https://me:secret@s3.example/blob?X-Signature=secret").unwrap();
        assert_eq!(place(&url).as_str(), "https://s3.example/blob");
    }
}
