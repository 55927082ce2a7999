//! What the fake registry answers: the truth of the distribution protocol, and the tricks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;

use super::{Kind, Request, State, Trick, digest_of, locked, tokens, writing};

/// Answers one request, truly or not.
pub(super) async fn answer(
    Shared(state): Shared<Arc<State>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let kind = kind_of(&method, uri.path());
    let seen = request(kind, &method, &uri, &headers, body.len());
    locked(&state.requests).push(seen);
    let _busy = Busy::on(&state);
    let head = method == Method::HEAD;
    let truth = |headers: &HeaderMap| tell(&state, kind, &uri, headers, &body);
    let answer = match pick(&state, kind, uri.path()) {
        None => truth(&headers),
        Some(Trick::IgnoreRange) => {
            let mut without = headers.clone();
            without.remove("range");
            truth(&without)
        }
        Some(Trick::SlowHead(delay)) => {
            tokio::time::sleep(delay).await;
            truth(&headers)
        }
        Some(Trick::Hang) => std::future::pending().await,
        // What is refused is not done.
        Some(trick @ (Trick::Status(..) | Trick::Body(..) | Trick::Redirect(_))) => {
            twist(trick, StatusCode::OK.into_response(), &uri).await
        }
        Some(trick) => twist(trick, truth(&headers), &uri).await,
    };
    if head { without_body(answer) } else { answer }
}

fn kind_of(method: &Method, path: &str) -> Kind {
    match path {
        "/v2/" | "/v2" => Kind::Ping,
        "/token" => Kind::Token,
        _ if path.contains("/blobs/uploads/") && *method == Method::POST => Kind::Upload,
        _ if path.contains("/blobs/uploads/") => Kind::Send,
        _ if path.contains("/manifests/") && *method == Method::PUT => Kind::Publish,
        _ if path.contains("/manifests/") && *method == Method::DELETE => Kind::Delete,
        _ if path.contains("/manifests/") => Kind::Manifest,
        _ if path.contains("/blobs/") => Kind::Blob,
        _ => Kind::Other,
    }
}

fn request(kind: Kind, method: &Method, uri: &Uri, headers: &HeaderMap, length: usize) -> Request {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    Request {
        kind,
        method: method.to_string(),
        target: uri.to_string(),
        authorization: text("authorization"),
        range: text("range"),
        length,
    }
}

/// The trick to play, if one is due.
fn pick(state: &State, kind: Kind, path: &str) -> Option<Trick> {
    let mut lies = locked(&state.lies);
    let lie = lies
        .iter_mut()
        .find(|lie| lie.kind == kind && lie.left > 0 && path.contains(&lie.part))?;
    lie.left = lie.left.saturating_sub(1);
    Some(lie.trick.clone())
}

fn tell(state: &State, kind: Kind, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
    if kind == Kind::Token {
        let form = String::from_utf8_lossy(body);
        return match tokens::answer(state, headers, uri.query().unwrap_or_default(), &form) {
            Ok(token) => ([("content-type", "application/json")], token).into_response(),
            Err(refusal) => (StatusCode::UNAUTHORIZED, refusal).into_response(),
        };
    }
    let (repository, name) = place(uri.path());
    let writes = matches!(kind, Kind::Upload | Kind::Send | Kind::Publish | Kind::Delete);
    let may = if writes { tokens::may_write } else { tokens::may_read };
    if !may(state, headers, repository.as_deref()) {
        return deny(state, headers, repository.as_deref());
    }
    let key = (repository.unwrap_or_default(), name);
    match kind {
        Kind::Ping => (StatusCode::OK, "{}").into_response(),
        Kind::Manifest => manifest(state, &key, headers),
        Kind::Blob => blob(state, &key, headers),
        Kind::Upload => writing::open(state, &key.0, uri, headers),
        Kind::Send => writing::send(state, &key.0, uri, body),
        Kind::Publish => writing::publish(state, &key, headers, body),
        Kind::Delete => writing::delete(state, &key),
        Kind::Token | Kind::Other => StatusCode::NOT_FOUND.into_response(),
    }
}

fn place(path: &str) -> (Option<String>, String) {
    let path = path.strip_prefix("/v2/").unwrap_or(path);
    let split = path.split_once("/manifests/").or_else(|| path.split_once("/blobs/"));
    split.map_or((None, String::new()), |(repository, name)| {
        (Some(repository.to_owned()), name.to_owned())
    })
}

fn deny(state: &State, headers: &HeaderMap, repository: Option<&str>) -> Response {
    let host = headers
        .get("host")
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let known = headers.contains_key("authorization");
    let status = if known { state.setup.denial.unwrap_or(401) } else { 401 };
    let mut response = error(
        status,
        "UNAUTHORIZED",
        "access to the requested resource is not authorized",
    );
    if let Some(challenge) = tokens::challenge(state, host, repository) {
        response
            .headers_mut()
            .insert("www-authenticate", challenge.parse().unwrap());
    }
    response
}

