//! Events on preflights and Modules, for people who run `kubectl describe`.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::fmt;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::warn;

use super::FIELD_MANAGER;
use super::call::{CALL_DEADLINE, within};

/// The longest note of an Event that the API server takes.
const LONGEST_NOTE: usize = 1024;

/// How much an Event counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// All is well; worth knowing.
    Normal,
    /// Somebody should look.
    Warning,
}

/// What is told about an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// How much it counts.
    pub weight: Weight,
    /// Why, as one word in `PascalCase`. Within six minutes a second notice on the same object with the same reason,
    /// action and related object is counted on the first one, which keeps its note.
    pub reason: &'static str,
    /// What was being done, as one word in `PascalCase`.
    pub action: &'static str,
    /// The sentence; cut at 1 KiB.
    pub note: String,
    /// What else it is about.
    pub related: Option<Box<ObjectReference>>,
}

/// Publishes Events. A failure to do so stops nobody: it is logged.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Events in the name of this replica (the pod's name).
    pub fn new(client: Client, instance: String) -> Self {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(instance),
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Tells about an object (`object.object_ref(&())`).
    pub async fn publish(&self, on: &ObjectReference, notice: Notice) {
        let event = Event {
            type_: match notice.weight {
                Weight::Normal => EventType::Normal,
                Weight::Warning => EventType::Warning,
            },
            reason: notice.reason.to_owned(),
            note: Some(cut(&notice.note, LONGEST_NOTE)),
            action: notice.action.to_owned(),
            secondary: notice.related.map(|related| *related),
        };
        if let Err(error) = within(CALL_DEADLINE, self.recorder.publish(&event, on)).await {
            let name = on.name.as_deref().unwrap_or_default();
            let kind = on.kind.as_deref().unwrap_or_default();
            warn!(%error, reason = notice.reason, "no Event could be written on {kind} {name}");
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

/// At most so many bytes, cut between two characters, with an ellipsis where something was cut.
pub(super) fn cut(text: &str, longest: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= longest {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(longest.saturating_sub(ELLIPSIS.len()));
    text.get(..end).unwrap_or_default().to_owned() + ELLIPSIS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_two_characters_and_says_so() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "lo…");
        assert_eq!(cut("äöüäö", 8), "äö…");
        let long = cut(&"é".repeat(1024), LONGEST_NOTE);
        assert!(long.len() <= LONGEST_NOTE && long.ends_with('…'), "{}", long.len());
    }
}
