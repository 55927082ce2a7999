//! The program: everything else is in the library.

use std::process::ExitCode;

/// Ten thousand small allocations a second, from many threads: the C library's allocator is the slowest part.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kmm_preflight::cli::run(std::env::args_os())
}
