//! How a throw-away cluster learns of a kind.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use super::{Client, ControlPlane};

/// Where definitions of kinds (CRDs) are.
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// How long the API server may take to serve a new one; it takes a moment.
const SERVED: Duration = Duration::from_mins(1);
/// How often it is asked whether it does.
const POLL: Duration = Duration::from_millis(25);

impl ControlPlane {
    /// Applies a file with the definition of a kind, YAML or JSON, and returns when the API server serves it.
    pub fn define(&self, definition: &Path) -> anyhow::Result<()> {
        let text = fs::read_to_string(definition)?;
        let defined = self.client.apply_text(DEFINITIONS, &text)?;
        let name = defined["metadata"]["name"].as_str().context("a name")?;
        let deadline = Instant::now() + SERVED;
        while !is_served(&self.client, name) {
            anyhow::ensure!(Instant::now() < deadline, "{name} is not served after {SERVED:?}");
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

/// Whether a definition is established, and all its versions that are to be served are listed and answer.
fn is_served(client: &Client, name: &str) -> bool {
    let stored = found(client, &format!("{DEFINITIONS}/{name}"));
    let mut conditions = list(&stored["status"]["conditions"]);
    if !conditions.any(|condition| condition["type"] == "Established" && condition["status"] == "True") {
        return false;
    }
    let spec = &stored["spec"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (word(&spec["group"]), word(&spec["names"]["plural"]));
    let mut served = list(&spec["versions"]).filter(|version| version["served"] == true);
    served.all(|version| answers_for(client, &format!("/apis/{group}/{}", word(&version["name"])), &plural))
}

/// Whether a version of a group lists this kind, and has an answer where its objects are: one that is new may ask for
/// patience there.
fn answers_for(client: &Client, version: &str, plural: &str) -> bool {
    let kinds = found(client, version);
    list(&kinds["resources"]).any(|kind| kind["name"] == plural)
        && !found(client, &format!("{version}/{plural}?limit=1")).is_null()
}

/// What is at a path; null where there is nothing yet, or no answer.
fn found(client: &Client, path: &str) -> Value {
    client.get(path).ok().flatten().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
