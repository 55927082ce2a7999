//! Removing a temporary tag, and nothing but it.
//!
//! Registries refuse to delete a tag, or lose every tag of the digest with it (distribution specification, "deleting
//! tags" and "deleting manifests"): the final tag, say, that has the same image. So the temporary tag is first given
//! to an empty manifest that only it has, and that one's digest is deleted.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::json;

use super::pushing::Pusher;
use super::supply::{Supply, describe};
use super::{Held, PublishFailure, PublishFailureKind};
use crate::image::LookFailureKind;
use crate::registry::exchange::Query;
use crate::registry::scope::Scope;

/// The media type of an OCI image manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of nothing (image specification, "guidance for an empty descriptor").
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// What makes an empty manifest that of one tag alone.
const TAG: &str = "io.github.kmm-preflight.temporary-tag";

/// What became of a temporary tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// It is gone.
    Gone,
    /// It is still there, since the registry does not delete: a person may.
    Left {
        /// The tag's reference.
        reference: String,
        /// Whether nothing is in it any more; some registries take images only.
        is_empty: bool,
        /// Why.
        why: String,
    },
}

/// Removes the tag.
pub(super) async fn clean(pusher: &Pusher) -> Result<Cleaned, PublishFailure> {
    let nothing = Bytes::from_static(b"{}");
    let config = describe(EMPTY, &nothing);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": EMPTY,
        "config": { "mediaType": EMPTY, "digest": config.digest, "size": config.size },
        "layers": [],
        "annotations": { TAG: pusher.image().to_string() },
    });
    let manifest = Held::new(MANIFEST, manifest.to_string());
    let emptied = async {
        pusher.put(&config, Supply::Bytes(&nothing)).await?;
        pusher.put_manifest(pusher.image().tag_or_latest(), &manifest).await
    };
    match emptied.await {
        Ok(()) => delete(pusher, &manifest).await,
        Err(failure) if failure.kind == PublishFailureKind::Rejected => Ok(left(pusher, false, failure.message)),
        Err(failure) => Err(failure),
    }
}

async fn delete(pusher: &Pusher, manifest: &Held) -> Result<Cleaned, PublishFailure> {
    let path = pusher.path(&format!("manifests/{}", manifest.digest));
    let query = Query {
        method: Method::DELETE,
        path: &path,
        headers: HeaderMap::new(),
        body: None,
        scope: Scope::remove(pusher.image().repository()),
    };
    let exchange = pusher.exchange();
    match Box::pin(exchange.persistently(|| exchange.ask(&query))).await {
        Ok(_deleted) => Ok(Cleaned::Gone),
        Err(trouble) if trouble.kind == LookFailureKind::NotFound => Ok(Cleaned::Gone),
        Err(trouble) if trouble.kind == LookFailureKind::Unreachable => Err(pusher.failure(&trouble)),
        Err(trouble) => Ok(left(pusher, true, trouble.message)),
    }
}

fn left(pusher: &Pusher, is_empty: bool, why: String) -> Cleaned {
    Cleaned::Left {
        reference: pusher.image().to_string(),
        is_empty,
        why,
    }
}
