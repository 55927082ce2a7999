//! What the process was started with, read here and nowhere else.

use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;

use jiff::Timestamp;

/// An environment variable; one that is empty or no text counts as not set.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The time, which decisions are told.
#[expect(clippy::disallowed_methods, reason = "the edge at which decisions learn the time")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// A word that no other process has: which replica of a name this is.
pub(super) fn random_word() -> String {
    let mut bytes = [0; 8];
    // Where even the system's randomness fails, the process's number tells the replicas of one machine apart.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        bytes = u64::from(std::process::id()).to_be_bytes();
    }
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// The folder for what may be lost: `$XDG_CACHE_HOME/kmm-preflight`, else `~/.cache/kmm-preflight`.
pub(super) fn cache_folder(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let own = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute());
    let folder = own.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")))?;
    Some(folder.join("kmm-preflight"))
}

/// The columns of the terminal that standard output is, if it is one.
pub(super) fn terminal_width() -> Option<u16> {
    if !stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(stdout()).map(|(terminal_size::Width(width), _)| width)
}

/// Whether a person watches standard error.
pub(super) fn is_watched() -> bool {
    stderr().is_terminal()
}

/// Whether standard output takes colours: a terminal, and nobody asked for none (`NO_COLOR`).
pub(super) fn takes_colours() -> bool {
    anstream::AutoStream::choice(&stdout()) != anstream::ColorChoice::Never
}

/// Whether standard error takes colours.
pub(super) fn complaints_take_colours() -> bool {
    anstream::AutoStream::choice(&stderr()) != anstream::ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_desktop_standard_wants_it() {
        let cases = [
            ("named", Some("/c"), Some("/h"), Some("/c/kmm-preflight")),
            ("usual", None, Some("/h"), Some("/h/.cache/kmm-preflight")),
            (
                "relative names mean nothing",
                Some("c"),
                Some("/h"),
                Some("/h/.cache/kmm-preflight"),
            ),
            ("homeless", None, None, None),
        ];
        for (name, cache, home, expected) in cases {
            let variable = |name: &str| if name == "HOME" { home } else { cache }.map(str::to_owned);
            assert_eq!(cache_folder(variable), expected.map(PathBuf::from), "{name}");
        }
    }
}
