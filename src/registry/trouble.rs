//! What went wrong with one request, told apart by consequence: shall we try again, try other credentials, or
//! report it, and as what?

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;
use oci_distribution::errors::OciErrorCode;
use rustls::CertificateError;

use super::excerpt::Said;
use super::place::ForbiddenPlace;
use super::verifier::is_of_an_authority;
use crate::image::{LookFailure, LookFailureKind};

/// What went wrong with one request.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// What it means for the image.
    pub(super) kind: LookFailureKind,
    /// Who said what.
    pub(super) message: String,
    /// What to do about it.
    pub(super) remedy: Remedy,
}

/// What may be done about a trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing.
    None,
    /// Other credentials.
    OtherLogin,
    /// The same again, after this pause if the server names one.
    Again(Option<Duration>),
    /// The same again; nobody answered at all.
    Reconnect,
}

impl Remedy {
    /// Whether asking again may help.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::Again(_) | Self::Reconnect)
    }
}

impl Trouble {
    pub(super) fn new(kind: LookFailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: Remedy::None,
        }
    }

    /// What was read is not what it should be.
    pub(super) fn damaged(message: impl Into<String>) -> Self {
        Self::new(LookFailureKind::Damaged, message)
    }

    /// It could not be asked, and asking again may help.
    pub(super) fn passing(message: impl Into<String>) -> Self {
        let again = Self::new(LookFailureKind::Unreachable, message);
        Self {
            remedy: Remedy::Again(None),
            ..again
        }
    }

    /// It cannot be asked, and asking again will not help soon.
    pub(super) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(LookFailureKind::Unreachable, message)
    }

    /// Nobody answered: it may be asked again, and if that fails too, so will every other image of that host.
    pub(super) fn silent(message: impl Into<String>) -> Self {
        let silent = Self::new(LookFailureKind::Unreachable, message);
        Self {
            remedy: Remedy::Reconnect,
            ..silent
        }
    }

    /// These credentials are refused.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        let refused = Self::new(LookFailureKind::Denied, message);
        Self {
            remedy: Remedy::OtherLogin,
            ..refused
        }
    }

    /// An answer that is not the one that was asked for.
    pub(super) fn answer(host: &str, status: StatusCode, pause: Option<Duration>, said: &Said) -> Self {
        let message = in_words(host, status, &said.words);
        match said.code {
            Some(OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown) => {
                return Self::new(LookFailureKind::NotFound, message);
            }
            Some(OciErrorCode::Toomanyrequests) => return Self::busy(message, pause),
            _ => {}
        }
        match status.as_u16() {
            404 | 410 => Self::new(LookFailureKind::NotFound, message),
            401 | 403 => Self::refused(message),
            408 | 425 | 429 | 500..=599 => Self::busy(message, pause),
            _ => Self::unreachable(message),
        }
    }

    /// The same for what was to be written. What is too much for the registry, and what it does not take at all, are
    /// told apart from a registry that cannot be asked.
    pub(super) fn rejection(host: &str, status: StatusCode, pause: Option<Duration>, said: &Said) -> Self {
        let answer = Self::answer(host, status, pause, said);
        let words = said.words.to_lowercase();
        let no_room = words.contains("quota") || words.contains("exceed");
        match (status.as_u16(), answer.remedy) {
            (413 | 507, _) => Self::new(LookFailureKind::TooLarge, answer.message),
            (400..=499, Remedy::None | Remedy::OtherLogin) if no_room => {
                Self::new(LookFailureKind::TooLarge, answer.message)
            }
            (400..=499, Remedy::None) if answer.kind == LookFailureKind::Unreachable => Self::damaged(answer.message),
            _ => answer,
        }
    }

    fn busy(message: String, pause: Option<Duration>) -> Self {
        let message = match pause {
            Some(pause) => format!("{message} and asks to wait {} s", pause.as_secs()),
            None => message,
        };
        Self {
            remedy: Remedy::Again(pause),
            ..Self::unreachable(message)
        }
    }

    /// No answer at all, or a body that broke off.
    pub(super) fn transport(host: &str, error: &reqwest::Error) -> Self {
        if chain(error).any(<dyn Error>::is::<ForbiddenPlace>) {
            return Self::forbidden_place(host);
        }
        if let Some(error) = find::<rustls::Error>(error) {
            return Self::tls(host, error);
        }
        if error.is_dns() {
            return Self::silent(format!(
                "the name {host} cannot be resolved; check the spelling and the DNS"
            ));
        }
        let io = find::<io::Error>(error).map(io::Error::kind);
        match io {
            _ if error.is_timeout() && error.is_connect() => Self::silent(format!(
                "no connection to {host} in time; is it up, and does the network let us through?"
            )),
            _ if error.is_timeout() => Self::passing(format!("{host} does not answer in time")),
            Some(io::ErrorKind::ConnectionRefused) => Self::silent(format!(
                "{host} refuses the connection; is the port right, and does it listen there?"
            )),
            _ if error.is_connect() => Self::silent(format!("no connection to {host}: {}", innermost(error))),
            _ => Self::passing(format!("the connection to {host} broke off: {}", innermost(error))),
        }
    }

    /// An address that only we could reach.
    pub(super) fn forbidden_place(host: &str) -> Self {
        Self::unreachable(format!(
            "{host} is at a private, link-local or loopback address where it may not be asked from here"
        ))
    }

    fn tls(host: &str, error: &rustls::Error) -> Self {
        Self {
            remedy: Remedy::Reconnect,
            ..Self::unreachable(tls_in_words(host, error))
        }
    }

    /// The same, with what it happened to in front.
    pub(super) fn within(mut self, what: &str) -> Self {
        self.message.insert_str(0, ": ");
        self.message.insert_str(0, what);
        self
    }

    /// The failure to report about an image.
    pub(super) fn about(self, image: &str) -> LookFailure {
        LookFailure::about(image, self.kind, &self.message)
    }
}

