//! Keys that exist only in the cache, with their certificates.

use std::fs;
use std::path::Path;

use rcgen::{
    CertificateParams, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256,
    RsaKeySize, date_time_ymd,
};

/// What a key is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    /// An RSA key of 4096 bits.
    LongRsa,
    /// P-256.
    Elliptic,
    /// P-384.
    LongElliptic,
    /// An RSA key whose certificate was good for a year that is over.
    Expired,
}

const KEYS: [(&str, Kind); 8] = [
    ("trusted", Kind::Rsa),
    ("other", Kind::Rsa),
    ("elliptic", Kind::Elliptic),
    ("expired", Kind::Expired),
    ("signer-rsa-2048", Kind::Rsa),
    ("signer-rsa-4096", Kind::LongRsa),
    ("signer-p-256", Kind::Elliptic),
    ("signer-p-384", Kind::LongElliptic),
];

/// The keys whose certificates cases call trusted: those of the firmware, where it has any, and those that check is told of.
pub(crate) const TRUSTED: [&str; 3] = ["trusted", "elliptic", "expired"];

/// The keys of which our own signer is given one, and which the firmware is told of in a boot of their own.
pub(crate) const SIGNERS: [&str; 4] = ["signer-rsa-2048", "signer-rsa-4096", "signer-p-256", "signer-p-384"];

/// Makes those that are missing: `<folder>/<name>.pem` and `.crt`.
pub(crate) fn make(folder: &Path) -> anyhow::Result<()> {
    for (name, kind) in KEYS {
        if !folder.join(name).with_extension("crt").exists() {
            make_one(folder, name, kind)?;
        }
    }
    Ok(())
}

fn make_one(folder: &Path, name: &str, kind: Kind) -> anyhow::Result<()> {
    let key = match kind {
        Kind::Elliptic => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
        Kind::LongElliptic => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?,
        Kind::LongRsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096)?,
        Kind::Rsa | Kind::Expired => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
    };
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("kmm-preflight truth {name}"));
    // A certificate that says so has a key identifier, by which some signatures name it.
    params.is_ca = IsCa::ExplicitNoCa;
    if kind == Kind::Expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    fs::create_dir_all(folder)?;
    let place = |extension| folder.join(name).with_extension(extension);
    fs::write(place("pem"), key.serialize_pem())?;
    // The certificate comes last, and at once: where it is, the key is whole.
    let made = folder.join(format!("{name}.new.{}", std::process::id()));
    fs::write(&made, params.self_signed(&key)?.pem())?;
    Ok(fs::rename(made, place("crt"))?)
}
