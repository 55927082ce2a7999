//! Manifests: what a registry or a layout says an image consists of, checked before anybody reads it.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use oci_distribution::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::excerpt::excerpt;
use super::hashing::digest_of;
use super::trouble::Trouble;
use crate::image::{Digest, DigestAlgorithm, LookFailureKind};

/// The largest manifest that is read: what registries accept (distribution specification, "pushing manifests").
pub const MANIFEST_CAP: usize = 4 << 20;
/// What is asked for: both forms of an image and both of a list of images.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// The answer to the question what an image consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// Its manifest, or its index (a list of manifests by platform).
    Fetched {
        /// The digest of the bytes; it was checked.
        digest: Digest,
        /// One of the four media types of OCI and Docker.
        media_type: String,
        /// The bytes as they were pushed: JSON, whose form was only looked at as far as the media type needs it.
        bytes: Bytes,
    },
    /// It is still the one that is known, with this digest.
    Unchanged(Digest),
}

/// What names a blob in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type.
    #[serde(default)]
    pub media_type: String,
}

/// As much of a manifest as tells what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
}

impl Manifest {
    /// Checks what was read: its digest, if one is expected, and its media type.
    pub(super) fn checked(bytes: Bytes, expected: Option<&Digest>, said: Option<&str>) -> Result<Self, Trouble> {
        let algorithm = expected.map_or(DigestAlgorithm::Sha256, Digest::algorithm);
        let digest = digest_of(algorithm, &bytes);
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(Trouble::damaged(format!(
                "its manifest should have the digest {expected} and has {digest}"
            )));
        }
        let media_type = media_type(&bytes, said)?.to_owned();
        Ok(Self::Fetched {
            digest,
            media_type,
            bytes,
        })
    }
}

/// The media type of a manifest. The one inside counts; the one that the registry says must not contradict it, so
/// that nobody can be shown one thing here and another on the node.
fn media_type(bytes: &[u8], said: Option<&str>) -> Result<&'static str, Trouble> {
    let outline: Outline = serde_json::from_slice(bytes)
        .map_err(|error| Trouble::damaged(format!("its manifest is no JSON of the known form ({error})")))?;
    let said = said.map(|said| said.split(';').next().unwrap_or(said).trim());
    if outline.schema_version == Some(1) || said.is_some_and(|said| said.contains("docker.distribution.manifest.v1+")) {
        return Err(Trouble::damaged(
            "its manifest has the withdrawn schema 1 of Docker, which no current runtime pulls; push the image again",
        ));
    }
    let shape = match (&outline.manifests, &outline.layers) {
        (Some(_), None) => OCI_IMAGE_INDEX_MEDIA_TYPE,
        (None, Some(_)) => OCI_IMAGE_MEDIA_TYPE,
        _ => {
            return Err(Trouble::damaged(
                "its manifest has neither layers nor manifests, or both",
            ));
        }
    };
    let inside = outline.media_type.as_deref().map(image_type).transpose()?;
    let outside = said.and_then(|said| image_type(said).ok());
    let found = inside.or(outside).unwrap_or(shape);
    if outside.is_some_and(|outside| outside != found) || is_index(found) != is_index(shape) {
        let said = excerpt(said.unwrap_or("nothing"));
        return Err(Trouble::damaged(format!(
            "its manifest is not what it says: the registry calls it {said}, it calls itself {found}, \
             and its form is that of {shape}"
        )));
    }
    Ok(found)
}

/// The media type, if it is one of the four that an image has.
fn image_type(media_type: &str) -> Result<&'static str, Trouble> {
    let image_types = [
        OCI_IMAGE_MEDIA_TYPE,
        OCI_IMAGE_INDEX_MEDIA_TYPE,
        IMAGE_MANIFEST_MEDIA_TYPE,
        IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    ];
    image_types
        .into_iter()
        .find(|known| *known == media_type)
        .ok_or_else(|| {
            let shown = excerpt(media_type);
            Trouble::damaged(format!("its manifest has the media type {shown}, which is no image's"))
        })
}

