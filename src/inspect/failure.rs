//! Failures of inspections, with the image that they are about in front.

use super::layer::ScanError;
use crate::image::{Digest, LookFailure, LookFailureKind, Reference};

/// Says which image a failure is about.
pub(crate) fn about(image: &Reference, failure: LookFailure) -> LookFailure {
    let LookFailure { kind, message } = failure;
    LookFailure::about(&image.to_string(), kind, &message)
}

/// A failure to read one layer of an image.
pub(crate) fn in_layer(image: &Reference, layer: &Digest, error: ScanError) -> LookFailure {
    let (kind, message) = match error {
        ScanError::Source(error) => match error.downcast::<LookFailure>() {
            Ok(failure) => return failure,
            Err(error) => (LookFailureKind::Unreachable, error.to_string()),
        },
        ScanError::Damaged(message) => (LookFailureKind::Damaged, message),
        ScanError::TooLarge(message) => (LookFailureKind::TooLarge, message),
    };
    about(image, LookFailure::new(kind, format!("the layer {layer}: {message}")))
}
