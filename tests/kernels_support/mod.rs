//! The real kernels and modules of `tests/kernels/build.sh`, and the ledger of who agrees with them.

pub(crate) mod cache;
pub(crate) mod ledger;
pub(crate) mod shelf;
