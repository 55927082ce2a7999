//! Objects → the errors in their fields: the same words at admission and on the command line. Pure.

pub mod preflight;
