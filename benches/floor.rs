//! The least that any webhook takes: TLS, and an answer in which nothing is looked at but whose it is. What a peer or we take
//! beyond it is a webhook's own; the rest is the client's, and the machine's.
//!
//! `floor --serve FOLDER` serves on a free port with `tls.crt` and `tls.key` of that folder, each connection on a thread of its
//! own, leaves its port in `FOLDER/floor`, and goes on until it is killed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::{fs, io, thread};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Where a request ends and its body begins.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// How many letters a UID has.
const UID: usize = 36;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(at) = arguments.iter().position(|argument| argument == "--serve") else {
        return Ok(()); // `cargo bench` runs all benchmarks; this one only serves those that measure from outside.
    };
    let folder = Path::new(arguments.get(at + 1).expect("--serve FOLDER"));
    let tls = Arc::new(tls(folder));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    fs::write(folder.join("floor"), listener.local_addr()?.port().to_string())?;
    for stream in listener.incoming() {
        let (stream, tls) = (stream?, Arc::clone(&tls));
        thread::spawn(move || serve(stream, tls));
    }
    Ok(())
}

fn tls(folder: &Path) -> ServerConfig {
    let certificate = CertificateDer::from_pem_file(folder.join("tls.crt")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("tls.key")).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth();
    config
        .with_single_cert(vec![certificate], key)
        .expect("they belong together")
}

/// Answers until the other side goes away.
fn serve(stream: TcpStream, tls: Arc<ServerConfig>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut received = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        received.extend_from_slice(chunk.get(..count).unwrap_or_default());
        if let Some(body) = whole_body(&received) {
            let answer = answer(body);
            stream.write_all(answer.as_bytes())?;
            stream.flush()?;
            received.clear();
        }
    }
}

/// The body of a request, once all of it is there.
fn whole_body(received: &[u8]) -> Option<&[u8]> {
    let end = place_of(END_OF_HEAD, received)?;
    let head = String::from_utf8_lossy(received.get(..end)?).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    received
        .get(end + END_OF_HEAD.len()..)?
        .get(..length.trim().parse().ok()?)
}

fn answer(review: &[u8]) -> String {
    let key = b"\"uid\":\"";
    let uid = place_of(key, review).and_then(|at| review.get(at + key.len()..)?.get(..UID));
    let uid = String::from_utf8_lossy(uid.unwrap_or_default());
    let body = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{{"uid":"{uid}","allowed":true}}}}"#
    );
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn place_of(wanted: &[u8], text: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
