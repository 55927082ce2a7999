//! What stands in the Secret: a handful of PEM texts under fixed keys, and what they mean together.

use crate::authority::Issued;
use crate::certificate::{Certificate, Pair};
use crate::error::Flaw;
use crate::policy::Names;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;

/// The authorities to trust, the one that signs first. This text is what `caBundle` gets.
pub(crate) const CA_CRT: &str = "ca.crt";
/// Private key of the authority that signs.
pub(crate) const CA_KEY: &str = "ca.key";
/// The next authority while a rotation is under way: published, not yet signing.
pub(crate) const NEXT_CA_CRT: &str = "next-ca.crt";
/// Private key of the next authority.
pub(crate) const NEXT_CA_KEY: &str = "next-ca.key";
/// The serving certificate.
pub(crate) const TLS_CRT: &str = "tls.crt";
/// Private key of the serving certificate.
pub(crate) const TLS_KEY: &str = "tls.key";
/// Serving certificates that were replaced and have not expired: somebody may still serve them.
pub(crate) const FORMER_TLS_CRT: &str = "former-tls.crt";

/// All keys of the Secret that belong to this crate; others are left as they are.
pub(crate) const KEYS: [&str; 7] = [
    CA_CRT,
    CA_KEY,
    NEXT_CA_CRT,
    NEXT_CA_KEY,
    TLS_CRT,
    TLS_KEY,
    FORMER_TLS_CRT,
];

/// The bytes under the keys above. `Debug` shows the keys only.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Content(BTreeMap<String, Vec<u8>>);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Content {
    /// Takes what belongs to this crate from the data of a Secret.
    pub(crate) fn from_data<'a>(data: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let ours = data.into_iter().filter(|(key, _)| KEYS.contains(key));
        Self(ours.map(|(key, bytes)| (key.to_owned(), bytes.to_vec())).collect())
    }

    /// What stands under a key.
    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    pub(crate) fn set(&mut self, key: &str, bytes: Vec<u8>) {
        self.0.insert(key.to_owned(), bytes);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(key, bytes)| (key.as_str(), bytes.as_slice()))
    }

    /// The authorities to trust, as `caBundle` takes them.
    pub(crate) fn bundle(&self) -> &[u8] {
        self.get(CA_CRT).unwrap_or_default()
    }
}

/// The content of a Secret, understood as far as it can be.
pub(crate) struct Held {
    pub(crate) content: Content,
    pub(crate) bundle: Vec<Certificate>,
    /// Something in the bundle is not the certificate of an authority.
    pub(crate) bundle_is_damaged: bool,
    pub(crate) signer: Result<Issued, Flaw>,
    pub(crate) next: Option<Result<Issued, Flaw>>,
    pub(crate) leaf: Result<Pair, Flaw>,
    pub(crate) former: Vec<Certificate>,
}

impl Held {
    pub(crate) fn read(content: Content) -> Self {
        let (certificates, whole) = Certificate::read_all(content.bundle());
        let count = certificates.len();
        let bundle: Vec<_> = certificates.into_iter().filter(Certificate::is_authority).collect();
        Self {
            bundle_is_damaged: !whole || bundle.len() < count,
            signer: Issued::read(&bundle, content.get(CA_KEY)),
            next: read_next(&content),
            leaf: Pair::read(content.get(TLS_CRT), content.get(TLS_KEY)),
            former: content
                .get(FORMER_TLS_CRT)
                .map(|text| Certificate::read_all(text).0)
                .unwrap_or_default(),
            bundle,
            content,
        }
    }

    /// The authority that signs, if it can at `now`.
    pub(crate) fn signer_at(&self, now: Timestamp) -> Result<&Issued, Flaw> {
        usable(&self.signer, now)
    }

    /// The next authority, if there is one that could sign at `now`.
    pub(crate) fn next_at(&self, now: Timestamp) -> Option<Result<&Issued, Flaw>> {
        self.next.as_ref().map(|next| usable(next, now))
    }

    /// The serving pair, if a client that trusts the bundle would take it for one of `names` at `now`.
    pub(crate) fn leaf_at(&self, now: Timestamp, names: &Names) -> Result<&Pair, Flaw> {
        let leaf = self.servable_at(now)?;
        leaf.certificate.covers(names)?;
        Ok(leaf)
    }

    /// The serving pair, if a client that trusts the bundle would take it at `now`, for whatever names it has.
    pub(crate) fn servable_at(&self, now: Timestamp) -> Result<&Pair, Flaw> {
        let leaf = self.leaf.as_ref().map_err(Clone::clone)?;
        leaf.certificate.within_life(now)?;
        let mut trusted = self
            .bundle
            .iter()
            .filter(|authority| authority.within_life(now).is_ok());
        if trusted.any(|authority| signed(leaf, authority)) {
            Ok(leaf)
        } else {
            Err(Flaw::UnknownAuthority)
        }
    }

    pub(crate) fn trusts(&self, authority: &Certificate) -> bool {
        self.bundle.contains(authority)
    }

    /// Whether the serving certificate is by this authority.
    pub(crate) fn leaf_is_by(&self, authority: &Certificate) -> bool {
        self.leaf.as_ref().is_ok_and(|leaf| signed(leaf, authority))
    }
}

fn signed(leaf: &Pair, authority: &Certificate) -> bool {
    leaf.certificate.is_signed_by(authority, leaf.intermediates())
}

fn usable(authority: &Result<Issued, Flaw>, now: Timestamp) -> Result<&Issued, Flaw> {
    let authority = authority.as_ref().map_err(Clone::clone)?;
    authority.certificate.within_life(now)?;
    Ok(authority)
}

fn read_next(content: &Content) -> Option<Result<Issued, Flaw>> {
    let (certificate, key) = (content.get(NEXT_CA_CRT), content.get(NEXT_CA_KEY));
    if certificate.is_none() && key.is_none() {
        return None;
    }
    let (candidates, _) = Certificate::read_all(certificate.unwrap_or_default());
    Some(Issued::read(&candidates, key))
}
