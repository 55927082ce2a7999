//! Failures of inspections, with the image that they are about in front.

use super::layer::ScanError;
use crate::image::{Digest, LookFailure, LookFailureKind, Reference};

/// Says which image a failure is about.
pub(super) fn about(image: &Reference, failure: LookFailure) -> LookFailure {
    let LookFailure { kind, message } = failure;
    let message = match kind {
        LookFailureKind::NotFound => format!("{image} does not exist: {message}"),
        LookFailureKind::Denied => format!("{image} is missing, or not accessible: {message}"),
        LookFailureKind::Unreachable => format!("{image} could not be looked at: {message}"),
        LookFailureKind::Damaged => format!("{image} is damaged: {message}"),
        LookFailureKind::TooLarge => format!("{image} is too large to look at: {message}"),
        LookFailureKind::NoPlatform | LookFailureKind::UnknownPlatform => format!("{image}: {message}"),
    };
    LookFailure::new(kind, message)
}

/// A failure to read one layer of an image.
pub(super) fn in_layer(image: &Reference, layer: &Digest, error: ScanError) -> LookFailure {
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
