//! Where images come from: layouts on disk first, then the registry that the reference names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::StatusCode;

use super::access::Access;
use super::blob::Blob;
use super::body::read_capped;
use super::download::Download;
use super::exchange::Exchange;
use super::layout::Layout;
use super::manifest::{self, Descriptor, MANIFEST_CAP, Manifest};
use super::remote::Remote;
use super::settings::{Settings, SettingsError};
use super::token::Tokens;
use super::transport::Transport;
use super::trouble::Trouble;
use crate::api::module::RegistryTls;
use crate::image::{Digest, LookFailure, LookFailureKind, Reference};

/// The largest blob that is read: far more than any layer has.
pub(super) const BLOB_CAP: u64 = 64 << 30;

/// How many registries are remembered. Anybody who may write a Module may name another; what is forgotten of one (how it
/// wants to be asked, whether it is down) is found out again.
const REMOTES_CAP: usize = 1024;

/// Where images come from. Clones share connections, tokens and what is known of registries.
#[derive(Clone)]
pub struct Sources {
    layouts: Arc<[Layout]>,
    engine: Arc<Engine>,
}

/// What all requests share.
pub(super) struct Engine {
    pub(super) transport: Transport,
    pub(super) tokens: Tokens,
    remotes: Mutex<HashMap<(String, RegistryTls), Arc<Remote>>>,
}

/// Which manifest of an image is asked for.
struct Question<'a> {
    image: &'a Reference,
    access: &'a Access,
    /// The digest that it must have.
    expected: Option<&'a Digest>,
    /// The digest that need not be sent again.
    known: Option<&'a Digest>,
}

impl Sources {
    /// Layouts, in the order in which they are searched, and how to talk to registries.
    pub fn new(layouts: Vec<Layout>, settings: Settings) -> Result<Self, SettingsError> {
        let transport = Transport::new(settings)?;
        let engine = Engine {
            transport,
            tokens: Tokens::default(),
            remotes: Mutex::default(),
        };
        Ok(Self {
            layouts: layouts.into(),
            engine: Arc::new(engine),
        })
    }

    /// The manifest or index that a reference names: one request. With `known`, the digest of an earlier answer,
    /// nothing is sent again that has not changed.
    pub async fn manifest(
        &self,
        image: &Reference,
        access: &Access,
        known: Option<&Digest>,
    ) -> Result<Manifest, LookFailure> {
        let question = Question {
            image,
            access,
            expected: image.digest(),
            known,
        };
        match self.layout_of(image) {
            Some((_, digest)) if known == Some(&digest) => Ok(Manifest::Unchanged(digest)),
            Some((layout, digest)) => read_from(layout, image, digest).await,
            None => {
                let answer = self.ask(&question).await;
                answer.map_err(|trouble| self.unless_a_layout_speaks(image, trouble).about(&image.to_string()))
            }
        }
    }

    /// A manifest that an image's index names.
    pub async fn manifest_by_digest(
        &self,
        image: &Reference,
        access: &Access,
        digest: &Digest,
    ) -> Result<Manifest, LookFailure> {
        if let Some((layout, _)) = self.layout_of(image) {
            return read_from(layout, image, digest.clone()).await;
        }
        let question = Question {
            image,
            access,
            expected: Some(digest),
            known: None,
        };
        let answer = self.ask(&question).await;
        answer.map_err(|trouble| of_the_index(trouble, digest).about(&image.to_string()))
    }

    /// A blob that an image's manifest names. The registry has agreed to send it when this returns.
    pub async fn blob(&self, image: &Reference, access: &Access, descriptor: &Descriptor) -> Result<Blob, LookFailure> {
        let source = self.open(image, access, descriptor).await;
        let source = source.map_err(|trouble| trouble.about(&image.to_string()))?;
        Ok(Blob::new(image.to_string(), descriptor.clone(), source))
    }

    /// The same, with one more layout that is searched before the others.
    pub(super) fn with_layout(&self, layout: Layout) -> Self {
        let layouts = std::iter::once(layout).chain(self.layouts.iter().cloned()).collect();
        Self {
            layouts,
            engine: Arc::clone(&self.engine),
        }
    }

    /// What all requests share.
    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The layout that has an image, if one has it.
    pub(super) fn layout_with(&self, image: &Reference) -> Option<&Layout> {
        self.layout_of(image).map(|(layout, _)| layout)
    }

