//! What a user left out, filled in.

use super::toolkit;
use crate::api::{PreflightValidationOCP, PreflightValidationOCPSpec};
use crate::plan::Surroundings;

/// Fills in what the user left out of a new object; what the user wrote is never changed. Twice is as good as once.
///
/// `pushBuiltImage` becomes `false`. `dtkImage` becomes the driver toolkit that the operator's settings name for this
/// kernel, if a Module of the cluster has an image for this kernel: such an image is judged against the toolkit,
/// whether it has to be built or not. While the Modules are not known, it is left out.
pub fn apply_defaults(preflight: &mut PreflightValidationOCP, around: &Surroundings) {
    fill_in(&mut preflight.spec, around);
}

pub(super) fn fill_in(spec: &mut PreflightValidationOCPSpec, around: &Surroundings) {
    spec.push_built_image.get_or_insert(false);
    if spec.dtk_image.is_none() {
        spec.dtk_image = toolkit::default_for(&spec.kernel_version, around);
    }
}
