//! Pushing to a registry (distribution specification, "push"): is a blob there, does another repository lend it, else
//! it is sent; manifests, and the tag at last.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::Response;

use super::supply::Supply;
use super::upload::Upload;
use super::{Came, Held, PublishFailure, PublishFailureKind};
use crate::image::{Digest, LookFailureKind, Reference};
use crate::registry::body::read_capped;
use crate::registry::exchange::{Exchange, Query};
use crate::registry::manifest::{self, MANIFEST_CAP, Manifest};
use crate::registry::remote::Remote;
use crate::registry::scope::Scope;
use crate::registry::sources::{BLOB_CAP, Engine};
use crate::registry::transport::host_of;
use crate::registry::trouble::Trouble;
use crate::registry::{Access, Descriptor};

/// Pushes to one repository.
pub(super) struct Pusher {
    engine: Arc<Engine>,
    remote: Arc<Remote>,
    image: Reference,
    access: Access,
}

impl Pusher {
    pub(super) fn new(engine: Arc<Engine>, image: Reference, access: Access) -> Result<Self, PublishFailure> {
        let allowed = engine.allows(&image);
        allowed.map_err(|trouble| PublishFailure::pushing(&image.to_string(), &trouble))?;
        let remote = engine.remote(&image, &access);
        Ok(Self {
            engine,
            remote,
            image,
            access,
        })
    }

    /// The image that is pushed.
    pub(super) const fn image(&self) -> &Reference {
        &self.image
    }

    pub(super) fn exchange(&self) -> Exchange<'_> {
        Exchange {
            transport: &self.engine.transport,
            tokens: &self.engine.tokens,
            remote: &self.remote,
            image: &self.image,
            access: &self.access,
        }
    }

    pub(super) fn failure(&self, trouble: &Trouble) -> PublishFailure {
        PublishFailure::pushing(&self.image.to_string(), trouble)
    }

    /// A path in the repository.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.image.repository())
    }

    pub(super) fn scope(&self) -> Scope {
        Scope::push(self.image.repository())
    }

    /// Sees to it that the repository has a blob.
    pub(super) async fn put(&self, descriptor: &Descriptor, supply: Supply<'_>) -> Result<Came, PublishFailure> {
        if descriptor.size > BLOB_CAP {
            let message = format!(
                "the blob {} has {} bytes, more than {BLOB_CAP}",
                descriptor.digest, descriptor.size
            );
            let kind = PublishFailureKind::Source(LookFailureKind::TooLarge);
            return Err(PublishFailure::new(kind, message));
        }
        let has = Box::pin(self.has(descriptor)).await;
        if has.map_err(|trouble| self.failure(&trouble))? {
            return Ok(Came::Known);
        }
        let upload = Upload {
            pusher: self,
            descriptor,
            supply,
        };
        Box::pin(upload.run()).await
    }

    /// Whether the repository has a blob. Who may not ask that may still push it.
    async fn has(&self, descriptor: &Descriptor) -> Result<bool, Trouble> {
        let path = self.path(&format!("blobs/{}", descriptor.digest));
        let exchange = self.exchange();
        let query = Query {
            method: Method::HEAD,
            path: &path,
            headers: HeaderMap::new(),
            body: None,
            scope: self.scope(),
        };
        match exchange.persistently(|| exchange.ask(&query)).await {
            Ok(answer) => Ok(length(&answer).is_none_or(|length| length == descriptor.size)),
            Err(trouble) if matches!(trouble.kind, LookFailureKind::NotFound | LookFailureKind::Denied) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Puts a manifest under a tag or its digest, and checks that the registry understood it so.
    pub(super) async fn put_manifest(&self, name: &str, manifest: &Held) -> Result<(), PublishFailure> {
        let path = self.path(&format!("manifests/{name}"));
        let mut headers = HeaderMap::new();
        let media_type = HeaderValue::from_str(&manifest.media_type).map_err(|_control| {
            let message = format!("{}: the manifest's media type is none", self.image);
            PublishFailure::new(PublishFailureKind::Rejected, message)
        })?;
        headers.insert(CONTENT_TYPE, media_type);
        let query = Query {
            method: Method::PUT,
            path: &path,
            headers,
            body: Some(Bytes::clone(&manifest.bytes)),
            scope: self.scope(),
        };
        let exchange = self.exchange();
        let answer = Box::pin(exchange.persistently(|| exchange.ask(&query))).await;
        let checked = answer.and_then(|answer| check_digest(&answer, &manifest.digest));
        checked.map_err(|trouble| self.failure(&trouble))
    }

    /// Gives an image the name that was asked for.
    pub(super) async fn name(&self, manifest: &Held) -> Result<(), PublishFailure> {
        if let Some(wanted) = self.image.digest().filter(|digest| **digest != manifest.digest) {
            let message = format!(
                "{} names the digest {wanted}, and the image has {}; push to a tag",
                self.image, manifest.digest
            );
            return Err(PublishFailure::new(PublishFailureKind::Rejected, message));
        }
        let name = match (self.image.tag(), self.image.digest()) {
            (None, Some(digest)) => digest.to_string(),
            _ => self.image.tag_or_latest().to_owned(),
        };
        self.put_manifest(&name, manifest).await
    }

    /// The digest of what has the name now.
    pub(super) async fn digest(&self) -> Result<Option<Digest>, PublishFailure> {
        match Box::pin(self.ask_digest()).await {
            Ok(digest) => Ok(Some(digest)),
            Err(trouble) if trouble.kind == LookFailureKind::NotFound => Ok(None),
            Err(trouble) => Err(self.failure(&trouble)),
        }
    }

    async fn ask_digest(&self) -> Result<Digest, Trouble> {
        let path = self.path(&format!("manifests/{}", self.image.identifier()));
        let query = Query {
            method: Method::GET,
            path: &path,
            headers: manifest::headers(None),
            body: None,
            scope: self.scope(),
        };
        let exchange = self.exchange();
        let answer = exchange.persistently(|| exchange.ask(&query)).await?;
        let (said, digest) = manifest::said_of(answer.headers());
        let body = read_capped(&self.engine.transport.settings.deadlines, answer, MANIFEST_CAP).await?;
        let bytes = Bytes::from(body.ok_or_else(manifest::too_large)?);
        match Manifest::checked(bytes, digest.as_ref(), said.as_deref())? {
            Manifest::Fetched { digest, .. } | Manifest::Unchanged(digest) => Ok(digest),
        }
    }
}

/// The length that a head tells.
fn length(answer: &Response) -> Option<u64> {
    answer.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A registry that stored something else than it was sent has lost it for us.
pub(super) fn check_digest(answer: &Response, sent: &Digest) -> Result<(), Trouble> {
    let (_, stored) = manifest::said_of(answer.headers());
    match stored {
        Some(stored) if stored.algorithm() == sent.algorithm() && stored != *sent => Err(Trouble::damaged(format!(
            "{} was sent {sent} and says that it stored {stored}",
            host_of(answer.url())
        ))),
        _ => Ok(()),
    }
}