    async fn open(
        &self,
        image: &Reference,
        access: &Access,
        descriptor: &Descriptor,
    ) -> Result<super::blob::Source, Trouble> {
        if descriptor.size > BLOB_CAP {
            let words = format!("the blob {} has {} bytes", descriptor.digest, descriptor.size);
            return Err(Trouble::new(LookFailureKind::TooLarge, words));
        }
        if let Some((layout, _)) = self.layout_of(image) {
            return layout.blob(descriptor);
        }
        self.engine.allows(image)?;
        let download = Download {
            engine: Arc::clone(&self.engine),
            remote: self.engine.remote(image, access),
            image: image.clone(),
            access: access.clone(),
            descriptor: descriptor.clone(),
        };
        download.start().await
    }

    fn layout_of(&self, image: &Reference) -> Option<(&Layout, Digest)> {
        self.layouts
            .iter()
            .find_map(|layout| layout.find(image).map(|digest| (layout, digest)))
    }

    /// A layout that has other images of a repository speaks for it where its registry cannot be reached: that is how
    /// a folder of images is used on a machine without a network.
    fn unless_a_layout_speaks(&self, image: &Reference, trouble: Trouble) -> Trouble {
        let speaks = |layout: &&Layout| layout.has_repository(image);
        match self.layouts.iter().find(speaks) {
            Some(layout) if trouble.kind == LookFailureKind::Unreachable => {
                let folder = layout.folder().display();
                let words = format!(
                    "the layout {folder} has other images of that repository, but not this one, and the registry could not be \
                     asked ({})",
                    trouble.message
                );
                Trouble::new(LookFailureKind::NotFound, words)
            }
            _ => trouble,
        }
    }

    async fn ask(&self, question: &Question<'_>) -> Result<Manifest, Trouble> {
        self.engine.allows(question.image)?;
        let remote = self.engine.remote(question.image, question.access);
        let exchange = Exchange {
            transport: &self.engine.transport,
            tokens: &self.engine.tokens,
            remote: &remote,
            image: question.image,
            access: question.access,
        };
        exchange.persistently(|| question.ask(&exchange)).await
    }
}

impl Question<'_> {
    async fn ask(&self, exchange: &Exchange<'_>) -> Result<Manifest, Trouble> {
        let name = self
            .expected
            .map_or_else(|| self.image.tag_or_latest().to_owned(), ToString::to_string);
        let path = format!("{}/manifests/{name}", self.image.repository());
        let response = exchange.get(&path, &manifest::headers(self.known)).await?;
        if let (StatusCode::NOT_MODIFIED, Some(known)) = (response.status(), self.known) {
            return Ok(Manifest::Unchanged(known.clone()));
        }
        let (said, digest) = manifest::said_of(response.headers());
        let body = read_capped(&exchange.transport.settings.deadlines, response, MANIFEST_CAP).await?;
        let bytes = Bytes::from(body.ok_or_else(manifest::too_large)?);
        Manifest::checked(bytes, self.expected.or(digest.as_ref()), said.as_deref())
    }
}

impl Engine {
    /// Whether the administrator lets us ask an image's registry.
    pub(super) fn allows(&self, image: &Reference) -> Result<(), Trouble> {
        let allowed = &self.transport.settings.allowed;
        if allowed.is_empty() || allowed.iter().any(|one| one.covers(image)) {
            return Ok(());
        }
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let words = format!(
            "its registry may not be asked: the administrator allows {} only",
            allowed.join(", ")
        );
        Err(Trouble::new(LookFailureKind::OffLimits, words))
    }

    /// What is known of the registry of an image, under its TLS policy.
    pub(super) fn remote(&self, image: &Reference, access: &Access) -> Arc<Remote> {
        let settings = &self.transport.settings;
        let mut remotes = self.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        if remotes.len() >= REMOTES_CAP {
            // Who asks one just now keeps it, and with it its turns.
            remotes.retain(|_, remote| Arc::strong_count(remote) > 1);
        }
        let remote = remotes
            .entry((image.registry().to_owned(), access.tls))
            .or_insert_with(|| Arc::new(Remote::new(image.registry(), access.tls, settings)));
        Arc::clone(remote)
    }
}

async fn read_from(layout: &Layout, image: &Reference, digest: Digest) -> Result<Manifest, LookFailure> {
    let layout = layout.clone();
    let reading = tokio::task::spawn_blocking(move || layout.manifest(&digest)).await;
    let read = reading.unwrap_or_else(|_aborted| Err(Trouble::unreachable("the program is ending")));
    read.map_err(|trouble| trouble.about(&image.to_string()))
}

/// A manifest that is not there although the index names it is damage: no node could pull the image.
fn of_the_index(trouble: Trouble, digest: &Digest) -> Trouble {
    match trouble.kind {
        LookFailureKind::NotFound => Trouble::damaged(format!(
            "its index names the manifest {digest}, and the registry does not have it: {}",
            trouble.message
        )),
        _ => trouble,
    }
}
