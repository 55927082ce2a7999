//! The crate from outside: real TLS handshakes, a stand-in for the API server, and the real one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test builds on must be there")]

mod api_server;
mod fake_api;
mod files;
mod handshake;
mod hook;
mod keeper;
mod logs;
mod tls;
