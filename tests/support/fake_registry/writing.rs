//! What the fake registry does with what is pushed to it: as strict as a real one.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::answers::error;
use super::{State, digest_of, locked, tokens};

/// The wish to upload: a blob of another repository is lent, else a place is named.
pub(super) fn open(state: &State, repository: &str, uri: &Uri, headers: &HeaderMap) -> Response {
    let (mount, from) = (parameter(uri, "mount"), parameter(uri, "from"));
    if let (Some(digest), Some(from)) = (mount, from)
        && tokens::may_read(state, headers, Some(&from))
    {
        let mut blobs = locked(&state.blobs);
        if let Some(bytes) = blobs.get(&(from, digest.clone())).cloned() {
            blobs.insert((repository.to_owned(), digest.clone()), bytes);
            return (StatusCode::CREATED, [("docker-content-digest", digest)]).into_response();
        }
    }
    let place = format!("/v2/{repository}/blobs/uploads/u-1?_state=open");
    (StatusCode::ACCEPTED, [("location", place)]).into_response()
}

/// The bytes of a blob.
pub(super) fn send(state: &State, repository: &str, uri: &Uri, body: &Bytes) -> Response {
    let digest = digest_of(body);
    if parameter(uri, "_state").as_deref() != Some("open") {
        return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    }
    if parameter(uri, "digest").as_ref() != Some(&digest) {
        return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
    }
    locked(&state.blobs).insert((repository.to_owned(), digest.clone()), body.to_vec());
    (StatusCode::CREATED, [("docker-content-digest", digest)]).into_response()
}

/// A manifest, all of whose parts must be there.
pub(super) fn publish(state: &State, key: &(String, String), headers: &HeaderMap, body: &Bytes) -> Response {
    let (repository, name) = key;
    let (digest, Ok(manifest)) = (digest_of(body), serde_json::from_slice::<Value>(body)) else {
        return error(400, "MANIFEST_INVALID", "manifest invalid");
    };
    if name.starts_with("sha256:") && *name != digest {
        return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
    }
    let text = |part: &Value| part["digest"].as_str().unwrap_or_default().to_owned();
    let listed = |field: &str| manifest[field].as_array().cloned().unwrap_or_default();
    let mut blobs: Vec<String> = listed("layers").iter().map(text).collect();
    blobs.extend(manifest.get("config").map(text));
    let mut manifests = locked(&state.manifests);
    let has_blob = |digest: &String| locked(&state.blobs).contains_key(&(repository.clone(), digest.clone()));
    let has_manifest = |part: &Value| manifests.contains_key(&(repository.clone(), text(part)));
    if !blobs.iter().all(has_blob) || !listed("manifests").iter().all(has_manifest) {
        return error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
    }
    let media_type = headers
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let stored = (media_type.to_owned(), body.to_vec());
    manifests.insert((repository.clone(), digest.clone()), stored.clone());
    manifests.insert(key.clone(), stored);
    (StatusCode::CREATED, [("docker-content-digest", digest)]).into_response()
}

/// A manifest is deleted with every tag that names it; a tag alone is not deleted.
pub(super) fn delete(state: &State, key: &(String, String)) -> Response {
    if state.setup.keeps_everything || !key.1.starts_with("sha256:") {
        return error(405, "UNSUPPORTED", "The operation is unsupported");
    }
    let mut manifests = locked(&state.manifests);
    match manifests.remove(key) {
        None => error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        Some((_, bytes)) => {
            manifests.retain(|(repository, _), (_, other)| *repository != key.0 || *other != bytes);
            StatusCode::ACCEPTED.into_response()
        }
    }
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://query/?{}", uri.query()?)).ok()?;
    let mut pairs = url.query_pairs();
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
