//! A bar on the terminal while the work goes on; nothing where nobody watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::check::{Progress, ProgressEvent};

/// How often the time on it moves, so that a large image does not look like a program that hangs.
const TICK: Duration = Duration::from_millis(500);

/// Shows how many Modules have their verdict, and which was last.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar on standard error.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} Modules  {elapsed}  {wide_msg}");
        bar.set_style(style.expect("invariant: the template is fixed and well formed"));
        bar.enable_steady_tick(TICK);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_knows_how_many_modules_there_are() {
        let bar = Bar::new();
        let progress = bar.progress();
        progress.tell(ProgressEvent::Total(2));
        progress.tell(ProgressEvent::Total(3));
        assert_eq!(bar.0.length(), Some(5));
    }
}
