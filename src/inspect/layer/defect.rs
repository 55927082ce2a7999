//! Why a layer could not be read to its end, told apart although everything passes through `io::Error`.

use std::fmt;
use std::io;

/// Why a layer could not be read.
#[derive(Debug)]
pub enum ScanError {
    /// The bytes could not be had: the source failed. Says nothing about the layer.
    Source(io::Error),
    /// The layer is damaged; one sentence.
    Damaged(String),
    /// The layer is beyond this program's limits; one sentence.
    TooLarge(String),
}

/// Wraps an error of the source on its way through the decompressors.
#[derive(Debug)]
struct SourceFailed(io::Error);

/// Marks that a limit was met, on its way through the decompressors.
#[derive(Debug)]
struct LimitMet(String);

/// An error of the source, marked as such.
pub(in crate::inspect) fn source_failed(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), SourceFailed(error))
}

/// An error that says which limit was met.
pub(in crate::inspect) fn limit_met(message: impl Into<String>) -> io::Error {
    io::Error::other(LimitMet(message.into()))
}

impl From<io::Error> for ScanError {
    /// What neither the source nor a limit has caused, a decompressor found.
    fn from(error: io::Error) -> Self {
        let error = match error.downcast::<SourceFailed>() {
            Ok(SourceFailed(cause)) => return Self::Source(cause),
            Err(error) => error,
        };
        match error.downcast::<LimitMet>() {
            Ok(LimitMet(message)) => Self::TooLarge(message),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Damaged(
                "it ends in the middle: it is truncated, or ends with something that does not belong there".to_owned(),
            ),
            Err(error) => Self::Damaged(format!("it does not decompress: {error}")),
        }
    }
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => write!(f, "its bytes could not be read: {error}"),
            Self::Damaged(message) | Self::TooLarge(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ScanError {}

impl fmt::Display for SourceFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SourceFailed {}

impl fmt::Display for LimitMet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LimitMet {}
