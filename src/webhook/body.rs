//! The body of one request, read whole: not more than it may be, and not more than all bodies together may be.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::trouble::Trouble;

/// How much of an overlong body is read and thrown away, in bodies: a client that is cut off in the middle of its
/// sentence often cannot hear the answer.
const PATIENCE: u64 = 2;

/// Reads bodies within a common budget.
pub(super) struct Reader {
    largest: usize,
    budget: Semaphore,
}

/// A body, and its share of the budget.
pub(super) struct Whole<'a> {
    bytes: Bytes,
    _share: Option<SemaphorePermit<'a>>,
}

impl Whole<'_> {
    /// What was sent.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What the client says how long the body is.
pub(super) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Reader {
    /// A reader of bodies up to `largest` bytes each, and `together` bytes in all.
    pub(super) fn new(largest: usize, together: usize) -> Self {
        Self {
            largest,
            budget: Semaphore::new(together.min(Semaphore::MAX_PERMITS)),
        }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// It is too large, breaks off, or comes at a time when there is no room for it.
    pub(super) async fn read(&self, announced: Option<u64>, body: Body) -> Result<Whole<'_>, Trouble> {
        let mut frames = body.into_data_stream();
        let largest = u64::try_from(self.largest).unwrap_or(u64::MAX);
        if announced.is_some_and(|length| length > largest.saturating_mul(PATIENCE)) {
            return Err(self.too_large());
        }
        let (mut parts, mut length, mut share) = (Vec::new(), 0_usize, None);
        while let Some(part) = frames.next().await {
            let part = part.map_err(Trouble::BrokenOff)?;
            length = length.saturating_add(part.len());
            if length > self.largest {
                // Nobody needs these any more, and hearing the rest may take a while.
                drop((parts, share));
                return Err(self.hear_out(frames, length).await);
            }
            self.take_share(&mut share, part.len())?;
            parts.push(part);
        }
        Ok(Whole {
            bytes: joined(parts, length),
            _share: share,
        })
    }

    fn take_share<'a>(&'a self, share: &mut Option<SemaphorePermit<'a>>, length: usize) -> Result<(), Trouble> {
        let more = u32::try_from(length).map_err(|_longer| self.too_large())?;
        let more = self.budget.try_acquire_many(more).map_err(|_full| Trouble::Busy)?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }

    /// Lets the client finish, keeping nothing.
    async fn hear_out(&self, mut frames: axum::body::BodyDataStream, mut length: usize) -> Trouble {
        let patience = self.largest.saturating_mul(usize::try_from(PATIENCE).unwrap_or(1));
        while length <= patience
            && let Some(Ok(part)) = frames.next().await
        {
            length = length.saturating_add(part.len());
        }
        self.too_large()
    }

    fn too_large(&self) -> Trouble {
        Trouble::TooLarge { largest: self.largest }
    }
}

/// Most bodies come in one piece, which is not copied.
fn joined(mut parts: Vec<Bytes>, length: usize) -> Bytes {
    if parts.len() == 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut all = Vec::with_capacity(length);
    for part in parts {
        all.extend_from_slice(&part);
    }
    all.into()
}
