//! The kinds of keys that sign modules.

use const_oid::db::DB;
use der::asn1::ObjectIdentifier;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kmod) enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
    /// Another algorithm, or another curve.
    Other(ObjectIdentifier),
}

impl KeyKind {
    /// The kind that an algorithm and its curve, where it has one, make.
    pub(in crate::kmod) fn of(algorithm: ObjectIdentifier, curve: Option<ObjectIdentifier>) -> Self {
        match (algorithm, curve) {
            (RSA, _) => Self::Rsa,
            (EC, Some(P256)) => Self::P256,
            (EC, Some(P384)) => Self::P384,
            (EC, Some(P521)) => Self::P521,
            (EC, Some(curve)) => Self::Other(curve),
            (other, _) => Self::Other(other),
        }
    }

    /// The kind of an elliptic curve's key.
    pub(in crate::kmod) fn of_curve(curve: ObjectIdentifier) -> Self {
        Self::of(EC, Some(curve))
    }

    /// For people.
    pub(in crate::kmod) fn name(self) -> String {
        match self {
            Self::Rsa => "RSA".to_owned(),
            Self::P256 => "ECDSA P-256".to_owned(),
            Self::P384 => "ECDSA P-384".to_owned(),
            Self::P521 => "ECDSA P-521".to_owned(),
            Self::Other(oid) => match DB.by_oid(&oid) {
                Some(name) => format!("a key of type {name}"),
                None => format!("a key of type {oid}"),
            },
        }
    }
}
