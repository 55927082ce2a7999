//! One credential, and where it came from. Its secret never leaves through `Debug`, a message or a log.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// One credential, and where it came from.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// What is shown to the registry.
    pub(super) login: Login,
    /// Where it came from, in words: `secret acme/pull`, `/root/.docker/config.json`.
    pub(super) origin: String,
}

/// What is shown to the registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    /// A name and a password.
    Password(String, String),
    /// An identity token: the token service gives a token for it.
    Identity(String),
    /// A token that the registry takes as it is.
    Token(String),
}

impl Credential {
    /// Where it came from, in words.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Login {
    /// The `Authorization` header of a name and a password; none for tokens.
    pub(super) fn basic(&self) -> Option<HeaderValue> {
        match self {
            Self::Password(name, password) => {
                secret(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
            }
            Self::Identity(_) | Self::Token(_) => None,
        }
    }

    /// Adds it to a fingerprint.
    pub(super) fn print_into(&self, fingerprint: &mut Printer) {
        match self {
            Self::Password(name, password) => fingerprint.add("password").add(name).add(password),
            Self::Identity(token) => fingerprint.add("identity").add(token),
            Self::Token(token) => fingerprint.add("token").add(token),
        };
    }

    /// What tells it apart from others without telling it.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut printer = Printer::new();
        self.print_into(&mut printer);
        printer.finish()
    }
}

/// A header value that is never printed.
pub(super) fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(..) => "Password(…)",
            Self::Identity(_) => "Identity(…)",
            Self::Token(_) => "Token(…)",
        })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?} from {})", self.login, self.origin)
    }
}

/// Tells two sets of credentials apart without telling them. Equal sets have equal fingerprints, in every process;
/// it is not printed all the same, since a weak password could be guessed from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// Takes a fingerprint, field by field; the fields' lengths count, so that no two lists of fields meet.
pub(super) struct Printer(Context);

impl Printer {
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(super) fn add(&mut self, field: &str) -> &mut Self {
        self.0.update(&field.len().to_le_bytes());
        self.0.update(field.as_bytes());
        self
    }

    pub(super) fn add_fingerprint(&mut self, other: Fingerprint) -> &mut Self {
        self.0.update(&other.0);
        self
    }

    pub(super) fn finish(self) -> Fingerprint {
        let mut print = [0; 32];
        for (to, from) in print.iter_mut().zip(self.0.finish().as_ref()) {
            *to = *from;
        }
        Fingerprint(print)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let logins = [
            Login::Password("name".into(), "s3cret".into()),
            Login::Identity("s3cret".into()),
            Login::Token("s3cret".into()),
        ];
        for login in logins {
            let header = login.basic();
            let credential = Credential {
                login,
                origin: "secret acme/pull".into(),
            };
            let printed = format!("{credential:?} {header:?} {:?}", credential.login.fingerprint());
            assert!(
                !printed.contains("s3cret") && !printed.contains("czNjcmV0"),
                "{printed}"
            );
            assert!(printed.contains("secret acme/pull"));
        }
    }

    #[test]
    fn fingerprints_tell_logins_apart() {
        let logins = [
            Login::Password("a".into(), "bc".into()),
            Login::Password("ab".into(), "c".into()),
            Login::Identity("abc".into()),
            Login::Token("abc".into()),
        ];
        let mut prints: Vec<Fingerprint> = logins.iter().map(Login::fingerprint).collect();
        assert_eq!(prints, logins.iter().map(Login::fingerprint).collect::<Vec<_>>());
        prints.sort();
        prints.dedup();
        assert_eq!(prints.len(), logins.len());
    }
}
