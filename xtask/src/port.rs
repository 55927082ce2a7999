//! Ports of this machine that nobody has.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Below the ports that Linux gives to outgoing connections (32768 and up): a server that is stopped and started again
/// finds its port as it left it.
const FIRST: u16 = 20_000;
/// How many ports there are to choose from.
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 that was free a moment ago, from a random place on so that those who ask at the same time are
/// told different ones.
pub(crate) fn free() -> anyhow::Result<u16> {
    let start = u16::try_from(RandomState::new().hash_one(()) % u64::from(COUNT)).unwrap_or_default();
    (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| anyhow::anyhow!("no port of 127.0.0.1 from {FIRST} to {} is free", FIRST + COUNT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_taken() {
        let port = free().unwrap();
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
}
