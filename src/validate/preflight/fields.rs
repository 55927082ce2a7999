//! What is wrong with the fields of a preflight, whatever is around it.

use kube::ResourceExt;

use super::words;
use crate::api::{FieldError, PreflightValidationOCP};
use crate::image::{Reference, ReferenceError};
use crate::kernel::{KernelVersion, WhiteSpace};

/// Every error in the fields of a preflight at once. The kernel version comes back parsed.
pub fn validate(preflight: &PreflightValidationOCP) -> Result<KernelVersion, Vec<FieldError>> {
    match read(preflight) {
        (Some(kernel), errors) if errors.is_empty() => Ok(kernel),
        (_, errors) => Err(errors),
    }
}

/// The kernel, if it is one, and every error.
pub(super) fn read(preflight: &PreflightValidationOCP) -> (Option<KernelVersion>, Vec<FieldError>) {
    let mut errors = Vec::new();
    if preflight.name_any().is_empty() {
        errors.push(FieldError::new("metadata.name", "is required"));
    }
    let kernel = kernel_version(&preflight.spec.kernel_version).map_err(|error| errors.push(error));
    errors.extend(preflight.spec.dtk_image.as_deref().and_then(dtk_image_error));
    (kernel.ok(), errors)
}

fn kernel_version(text: &str) -> Result<KernelVersion, FieldError> {
    KernelVersion::parse(text).map_err(|why| FieldError::new("spec.kernelVersion", why.to_string()))
}

fn dtk_image_error(text: &str) -> Option<FieldError> {
    let message = match (Reference::parse(text).err()?, WhiteSpace::first(text)) {
        (_, Some(space)) => format!("{space}; remove it"),
        (ReferenceError::Empty, None) => "is empty; name an image, or leave the field out".to_owned(),
        (why, None) => words::shown(&why.to_string()),
    };
    Some(FieldError::new("spec.dtkImage", message))
}
