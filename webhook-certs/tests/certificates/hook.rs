//! The smallest webhook there can be: over TLS it admits everything, with one handshake for every review.

use crate::tls::acceptor;
use serde_json::{Value, json};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use webhook_certs::CertificateResolver;

/// No review of these tests is larger.
const MAX_REVIEW: usize = 1 << 20;

/// Serves on a free port until the test ends; returns the URL.
pub(crate) async fn admit_everything(resolver: CertificateResolver) -> String {
    let acceptor = acceptor(resolver);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(acceptor.clone(), stream));
        }
    });
    url
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = Vec::new();
    let review = loop {
        if stream.read_buf(&mut request).await? == 0 || request.len() > MAX_REVIEW {
            return Ok(());
        }
        if let Some(review) = review_in(&request) {
            break review;
        }
    };
    let uid = review["request"]["uid"].clone();
    let answer = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": uid, "allowed": true}});
    let (body, head) = (
        answer.to_string(),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n",
    );
    stream
        .write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
        .await?;
    stream.shutdown().await
}

/// The review, once all of it has come.
fn review_in(request: &[u8]) -> Option<Value> {
    let head = request.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    serde_json::from_slice(request.get(head..)?).ok()
}
