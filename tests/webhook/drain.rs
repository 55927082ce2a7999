//! The end: nothing new, everything that was begun is answered, and it is over when it is said to be.

use std::sync::atomic::Ordering::SeqCst;

use axum::http::Version;
use kmm_preflight::webhook::{Bounds, Limits, VALIDATE_PATH};
use tokio::net::TcpStream;

use super::review::CREATE;
use super::service::{BOTH, HOST, Protocol, Running, SHORT, WaitingRoom, closed, limits, post, receive, send, surely};

#[tokio::test]
async fn requests_under_way_are_answered() {
    for protocol in BOTH {
        let room = WaitingRoom::new();
        let mut server = Running::start(room.router(), limits()).await;
        let (client, url) = (server.client(protocol), server.url("/wait"));
        let asking: Vec<_> = (0..5).map(|_| tokio::spawn(client.get(&url).send())).collect();
        room.filled(5).await;
        server.stop();
        refuses_newcomers(&server).await;
        room.let_go(5);
        for answer in asking {
            let answer = surely(answer).await.unwrap().unwrap();
            assert_eq!(surely(answer.text()).await.unwrap(), "done");
        }
        drop(client);
        server.ended().await;
    }
}

/// Waits until nobody is let in any more.
async fn refuses_newcomers(server: &Running) {
    surely(async {
        while let Ok(stream) = TcpStream::connect(server.address).await {
            drop(stream);
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn idle_connections_are_closed_at_once() {
    let mut server = Running::webhook(limits(), &Bounds::default()).await;
    let mut used = server.tls(&[b"http/1.1"]).await;
    send(&mut used, &post(VALIDATE_PATH, CREATE)).await;
    assert_eq!(receive(&mut used).await.0, 200);
    let client = server.client(Protocol::Http2);
    let request = client
        .post(server.url(VALIDATE_PATH))
        .header("content-type", "application/json");
    let answer = surely(request.body(CREATE).send()).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    server.stop();
    closed(&mut used).await;
    server.ended().await;
}

#[tokio::test]
async fn a_request_that_is_half_sent_when_the_end_comes_is_answered() {
    let mut server = Running::webhook(limits(), &Bounds::default()).await;
    let mut stream = server.tls(&[b"http/1.1"]).await;
    let whole = post(VALIDATE_PATH, CREATE);
    let (first, rest) = whole.split_at(whole.len() - 100);
    send(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(receive(&mut stream).await.0, 404);
    send(
        &mut stream,
        &format!(
            "{}Expect: 100-continue\r\n\r\n",
            whole.split_once("\r\n\r\n").unwrap().0.to_owned() + "\r\n"
        ),
    )
    .await;
    let (code, _, _) = receive(&mut stream).await;
    assert_eq!(code, 100, "the body is awaited, so the request is under way");
    server.stop();
    refuses_newcomers(&server).await;
    let body = first.split_once("\r\n\r\n").unwrap().1;
    send(&mut stream, &format!("{body}{rest}")).await;
    let (code, head, answer) = receive(&mut stream).await;
    assert_eq!(code, 200);
    assert!(head.contains("connection: close"), "{head}");
    assert!(answer.contains(r#""allowed":true"#));
    closed(&mut stream).await;
    server.ended().await;
}

#[tokio::test]
async fn what_takes_longer_than_the_drain_is_cut_off() {
    for protocol in BOTH {
        let room = WaitingRoom::new();
        let mut server = Running::start(
            room.router(),
            Limits {
                drain: SHORT,
                ..limits()
            },
        )
        .await;
        let asking = tokio::spawn(server.client(protocol).get(server.url("/wait")).send());
        room.filled(1).await;
        let silent = server.tcp().await;
        server.stop();
        server.ended().await;
        assert!(surely(asking).await.unwrap().is_err());
        drop(silent);
    }
}

#[tokio::test]
async fn a_client_that_is_connected_but_silent_does_not_hold_up_the_end() {
    let mut server = Running::webhook(
        Limits {
            first_request: SHORT,
            ..limits()
        },
        &Bounds::default(),
    )
    .await;
    let mut silent = server.tls(&[b"http/1.1"]).await;
    server.stop();
    closed(&mut silent).await;
    server.ended().await;
}

/// Clients ask without a pause while the end comes: each request that reached a handler reaches its client, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_that_was_begun_is_lost_under_load() {
    for protocol in BOTH {
        let room = WaitingRoom::new();
        room.let_go(1_000_000);
        let mut server = Running::start(room.router(), limits()).await;
        let url = server.url("/wait");
        let clients = (0..8).map(|_| tokio::spawn(ask_until_refused(server.client(protocol), url.clone())));
        let clients: Vec<_> = clients.collect();
        room.filled(300).await;
        server.stop();
        let mut answered = 0;
        for client in clients {
            answered += surely(client).await.unwrap();
        }
        server.ended().await;
        assert_eq!(room.entered.load(SeqCst), answered, "{protocol:?}");
    }
}

/// How many answers came before nobody answered any more.
async fn ask_until_refused(client: reqwest::Client, url: String) -> usize {
    let mut answered = 0;
    while let Ok(answer) = client.get(&url).send().await {
        assert_eq!(answer.text().await.unwrap(), "done");
        answered += 1;
    }
    answered
}

#[tokio::test]
async fn who_is_connected_when_the_end_comes_is_still_served() {
    let room = WaitingRoom::new();
    room.let_go(1);
    let mut server = Running::start(room.router(), limits()).await;
    let mut stream = server.tls(&[b"http/1.1"]).await;
    server.stop();
    refuses_newcomers(&server).await;
    send(&mut stream, &format!("GET /wait HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    assert_eq!(receive(&mut stream).await.0, 200);
    closed(&mut stream).await;
    server.ended().await;
}
