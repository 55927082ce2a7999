//! The certificate that new TLS connections get, exchanged at any time without disturbing those that stand.

use crate::certificate::Pair;
use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// Hands the current certificate to each new connection. Clones share it; a clone costs two counters.
///
/// A connection keeps what it was given at its handshake, so an exchange never touches connections or requests in
/// flight. Before there is a certificate, handshakes are refused.
#[derive(Clone)]
pub struct CertificateResolver {
    serving: Arc<ArcSwapOption<CertifiedKey>>,
    state: watch::Receiver<CertificateState>,
}

/// What is served now. Equal states mean the same certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateState {
    /// When the serving certificate expires; `None` before there is one.
    pub expiry: Option<Timestamp>,
    /// The serving certificate's names.
    pub names: Vec<String>,
    /// How many certificates have been put in service since the start, the first included.
    pub generation: u64,
}

/// The side that exchanges the certificate.
pub(crate) struct Serving {
    serving: Arc<ArcSwapOption<CertifiedKey>>,
    state: watch::Sender<CertificateState>,
}

impl Serving {
    pub(crate) fn new() -> Self {
        Self {
            serving: Arc::new(ArcSwapOption::empty()),
            state: watch::channel(CertificateState::default()).0,
        }
    }

    pub(crate) fn resolver(&self) -> CertificateResolver {
        CertificateResolver {
            serving: Arc::clone(&self.serving),
            state: self.state.subscribe(),
        }
    }

    /// Puts a pair in service; says whether it is another than before.
    pub(crate) fn serve(&self, pair: &Pair) -> bool {
        let same = |current: &Arc<CertifiedKey>| current.cert == pair.certified.cert;
        if self.serving.load().as_ref().is_some_and(same) {
            return false;
        }
        self.serving.store(Some(Arc::clone(&pair.certified)));
        self.state.send_modify(|state| {
            *state = CertificateState {
                expiry: Some(pair.certificate.not_after),
                names: pair.certificate.names.clone(),
                generation: state.generation + 1,
            };
        });
        true
    }
}

impl CertificateResolver {
    /// Whether there is a certificate to serve.
    pub fn is_ready(&self) -> bool {
        self.serving.load().is_some()
    }

    /// When the certificate in service expires.
    pub fn expiry(&self) -> Option<Timestamp> {
        self.state.borrow().expiry
    }

    /// Tells of every exchange: for metrics, and for waiting until there is a first certificate.
    pub fn states(&self) -> watch::Receiver<CertificateState> {
        self.state.clone()
    }
}

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.serving.load_full()
    }
}

impl fmt::Debug for CertificateResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateResolver")
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}
