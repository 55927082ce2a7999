//! A bar on the terminal while the work goes on; nothing where nobody watches.

use indicatif::{ProgressBar, ProgressStyle};

use crate::check::{Progress, ProgressEvent};

/// Shows how many Modules have their verdict, and which was last.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar on standard error.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} Modules  {elapsed}  {wide_msg}");
        bar.set_style(style.expect("invariant: the template is fixed and well formed"));
        Self(bar)
    }

    /// What the work reports to.
    pub(super) fn progress(&self) -> Progress {
        let bar = self.0.clone();
        Progress::new(move |event| match event {
            ProgressEvent::Total(modules) => {
                bar.inc_length(u64::try_from(modules).unwrap_or(u64::MAX));
            }
            ProgressEvent::ModuleDone { namespace, name, .. } => {
                bar.set_message(format!("{namespace}/{name}"));
                bar.inc(1);
            }
        })
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
