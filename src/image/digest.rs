//! Digests: `sha256:` or `sha512:` and lower-case hexadecimal, as the OCI image specification registers them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of content by its hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: DigestAlgorithm,
    hex: String,
}

/// The hash functions that images use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// The name before the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits follow the colon.
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// No colon, or a hash function that images do not use.
    #[error("`{0}` is not a digest: it must begin with `sha256:` or `sha512:`")]
    Algorithm(String),
    /// Too short, too long, upper case, or not hexadecimal.
    #[error("`{text}` is not a digest: {expected} lower-case hexadecimal digits must follow the colon")]
    Hex {
        /// The text.
        text: String,
        /// How many digits there must be.
        expected: usize,
    },
}

impl Digest {
    /// Parses `algorithm:hex`.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = match text.split_once(':') {
            Some(("sha256", hex)) => (DigestAlgorithm::Sha256, hex),
            Some(("sha512", hex)) => (DigestAlgorithm::Sha512, hex),
            _ => return Err(DigestError::Algorithm(text.to_owned())),
        };
        let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if hex.len() != algorithm.hex_len() || !hex.bytes().all(is_hex) {
            return Err(DigestError::Hex {
                text: text.to_owned(),
                expected: algorithm.hex_len(),
            });
        }
        Ok(Self {
            algorithm,
            hex: hex.to_owned(),
        })
    }

    /// The digest whose hash is these bytes; `None` if there are too few or too many of them.
    pub fn from_bytes(algorithm: DigestAlgorithm, hash: &[u8]) -> Option<Self> {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16);
        let hex: String = hash
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .flatten()
            .collect();
        (hex.len() == algorithm.hex_len()).then_some(Self { algorithm, hex })
    }

    /// The hash function.
    pub const fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The hash, in lower-case hexadecimal.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_is_written_as_it_is_read() {
        let text = format!("sha256:{EMPTY}");
        let digest = Digest::parse(&text).unwrap();
        assert_eq!(
            (digest.to_string(), digest.hex(), digest.algorithm().name()),
            (text, EMPTY, "sha256")
        );
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let upper = format!("sha256:{}", EMPTY.to_uppercase());
        let long = format!("sha256:{EMPTY}0");
        let wrong_function = format!("sha512:{EMPTY}");
        for text in [
            "",
            ":",
            "sha256",
            "sha256:",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &upper,
            &long,
            &wrong_function,
        ] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_of_the_wrong_length_makes_no_digest() {
        assert_eq!(Digest::from_bytes(DigestAlgorithm::Sha256, &[0; 31]), None);
        let zeros = Digest::from_bytes(DigestAlgorithm::Sha512, &[0; 64]).unwrap();
        assert_eq!(zeros.hex(), "0".repeat(128));
    }
}
