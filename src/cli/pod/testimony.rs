//! Says how a step ended: on standard output for people, in the termination message for the operator.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::cli::output;
use crate::plan::work::Testimony;

/// Where Kubernetes looks for a container's last words, unless its pod says otherwise.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Testifies: to the file that was named, else to the container's termination message if this is a container.
pub(super) fn give(testimony: &Testimony, named: Option<&Path>) -> anyhow::Result<()> {
    if let Testimony::Failed { message, .. } = testimony {
        output::complain(&format!("error: {message}"));
    }
    let text = testimony.to_message();
    output::print(&format!("{text}\n"))?;
    let usual = Path::new(TERMINATION_LOG);
    let Some(file) = named.or_else(|| usual.exists().then_some(usual)) else {
        return Ok(());
    };
    // kubelet made the file and reads this very one: it is written to, never replaced.
    let mut log = OpenOptions::new().write(true).create(true).truncate(true).open(file);
    let written = log.as_mut().map_err(|error| std::io::Error::from(error.kind()));
    written
        .and_then(|log| log.write_all(text.as_bytes()))
        .with_context(|| format!("cannot testify to {}", file.display()))
}