/// Whether a media type is that of an index, a list of manifests by platform.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_IMAGE_INDEX_MEDIA_TYPE | IMAGE_MANIFEST_LIST_MEDIA_TYPE)
}

/// The headers of the question.
pub(super) fn headers(known: Option<&Digest>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::ACCEPT, HeaderValue::from_static(ACCEPT));
    if let Some(etag) = known.and_then(|known| HeaderValue::from_str(&format!("\"{known}\"")).ok()) {
        headers.insert(http::header::IF_NONE_MATCH, etag);
    }
    headers
}

/// What the registry says of the manifest: its media type, and its digest if that is of a known kind.
pub(super) fn said_of(headers: &HeaderMap) -> (Option<String>, Option<Digest>) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let digest = text("docker-content-digest").and_then(|digest| Digest::parse(digest).ok());
    (text(CONTENT_TYPE.as_str()).map(str::to_owned), digest)
}

/// A manifest over the cap.
pub(super) fn too_large() -> Trouble {
    Trouble::new(
        LookFailureKind::TooLarge,
        format!("its manifest has more than {} MiB", MANIFEST_CAP >> 20),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKER: &str = IMAGE_MANIFEST_MEDIA_TYPE;
    const OCI: &str = OCI_IMAGE_MEDIA_TYPE;
    const INDEX: &str = OCI_IMAGE_INDEX_MEDIA_TYPE;
    const LIST: &str = IMAGE_MANIFEST_LIST_MEDIA_TYPE;

    fn image(media_type: &str) -> String {
        format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","layers":[]}}"#)
    }

    #[test]
    fn the_media_type_is_found() {
        let bare = r#"{"schemaVersion":2,"layers":[]}"#;
        let rows = [
            (image(OCI), Some(OCI), OCI),
            (image(DOCKER), Some(DOCKER), DOCKER),
            (image(OCI), Some("application/json"), OCI),
            (image(OCI), None, OCI),
            (
                bare.to_owned(),
                Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
                OCI,
            ),
            (bare.to_owned(), Some(DOCKER), DOCKER),
            (bare.to_owned(), Some("text/plain"), OCI),
            (r#"{"manifests":[]}"#.to_owned(), None, INDEX),
            (r#"{"manifests":[]}"#.to_owned(), Some(LIST), LIST),
        ];
        for (body, said, expected) in rows {
            assert_eq!(
                media_type(body.as_bytes(), said).map_err(|t| t.message),
                Ok(expected),
                "{body} {said:?}"
            );
        }
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let jws = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        let rows = [
            ("<html>".to_owned(), Some("text/html"), "no JSON"),
            (String::new(), None, "no JSON"),
            ("{}".to_owned(), None, "neither layers nor manifests"),
            (
                r#"{"layers":[],"manifests":[]}"#.to_owned(),
                None,
                "neither layers nor manifests",
            ),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(), None, "schema 1"),
            (r#"{"fsLayers":[]}"#.to_owned(), Some(jws), "schema 1"),
            (image("application/vnd.example+json"), None, "no image's"),
            (image(OCI), Some(INDEX), "not what it says"),
            (image(INDEX), Some(INDEX), "not what it says"),
            (image(OCI), Some(DOCKER), "not what it says"),
        ];
        for (body, said, words) in rows {
            let trouble = media_type(body.as_bytes(), said).unwrap_err();
            assert_eq!(trouble.kind, LookFailureKind::Damaged);
            assert!(trouble.message.contains(words), "{}", trouble.message);
        }
    }

    #[test]
    fn the_digest_is_checked() {
        let bytes = Bytes::from(image(OCI));
        for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
            let good = digest_of(algorithm, &bytes);
            assert!(Manifest::checked(bytes.clone(), Some(&good), None).is_ok());
            let other = digest_of(algorithm, b"other");
            let trouble = Manifest::checked(bytes.clone(), Some(&other), None).unwrap_err();
            assert!(trouble.message.contains(&other.to_string()), "{}", trouble.message);
        }
    }
}
