//! How the fake registry gets onto the wire: a thread, a runtime, a listener, with or without TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::server::TlsStream;

use super::{State, answers};

/// A certificate that nobody signed but itself.
#[derive(Clone)]
pub(super) struct Certificate {
    pub(super) pem: String,
    config: Arc<ServerConfig>,
}

impl Certificate {
    pub(super) fn fresh(names: &[&str]) -> Self {
        Self::made(names, rcgen::IsCa::NoCa)
    }

    pub(super) fn of_an_authority(names: &[&str]) -> Self {
        Self::made(names, rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained))
    }

    fn made(names: &[&str], is_ca: rcgen::IsCa) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = rcgen::CertificateParams::new(names).unwrap();
        parameters.is_ca = is_ca;
        let key = rcgen::KeyPair::generate().unwrap();
        let made = parameters.self_signed(&key).unwrap();
        let key = key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.der().clone()], key)
            .unwrap();
        Self {
            pem: made.pem(),
            config: Arc::new(config),
        }
    }
}

/// Serves until told to stop; returns the address.
pub(super) fn serve(address: SocketAddr, state: Arc<State>, stopped: oneshot::Receiver<()>) -> SocketAddr {
    let listener = std::net::TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let tls = state
                .setup
                .tls
                .as_ref()
                .map(|tls| TlsAcceptor::from(Arc::clone(&tls.config)));
            let router = Router::new()
                .fallback(answers::answer)
                .layer(DefaultBodyLimit::disable())
                .with_state(state);
            let serving = async move {
                match tls {
                    None => axum::serve(listener, router).await,
                    Some(acceptor) => axum::serve(TlsListener { listener, acceptor }, router).await,
                }
            };
            tokio::select! {
                _ = stopped => {}
                served = serving => served.unwrap(),
            }
        });
    });
    address
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, peer)) = self.listener.accept().await
                && let Ok(stream) = self.acceptor.accept(stream).await
            {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
