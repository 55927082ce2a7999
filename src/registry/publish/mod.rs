//! Images on their way out: copied whole from anywhere to a registry or an OCI layout, or written part by part.
//!
//! What holds wherever an image goes:
//! - parts come before what names them, and the tag or the index of the layout comes last: nobody ever finds an image
//!   that is not whole;
//! - what is there already is neither read nor sent again; another repository of the same registry lends its blobs;
//! - credentials go to the registry itself alone, even when it says that a blob be sent elsewhere.

mod cleaning;
mod copying;
mod failure;
mod layout;
mod parts;
mod pushing;
mod supply;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

pub use cleaning::Cleaned;
pub use copying::{Held, Origin, copy};
pub use failure::{PublishFailure, PublishFailureKind};
pub use layout::{LayoutWriter, NewBlob};

use super::{Access, Descriptor, Location, Sources};
use crate::image::Digest;
use pushing::Pusher;
use supply::{Supply, describe};

/// Where an image goes.
pub struct Destination {
    place: Place,
    tally: Tally,
}

enum Place {
    Layout(LayoutWriter, Option<String>),
    Registry(Box<Pusher>),
}

/// How the parts of an image came to be where they are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shipped {
    /// Blobs that were there.
    pub known: u64,
    /// Blobs that another repository of the registry lent, or that the same disk had.
    pub lent: u64,
    /// Blobs that were sent, or written.
    pub sent: u64,
    /// The bytes of those.
    pub sent_bytes: u64,
}

#[derive(Default)]
struct Tally {
    known: AtomicU64,
    lent: AtomicU64,
    sent: AtomicU64,
    sent_bytes: AtomicU64,
}

/// How one blob came to be where it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Known,
    Lent,
    Sent,
}

impl Sources {
    /// Where an image goes. A layout's folder is made where it is not there; a registry is not asked yet.
    pub fn destination(&self, location: &Location, access: &Access) -> Result<Destination, PublishFailure> {
        let place = match location {
            Location::Layout { folder, name } => Place::Layout(LayoutWriter::create(folder)?, name.clone()),
            Location::Registry(reference) => {
                let pusher = Pusher::new(Arc::clone(self.engine()), reference.clone(), access.clone())?;
                Place::Registry(Box::new(pusher))
            }
        };
        Ok(Destination {
            place,
            tally: Tally::default(),
        })
    }
}

impl Destination {
    /// The digest of what has the image's name there now; `None` where nothing has. In a registry it is asked with the
    /// right to push: who may push sees whether a tag is free.
    pub async fn digest(&self) -> Result<Option<Digest>, PublishFailure> {
        match &self.place {
            Place::Layout(layout, name) => layout.digest(name.as_deref()),
            Place::Registry(pusher) => pusher.digest().await,
        }
    }

    /// A blob in the making, beside where it will be.
    pub fn new_blob(&self) -> Result<NewBlob, PublishFailure> {
        match &self.place {
            Place::Layout(layout, _) => layout.new_blob(),
            Place::Registry(_) => NewBlob::anywhere(),
        }
    }

    /// Takes a blob that was made.
    pub async fn put_blob(&self, blob: NewBlob, media_type: &str) -> Result<Descriptor, PublishFailure> {
        let (file, descriptor) = blob.finish(media_type)?;
        let came = match &self.place {
            Place::Layout(layout, _) => layout.keep(file, &descriptor)?,
            Place::Registry(pusher) => pusher.put(&descriptor, Supply::File(&file)).await?,
        };
        self.tally.note(came, &descriptor);
        Ok(descriptor)
    }

    /// Takes a small blob, like an image's configuration.
    pub async fn put_bytes(&self, bytes: &Bytes, media_type: &str) -> Result<Descriptor, PublishFailure> {
        let descriptor = describe(media_type, bytes);
        let came = match &self.place {
            Place::Layout(layout, _) => layout.write(&descriptor, bytes)?,
            Place::Registry(pusher) => pusher.put(&descriptor, Supply::Bytes(bytes)).await?,
        };
        self.tally.note(came, &descriptor);
        Ok(descriptor)
    }

    /// Takes a blob of another image.
    pub async fn take(&self, descriptor: &Descriptor, origin: &Origin) -> Result<(), PublishFailure> {
        let came = match &self.place {
            Place::Layout(layout, _) => layout.take(descriptor, origin).await?,
            Place::Registry(pusher) => pusher.put(descriptor, Supply::Image(origin)).await?,
        };
        self.tally.note(came, descriptor);
        Ok(())
    }

    /// Takes a manifest that an index will name. All that it names must be there.
    pub async fn put_manifest(&self, manifest: &Held) -> Result<(), PublishFailure> {
        match &self.place {
            Place::Layout(layout, _) => layout.write(&manifest.descriptor(), &manifest.bytes).map(drop),
            Place::Registry(pusher) => pusher.put_manifest(&manifest.digest.to_string(), manifest).await,
        }
    }

    /// Gives the image its name, which is the last that happens to it. What had the name before has it no more.
    pub async fn name(&self, manifest: &Held) -> Result<(), PublishFailure> {
        match &self.place {
            Place::Layout(layout, name) => layout.name(name.as_deref(), manifest),
            Place::Registry(pusher) => pusher.name(manifest).await,
        }
    }

    /// Removes the tag of a registry, with nothing else; see [`Cleaned`]. A layout has no temporary tags: nothing is done.
    pub async fn clean(&self) -> Result<Cleaned, PublishFailure> {
        match &self.place {
            Place::Layout(..) => Ok(Cleaned::Gone),
            Place::Registry(pusher) => cleaning::clean(pusher).await,
        }
    }

    /// How its parts came to be there, so far.
    pub fn shipped(&self) -> Shipped {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Shipped {
            known: read(&self.tally.known),
            lent: read(&self.tally.lent),
            sent: read(&self.tally.sent),
            sent_bytes: read(&self.tally.sent_bytes),
        }
    }
}

impl Tally {
    fn note(&self, came: Came, descriptor: &Descriptor) {
        let counter = match came {
            Came::Known => &self.known,
            Came::Lent => &self.lent,
            Came::Sent => &self.sent,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if came == Came::Sent {
            self.sent_bytes.fetch_add(descriptor.size, Ordering::Relaxed);
        }
    }
}
