//! `caBundle`, put into the webhook configurations by server-side apply: nothing else of them, and only if it differs.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use crate::call::{Call, base64, is_code};
use crate::error::PassError;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};
use std::fmt;

/// How often an apply is tried again when somebody else changed the configuration in between.
const MAX_RACES: usize = 4;

/// A webhook configuration, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookConfiguration {
    /// A `ValidatingWebhookConfiguration`.
    Validating(String),
    /// A `MutatingWebhookConfiguration`.
    Mutating(String),
}

/// Whether a configuration had the bundle already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Injection {
    /// It had, or there is nothing that could have it.
    Standing,
    /// It has now.
    Applied,
}

impl WebhookConfiguration {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Validating(name) | Self::Mutating(name) => name,
        }
    }

    pub(crate) fn resource(&self) -> ApiResource {
        match self {
            Self::Validating(_) => ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
            Self::Mutating(_) => ApiResource::erase::<MutatingWebhookConfiguration>(&()),
        }
    }

    /// Sees to it that every webhook of the configuration has `bundle`. A configuration that does not exist is fine.
    pub(crate) async fn inject(
        &self,
        client: &Client,
        bundle: &[u8],
        field_manager: &str,
    ) -> Result<Injection, PassError> {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &self.resource());
        let bundle = base64(bundle);
        for _ in 0..MAX_RACES {
            let reading = Call::new(format!("read {self}"));
            let Some(live) = reading.within_deadline(api.get_opt(self.name())).await? else {
                return Ok(Injection::Standing);
            };
            let Some(patch) = self.patch(&live, &bundle) else {
                return Ok(Injection::Standing);
            };
            let applying = Call::new(format!("apply caBundle to {self}"));
            let params = PatchParams::apply(field_manager).force();
            match applying
                .within_deadline(api.patch(self.name(), &params, &Patch::Apply(&patch)))
                .await
            {
                Ok(_) => return Ok(Injection::Applied),
                Err(error) if is_code(&error, 409) => {
                    tracing::debug!(configuration = %self, "lost a race; reading again");
                }
                Err(error) => return Err(error),
            }
        }
        Err(PassError::LostRaces {
            object: self.to_string(),
            attempts: MAX_RACES,
        })
    }

    /// What to apply, if anything differs. It names every webhook that exists, for server-side apply takes back what
    /// an apply no longer names, and the version that was read, so that a webhook which was removed meanwhile, or a
    /// configuration that was deleted, does not come back as a fragment.
    fn patch(&self, live: &DynamicObject, bundle: &Value) -> Option<Value> {
        let webhooks = live.data.get("webhooks")?.as_array()?;
        let has_it = |webhook: &Value| webhook.pointer("/clientConfig/caBundle") == Some(bundle);
        if webhooks.iter().all(has_it) {
            return None;
        }
        let resource = self.resource();
        let names = webhooks.iter().filter_map(|webhook| webhook.get("name"));
        let applied: Vec<_> = names
            .map(|name| json!({"name": name, "clientConfig": {"caBundle": bundle}}))
            .collect();
        Some(json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": live.name_any(), "resourceVersion": live.meta().resource_version},
            "webhooks": applied,
        }))
    }
}

impl fmt::Display for WebhookConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Validating(name) => write!(f, "ValidatingWebhookConfiguration {name}"),
            Self::Mutating(name) => write!(f, "MutatingWebhookConfiguration {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(webhooks: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "hooks", "resourceVersion": "7"},
            "webhooks": webhooks,
        }))
        .unwrap()
    }

    fn patch(webhooks: &Value) -> Option<Value> {
        WebhookConfiguration::Validating("hooks".to_owned()).patch(&live(webhooks), &base64(b"CA"))
    }

    #[test]
    fn a_configuration_whose_webhooks_all_have_the_bundle_is_left_alone() {
        assert_eq!(
            patch(&json!([{"name": "a", "clientConfig": {"caBundle": "Q0E="}}])),
            None
        );
        assert_eq!(patch(&json!([])), None);
        assert_eq!(patch(&Value::Null), None);
    }

    #[test]
    fn every_webhook_is_named_with_its_bundle_and_nothing_else() {
        let webhooks = json!([
            {"name": "a", "clientConfig": {"caBundle": "Q0E=", "url": "https://a"}, "sideEffects": "None"},
            {"name": "b", "clientConfig": {"service": {"name": "b"}}},
        ]);
        let expected = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "hooks", "resourceVersion": "7"},
            "webhooks": [
                {"name": "a", "clientConfig": {"caBundle": "Q0E="}},
                {"name": "b", "clientConfig": {"caBundle": "Q0E="}},
            ],
        });
        assert_eq!(patch(&webhooks), Some(expected));
    }

    #[test]
    fn a_bundle_that_somebody_emptied_differs() {
        assert!(patch(&json!([{"name": "a", "clientConfig": {"caBundle": ""}}])).is_some());
    }
}
