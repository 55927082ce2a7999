//! Everything that talks to the API server: what is known of the cluster, and what is written to it. Decides nothing.
//!
//! [`Watches`] keeps a [`crate::plan::Surroundings`] up to date; [`secrets`] fetches by name what no watch may see;
//! [`InstalledSchema`] tells what of a status fits the cluster's CRD, and [`write_status`] writes it; [`Election`]
//! decides which replica writes; [`Events`] tells people. Every call has a deadline: see [`within`].

mod call;
mod connect;
mod events;
pub mod jobs;
mod lease;
mod name;
pub mod preflights;
mod schema;
pub mod secrets;
mod status;
mod watches;

pub use call::{CALL_DEADLINE, CallError, Permission, within};
pub use connect::{ConnectError, connect};
pub use events::{Events, Notice, Weight};
pub use lease::{Clock, Election, Leadership, LeaseSettings};
pub use schema::{Fitting, InstalledSchema, Schemas, fit};
pub use status::{WriteOutcome, foreign_managers, write_status};
pub use watches::{JobWatches, NodesAsked, ObjectName, OwnJob, Problem, TOOLKITS_KEY, WatchSettings, Watches};

/// Whom the API server's managed fields name for what this program wrote.
pub const FIELD_MANAGER: &str = "kmm-preflight";
