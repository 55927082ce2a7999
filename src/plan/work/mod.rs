//! What has to run in pods: a target → an [`Order`] → the Job that carries it out → what became of it. Pure.
//!
//! One kind of object carries out everything: a Job in the Module's namespace, owned by its preflight. Its containers run one after
//! the other (init containers, then one main container), share `emptyDir`s, and say at their end in their termination
//! messages what came of it ([`Testimony`]). Nothing of it is kept elsewhere: who was killed finds it again by its name.

mod errand;
mod fingerprint;
mod job;
mod known;
mod openshift;
mod order;
mod outcome;
mod progress;
mod pull;
mod seen;
mod testimony;
mod workshop;

pub use errand::{ATTEMPTS, Errand, Next, Push};
pub use fingerprint::{fingerprint, job_name, job_of, secrets};
pub use known::{Ended, Work, Works};
pub use openshift::{BUILD_API, BuildSeen, build_progress};
pub use order::{Brief, Order, Owner, Request, order};
pub use progress::progress;
pub use seen::{ContainerSeen, ContainerState, JobEnd, PodSeen, Step, WorkSeen};
pub use testimony::{TESTIMONY_LIMIT, Testimony};
pub use workshop::{Amount, BuildWith, LookBy, Room, Share, Workshop};

/// The label that every object of ours has, with [`MANAGER`] as its value: watches select by it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Whose objects these are.
pub const MANAGER: &str = "kmm-preflight";
/// The label with the UID of the preflight that an object works for.
pub const PREFLIGHT_UID: &str = "preflight.kmm.sigs.x-k8s.io/uid";
/// The label with the [`fingerprint()`] of what an object works for: one target with all its inputs.
pub const FINGERPRINT: &str = "preflight.kmm.sigs.x-k8s.io/fingerprint";
/// The label with the errand's name.
pub const ERRAND: &str = "preflight.kmm.sigs.x-k8s.io/errand";
/// The label with the number of the attempt, from 1.
pub const ATTEMPT: &str = "preflight.kmm.sigs.x-k8s.io/attempt";
/// The annotation with the Module's namespace and name.
pub const MODULE: &str = "preflight.kmm.sigs.x-k8s.io/module";
/// The annotation with the digest of the image that may be replaced.
pub const REPLACES: &str = "preflight.kmm.sigs.x-k8s.io/replaces";
/// The annotation with the image under whose tag an OpenShift Build leaves what the Job judges.
pub const TEMPORARY_IMAGE: &str = "preflight.kmm.sigs.x-k8s.io/temporary-image";
/// The annotation of a Module that tells how its image is looked at: `auto`, `registry` or `runtime`.
pub const IMAGE_CHECK: &str = "preflight.kmm.sigs.x-k8s.io/image-check";

#[cfg(test)]
mod tests;
