//! Clients that are slow, silent, too many or too large: each costs a bounded share, and others are served meanwhile.

use futures::future::join_all;
use kmm_preflight::webhook::{Bounds, Limits, VALIDATE_PATH};

use super::review::CREATE;
use super::service::{BOTH, Protocol, Running, SHORT, WaitingRoom, closed, limits, post, receive, send, surely};

/// The usual limits, but for a change.
fn bounded(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = limits();
    change(&mut limits);
    limits
}

/// A webhook within those.
async fn limited(change: impl FnOnce(&mut Limits)) -> Running {
    Running::webhook(bounded(change), &Bounds::default()).await
}

/// The code of a review's answer.
async fn review(server: &Running, client: &reqwest::Client, body: impl Into<reqwest::Body>) -> u16 {
    let request = client
        .post(server.url(VALIDATE_PATH))
        .header("content-type", "application/json");
    surely(request.body(body).send()).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_client_that_never_begins_its_handshake_is_let_go() {
    let server = limited(|limits| limits.handshake = SHORT).await;
    let mut silent = server.tcp().await;
    let mut halting = server.tcp().await;
    send(&mut halting, "\u{16}\u{3}\u{1}").await;
    closed(&mut silent).await;
    closed(&mut halting).await;
}

#[tokio::test]
async fn a_client_that_asks_nothing_is_let_go() {
    let server = limited(|limits| limits.first_request = SHORT).await;
    for alpn in [b"h2".as_slice(), b"http/1.1"] {
        let mut silent = server.tls(&[alpn]).await;
        closed(&mut silent).await;
    }
}

#[tokio::test]
async fn headers_that_never_end_are_not_waited_for() {
    let server = limited(|limits| limits.first_request = SHORT).await;
    let mut stream = server.tls(&[b"http/1.1"]).await;
    send(
        &mut stream,
        "POST /validate/preflightvalidationocp HTTP/1.1\r\nHost: x\r\nContent-",
    )
    .await;
    let answer = closed(&mut stream).await;
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_answered_by_a_timeout() {
    let bounds = Bounds {
        deadline: SHORT,
        ..Bounds::default()
    };
    let server = Running::webhook(limits(), &bounds).await;
    let mut stream = server.tls(&[b"http/1.1"]).await;
    let whole = post(VALIDATE_PATH, CREATE);
    send(&mut stream, whole.get(..whole.len() - 1).unwrap()).await;
    assert_eq!(receive(&mut stream).await.0, 408);
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_connection_that_is_no_longer_used_is_closed() {
    let server = limited(|limits| limits.idle = SHORT).await;
    let mut stream = server.tls(&[b"http/1.1"]).await;
    send(&mut stream, &post(VALIDATE_PATH, CREATE)).await;
    assert_eq!(receive(&mut stream).await.0, 200);
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_request_that_takes_long_keeps_its_connection() {
    let room = WaitingRoom::new();
    let server = Running::start(room.router(), bounded(|limits| limits.idle = SHORT)).await;
    for (count, protocol) in BOTH.into_iter().enumerate() {
        let asking = tokio::spawn(server.client(protocol).get(server.url("/wait")).send());
        room.filled(1).await;
        // Other connections come, and go when they are idle for too long, one after the other.
        for _ in 0..3 {
            let mut other = server.tls(&[b"http/1.1"]).await;
            send(&mut other, &post("/nowhere", "")).await;
            assert_eq!(receive(&mut other).await.0, 404);
            closed(&mut other).await;
        }
        assert!(!asking.is_finished(), "{count}");
        room.let_go(1);
        let answer = surely(asking).await.unwrap().unwrap();
        assert_eq!(surely(answer.text()).await.unwrap(), "done");
    }
}

#[tokio::test]
async fn two_hundred_idle_connections_hinder_nobody() {
    let server = limited(|_| {}).await;
    let connect = async |count: usize| {
        let alpn: &[u8] = if count.is_multiple_of(2) { b"h2" } else { b"http/1.1" };
        server.tls(&[alpn]).await
    };
    let idle = join_all((0..200).map(connect)).await;
    for protocol in BOTH {
        let client = server.client(protocol);
        let codes = join_all((0..50).map(|_| review(&server, &client, CREATE))).await;
        assert!(codes.iter().all(|code| *code == 200), "{codes:?}");
    }
    drop(idle);
}

#[tokio::test]
async fn no_more_connections_are_served_at_a_time_than_allowed() {
    let room = WaitingRoom::new();
    let server = Running::start(room.router(), bounded(|limits| limits.connections = 2)).await;
    let url = server.url("/wait");
    let asking = (0..8).map(|_| tokio::spawn(server.client(Protocol::Http1).get(&url).send()));
    let asking: Vec<_> = asking.collect();
    room.filled(2).await;
    room.let_go(8);
    for answer in asking {
        assert_eq!(surely(answer).await.unwrap().unwrap().status(), 200);
    }
    assert!(room.most() <= 2, "{}", room.most());
}

#[tokio::test]
async fn a_body_of_nine_mebibytes_is_too_large() {
    let server = limited(|_| {}).await;
    for protocol in BOTH {
        let client = server.client(protocol);
        assert_eq!(review(&server, &client, vec![b' '; 9 << 20]).await, 413, "{protocol:?}");
        assert_eq!(review(&server, &client, CREATE).await, 200, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_announced_as_endless_is_refused_at_once() {
    let server = limited(|_| {}).await;
    let mut stream = server.tls(&[b"http/1.1"]).await;
    let head = post(VALIDATE_PATH, "").replace("Content-Length: 0", "Content-Length: 99999999999");
    send(&mut stream, &head).await;
    assert_eq!(receive(&mut stream).await.0, 413);
    closed(&mut stream).await;
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let server = limited(|_| {}).await;
    let mut stream = server.tls(&[b"http/1.1"]).await;
    let head = format!("POST {VALIDATE_PATH} HTTP/1.1\r\nHost: x\r\nX: {}", "y".repeat(1 << 20));
    // It has had enough before all of it is sent.
    surely(tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()))
        .await
        .ok();
    let answer = closed(&mut stream).await;
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{:?}", answer.get(..40));
}
