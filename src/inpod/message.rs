//! A testimony as a termination message: what fits, the weightiest first.

use crate::plan::work::{TESTIMONY_LIMIT, Testimony};

/// The testimony as JSON, in no more bytes than Kubernetes keeps.
pub fn message(testimony: &Testimony) -> String {
    let mut testimony = testimony.clone();
    loop {
        let text = serde_json::to_string(&testimony).unwrap_or_default();
        if text.len() <= TESTIMONY_LIMIT || !shorten(&mut testimony) {
            return text;
        }
    }
}

/// Leaves out what weighs least; `false` where nothing is left to leave out.
fn shorten(testimony: &mut Testimony) -> bool {
    match testimony {
        Testimony::Judged { findings, left_out, .. } => {
            *left_out += usize::from(findings.pop().is_some());
            !findings.is_empty()
        }
        Testimony::Failed { log, message, .. } if log.is_empty() => {
            let half = message.chars().count() / 2;
            *message = message.chars().take(half).collect();
            half > 0
        }
        Testimony::Failed { log, .. } => {
            log.remove(0);
            true
        }
        _ => false,
    }
}
