//! The plain port: what it tells, and that it tells nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use kmm_preflight::webhook::probes::router;
use kmm_preflight::webhook::{Limits, Server};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use super::service::{SHORT, closed, limits, receive, send, surely};

fn plain(ready: &Arc<AtomicBool>) -> Router {
    let ready = Arc::clone(ready);
    let readiness = move || {
        if ready.load(SeqCst) {
            Ok(())
        } else {
            Err("no certificate yet")
        }
    };
    router(Arc::new(readiness), Arc::new(|| "# EOF\n".to_owned()))
}

async fn ask(router: &Router, method: &str, path: &str) -> (u16, String, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let media_type = response
        .headers()
        .get("content-type")
        .map(|value| value.to_str().unwrap().to_owned());
    let code = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (
        code,
        media_type.unwrap_or_default(),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn it_lives_before_it_is_ready_and_says_why_it_is_not() {
    let ready = Arc::new(AtomicBool::new(false));
    let router = plain(&ready);
    assert_eq!(ask(&router, "GET", "/healthz").await.0, 200);
    let (code, _, why) = ask(&router, "GET", "/readyz").await;
    assert_eq!((code, why.as_str()), (503, "no certificate yet"));
    ready.store(true, SeqCst);
    assert_eq!(ask(&router, "GET", "/readyz").await.0, 200);
}

#[tokio::test]
async fn metrics_come_with_the_type_that_prometheus_asks_for() {
    let (code, media_type, text) = ask(&plain(&Arc::default()), "GET", "/metrics").await;
    assert_eq!((code, text.as_str()), (200, "# EOF\n"));
    assert_eq!(media_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

#[tokio::test]
async fn nothing_else_is_there_and_nothing_but_reading_is_allowed() {
    let router = plain(&Arc::default());
    for path in ["/", "/debug/pprof", "/validate/preflightvalidationocp", "/metrics/x"] {
        assert_eq!(ask(&router, "GET", path).await.0, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert_eq!(ask(&router, method, "/metrics").await.0, 405, "{method}");
    }
}

/// A plain port with these limits.
async fn served(limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::plain(listener, plain(&Arc::default()), limits);
    tokio::spawn(server.run(std::future::pending()));
    address
}

#[tokio::test]
async fn it_is_served_in_plain_http() {
    let mut stream = surely(TcpStream::connect(served(limits()).await)).await.unwrap();
    send(&mut stream, "GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n").await;
    assert_eq!(receive(&mut stream).await.0, 200);
}

#[tokio::test]
async fn it_has_the_same_bounds() {
    let limits = Limits {
        first_request: SHORT,
        ..limits()
    };
    let address = served(limits).await;
    for begin in ["", "GET /healthz HTTP/1.1\r\nHo"] {
        let mut stream = surely(TcpStream::connect(address)).await.unwrap();
        send(&mut stream, begin).await;
        assert!(closed(&mut stream).await.is_empty());
    }
}