fn manifest(state: &State, key: &(String, String), headers: &HeaderMap) -> Response {
    let manifests = locked(&state.manifests);
    let Some((media_type, bytes)) = manifests.get(key) else {
        let known = manifests.keys().any(|(repository, _)| *repository == key.0);
        return if known {
            error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        } else {
            error(404, "NAME_UNKNOWN", "repository name not known to registry")
        };
    };
    let digest = digest_of(bytes);
    let etag = format!("\"{digest}\"");
    if headers.get("if-none-match").is_some_and(|known| *known == *etag) {
        return (StatusCode::NOT_MODIFIED, [("etag", etag)]).into_response();
    }
    let head = [
        ("content-type", media_type.clone()),
        ("docker-content-digest", digest),
        ("etag", etag),
    ];
    (head, bytes.clone()).into_response()
}

fn blob(state: &State, key: &(String, String), headers: &HeaderMap) -> Response {
    let blobs = locked(&state.blobs);
    let Some(bytes) = blobs.get(key) else {
        return error(404, "BLOB_UNKNOWN", "blob unknown to registry");
    };
    let kind = ("content-type", "application/octet-stream".to_owned());
    let from = headers
        .get("range")
        .and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-'));
    match from
        .and_then(|from| from.parse::<usize>().ok())
        .filter(|from| *from < bytes.len())
    {
        None => ([kind], bytes.clone()).into_response(),
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            (
                StatusCode::PARTIAL_CONTENT,
                [kind, ("content-range", range)],
                bytes[from..].to_vec(),
            )
                .into_response()
        }
    }
}

pub(super) fn error(status: u16, code: &str, message: &str) -> Response {
    let body = serde_json::json!({"errors": [{"code": code, "message": message}]}).to_string();
    (
        StatusCode::from_u16(status).unwrap(),
        [("content-type", "application/json")],
        body,
    )
        .into_response()
}

/// Turns a true answer into the lie.
async fn twist(trick: Trick, truth: Response, uri: &Uri) -> Response {
    match trick {
        Trick::Status(status, headers, body) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            for (name, value) in headers {
                let name: HeaderName = name.parse().unwrap();
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Trick::Body(media_type, bytes) => {
            let digest = digest_of(&bytes);
            ([("content-type", media_type), ("docker-content-digest", digest)], bytes).into_response()
        }
        Trick::Redirect(base) => {
            (StatusCode::TEMPORARY_REDIRECT, [("location", format!("{base}{uri}"))]).into_response()
        }
        Trick::AlterBody => bent(truth, |bytes| (altered(&bytes), End::Whole)).await,
        Trick::CutBody(after) => bent(truth, |bytes| (bytes, End::Cut(after))).await,
        Trick::StallBody(after) => bent(truth, |bytes| (bytes, End::Stall(after))).await,
        Trick::SlowHead(_) | Trick::Hang | Trick::IgnoreRange => truth,
    }
}

enum End {
    Whole,
    Cut(usize),
    Stall(usize),
}

fn altered(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.into()
}

/// The same head, with a body that ends otherwise; the length in the head stays the true one.
async fn bent(truth: Response, bend: impl FnOnce(Bytes) -> (Bytes, End)) -> Response {
    let (mut parts, body) = truth.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    parts.headers.insert("content-length", whole.len().into());
    let (bytes, end) = bend(whole);
    let body = match end {
        End::Whole => Body::from(bytes),
        End::Cut(after) => {
            let cut = futures::stream::once(std::future::ready(Err(std::io::Error::other("cut"))));
            Body::from_stream(begin(&bytes, after).chain(cut))
        }
        End::Stall(after) => Body::from_stream(begin(&bytes, after).chain(futures::stream::pending())),
    };
    Response::from_parts(parts, body)
}

fn begin(bytes: &Bytes, after: usize) -> impl futures::Stream<Item = std::io::Result<Bytes>> + use<> {
    let begun = bytes.slice(..after.min(bytes.len()));
    futures::stream::once(async move {
        // Lets the first bytes reach the wire before the connection breaks.
        tokio::task::yield_now().await;
        Ok(begun)
    })
}

fn without_body(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact() {
        parts.headers.insert("content-length", length.into());
    }
    Response::from_parts(parts, Body::empty())
}

/// Counts how many requests are being answered at once.
struct Busy(Arc<State>);

impl Busy {
    fn on(state: &Arc<State>) -> Self {
        let now = state.now.fetch_add(1, Ordering::SeqCst) + 1;
        state.peak.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}
