//! What the Modules of the cluster come to on a kernel, and which of them need its driver toolkit.

use super::words;
use crate::api::{FieldError, Module, PreflightValidationOCPSpec};
use crate::image::Reference;
use crate::kernel::KernelVersion;
use crate::plan::{DTK_AUTO, Resolution, Surroundings, Target, resolve};

/// How many Modules a refusal names; the others are counted.
pub const NAMED_MODULES: usize = 5;

/// What the Modules of the cluster come to on a kernel.
pub(super) struct Resolved<'a> {
    /// The kernel.
    pub(super) kernel: &'a KernelVersion,
    /// Those with an image for it that KMM could build or sign.
    pub(super) made: Vec<Target>,
    /// Whether one has an image for it; `None` where nobody can say, for some are not known, unreadable or invalid.
    pub(super) has_image: Option<bool>,
}

impl<'a> Resolved<'a> {
    /// Matching compiles regexps, which takes some 0.1 ms each: of the Modules that nobody builds, no more are looked
    /// at than it takes to find one with an image.
    pub(super) fn new(kernel: &'a KernelVersion, around: &Surroundings) -> Self {
        let mut is_unclear = around.modules.is_none() || !around.unreadable.is_empty();
        let mut target = |module: &Module| match resolve(module, kernel) {
            Resolution::Target(target) => Some(*target),
            Resolution::Invalid(_) => {
                is_unclear = true;
                None
            }
            Resolution::NothingToLoad | Resolution::NoMapping { .. } => None,
        };
        let modules = around.modules.iter().flatten().map(AsRef::as_ref);
        let (perhaps_made, pulled): (Vec<&Module>, Vec<&Module>) = modules.partition(|module| may_be_made(module));
        let mut made: Vec<Target> = perhaps_made.into_iter().filter_map(&mut target).collect();
        let has_image = !made.is_empty() || pulled.into_iter().any(|module| target(module).is_some());
        made.retain(Target::can_be_made);
        Self {
            kernel,
            made,
            has_image: (has_image || !is_unclear).then_some(has_image),
        }
    }
}

/// Whether a Module has a build or a sign section, for whatever kernels.
fn may_be_made(module: &Module) -> bool {
    let Some(loader) = &module.spec.module_loader else {
        return false;
    };
    let container = &loader.container;
    let mut mappings = container.kernel_mappings.iter();
    container.build.is_some()
        || container.sign.is_some()
        || mappings.any(|mapping| mapping.build.is_some() || mapping.sign.is_some())
}

/// The driver toolkit to fill in for a kernel: the one that the settings name, if it is an image and a Module of the
/// cluster has a target on this kernel.
pub(super) fn default_for(kernel: &str, around: &Surroundings) -> Option<String> {
    let kernel = KernelVersion::parse(kernel).ok()?;
    let image = known(&kernel, around)?;
    let has_target = |module| matches!(resolve(module, &kernel), Resolution::Target(_));
    let needed = around.modules.iter().flatten().any(|module| has_target(module));
    needed.then(|| image.to_owned())
}

/// The toolkit that the settings name for a kernel. What is no image would only have the user refused for a mistake of
/// the administrator's: it does not count.
fn known<'a>(kernel: &KernelVersion, around: &'a Surroundings) -> Option<&'a str> {
    around.toolkit(kernel).filter(|image| Reference::parse(image).is_ok())
}

/// The error of a preflight without a driver toolkit, where Modules cannot be built without one.
///
/// Admission asks no registry, so each Module counts that has a build section for this kernel, whether its image is
/// there already or not. A Dockerfile that has not been read yet counts for nothing.
pub(super) fn lack(
    spec: &PreflightValidationOCPSpec,
    cluster: &Resolved<'_>,
    around: &Surroundings,
) -> Option<FieldError> {
    if spec.dtk_image.is_some() || known(cluster.kernel, around).is_some() {
        return None;
    }
    let wants_toolkit = |target: &&Target| {
        let build = target.build.as_ref();
        build.is_some_and(|build| around.supplies.wants_toolkit(target, build))
    };
    let names: Vec<String> = cluster.made.iter().filter(wants_toolkit).map(words::name).collect();
    (!names.is_empty()).then(|| FieldError::new("spec.dtkImage", required(&names, cluster.kernel)))
}

fn required(names: &[String], kernel: &KernelVersion) -> String {
    let (dockerfiles, use_it) = match names.len() {
        1 => ("the Dockerfile", "uses"),
        _ => ("the Dockerfiles", "use"),
    };
    format!(
        "is required: {dockerfiles} of {} {use_it} {DTK_AUTO}, and the operator's settings name no driver toolkit for \
         {kernel}; name the driver toolkit image of that kernel",
        words::listed(names, NAMED_MODULES)
    )
}
