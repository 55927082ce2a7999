//! The real handshake: versions of TLS and HTTP, certificates that change, and what is no handshake at all.

use kmm_preflight::webhook::{Bounds, VALIDATE_PATH};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::review::CREATE;
use super::service::{BOTH, HOST, Protocol, Running, closed, limits, post, receive, send, surely};

async fn webhook() -> Running {
    Running::webhook(limits(), &Bounds::default()).await
}

async fn is_answered(server: &Running, client: &reqwest::Client) {
    let request = client
        .post(server.url(VALIDATE_PATH))
        .header("content-type", "application/json");
    let response = surely(request.body(CREATE).send()).await.unwrap();
    let answer: Value = surely(response.json()).await.unwrap();
    assert_eq!(answer["response"]["allowed"], true);
}

#[tokio::test]
async fn reviews_are_answered_by_both_versions_of_http() {
    let server = webhook().await;
    for protocol in BOTH {
        let client = server.client(protocol);
        for _ in 0..3 {
            is_answered(&server, &client).await;
        }
    }
}

#[tokio::test]
async fn the_version_of_http_is_chosen_by_alpn() {
    let server = webhook().await;
    let (h2, http1) = (b"h2".as_slice(), b"http/1.1".as_slice());
    let table = [
        (vec![h2, http1], Some(h2)),
        (vec![http1], Some(http1)),
        (vec![h2], Some(h2)),
        (vec![], None),
    ];
    for (offered, chosen) in table {
        let stream = server.tls(&offered).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen);
    }
}

#[tokio::test]
async fn a_client_that_chooses_nothing_speaks_http_1() {
    let server = webhook().await;
    let mut stream = server.tls(&[]).await;
    send(&mut stream, &post(VALIDATE_PATH, CREATE)).await;
    assert_eq!(receive(&mut stream).await.0, 200);
}

#[tokio::test]
async fn an_http_2_preface_on_an_http_1_connection_is_refused() {
    let server = webhook().await;
    let mut stream = server.tls(&[b"http/1.1"]).await;
    send(&mut stream, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let answer = closed(&mut stream).await;
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{answer:?}");
}

#[tokio::test]
async fn a_new_certificate_serves_new_connections_and_leaves_old_ones_alone() {
    let server = webhook().await;
    let before = server.certificate.der();
    let mut old = server.tls(&[b"http/1.1"]).await;
    let old_client = server.client(Protocol::Http2);
    is_answered(&server, &old_client).await;
    server.certificate.swap();
    assert_ne!(server.certificate.der(), before);
    is_answered(&server, &server.client(Protocol::Http2)).await;
    let new = server.tls(&[]).await;
    assert_eq!(
        new.get_ref().1.peer_certificates().unwrap().first(),
        Some(&server.certificate.der())
    );
    is_answered(&server, &old_client).await;
    send(&mut old, &post(VALIDATE_PATH, CREATE)).await;
    assert_eq!(receive(&mut old).await.0, 200);
}

/// A ClientHello of TLS 1.1, which nothing in it takes further; with an extension or without.
fn client_hello_of_tls_1_1(extension: &[u8]) -> Vec<u8> {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0, 4, 0xc0, 0x13, 0x00, 0x2f]); // ECDHE-RSA-AES128-CBC-SHA, RSA-AES128-CBC-SHA
    hello.extend([1, 0]); // no compression
    if let Ok(length @ 1..) = u8::try_from(extension.len()) {
        hello.extend([0, length]);
        hello.extend(extension);
    }
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    record
}

#[tokio::test]
async fn tls_1_1_is_refused_by_an_alert() {
    let server = webhook().await;
    let (alert, fatal, handshake_failure, protocol_version) = (21, 2, 40, 70);
    let signature_algorithms = [0, 13, 0, 4, 0, 2, 4, 1];
    let table = [(&[][..], handshake_failure), (&signature_algorithms, protocol_version)];
    for (extension, expected) in table {
        let mut stream = server.tcp().await;
        let hello = client_hello_of_tls_1_1(extension);
        surely(stream.write_all(&hello)).await.unwrap();
        let answer = closed(&mut stream).await;
        assert_eq!(answer.first(), Some(&alert), "{answer:?}");
        assert_eq!(answer.get(5..), Some([fatal, expected].as_slice()), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_handshake_ends_its_own_connection_only() {
    let server = webhook().await;
    let plain = post(VALIDATE_PATH, CREATE);
    let garbage: [&[u8]; 4] = [
        plain.as_bytes(),
        &[0; 4096],
        &[0xff; 10_000],
        &[22, 3, 1, 255, 255, 1, 0, 0, 9],
    ];
    for bytes in garbage {
        let mut stream = server.tcp().await;
        // The server may have had enough before all of it is sent.
        surely(stream.write_all(bytes)).await.ok();
        surely(stream.shutdown()).await.ok();
        let answer = closed(&mut stream).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    is_answered(&server, &server.client(Protocol::Http1)).await;
}

#[tokio::test]
async fn garbage_behind_the_handshake_ends_its_own_connection_only() {
    let server = webhook().await;
    for alpn in [b"h2".as_slice(), b"http/1.1"] {
        let mut stream = server.tls(&[alpn]).await;
        surely(stream.write_all(&[0xfe; 10_000])).await.ok();
        closed(&mut stream).await;
    }
    is_answered(&server, &server.client(Protocol::Http2)).await;
}

#[tokio::test]
async fn half_a_request_and_then_nothing_concerns_nobody_else() {
    let server = webhook().await;
    let whole = post(VALIDATE_PATH, CREATE);
    for end in [1, 20, 90, 200, whole.len() - 1] {
        let mut stream = server.tls(&[b"http/1.1"]).await;
        send(&mut stream, whole.get(..end).unwrap()).await;
        surely(stream.shutdown()).await.unwrap();
        let answer = String::from_utf8_lossy(&closed(&mut stream).await).into_owned();
        assert!(!answer.starts_with("HTTP/1.1 200"), "{end}: {answer}");
    }
    is_answered(&server, &server.client(Protocol::Http1)).await;
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_their_order() {
    let server = webhook().await;
    let mut stream = server.tls(&[b"http/1.1"]).await;
    let both = format!(
        "GET /nowhere HTTP/1.1\r\nHost: {HOST}\r\n\r\n{}",
        post(VALIDATE_PATH, CREATE)
    );
    send(&mut stream, &both).await;
    let mut answers = Vec::new();
    while !String::from_utf8_lossy(&answers).contains(r#""allowed":true"#) {
        assert!(surely(stream.read_buf(&mut answers)).await.unwrap() > 0);
    }
    assert!(answers.starts_with(b"HTTP/1.1 404"));
}