fn in_words(host: &str, status: StatusCode, words: &str) -> String {
    let reason = match words {
        "" => status.canonical_reason().unwrap_or("no reason given").to_lowercase(),
        words => words.to_owned(),
    };
    format!("{host} answers {} ({reason})", status.as_u16())
}

fn tls_in_words(host: &str, error: &rustls::Error) -> String {
    let why = match error {
        rustls::Error::InvalidCertificate(why) => certificate_in_words(why),
        rustls::Error::InvalidMessage(_) => "does not speak TLS; if it is a plain HTTP registry, \
             set registryTLS.insecure"
            .to_owned(),
        other => format!(
            "fails the TLS handshake: {}",
            super::excerpt::excerpt(&other.to_string())
        ),
    };
    format!("{host} {why}")
}

fn certificate_in_words(why: &CertificateError) -> String {
    let trust = "name its CA with --ca-file, or set registryTLS.insecureSkipTLSVerify";
    match why {
        CertificateError::UnknownIssuer => {
            format!("has a certificate by an authority that is not trusted here; {trust}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has a certificate that has expired; renew it".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "has a certificate that is not valid yet; check both clocks".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "has a certificate for another name; ask it by a name of its certificate".to_owned()
        }
        CertificateError::Revoked => "has a certificate that was revoked".to_owned(),
        CertificateError::BadSignature => format!(
            "has a certificate that was not signed by the authority that it names, though one of that name is trusted here; {trust}"
        ),
        why if is_of_an_authority(why) => {
            "has a certificate that is made for an authority (CA:TRUE) and not for a server; \
             name that very certificate with --ca-file, make one with basicConstraints=CA:FALSE, or set \
             registryTLS.insecureSkipTLSVerify"
                .to_owned()
        }
        other => format!("has a certificate that cannot be trusted ({other:?}); {trust}"),
    }
}

/// An error and its causes. An [`io::Error`] hides the error inside it from `source()`, so it is opened here.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |outer| {
        let outer: &'a (dyn Error + 'static) = *outer;
        match outer.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => outer.source(),
        }
    })
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(<dyn Error>::downcast_ref)
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    super::excerpt::excerpt(&chain(error).last().map(ToString::to_string).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_what_they_mean() {
        use LookFailureKind::{Denied, NotFound, Unreachable};
        let rows = [
            (404, "", NotFound, Remedy::None),
            (404, "MANIFEST_UNKNOWN", NotFound, Remedy::None),
            (404, "NAME_UNKNOWN", NotFound, Remedy::None),
            (400, "NAME_UNKNOWN", NotFound, Remedy::None),
            (401, "UNAUTHORIZED", Denied, Remedy::OtherLogin),
            (403, "DENIED", Denied, Remedy::OtherLogin),
            (403, "TOOMANYREQUESTS", Unreachable, Remedy::Again(None)),
            (429, "TOOMANYREQUESTS", Unreachable, Remedy::Again(None)),
            (500, "", Unreachable, Remedy::Again(None)),
            (503, "", Unreachable, Remedy::Again(None)),
            (400, "", Unreachable, Remedy::None),
            (418, "", Unreachable, Remedy::None),
        ];
        for (status, code, kind, remedy) in rows {
            let body = format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#);
            let said = if code.is_empty() {
                Said::default()
            } else {
                Said::in_body(body.as_bytes())
            };
            let trouble = Trouble::answer("r.example", StatusCode::from_u16(status).unwrap(), None, &said);
            assert_eq!((trouble.kind, trouble.remedy), (kind, remedy), "{status} {code}");
        }
    }

    #[test]
    fn refusals_to_take_something_are_told_apart() {
        use LookFailureKind::{Damaged, Denied, NotFound, TooLarge, Unreachable};
        let rows = [
            (401, "UNAUTHORIZED", "", Denied, Remedy::OtherLogin),
            (403, "DENIED", "requested access is denied", Denied, Remedy::OtherLogin),
            (
                403,
                "DENIED",
                "will exceed the configured upper limit",
                TooLarge,
                Remedy::None,
            ),
            (412, "UNKNOWN", "Quota has been used up", TooLarge, Remedy::None),
            (413, "", "", TooLarge, Remedy::None),
            (507, "", "", TooLarge, Remedy::None),
            (404, "NAME_UNKNOWN", "", NotFound, Remedy::None),
            (400, "DIGEST_INVALID", "", Damaged, Remedy::None),
            (400, "MANIFEST_INVALID", "", Damaged, Remedy::None),
            (405, "UNSUPPORTED", "", Damaged, Remedy::None),
            (
                429,
                "TOOMANYREQUESTS",
                "limit exceeded",
                Unreachable,
                Remedy::Again(None),
            ),
            (503, "", "", Unreachable, Remedy::Again(None)),
        ];
        for (status, code, words, kind, remedy) in rows {
            let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{words}"}}]}}"#);
            let said = Said::in_body(body.as_bytes());
            let trouble = Trouble::rejection("r.example", StatusCode::from_u16(status).unwrap(), None, &said);
            assert_eq!(
                (trouble.kind, trouble.remedy),
                (kind, remedy),
                "{status} {code} {words}"
            );
        }
    }

    #[test]
    fn certificate_problems_say_what_to_do() {
        let authority = CertificateError::Other(rustls::OtherError(std::sync::Arc::new(io::Error::other(
            "CaUsedAsEndEntity",
        ))));
        let rows = [
            (CertificateError::UnknownIssuer, "--ca-file"),
            (CertificateError::Expired, "expired"),
            (CertificateError::NotValidForName, "another name"),
            (
                CertificateError::BadSignature,
                "not signed by the authority that it names",
            ),
            (authority, "basicConstraints=CA:FALSE"),
        ];
        for (error, words) in rows {
            let message = tls_in_words("r.example", &rustls::Error::InvalidCertificate(error));
            assert!(
                message.starts_with("r.example has a certificate") && message.contains(words),
                "{message}"
            );
        }
    }
}
