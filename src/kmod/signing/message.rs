//! The PKCS#7 message: SignedData (RFC 5652) with one signer and nothing else in it.

use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos};
use der::asn1::{OctetString, SetOfVec};
use der::{Any, AnyRef, Encode};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{HashKind, SigningError, SigningKey};
use crate::kmod::signature::{Certificate, DATA, KeyKind, RSA_ENCRYPTION, SIGNED_DATA};

/// The message over some bytes, which it does not carry, in DER.
pub(super) fn detached(
    key: &SigningKey,
    certificate: &Certificate,
    hash: HashKind,
    content: &[u8],
) -> Result<Vec<u8>, SigningError> {
    let signature = key.sign(hash, &hash.algorithm().of(content))?;
    message(key.kind(), certificate, hash, signature).map_err(|_too_long| SigningError::Failed)
}

fn message(kind: KeyKind, certificate: &Certificate, hash: HashKind, signature: Vec<u8>) -> der::Result<Vec<u8>> {
    let signer = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(certificate.identity()),
        digest_alg: digest(hash),
        signed_attrs: None,
        signature_algorithm: algorithm(kind, hash),
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![digest(hash)])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: DATA,
            econtent: None,
        },
        certificates: None,
        crls: None,
        signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
    };
    ContentInfo {
        content_type: SIGNED_DATA,
        content: Any::encode_from(&signed)?,
    }
    .to_der()
}

/// Without parameters, as RFC 5754 wants it and openssl writes it.
fn digest(hash: HashKind) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: hash.algorithm().oid,
        parameters: None,
    }
}

/// RSA has NULL for parameters, ECDSA none.
fn algorithm(kind: KeyKind, hash: HashKind) -> AlgorithmIdentifierOwned {
    match kind {
        KeyKind::Rsa => AlgorithmIdentifierOwned {
            oid: RSA_ENCRYPTION,
            parameters: Some(AnyRef::NULL.into()),
        },
        _ => AlgorithmIdentifierOwned {
            oid: hash.ecdsa(),
            parameters: None,
        },
    }
}
