//! What can go wrong, in words for people. No message ever holds a private key.

use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Settings that cannot work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A life too short for the steps of a renewal.
    #[error("a certificate that lives {life:#} would expire before it can be replaced: give it an hour or more")]
    LifeTooShort {
        /// The life that was asked for.
        life: SignedDuration,
    },
    /// The serving certificate would live longer than its CA.
    #[error("a serving certificate ({leaf:#}) cannot outlive its CA ({ca:#}): lengthen the one or shorten the other")]
    LeafOutlivesCa {
        /// Life of the CA.
        ca: SignedDuration,
        /// Life of the serving certificate.
        leaf: SignedDuration,
    },
    /// No name at all, or too many.
    #[error("a serving certificate is for 1 to {most} DNS names, not {count}")]
    NumberOfNames {
        /// How many were given.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// Something else than a DNS name.
    #[error("`{name}` is not a DNS name")]
    NotADnsName {
        /// What was given.
        name: String,
    },
}

/// Why a certificate or a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Flaw {
    /// Nothing there.
    #[error("is missing")]
    Missing,
    /// Neither PEM nor what PEM should hold.
    #[error("is damaged: no PEM that can be read")]
    Damaged,
    /// A private key of a kind that cannot sign here.
    #[error("has a private key that cannot be used")]
    UnusableKey,
    /// Certificate and private key are not a pair.
    #[error("does not fit its private key")]
    KeyMismatch,
    /// The certificate may not sign others.
    #[error("is not the certificate of an authority")]
    NotAnAuthority,
    /// The clock is before its life.
    #[error("is not valid before {not_before}")]
    NotYetValid {
        /// Start of its life.
        not_before: Timestamp,
    },
    /// The clock is past its life.
    #[error("expired at {not_after}")]
    Expired {
        /// End of its life.
        not_after: Timestamp,
    },
    /// It is for other names.
    #[error("is not for {name}")]
    OtherName {
        /// The first name that is missing.
        name: String,
    },
    /// None of the published authorities signed it.
    #[error("is not signed by an authority of the bundle")]
    UnknownAuthority,
}

/// A certificate could not be made.
#[derive(Debug, Error)]
#[error("no certificate could be issued: {what}")]
pub struct IssueError {
    pub(crate) what: &'static str,
    #[source]
    pub(crate) source: rcgen::Error,
}

/// A pass over the Secret and the webhook configurations that did not come to its end. It is tried again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PassError {
    /// The API server did not answer in time.
    #[error("the API server did not answer within {deadline:?} when asked to {act}")]
    Deadline {
        /// What was asked.
        act: String,
        /// How long was waited.
        deadline: Duration,
    },
    /// The API server refused, or could not be reached.
    #[error("the API server could not be made to {act}")]
    Api {
        /// What was asked.
        act: String,
        /// Its answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// The answer was not what was asked for. The text of the answer is not repeated: it may hold keys.
    #[error("the API server's answer to \"{act}\" cannot be read")]
    Answer {
        /// What was asked.
        act: String,
    },
    /// Others wrote in between, again and again.
    #[error("lost {attempts} races in a row for {object}: somebody else writes it all the time")]
    LostRaces {
        /// What was written.
        object: String,
        /// How often it was tried.
        attempts: usize,
    },
    /// Repairs come so often that something must be fighting over the Secret.
    #[error(
        "{secret} was repaired {writes} times in a short while: is a replica's clock wrong, or does another program write it?"
    )]
    TooManyRepairs {
        /// Namespace and name.
        secret: String,
        /// How many writes are allowed at once.
        writes: u32,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// Mounted files that cannot be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A file could not be read.
    #[error("{path} cannot be read", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A file is bigger than any certificate.
    #[error("{path} is larger than {most} bytes: not a certificate or key", path = path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How large it may be.
        most: u64,
    },
    /// The pair cannot be used.
    #[error("the certificate in {folder} {flaw}", folder = folder.display())]
    Flawed {
        /// Where it lies.
        folder: PathBuf,
        /// What is wrong with it.
        flaw: Flaw,
    },
}
