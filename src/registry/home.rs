//! The registry that a reference names: its address, whether it speaks TLS, and where it is.

use http::uri::Authority;
use reqwest::Url;
use tokio::sync::OnceCell;

use super::place::Places;
use super::transport::{host_of, literal};
use super::trouble::Trouble;
use crate::api::module::RegistryTls;

/// The address at which Docker Hub serves `docker.io`.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// The registry that a reference names.
#[derive(Debug)]
pub(super) struct Home {
    base: Url,
    /// How its owner says it is to be asked.
    pub(super) tls: RegistryTls,
    places: OnceCell<Places>,
}

impl Home {
    /// The registry of this name, over TLS or plainly.
    pub(super) fn new(registry: &str, plain: bool, tls: RegistryTls) -> Result<Self, Trouble> {
        let authority = match registry {
            "docker.io" | "index.docker.io" => DOCKER_HUB,
            other => other,
        };
        let scheme = if plain { "http" } else { "https" };
        let wrong = || Trouble::unreachable(format!("`{registry}` is not the address of a registry"));
        let _valid: Authority = authority.parse().map_err(|_error| wrong())?;
        let base = Url::parse(&format!("{scheme}://{authority}/v2/")).map_err(|_error| wrong())?;
        Ok(Self {
            base,
            tls,
            places: OnceCell::new(),
        })
    }

    /// Host and port.
    pub(super) fn host(&self) -> String {
        host_of(&self.base)
    }

    /// The address of something in the registry; the registry's own with an empty path.
    pub(super) fn url(&self, path: &str) -> Result<Url, Trouble> {
        self.base
            .join(path)
            .map_err(|_error| Trouble::unreachable(format!("`{path}` cannot be asked for")))
    }

    /// Whether it speaks plain HTTP.
    pub(super) fn is_plain(&self) -> bool {
        self.base.scheme() == "http"
    }

    /// Whether an address is the registry itself.
    pub(super) fn is(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// Where the registry is; only the public network when its name is not known here (a proxy knows it).
    pub(super) async fn places(&self) -> Places {
        *self.places.get_or_init(|| self.find_places()).await
    }

    async fn find_places(&self) -> Places {
        if let Some(address) = literal(&self.base) {
            return Places::of([address]);
        }
        let host = self.base.host_str().unwrap_or_default();
        match tokio::net::lookup_host((host, 0)).await {
            Ok(found) => Places::of(found.map(|found| found.ip())),
            Err(_unknown) => Places::PUBLIC,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(registry: &str) -> Result<String, String> {
        let home = Home::new(registry, false, RegistryTls::default()).map_err(|trouble| trouble.message)?;
        home.url("a/b/manifests/1")
            .map(|url| url.to_string())
            .map_err(|trouble| trouble.message)
    }

    #[test]
    fn registries_have_addresses() {
        let rows = [
            ("docker.io", "https://registry-1.docker.io/v2/a/b/manifests/1"),
            ("quay.io", "https://quay.io/v2/a/b/manifests/1"),
            ("localhost:5000", "https://localhost:5000/v2/a/b/manifests/1"),
            ("[::1]:5000", "https://[::1]:5000/v2/a/b/manifests/1"),
        ];
        for (registry, url) in rows {
            assert_eq!(home(registry).unwrap(), url);
        }
        assert!(home("not a host").is_err());
        assert!(home("user:secret@quay.io/path").is_err());
    }

    #[tokio::test]
    async fn a_registry_is_where_its_name_leads() {
        let places = async |registry| {
            Home::new(registry, true, RegistryTls::default())
                .unwrap()
                .places()
                .await
        };
        assert_eq!(places("127.0.0.1:5000").await, Places::MACHINE);
        assert_eq!(places("[fe80::1]:5000").await, Places::LINK);
        assert_eq!(places("10.0.0.7").await, Places::PRIVATE);
        assert_eq!(places("localhost:5000").await, Places::MACHINE);
        assert_eq!(places("registry.invalid").await, Places::PUBLIC);
    }
}
