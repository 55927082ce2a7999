//! Secrets → what looking needs of them: credentials for registries, certificates that signatures are held against.
//! What stands in a Secret never reaches a message.

use k8s_openapi::api::core::v1::Secret;

use crate::kmod::signature::Certificate;
use crate::plan::CERTIFICATE_KEY;
use crate::registry::Keyring;

/// The types of Secrets that hold credentials, and the key of each.
const PULL_SECRETS: [(&str, &str); 2] = [
    ("kubernetes.io/dockerconfigjson", ".dockerconfigjson"),
    ("kubernetes.io/dockercfg", ".dockercfg"),
];

/// The credentials of a Secret, or what is wrong with it; `None` if it is not a pull secret.
pub fn keyring(secret: &Secret) -> Option<Result<Keyring, String>> {
    let kind = secret.type_.as_deref()?;
    let (_, key) = PULL_SECRETS.iter().find(|(known, _)| *known == kind)?;
    let origin = origin(secret);
    let Some(content) = content(secret, key) else {
        return Some(Err(format!("{origin} has no key `{key}`")));
    };
    Some(Keyring::from_secret_data(&origin, kind, content).map_err(|error| error.to_string()))
}

/// The certificate of a sign section's Secret, or what is wrong with it; `None` if it has no such key.
pub fn certificate(secret: &Secret) -> Option<Result<Certificate, String>> {
    let why = |error| {
        format!(
            "the key `{CERTIFICATE_KEY}` of {} is no certificate: {error}",
            origin(secret)
        )
    };
    Some(Certificate::from_pem_or_der(content(secret, CERTIFICATE_KEY)?).map_err(why))
}

fn content<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    let text = secret.string_data.as_ref().and_then(|data| data.get(key));
    let binary = secret.data.as_ref().and_then(|data| data.get(key));
    text.map(String::as_bytes).or(binary.map(|bytes| bytes.0.as_slice()))
}

fn origin(secret: &Secret) -> String {
    let metadata = &secret.metadata;
    format!(
        "Secret {}/{}",
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default()
    )
}
