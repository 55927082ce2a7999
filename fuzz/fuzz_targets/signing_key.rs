//! Any bytes are a private key, or a reason why not; and what is said of them holds nothing of them.
#![no_main]

use kmm_preflight::kmod::signing::SigningKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = SigningKey::from_pem(bytes) {
        assert!(error.to_string().len() < 1024);
    }
});
