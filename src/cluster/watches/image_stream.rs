//! OpenShift's image stream of driver toolkits: looked for where its API is served, and what is read of it.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::time::Duration;

use kube::Client;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;
use tokio::time::sleep;

use crate::cluster::call::{CALL_DEADLINE, CallError, within};
use crate::image::Reference;
use crate::plan::ReleasedToolkits;

/// The API that serves image streams.
const API: &str = "image.openshift.io/v1";
/// A tag that stands beside those of releases.
const LATEST: &str = "latest";
/// How long until an API server is asked again that does not serve image streams: a cluster rarely becomes OpenShift.
const NOT_SERVED: Duration = Duration::from_mins(10);
/// How long until an API server is asked again that did not answer.
const NO_ANSWER: Duration = Duration::from_secs(10);

/// The kind of image streams.
pub(super) fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("image.openshift.io", "v1", "ImageStream");
    ApiResource::from_gvk_with_plural(&kind, "imagestreams")
}

/// Returns when image streams are served, which is never on most clusters.
pub(super) async fn served(client: &Client) {
    loop {
        let pause = match within(CALL_DEADLINE, client.list_api_group_resources(API)).await {
            Ok(_) => return,
            Err(CallError::NotFound(_)) => NOT_SERVED,
            Err(_) => NO_ANSWER,
        };
        sleep(pause).await;
    }
}

/// Every tag that leads to an image, but for `latest` (`imagestream_reconciler.go`).
pub(super) fn toolkits(stream: &DynamicObject) -> ReleasedToolkits {
    let tags = stream.data.pointer("/spec/tags").and_then(Value::as_array);
    let tag = |tag: &Value| {
        let name = tag.get("name")?.as_str().filter(|name| *name != LATEST)?;
        let image = tag.pointer("/from/name")?.as_str()?;
        Reference::parse(image).ok()?;
        Some((name.to_owned(), image.to_owned()))
    };
    tags.into_iter().flatten().filter_map(tag).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_tag_is_a_release_but_the_latest() {
        // "dk-5", "dk-6": what cannot be read is left out.
        let image = format!(
            "quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:{}",
            "a".repeat(64)
        );
        let stream = |spec: Value| -> DynamicObject {
            serde_json::from_value(json!({"metadata": {"name": "driver-toolkit"}, "spec": spec})).expect("an object")
        };
        let read = toolkits(&stream(json!({"tags": [
            {"name": "411.86.202210072320-0", "from": {"kind": "DockerImage", "name": image}},
            {"name": "latest", "from": {"kind": "DockerImage", "name": image}},
            {"name": "412.86.202303211731-0"},
            {"name": "413.86.202303211731-0", "from": {"name": "not an image"}},
        ]})));
        assert_eq!(read, [("411.86.202210072320-0".to_owned(), image)].into());
        assert_eq!(toolkits(&stream(json!({}))), ReleasedToolkits::new());
    }
}
