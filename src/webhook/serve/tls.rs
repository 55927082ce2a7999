//! How TLS is spoken: 1.2 and 1.3, with the certificate that a resolver has at the moment.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::ResolvesServerCert;

/// HTTP/2, by the name that clients ask for it (RFC 9113).
pub(super) const HTTP_2: &[u8] = b"h2";
/// HTTP/1.1 (RFC 7301).
const HTTP_1: &[u8] = b"http/1.1";

/// TLS 1.2 and up; clients choose HTTP/2 or HTTP/1.1 by ALPN, and get HTTP/1.1 where they choose nothing.
pub(super) fn config(resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    Ok(config)
}
