//! Objects and what is around them → defaults, errors, warnings: the same words at admission and on the command line.
//! Pure.

pub mod preflight;
