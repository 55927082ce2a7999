//! With what, and how, an image's registry is asked.

use std::sync::Arc;

use super::credential::{Fingerprint, Printer};
use super::keyring::Keyring;
use crate::api::module::RegistryTls;

/// With what, and how, an image's registry is asked.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The credentials that may be shown.
    pub keyring: Arc<Keyring>,
    /// Plain HTTP, or any certificate.
    pub tls: RegistryTls,
}

impl Access {
    /// Credentials, and how to talk.
    pub fn new(keyring: Arc<Keyring>, tls: RegistryTls) -> Self {
        Self { keyring, tls }
    }

    /// No credentials, and TLS as it should be.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// What tells it apart from others: an image that is looked at with equal fingerprints need be looked at once.
    pub fn fingerprint(&self) -> Fingerprint {
        self.keyring.fingerprint().with(self.tls)
    }
}

impl Fingerprint {
    fn with(self, tls: RegistryTls) -> Self {
        let mut printer = Printer::new();
        printer
            .add_fingerprint(self)
            .add(&format!("{} {}", tls.insecure, tls.insecure_skip_tls_verify));
        printer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_access_has_equal_fingerprints_and_other_access_others() {
        let secret = |password: &str| {
            let text = format!(r#"{{"auths":{{"r":{{"username":"u","password":"{password}"}}}}}}"#);
            let kind = "kubernetes.io/dockerconfigjson";
            Arc::new(Keyring::from_secret_data("secret a/b", kind, text.as_bytes()).unwrap())
        };
        let print = |keyring: &Arc<Keyring>, insecure| {
            let tls = RegistryTls {
                insecure,
                insecure_skip_tls_verify: false,
            };
            Access::new(Arc::clone(keyring), tls).fingerprint()
        };
        let (one, same, other) = (secret("one"), secret("one"), secret("other"));
        assert_eq!(print(&one, false), print(&same, false));
        assert_ne!(print(&one, false), print(&other, false));
        assert_ne!(print(&one, false), print(&one, true));
        assert_ne!(print(&one, false), Access::anonymous().fingerprint());
    }
}
