//! What talks to the API server, tried against a real one.

#[path = "cluster/ground.rs"]
mod ground;
#[path = "cluster/leading.rs"]
mod leading;
#[path = "cluster/reading.rs"]
mod reading;
#[path = "cluster/releases.rs"]
mod releases;
#[path = "cluster/watching.rs"]
mod watching;
#[path = "cluster/writing.rs"]
mod writing;
