//! Printing. A reader who has seen enough (`| head`) is no error.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

use super::Ending;

/// Prints a text on standard output.
pub(super) fn print(text: &str) -> anyhow::Result<Ending> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to standard output"),
        _ => Ok(Ending::Good),
    }
}

/// Prints a line on standard error; where even that fails there is nobody left to tell.
pub(super) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", line.trim_end());
}
