//! Admission of a `PreflightValidationOCP`: its defaults, its errors, its warnings, and the words of a refusal.
//!
//! Everything here is a function of the object and of what is known around it. What is not known yet refuses nobody:
//! the reconciler says it later.

mod defaults;
mod fields;
mod toolkit;
mod update;
mod warnings;
mod words;

use crate::api::{FieldError, PreflightValidationOCP};
use crate::plan::Surroundings;

pub use defaults::apply_defaults;
pub use fields::validate;
pub use toolkit::NAMED_MODULES;
pub use update::{admit_update, apply_defaults_on_update};
pub use warnings::{MAX_WARNING, MAX_WARNINGS};
pub use words::refusal;

/// What admission says to an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Everything that is wrong with it, in the order of its fields; it is admitted if there is nothing.
    pub errors: Vec<FieldError>,
    /// What its author should know all the same: one line of ASCII each, at most [`MAX_WARNING`] characters, at most
    /// [`MAX_WARNINGS`] of them, in a fixed order. A refused object has none, for its errors come first.
    pub warnings: Vec<String>,
}

/// What admission says to an object that is to be created.
pub fn admit_create(new: &PreflightValidationOCP, around: &Surroundings) -> Admission {
    let (kernel, mut errors) = fields::read(new);
    let Some(kernel) = kernel else {
        return Admission {
            errors,
            ..Admission::default()
        };
    };
    let cluster = toolkit::Resolved::new(&kernel, around);
    errors.extend(toolkit::lack(&new.spec, &cluster, around));
    let warnings = if errors.is_empty() {
        warnings::of(new, &cluster, around)
    } else {
        Vec::new()
    };
    Admission { errors, warnings }
}

#[cfg(test)]
mod tests;
