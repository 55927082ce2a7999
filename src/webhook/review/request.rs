//! A review as the API server sends it, read once and only as far as admission needs it.
//!
//! `kube::core::admission` keeps whole objects as trees: managed fields, the status, a thousand rows. Here the
//! spec stays a slice of the body until somebody looks into it, and the rest is skipped.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ObjectMeta;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::{FieldError, PreflightValidationOCP, PreflightValidationOCPSpec};

/// The version of the review that is spoken here.
pub(super) const API_VERSION: &str = "admission.k8s.io/v1";
/// The kind of the review.
pub(super) const KIND: &str = "AdmissionReview";

/// Why a body is not a review that could be answered.
#[derive(Debug, thiserror::Error)]
pub enum NotAReview {
    /// Not JSON, or JSON of another shape.
    #[error("the body is not an AdmissionReview: {0}")]
    Unreadable(#[source] serde_json::Error),
    /// A review in another version, or no review at all.
    #[error(
        "the body is {kind:?} of {api_version:?}, and this webhook answers {KIND} of {API_VERSION}; \
         give admissionReviewVersions: [v1] in the webhook's configuration"
    )]
    OtherVersion {
        /// The version that stands in the body, shortened.
        api_version: String,
        /// The kind that stands in the body, shortened.
        kind: String,
    },
    /// A review without a request: an answer, for instance.
    #[error("the AdmissionReview has no request with a uid, so there is nothing to answer")]
    NoRequest,
}

/// What happens to the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// It is connected to (exec, proxy), which no preflight offers.
    Connect,
    /// Something that no version of Kubernetes does today.
    #[default]
    #[serde(other)]
    Other,
}

impl Operation {
    /// The API's own word for it, also in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Other => "OTHER",
        }
    }
}

/// The envelope.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

/// What is asked. Only the uid must be there: without it there is nobody to answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    #[serde(borrow, default)]
    pub(super) uid: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) kind: GroupVersionKind<'a>,
    #[serde(borrow, default)]
    pub(super) sub_resource: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(default)]
    pub(super) operation: Operation,
    #[serde(borrow, default)]
    pub(super) object: Option<Object<'a>>,
    #[serde(borrow, default)]
    pub(super) old_object: Option<Object<'a>>,
}

/// The type of the object.
#[derive(Default, Deserialize)]
pub(super) struct GroupVersionKind<'a> {
    #[serde(borrow, default)]
    pub(super) group: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) version: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) kind: Cow<'a, str>,
}

/// What admission looks at in an object.
#[derive(Default, Deserialize)]
pub(super) struct Object<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
}

/// An object's names, and whether it is there to stay.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    generate_name: Option<Cow<'a, str>>,
    #[serde(default)]
    deletion_timestamp: Option<Time>,
}

impl<'a> Request<'a> {
    /// The request in a body.
    ///
    /// # Errors
    /// [`NotAReview`], where there is none of this version.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, NotAReview> {
        let review: Review<'a> = serde_json::from_slice(body).map_err(NotAReview::Unreadable)?;
        if review.api_version != API_VERSION || review.kind != KIND {
            return Err(NotAReview::OtherVersion {
                api_version: excerpt(&review.api_version),
                kind: excerpt(&review.kind),
            });
        }
        review
            .request
            .filter(|request| !request.uid.is_empty())
            .ok_or(NotAReview::NoRequest)
    }

    /// What to call the object in a sentence; it has no name yet if the server is to make one up.
    pub(super) fn name(&self) -> &str {
        let metadata = self.object.as_ref().map(|object| &object.metadata);
        let own = metadata.and_then(|metadata| metadata.name.as_deref().or(metadata.generate_name.as_deref()));
        own.filter(|name| !name.is_empty()).unwrap_or(&self.name)
    }
}

impl Object<'_> {
    /// Whether both ask the same. Bytes are compared first: the API server writes equal specs equally.
    pub(super) fn asks_the_same_as(&self, other: &Self) -> bool {
        self.spec_text() == other.spec_text() || self.spec_tree() == other.spec_tree()
    }

    /// Whether it only waits for its finalizers.
    pub(super) fn is_being_deleted(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// The preflight, without what admission does not look at: most of its metadata, and its status.
    ///
    /// # Errors
    /// The field that does not fit its type.
    pub(super) fn preflight(&self) -> Result<PreflightValidationOCP, FieldError> {
        let spec = serde_json::from_str(self.spec_text()).or_else(|_| self.spec_with_path())?;
        let owned = |name: &Option<Cow<'_, str>>| name.as_deref().map(str::to_owned);
        Ok(PreflightValidationOCP {
            metadata: ObjectMeta {
                name: owned(&self.metadata.name),
                generate_name: owned(&self.metadata.generate_name),
                deletion_timestamp: self.metadata.deletion_timestamp.clone(),
                ..ObjectMeta::default()
            },
            spec,
            status: None,
        })
    }

    /// The spec once more, slowly, for the path and the words of its error.
    fn spec_with_path(&self) -> Result<PreflightValidationOCPSpec, FieldError> {
        serde_path_to_error::deserialize(self.spec_tree()).map_err(|error| {
            let path = match error.path().iter().next() {
                Some(_) => format!("spec.{}", error.path()),
                None => "spec".to_owned(),
            };
            FieldError::mismatch(path, &error.inner().to_string())
        })
    }

    /// A spec that is missing asks what an empty one asks.
    fn spec_text(&self) -> &str {
        self.spec.map_or("{}", RawValue::get)
    }

    fn spec_tree(&self) -> serde_json::Value {
        serde_json::from_str(self.spec_text()).unwrap_or_default()
    }
}

/// The longest part of a foreign text in an error.
const EXCERPT: usize = 64;

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}
