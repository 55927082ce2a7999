//! Character classes: `[a-z]`, `\d`, `[[:alpha:]]`, `\p{Greek}` (`regexp/syntax: parseClass` and its neighbours).

use std::fmt::Write as _;

use super::escape::take_escape;
use super::scanner::Scanner;
use super::{RegexpError, RegexpErrorKind, unicode};

/// Takes a bracketed class and writes it so that no character in it is special.
pub(super) fn take_class(scanner: &mut Scanner<'_>) -> Result<String, RegexpError> {
    let whole = scanner.rest();
    scanner.take("[");
    let mut class = String::from(if scanner.take("^") { "[^" } else { "[" });
    let opening = class.len();
    let mut first = true;
    loop {
        // `]` is a member where it comes first.
        if !first && scanner.take("]") {
            break;
        }
        first = false;
        match take_set(scanner)? {
            Some(set) => class.push_str(&set),
            None => take_range(scanner, whole, &mut class)?,
        }
    }
    if class.len() == opening {
        // All its members were surrogates, which no text holds.
        class.push_str(NOTHING);
    }
    class.push(']');
    Ok(class)
}

/// The class that no character is in.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

/// Takes a named set, if one comes next inside of brackets.
fn take_set(scanner: &mut Scanner<'_>) -> Result<Option<String>, RegexpError> {
    if let Some(set) = take_posix(scanner)? {
        return Ok(Some(set));
    }
    take_escaped_set(scanner)
}

/// Takes `\d`, `\pL`, `\p{Greek}` and their like, if one comes next.
pub(super) fn take_escaped_set(scanner: &mut Scanner<'_>) -> Result<Option<String>, RegexpError> {
    if let Some(set) = unicode::take_property(scanner)? {
        return Ok(Some(set));
    }
    Ok(PERL
        .iter()
        .find(|(name, _)| scanner.take(name))
        .map(|(_, set)| (*set).to_owned()))
}

/// Perl's classes, which are ASCII in Go. Without `\v`: Go's `\s` lacks it.
const PERL: [(&str, &str); 6] = [
    (r"\d", "[0-9]"),
    (r"\D", "[^0-9]"),
    (r"\s", r"[\t\n\x0C\r ]"),
    (r"\S", r"[^\t\n\x0C\r ]"),
    (r"\w", "[0-9A-Za-z_]"),
    (r"\W", "[^0-9A-Za-z_]"),
];

/// POSIX's classes; each may be negated with `^`.
const POSIX: [(&str, &str); 14] = [
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x00-\x7F"),
    ("blank", r"\t "),
    ("cntrl", r"\x00-\x1F\x7F"),
    ("digit", "0-9"),
    ("graph", r"\x21-\x7E"),
    ("lower", "a-z"),
    ("print", r"\x20-\x7E"),
    ("punct", r"\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E"),
    ("space", r"\x09-\x0D "),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

/// Takes `[:name:]`, if that comes next. Without `:]` anywhere behind it, `[` is a member like any other.
fn take_posix(scanner: &mut Scanner<'_>) -> Result<Option<String>, RegexpError> {
    let mut ahead = *scanner;
    if !ahead.take("[:") {
        return Ok(None);
    }
    let Some(name) = ahead.take_until(":]") else {
        return Ok(None);
    };
    let (negation, bare) = name.strip_prefix('^').map_or(("", name), |bare| ("^", bare));
    let Some((_, members)) = POSIX.iter().find(|(known, _)| *known == bare) else {
        return Err(RegexpErrorKind::CharRange.at(ahead.since(*scanner)));
    };
    *scanner = ahead;
    Ok(Some(format!("[{negation}{members}]")))
}

/// Takes one character or a range, and writes it as code points.
fn take_range(scanner: &mut Scanner<'_>, whole: &str, class: &mut String) -> Result<(), RegexpError> {
    let start = *scanner;
    let low = take_member(scanner, whole)?;
    let mut high = low;
    let mut ahead = *scanner;
    // `[a-]` means `a` or `-`.
    if ahead.take("-") && ahead.peek().is_some_and(|c| c != ']') {
        *scanner = ahead;
        high = take_member(scanner, whole)?;
        if high < low {
            return Err(RegexpErrorKind::CharRange.at(scanner.since(start)));
        }
    }
    write_range(class, low, high);
    Ok(())
}

fn take_member(scanner: &mut Scanner<'_>, whole: &str) -> Result<u32, RegexpError> {
    match scanner.peek() {
        None => Err(RegexpErrorKind::MissingBracket.at(whole)),
        Some('\\') => take_escape(scanner),
        Some(character) => {
            scanner.next();
            Ok(u32::from(character))
        }
    }
}

/// Writes a range without the surrogates in it.
pub(super) fn write_range(class: &mut String, low: u32, high: u32) {
    const SURROGATES: std::ops::RangeInclusive<u32> = 0xD800..=0xDFFF;
    let low = if SURROGATES.contains(&low) { 0xE000 } else { low };
    let high = if SURROGATES.contains(&high) { 0xD7FF } else { high };
    if low <= high {
        // Writing to a String cannot fail.
        let _ = write!(class, r"\x{{{low:X}}}-\x{{{high:X}}}");
    }
}
