//! The administrator's guide, held against what is really said.

use std::fs;
use std::path::{Path, PathBuf};

const GUIDE: &str = include_str!("../../docs/administrator.md");

/// The messages that the guide says are ours: the bold lines of its last chapter.
fn messages() -> Vec<&'static str> {
    let (_, chapter) = GUIDE
        .split_once("### In a reason, an Event or the log")
        .expect("the chapter");
    let bold = chapter.split("\n\n**`").skip(1);
    let messages: Vec<_> = bold
        .filter_map(|entry| entry.split_once("`**"))
        .map(|(message, _)| message)
        .collect();
    assert!(messages.len() >= 8, "{messages:?}");
    messages
}

/// All that this program and its chart say, with lines that go on put together.
fn said() -> String {
    let mut folders = vec![project("src"), project("charts/kmm-preflight/templates")];
    let mut said = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => said.push_str(&fs::read_to_string(&path).expect("a text")),
            }
        }
    }
    let mut lines = said.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + line.trim_start())
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn every_message_that_the_guide_calls_ours_is_said_somewhere() {
    let said = said();
    for message in messages() {
        for part in message.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            assert!(said.contains(part), "nobody says {part:?} of `{message}`");
        }
    }
}
