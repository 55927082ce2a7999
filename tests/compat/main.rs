//! Upstream's behaviour, row by row. `upstream_cases.yaml` holds the rows; a row is tested here or next to the code
//! under its id, or `not_here.yaml` says why not.

#![expect(clippy::panic, reason = "a test whose row is not as expected cannot go on")]

mod admission;
mod coverage;
mod kernel;
mod mapping;
mod rows;
mod template;
