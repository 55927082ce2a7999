//! Events on preflights and Modules, for people who run `kubectl describe`.
#![expect(clippy::disallowed_types, reason = "cluster edge")]

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::sleep;
use tracing::warn;

use super::FIELD_MANAGER;
use super::call::{CALL_DEADLINE, CallError, within};

/// The longest note of an Event that the API server takes.
const LONGEST_NOTE: usize = 1024;
/// How often an Event is tried where the API server has no answer for now. It is told once, and nobody would tell it later.
const ATTEMPTS: u32 = 4;
/// How long the first pause between two attempts is; each is twice the one before.
const PAUSE: Duration = Duration::from_secs(2);

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

/// Publishes Events. A failure to do so stops nobody: it is logged, once it has lasted for some attempts.
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
        if let Err(error) = self.record(&event, on).await {
            let name = on.name.as_deref().unwrap_or_default();
            let kind = on.kind.as_deref().unwrap_or_default();
            warn!(%error, reason = notice.reason, "no Event could be written on {kind} {name}");
        }
    }

    async fn record(&self, event: &Event, on: &ObjectReference) -> Result<(), CallError> {
        for attempt in 0..ATTEMPTS - 1 {
            match within(CALL_DEADLINE, self.recorder.publish(event, on)).await {
                Err(error) if error.is_transient() => sleep(PAUSE * 2_u32.pow(attempt)).await,
                outcome => return outcome,
            }
        }
        within(CALL_DEADLINE, self.recorder.publish(event, on)).await
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
    use http::{Request, Response};
    use kube::client::Body;
    use tokio::task::JoinHandle;
    use tower_test::mock;

    use super::*;

    /// An API server that answers with these codes, in order, and then is gone; how often it was asked.
    fn server(codes: &'static [u16]) -> (Events, JoinHandle<usize>) {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let asked = tokio::spawn(async move {
            for (asked, code) in codes.iter().enumerate() {
                let Some((_, respond)) = handle.next_request().await else {
                    return asked;
                };
                let status = serde_json::json!({ "kind": "Status", "status": "Failure", "code": code });
                let answer = Response::builder()
                    .status(*code)
                    .body(Body::from(status.to_string().into_bytes()));
                respond.send_response(answer.expect("a response"));
            }
            codes.len()
        });
        (Events::new(Client::new(service, "default"), "pod".to_owned()), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_api_server_has_no_answer_for_now_is_told_again_but_not_for_ever() {
        for (codes, asked) in [
            (&[201, 500][..], 1),
            (&[503, 504, 201, 500], 3),
            (&[503, 503, 503, 503, 201], 4),
            (&[403, 201], 1),
        ] {
            let (events, served) = server(codes);
            let notice = Notice {
                weight: Weight::Normal,
                reason: "Verified",
                action: "Validate",
                note: "all Modules will load".to_owned(),
                related: None,
            };
            let on = ObjectReference {
                namespace: Some("a".to_owned()),
                name: Some("nic".to_owned()),
                ..ObjectReference::default()
            };
            events.publish(&on, notice).await;
            drop(events);
            assert_eq!(served.await.expect("a server"), asked, "{codes:?}");
        }
    }

    #[test]
    fn a_note_is_cut_between_two_characters_and_says_so() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "lo…");
        assert_eq!(cut("äöüäö", 8), "äö…");
        let long = cut(&"é".repeat(1024), LONGEST_NOTE);
        assert!(long.len() <= LONGEST_NOTE && long.ends_with('…'), "{}", long.len());
    }
}
