//! Any bytes are a certificate, or a reason why not; and it has an answer about any signature.
#![no_main]

use kmm_preflight::kmod::facts::Pkcs7Signature;
use kmm_preflight::kmod::signature::{Certificate, SignatureCheck};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = Certificate::from_pem_or_der(bytes) {
        let signature = Pkcs7Signature {
            signer: String::new(),
            digest_algorithm: "sha256".to_owned(),
            content_digest: vec![0; 32],
            der: bytes.to_vec(),
        };
        assert_ne!(certificate.signed(&signature), SignatureCheck::Good);
    }
});
