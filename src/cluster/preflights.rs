//! Which preflights are there, as the API server itself says: a watch may lag behind.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::collections::BTreeSet;

use kube::Client;
use kube::api::{Api, ListParams};

use super::call::{CALL_DEADLINE, CallError, within};
use crate::api::PreflightValidationOCP;

/// Preflights in one page of a list. Only their metadata comes, but the managed fields of a large status are large.
const PAGE: u32 = 20;
/// Pages that are read; more preflights than that are no cluster's.
const MOST_PAGES: u32 = 500;

/// The UIDs of all preflights that are there and not being deleted.
///
/// # Errors
/// The API server did not tell of all of them.
pub async fn present(client: &Client) -> Result<BTreeSet<String>, CallError> {
    let api: Api<PreflightValidationOCP> = Api::all(client.clone());
    let (mut present, mut params) = (BTreeSet::new(), ListParams::default().limit(PAGE));
    for _ in 0..MOST_PAGES {
        let page = within(CALL_DEADLINE, api.list_metadata(&params)).await?;
        let here = page.items.into_iter().map(|object| object.metadata);
        let here = here.filter(|metadata| metadata.deletion_timestamp.is_none());
        present.extend(here.filter_map(|metadata| metadata.uid));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(present),
        }
    }
    Err(CallError::Garbled("its list of preflights has no end".to_owned()))
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use tower_test::mock;

    use super::*;

    #[tokio::test]
    async fn who_is_being_deleted_is_not_there_and_every_page_is_read() {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "default");
        let pages = [
            (None, Some("more"), json!([{"metadata": {"name": "a", "uid": "1"}}])),
            (
                Some("continue=more"),
                None,
                json!([
                    {"metadata": {"name": "b", "uid": "2", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
                    {"metadata": {"name": "c", "uid": "3"}},
                ]),
            ),
        ];
        let answer = async {
            for (asked, token, items) in pages {
                let (request, respond) = handle.next_request().await.expect("a request");
                let query = request.uri().query().unwrap_or_default();
                assert!(asked.is_none_or(|asked| query.contains(asked)), "{query}");
                let list = json!({
                    "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
                    "metadata": {"resourceVersion": "1", "continue": token}, "items": items,
                });
                respond.send_response(Response::new(Body::from(list.to_string().into_bytes())));
            }
        };
        let (present, ()) = tokio::join!(present(&client), answer);
        assert_eq!(present, Ok(["1".to_owned(), "3".to_owned()].into()));
    }
}
