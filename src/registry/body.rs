//! Bodies of answers that are read whole: capped, and with a deadline for silence.

use std::time::Duration;

use http::header::RETRY_AFTER;
use reqwest::Response;

use super::settings::Deadlines;
use super::transport::host_of;
use super::trouble::Trouble;

/// Reads a body; none when it is longer than the cap.
pub(super) async fn read_capped(
    deadlines: &Deadlines,
    mut response: Response,
    cap: usize,
) -> Result<Option<Vec<u8>>, Trouble> {
    if response.content_length().is_some_and(|length| length > cap as u64) {
        return Ok(None);
    }
    let mut body = Vec::new();
    let host = host_of(response.url());
    let whole = async {
        while let Some(chunk) = chunk(deadlines, &host, &mut response).await? {
            if body.len() + chunk.len() > cap {
                return Ok(false);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(true)
    };
    // A body that trickles is cut off too: a small one has no reason to take longer than a silence may last.
    match tokio::time::timeout(deadlines.idle, whole).await {
        Ok(whole) => Ok(whole?.then_some(body)),
        Err(_elapsed) => Err(too_slow(&host, deadlines.idle)),
    }
}

/// The next chunk of a body, if it has one.
pub(super) async fn chunk(
    deadlines: &Deadlines,
    host: &str,
    response: &mut Response,
) -> Result<Option<bytes::Bytes>, Trouble> {
    match tokio::time::timeout(deadlines.idle, response.chunk()).await {
        Ok(chunk) => chunk.map_err(|error| Trouble::transport(host, &error)),
        Err(_elapsed) => Err(too_slow(host, deadlines.idle)),
    }
}

fn too_slow(host: &str, deadline: Duration) -> Trouble {
    Trouble::passing(format!(
        "{host} began to answer and then took more than {} s",
        deadline.as_secs()
    ))
}

/// The pause that a server asks for, if it names seconds.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response
        .headers()
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}
