//! Which updates ask another question, and what admission says to them.
//!
//! Every field of the spec may change: the new spec is another question, by the rules of a new object, and every
//! Module is asked anew. An update that leaves the spec as it is (labels, finalizers, status), and one of an object
//! that is being deleted, is always admitted, also where today's rules would refuse the object: nobody must be kept
//! from tidying up.

use super::{Admission, admit_create, defaults};
use crate::api::PreflightValidationOCP;
use crate::plan::Surroundings;

/// What admission says to an object that is to replace `old`.
pub fn admit_update(old: &PreflightValidationOCP, new: &PreflightValidationOCP, around: &Surroundings) -> Admission {
    if asks_anew(old, new, around) {
        admit_create(new, around)
    } else {
        Admission::default()
    }
}

/// Fills in what the user left out of an object that is to replace `old`; see
/// [`apply_defaults`](super::apply_defaults). An update that asks nothing else is left alone.
pub fn apply_defaults_on_update(old: &PreflightValidationOCP, new: &mut PreflightValidationOCP, around: &Surroundings) {
    if asks_anew(old, new, around) {
        defaults::fill_in(&mut new.spec, around);
    }
}

/// Whether the specs differ by more than defaults, in an object that is there to stay. An object that was stored
/// before there were defaults may get them with any update.
fn asks_anew(old: &PreflightValidationOCP, new: &PreflightValidationOCP, around: &Surroundings) -> bool {
    if old.metadata.deletion_timestamp.is_some() || old.spec == new.spec {
        return false;
    }
    let mut defaulted = old.spec.clone();
    defaults::fill_in(&mut defaulted, around);
    defaulted != new.spec
}
