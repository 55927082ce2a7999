//! The program: everything else is in the library.

use std::process::ExitCode;

/// musl's own allocator has one lock for all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kmm_preflight::cli::run(std::env::args_os())
}
