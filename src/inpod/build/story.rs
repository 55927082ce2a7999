//! What buildah says, remembered as far as a person needs it: the step it is at, and the last lines.

use std::collections::VecDeque;
use std::sync::LazyLock;

use regex::Regex;

/// How many lines are remembered: the end of a compiler's complaints.
const LINES: usize = 30;

/// Of a remembered line the first so many characters.
const LINE_LENGTH: usize = 300;

/// What buildah's own complaint, its last words, begins with.
const COMPLAINT: &str = "Error: ";

/// How much of a complaint of several lines is remembered, in bytes.
const COMPLAINT_LENGTH: usize = 1024;

/// `STEP 4/7: RUN make`, in builds of several stages with `[1/2]` before it. What a command printed last, without a new
/// line, stands in front.
static STEP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:\[(?<stage>\d+/\d+)\] )?STEP (?<step>\d+/\d+): (?<what>.*)$").expect("invariant: a pattern of ours")
});

/// A step of a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Of which stage, like `1/2`, where there are several.
    pub(super) stage: Option<String>,
    /// Which one of how many, like `4/7`.
    pub(super) number: String,
    /// The instruction.
    pub(super) instruction: String,
}

/// What was said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    /// The step that was begun last.
    pub(super) step: Option<Step>,
    /// The last lines since it began.
    lines: VecDeque<String>,
    /// The last complaint: where buildah has failed, its own.
    pub(super) complaint: Option<String>,
    /// Whether something said that the disk is full, or that a process was killed.
    pub(super) signs: Signs,
}

/// What lines of the last step tell beyond their words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// `No space left on device`.
    pub(super) disk_full: bool,
    /// A process was killed by a signal that nobody here has sent.
    pub(super) killed: bool,
    /// A registry was asked again, since it could not be reached.
    pub(super) retried: bool,
}

impl Signs {
    /// Looks for signs in a line in lower case.
    fn notice(&mut self, line: &str) {
        let says = |words: &[&str]| words.iter().any(|words| line.contains(words));
        self.retried |= says(&["failed, retrying in "]);
        self.disk_full |= says(&["no space left on device", "disk quota exceeded"]);
        self.killed |= says(&[
            "subprocess exited on killed",
            "signal: killed",
            "fatal error: killed signal terminated program",
        ]);
    }
}

impl Story {
    /// Hears one line.
    pub(super) fn hear(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(found) = STEP.captures(line) {
            let text = |name: &str| found.name(name).map(|text| text.as_str().to_owned());
            *self = Self {
                step: Some(Step {
                    stage: text("stage"),
                    number: text("step").unwrap_or_default(),
                    instruction: shortened(&text("what").unwrap_or_default()),
                }),
                ..Self::default()
            };
            return;
        }
        match (line.strip_prefix(COMPLAINT), &mut self.complaint) {
            (Some(complaint), _) => self.complaint = Some(complaint.to_owned()),
            (None, Some(complaint)) if complaint.len() < COMPLAINT_LENGTH => {
                complaint.push(' ');
                complaint.push_str(line);
            }
            _ => {}
        }
        self.signs.notice(&line.to_ascii_lowercase());
        if is_useful(line) {
            self.remember(line);
        }
    }

    /// The last useful lines of the last step, the oldest first, without the complaint.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let complaint = self.lines.iter().rposition(|line| line.starts_with(COMPLAINT));
        let before = complaint.unwrap_or(self.lines.len());
        self.lines.iter().take(before).cloned().collect()
    }

    fn remember(&mut self, line: &str) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(shortened(line));
    }
}

/// What buildah says of its own doings helps nobody to mend a Dockerfile.
fn is_useful(line: &str) -> bool {
    const OWN: [&str; 7] = [
        "subprocess exited ",
        "Trying to pull ",
        "Getting image source signatures",
        "Copying blob ",
        "Copying config ",
        "Writing manifest ",
        "Storing signatures",
    ];
    const OF_ITS_LOG: [&str; 2] = ["Failed, retrying in ", "(UNHANDLED LOGLEVEL)"];
    let is_own = OWN.iter().any(|own| line.starts_with(own));
    let is_logged = line.starts_with("time=") && OF_ITS_LOG.iter().any(|logged| line.contains(logged));
    !line.trim().is_empty() && !is_own && !is_logged
}

fn shortened(line: &str) -> String {
    if line.chars().count() <= LINE_LENGTH {
        return line.to_owned();
    }
    line.chars().take(LINE_LENGTH).chain(['…']).collect()
}
