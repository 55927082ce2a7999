//! The driver toolkit's registry, asked in plain HTTP only where somebody says that it may be.

use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use crate::cli::support::check;

/// A registry that hears how it is spoken to, and hangs up. Returns its address, and the first byte of every connection.
fn registry_that_hangs_up() -> (String, Receiver<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (heard, firsts) = channel();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut first = [0];
            if client.read_exact(&mut first).is_ok() && heard.send(first[0]).is_err() {
                return;
            }
        }
    });
    (address, firsts)
}

/// The first bytes that the registry of a toolkit hears, with these further words.
fn heard(words: &str) -> Vec<u8> {
    let (address, firsts) = registry_that_hangs_up();
    let words = words.replace("REGISTRY", &address);
    check(&format!(
        "-f examples/upgrade --dtk-image {address}/dtk:1 --no-cache --timeout 30s {words}"
    ))
    .in_repository()
    .ends_with(1);
    firsts.try_iter().collect()
}

#[test]
fn a_toolkit_is_asked_for_in_plain_http_where_that_is_allowed() {
    const TLS_HANDSHAKE: u8 = 22;
    let strictly = heard("");
    assert!(
        !strictly.is_empty() && strictly.iter().all(|first| *first == TLS_HANDSHAKE),
        "{strictly:?}"
    );
    let elsewhere = heard("--plain-toolkit-registry registry.example.com");
    assert!(elsewhere.iter().all(|first| *first == TLS_HANDSHAKE), "{elsewhere:?}");
    let allowed = heard("--plain-toolkit-registry REGISTRY");
    assert!(allowed.contains(&b'G'), "TLS first, then GET: {allowed:?}");
    check("-f examples/upgrade --plain-toolkit-registry http://x")
        .in_repository()
        .fails_with("error: --plain-toolkit-registry `http://x`");
}
