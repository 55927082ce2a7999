//! The program: everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    kmm_preflight::cli::run(std::env::args_os())
}
