//! The objects people write and read: `PreflightValidationOCP`, `Module`, and the words of a verdict.
//!
//! This room holds data only. It decides nothing and touches no other room.

pub mod field_error;
pub mod finding;
pub mod module;
pub mod node_feature;
pub mod preflight;
pub mod reference;
pub mod rule;

pub use field_error::FieldError;
pub use finding::{Finding, Severity};
pub use module::{Module, ModuleSpec};
pub use node_feature::{NodeFeature, NodeFeatureSpec};
pub use preflight::{
    ModuleStatus, PreflightStatus, PreflightValidationOCP, PreflightValidationOCPSpec, VerificationStage,
    VerificationStatus,
};
pub use rule::{Rule, ToolkitNeed};

/// The API group of every KMM object.
pub const GROUP: &str = "kmm.sigs.x-k8s.io";
