//! The blocks of a PEM file, as openssl finds them: whatever stands between them is passed over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// The longest label that is taken for one, in bytes; openssl's own stay below 32. Labels are shown, and what is not one may be a
/// part of a key.
const MAX_LABEL: usize = 40;

/// A block: its label, like `PRIVATE KEY`, and what stands between its two lines.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    body: &'a str,
}

/// All blocks that have an end.
pub(super) fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    text.split(BEGIN).skip(1).filter_map(|rest| {
        let (label, rest) = rest.split_once(DASHES)?;
        let (body, end) = rest.split_once("-----END ")?;
        end.strip_prefix(label)?.strip_prefix(DASHES)?;
        let is_label = label.len() <= MAX_LABEL && label.bytes().all(|byte| byte == b' ' || byte.is_ascii_uppercase());
        is_label.then_some(Block { label, body })
    })
}

impl Block<'_> {
    /// Whether its headers say that it is encrypted (RFC 1421, as `openssl rsa -aes256 -traditional` writes it).
    pub(super) fn is_encrypted(self) -> bool {
        self.label.starts_with("ENCRYPTED ") || self.body.contains("ENCRYPTED")
    }

    /// Its content; `None` if it is not base64.
    pub(super) fn decode(self) -> Option<Zeroizing<Vec<u8>>> {
        let mut base64 = Zeroizing::new(Vec::with_capacity(self.body.len()));
        base64.extend(self.body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        let mut der = Zeroizing::new(Vec::with_capacity(base64.len()));
        STANDARD.decode_vec(&*base64, &mut der).ok()?;
        Some(der)
    }
}
