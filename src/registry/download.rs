//! Downloads of blobs: a task that pours the body into a channel, and takes it up again where it was cut off. Of a small blob
//! the body is there before its reader begins.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::Response;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::Instant;

use super::access::Access;
use super::blob::Source;
use super::body::chunk;
use super::exchange::Exchange;
use super::manifest::Descriptor;
use super::remote::Remote;
use super::sources::Engine;
use super::transport::host_of;
use super::trouble::Trouble;
use crate::image::{LookFailureKind, Reference};

/// How many chunks wait for the reader: enough to keep it busy, little enough to keep memory flat.
const WAITING_CHUNKS: usize = 4;
/// How often a body that was cut off is taken up again.
const RESUMES: u32 = 4;
/// Blobs up to this many bytes are gathered at once: a task, a channel and a thread that waits at its end would cost more than
/// the bytes. Nearly every layer that one image alone has is so small, and there may be thousands of them.
const SMALL: u64 = 64 << 10;

/// One blob on its way.
pub(super) struct Download {
    pub(super) engine: Arc<Engine>,
    pub(super) remote: Arc<Remote>,
    pub(super) image: Reference,
    pub(super) access: Access,
    pub(super) descriptor: Descriptor,
}

impl Download {
    /// Waits for a turn, asks, and lets the body run once the registry has agreed to send it.
    pub(super) async fn start(self) -> Result<Source, Trouble> {
        let turn = self.remote.blob_turn().await?;
        let (response, skip) = self.open(0).await?;
        if self.descriptor.size <= SMALL {
            let mut body = Vec::new();
            self.run(response, skip, &mut body).await?;
            return Ok(Source::Gathered(body.into()));
        }
        let (mut sender, receiver) = mpsc::channel(WAITING_CHUNKS);
        tokio::spawn(async move {
            if let Err(trouble) = self.run(response, skip, &mut sender).await {
                // Nobody waits any more when this fails.
                let _ = sender.send(Err(trouble)).await;
            }
            drop(turn);
        });
        Ok(Source::Download(receiver))
    }

    /// Pours the body, and not longer than a blob may take.
    async fn run(&self, response: Response, skip: u64, into: &mut impl Vessel) -> Result<(), Trouble> {
        let limit = self.engine.transport.settings.deadlines.blob;
        let pouring = self.pour(response, skip, into);
        let poured = tokio::time::timeout_at(Instant::now() + limit, pouring).await;
        poured.unwrap_or_else(|_elapsed| {
            Err(Trouble::unreachable(format!(
                "{} took more than {} s to send the blob {}",
                self.image.registry(),
                limit.as_secs(),
                self.descriptor.digest
            )))
        })
    }

    /// Pours the body to its end, or until nobody reads any more.
    async fn pour(&self, response: Response, skip: u64, into: &mut impl Vessel) -> Result<(), Trouble> {
        let mut poured = 0;
        let mut body = (response, skip);
        for resumed in 0..=RESUMES {
            match self.copy(&mut body, &mut poured, into).await {
                Err(trouble) if trouble.remedy.is_time() && resumed < RESUMES => {
                    body = self.open(poured).await?;
                }
                ended => return ended,
            }
        }
        Ok(())
    }

    async fn copy(
        &self,
        (response, skip): &mut (Response, u64),
        poured: &mut u64,
        into: &mut impl Vessel,
    ) -> Result<(), Trouble> {
        let host = host_of(response.url());
        while let Some(mut bytes) = chunk(&self.engine.transport.settings.deadlines, &host, response).await? {
            let skipped = usize::try_from(*skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
            *skip = skip.saturating_sub(skipped as u64);
            let bytes = bytes.split_off(skipped);
            *poured = poured.saturating_add(bytes.len() as u64);
            if !bytes.is_empty() && !into.take(bytes).await {
                return Ok(());
            }
            // The reader sees one byte too many and says so; the rest need not come.
            if *poured > self.descriptor.size {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks for the blob from an offset on; also returns how many bytes to skip, if the registry sends all of it.
    async fn open(&self, offset: u64) -> Result<(Response, u64), Trouble> {
        let exchange = Exchange {
            transport: &self.engine.transport,
            tokens: &self.engine.tokens,
            remote: &self.remote,
            image: &self.image,
            access: &self.access,
        };
        let path = format!("{}/blobs/{}", self.image.repository(), self.descriptor.digest);
        let mut headers = HeaderMap::new();
        if let Some(range) = HeaderValue::from_str(&format!("bytes={offset}-"))
            .ok()
            .filter(|_| offset > 0)
        {
            headers.insert(RANGE, range);
        }
        let response = exchange.persistently(|| exchange.get(&path, &headers)).await;
        let response = response.map_err(|trouble| self.of_the_blob(trouble))?;
        self.check_length(offset, &response)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(&response, offset) => Ok((response, 0)),
            StatusCode::OK => Ok((response, offset)),
            _ => Err(Trouble::unreachable(format!(
                "{} sends another part than asked for",
                host_of(response.url())
            ))),
        }
    }

    fn check_length(&self, offset: u64, response: &Response) -> Result<(), Trouble> {
        let Descriptor { digest, size, .. } = &self.descriptor;
        match response.content_length() {
            Some(length) if offset == 0 && length != *size => Err(Trouble::damaged(format!(
                "the blob {digest} has {length} bytes, and the manifest says {size}"
            ))),
            _ => Ok(()),
        }
    }

    /// A blob that is not there although the manifest names it is damage: no node could pull the image.
    fn of_the_blob(&self, trouble: Trouble) -> Trouble {
        let digest = &self.descriptor.digest;
        match trouble.kind {
            LookFailureKind::NotFound => Trouble::damaged(format!(
                "the manifest names the blob {digest}, and the registry does not have it: {}",
                trouble.message
            )),
            _ => trouble.within(&format!("blob {digest}")),
        }
    }
}

/// What a body is poured into.
trait Vessel: Send {
    /// Takes some bytes; whether it wants more.
    fn take(&mut self, bytes: Bytes) -> impl Future<Output = bool> + Send;
}

/// Holds the body back while its reader is slower.
impl Vessel for Sender<Result<Bytes, Trouble>> {
    async fn take(&mut self, bytes: Bytes) -> bool {
        self.send(Ok(bytes)).await.is_ok()
    }
}

/// Keeps a small body whole.
impl Vessel for Vec<u8> {
    async fn take(&mut self, bytes: Bytes) -> bool {
        self.extend_from_slice(&bytes);
        true
    }
}

fn begins_at(response: &Response, offset: u64) -> bool {
    let range = response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {offset}-")))
}
