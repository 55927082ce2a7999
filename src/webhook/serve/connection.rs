//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use super::activity::Activity;
use super::tls::HTTP_2;
use super::{End, Limits};

/// How much of an HTTP/1 request is buffered, in bytes: its head must fit.
const HEAD: usize = 64 << 10;
/// How many bytes of bodies an HTTP/2 client may send before they are read, on a stream and on a connection: with as
/// many connections as there may be, all that is sent unread stays below 64 MiB.
const WINDOW: u32 = 128 << 10;
/// After how long without a sign of life an HTTP/2 client is asked for one; as long again, and it is gone.
const PING: Duration = Duration::from_secs(30);

/// What connections need to be served.
#[derive(Clone)]
pub(super) struct Connections {
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    end: End,
}

impl Connections {
    pub(super) fn new(tls: Option<TlsAcceptor>, router: Router, limits: Limits, end: End) -> Self {
        Self {
            tls,
            router,
            limits,
            end,
        }
    }

    /// Serves a connection to its end.
    pub(super) async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, "small answers may be delayed: {error}");
        }
        match &self.tls {
            None => self.speak_http1(stream).await,
            Some(tls) => match self.shake_hands(tls, stream, peer).await {
                Some(stream) if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) => self.speak_http2(stream).await,
                Some(stream) => self.speak_http1(stream).await,
                None => {}
            },
        }
    }

    /// The connection behind its handshake. That one fails is the client's affair, and an everyday one.
    async fn shake_hands(
        &self,
        tls: &TlsAcceptor,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<TlsStream<TcpStream>> {
        let handshake = timeout(self.limits.handshake, tls.accept(stream));
        let done = self.end.over.run_until_cancelled(handshake).await?;
        match done {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => tracing::debug!(%peer, "no handshake: {error}"),
            Err(_) => tracing::debug!(%peer, "no handshake in time"),
        }
        None
    }

    async fn speak_http1<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let served = self.served();
        let activity = Arc::clone(&served.activity);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // hyper takes a pause between requests for a slow head.
            .header_read_timeout(self.limits.idle.max(self.limits.first_request))
            .max_buf_size(HEAD)
            .serve_connection(TokioIo::new(stream), served);
        self.follow(connection, &activity).await;
    }

    async fn speak_http2<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let served = self.served();
        let activity = Arc::clone(&served.activity);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_concurrent_streams(self.limits.streams)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .serve_connection(TokioIo::new(stream), served);
        self.follow(connection, &activity).await;
    }

    fn served(&self) -> Served {
        Served {
            router: self.router.clone(),
            activity: Arc::new(Activity::default()),
        }
    }

    /// Lets the connection run until it ends, is no longer used, or the server's end begins; then lets it finish.
    /// What has arrived is read before the end is looked at, so that it counts as begun; and who has connected just
    /// before the end has come to ask something.
    async fn follow<C: GracefulConnection>(&self, connection: C, activity: &Activity) {
        let mut connection = pin!(connection);
        let Limits {
            first_request, idle, ..
        } = self.limits;
        let ending = async {
            self.end.begun.cancelled().await;
            activity.used(first_request).await;
        };
        tokio::select! {
            biased;
            _ended = connection.as_mut() => return,
            () = ending => {}
            () = activity.ceased(first_request, idle) => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            _ended = connection => {}
            () = self.end.over.cancelled() => {}
            () = activity.quiet(first_request) => {}
        }
    }
}

/// The router, as one connection sees it.
struct Served {
    router: Router,
    activity: Arc<Activity>,
}

impl Service<hyper::Request<Incoming>> for Served {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let under_way = self.activity.begin();
        let answer = self.router.clone().oneshot(request.map(Body::new));
        answer.inspect(move |_| drop(under_way)).boxed()
    }
}
