//! The Secret as it will be: which authorities stay in the bundle, which former certificates are kept in mind.

use crate::authority::Issued;
use crate::certificate::Certificate;
use crate::content::{CA_CRT, CA_KEY, Content, FORMER_TLS_CRT, Held, NEXT_CA_CRT, NEXT_CA_KEY, TLS_CRT, TLS_KEY};
use crate::policy::backdated;
use jiff::Timestamp;

/// A bundle of more authorities than this is the work of repairs gone wrong: the oldest leave.
const MAX_AUTHORITIES: usize = 8;

/// What is to be written, before it is made text.
pub(crate) struct Draft<'a> {
    pub(crate) signer: Option<&'a Issued>,
    pub(crate) next: Option<&'a Issued>,
    leaf: Leaf<'a>,
    former: Vec<&'a Certificate>,
    bundle: &'a [Certificate],
    now: Timestamp,
}

/// The serving pair: as it stood, or a new one.
enum Leaf<'a> {
    Kept(&'a Held),
    New(&'a Issued),
}

impl<'a> Draft<'a> {
    /// The Secret as it stands, as far as it can be used.
    pub(crate) fn of(held: &'a Held, now: Timestamp) -> Self {
        Self {
            signer: held.signer_at(now).ok(),
            next: held.next_at(now).and_then(Result::ok),
            leaf: Leaf::Kept(held),
            former: held.former.iter().collect(),
            bundle: &held.bundle,
            now,
        }
    }

    /// A Secret of nothing but a new authority and its certificate.
    pub(crate) fn anew(signer: &'a Issued, leaf: &'a Issued, now: Timestamp) -> Self {
        Self {
            signer: Some(signer),
            next: None,
            leaf: Leaf::New(leaf),
            former: Vec::new(),
            bundle: &[],
            now,
        }
    }

    /// Puts another serving pair in place of the one there is, which becomes a former one.
    pub(crate) fn serving(mut self, leaf: &'a Issued) -> Self {
        if let Leaf::Kept(Held { leaf: Ok(replaced), .. }) = self.leaf {
            self.former.push(&replaced.certificate);
        }
        self.leaf = Leaf::New(leaf);
        self
    }

    pub(crate) fn content(&self) -> Content {
        let mut content = Content::default();
        content.set(CA_CRT, text(&self.bundle()));
        if let Some(signer) = self.signer {
            content.set(CA_KEY, signer.key.0.clone());
        }
        if let Some(next) = self.next {
            content.set(NEXT_CA_CRT, next.certificate.pem().into_bytes());
            content.set(NEXT_CA_KEY, next.key.0.clone());
        }
        let (leaf, key) = self.leaf_texts();
        content.set(TLS_CRT, leaf);
        content.set(TLS_KEY, key);
        let former = self.former_to_remember();
        if !former.is_empty() {
            content.set(FORMER_TLS_CRT, text(&former));
        }
        content
    }

    /// Whether every authority of `bundle` stays.
    pub(crate) fn keeps_all(&self, bundle: &[Certificate]) -> bool {
        bundle.len() <= MAX_AUTHORITIES && bundle.iter().all(|authority| self.keeps(authority))
    }

    /// The authorities to trust: the one that signs, the next, then the others that may be in service, newest first.
    fn bundle(&self) -> Vec<&Certificate> {
        let ours = [self.signer, self.next]
            .into_iter()
            .flatten()
            .map(|issued| &issued.certificate);
        let mut bundle: Vec<_> = ours.collect();
        let mut others: Vec<_> = self.bundle.iter().filter(|authority| self.keeps(authority)).collect();
        others.sort_by_key(|authority| (!self.leaf_is_by(authority), std::cmp::Reverse(authority.not_before)));
        for other in others {
            if bundle.len() < MAX_AUTHORITIES && !bundle.contains(&other) {
                bundle.push(other);
            }
        }
        bundle
    }

    /// An authority stays until it expires, or until the last certificate that is known of it has.
    fn keeps(&self, authority: &Certificate) -> bool {
        if authority.is_over(self.now) {
            return false;
        }
        let in_use = [self.signer, self.next]
            .into_iter()
            .flatten()
            .any(|issued| issued.certificate == *authority);
        in_use || self.leaf_is_by(authority) || !self.is_retired(authority)
    }

    /// All that it is known to have signed has expired, on clocks that are behind too.
    fn is_retired(&self, authority: &Certificate) -> bool {
        let mut signed = self.former_of(authority).peekable();
        signed.peek().is_some() && signed.all(|leaf| leaf.is_over(backdated(self.now)))
    }

    fn former_of(&self, authority: &Certificate) -> impl Iterator<Item = &'a Certificate> {
        self.former
            .iter()
            .copied()
            .filter(move |leaf| leaf.is_signed_by(authority, &[]))
    }

    /// Of each authority that stays, the former certificate that expires last.
    fn former_to_remember(&self) -> Vec<&'a Certificate> {
        let last_of = |authority: &Certificate| self.former_of(authority).max_by_key(|leaf| leaf.not_after);
        let last = self.bundle().into_iter().filter_map(last_of);
        last.filter(|leaf| !leaf.is_over(backdated(self.now))).collect()
    }

    fn leaf_is_by(&self, authority: &Certificate) -> bool {
        match self.leaf {
            Leaf::Kept(held) => held.leaf_is_by(authority),
            Leaf::New(issued) => issued.certificate.is_signed_by(authority, &[]),
        }
    }

    fn leaf_texts(&self) -> (Vec<u8>, Vec<u8>) {
        let kept = |held: &Held, key| held.content.get(key).unwrap_or_default().to_vec();
        match self.leaf {
            Leaf::Kept(held) => (kept(held, TLS_CRT), kept(held, TLS_KEY)),
            Leaf::New(issued) => (issued.certificate.pem().into_bytes(), issued.key.0.clone()),
        }
    }
}

fn text(certificates: &[&Certificate]) -> Vec<u8> {
    certificates
        .iter()
        .map(|certificate| certificate.pem())
        .collect::<String>()
        .into_bytes()
}
