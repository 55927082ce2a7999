//! What has to run in pods: a target → an [`Order`] → the Job that carries it out → what became of it. Pure.
//!
//! One kind of object carries out everything: a Job in the Module's namespace, owned by its preflight. Its containers run one after
//! the other (init containers, then one main container), share `emptyDir`s, and say at their end in their termination
//! messages what came of it ([`Testimony`]). Nothing of it is kept elsewhere: who was killed finds it again by its name.

mod order;
mod progress;
mod testimony;
mod workshop;

pub use order::{Brief, Errand, Order, Owner};
pub use progress::{ContainerSeen, ContainerState, Ended, JobEnd, PodSeen, Step, Work, WorkSeen};
pub use testimony::{TESTIMONY_LIMIT, Testimony};
pub use workshop::{BuildWith, LookBy, Workshop};

/// The label that every object of ours has, with [`MANAGER`] as its value: watches select by it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Whose objects these are.
pub const MANAGER: &str = "kmm-preflight";
/// The label with the UID of the preflight that an object works for.
pub const PREFLIGHT_UID: &str = "preflight.kmm.sigs.x-k8s.io/uid";
