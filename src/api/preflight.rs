//! `PreflightValidationOCP`: the question (`spec`) and its answer (`status`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Finding;

/// A coarse form of what admission checks, for clusters without our webhook. A value that is stored already stays
/// writable, whatever it is, for KMM's own webhook admits more.
const KERNEL_VERSION_RULE: &str = "oldSelf.hasValue() && oldSelf.value() == self || \
    size(self) <= 64 && self.matches('^[0-9]+[.][0-9]+[0-9A-Za-z._+~:-]*$')";

/// Which kernel to validate every Module for, and how.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kmm.sigs.x-k8s.io",
    version = "v1beta2",
    kind = "PreflightValidationOCP",
    doc = "Asks, before a kernel upgrade, whether every Module will load on the target kernel.",
    plural = "preflightvalidationsocp",
    singular = "preflightvalidationocp",
    shortname = "pfvo",
    status = "PreflightStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Kernel","type":"string","jsonPath":".spec.kernelVersion"}"#,
    printcolumn = r#"{"name":"Verified","type":"string","jsonPath":".status.summary"}"#,
    printcolumn = r#"{"name":"Status","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct PreflightValidationOCPSpec {
    /// The target kernel, as `uname -r` will print it on the upgraded nodes.
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": KERNEL_VERSION_RULE,
        "optionalOldSelf": true,
        "message": "must be a kernel release as `uname -r` prints it",
    }]))]
    pub kernel_version: String,
    /// The driver toolkit image of that kernel: its headers, configuration and `Module.symvers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtk_image: Option<String>,
    /// Whether an image that had to be built is pushed to its registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_built_image: Option<bool>,
}

/// The answer, one row per Module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreflightStatus {
    /// The word for the whole preflight: `Verified`, `Failed` or `InProgress`; after the last one, what runs in pods,
    /// as in `InProgress: building 2, signing 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How many Modules are verified, as `7/10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Complete` (every Module has a final answer), `Verified` (every answer is Success), and `Contested` where somebody else
    /// writes this status too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// One row per Module, sorted by namespace and name. The list is atomic for server-side apply: managed fields
    /// of each row would double the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub modules: Vec<ModuleStatus>,
}

/// The verdict on one Module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleStatus {
    /// The Module's name.
    pub name: String,
    /// The Module's namespace.
    pub namespace: String,
    /// Where validation stands.
    pub verification_stage: VerificationStage,
    /// The verdict.
    pub verification_status: VerificationStatus,
    /// Why, and what to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// When `verificationStatus` last changed.
    pub last_transition_time: Time,
    /// The reference that a node would pull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The digest that the reference named when it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What the inspection found, the decisive findings first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// A fingerprint of what the verdict rests on; an answer is final as long as it stays the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// The Job that the verdict rests on, as `namespace/name`, where something was built, signed or looked at on a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

/// Where the validation of one Module stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum VerificationStage {
    /// Its image is being looked at, built or signed.
    Image,
    /// It has its answer.
    Done,
}

/// The verdict on one Module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum VerificationStatus {
    /// It will load on the target kernel.
    Success,
    /// It will not load, or there is nothing to load it from.
    Failure,
    /// Not known yet, and the reason says why.
    InProgress,
}
