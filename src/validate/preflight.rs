//! What admission does to a `PreflightValidationOCP`: fill in defaults, and refuse what cannot be answered.

use kube::ResourceExt;

use crate::api::{FieldError, PreflightValidationOCP};
use crate::image::Reference;
use crate::kernel::KernelVersion;

/// Fills in what the user left out. What the user wrote is never changed.
pub fn apply_defaults(preflight: &mut PreflightValidationOCP) {
    preflight.spec.push_built_image.get_or_insert(false);
}

/// Every error of a preflight at once, each with its field. The kernel version comes back parsed.
pub fn validate(preflight: &PreflightValidationOCP) -> Result<KernelVersion, Vec<FieldError>> {
    let mut errors = Vec::new();
    if preflight.name_any().is_empty() {
        errors.push(FieldError::new("metadata.name", "is required"));
    }
    let kernel = kernel_version(&preflight.spec.kernel_version).map_err(|error| errors.push(error));
    if let Some(image) = &preflight.spec.dtk_image {
        errors.extend(
            Reference::parse(image)
                .err()
                .map(|why| FieldError::new("spec.dtkImage", why.to_string())),
        );
    }
    match kernel {
        Ok(kernel) if errors.is_empty() => Ok(kernel),
        _ => Err(errors),
    }
}

fn kernel_version(text: &str) -> Result<KernelVersion, FieldError> {
    let error = |message: String| FieldError::new("spec.kernelVersion", message);
    KernelVersion::parse(text).map_err(|why| error(why.to_string()))
}
