//! A few lines around a place in a text, short enough for a terminal however long the text's lines are.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// Longest part of one line that is shown, in characters. Minified JSON is one line of megabytes.
const MAX_LINE_CHARS: usize = 160;
/// How many characters are shown before the place in a line that is too long.
const CHARS_BEFORE: usize = 60;

/// Where something stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Line, from 1.
    pub(super) line: usize,
    /// Column in characters, from 1.
    pub(super) column: usize,
    /// Byte offset.
    offset: usize,
}

impl Place {
    /// The place of a byte offset; one beyond the end, or inside a character, moves back.
    pub(super) fn at(text: &str, offset: usize) -> Self {
        let offset = text.floor_char_boundary(offset);
        let before = text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
            offset,
        }
    }
}

/// Up to three lines of a text, one of them with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    file: String,
    place: Place,
    /// The line number of the first line, from 0.
    first_line: usize,
    lines: String,
    /// Of the place, in `lines`.
    start: usize,
    length: usize,
}

impl Excerpt {
    /// The line of a place, with one line before and one behind it; `length` bytes are underlined.
    pub(super) fn around(file: &str, text: &str, place: Place, length: usize) -> Self {
        let first_line = place.line.saturating_sub(2);
        let mut lines = String::new();
        let (mut start, mut underlined) = (0, 0);
        let shown = text
            .lines()
            .enumerate()
            .skip(first_line)
            .take(place.line + 1 - first_line);
        for (number, line) in shown {
            if number + 1 == place.line {
                let (cropped, column) = crop_around(line, place.column - 1);
                start = lines.len() + column;
                underlined = length.max(1).min(cropped.len().saturating_sub(column).max(1));
                lines.push_str(&cropped);
            } else {
                lines.extend(line.chars().take(MAX_LINE_CHARS).map(printable));
            }
            lines.push('\n');
        }
        Self {
            file: file.to_owned(),
            place,
            first_line,
            lines,
            start,
            length: underlined,
        }
    }

    /// What is underlined.
    pub(super) fn span(&self) -> SourceSpan {
        (self.start, self.length).into()
    }
}

/// The part of a line around a column (in characters, from 0), and where the column is in it, in bytes.
fn crop_around(line: &str, column: usize) -> (String, usize) {
    let skipped = if column > MAX_LINE_CHARS - CHARS_BEFORE {
        column - CHARS_BEFORE
    } else {
        0
    };
    let cropped: String = line.chars().skip(skipped).take(MAX_LINE_CHARS).map(printable).collect();
    let start = cropped
        .char_indices()
        .nth(column - skipped)
        .map_or(cropped.len(), |(at, _)| at);
    (cropped, start)
}

/// Escape sequences in a file must not reach the terminal.
fn printable(character: char) -> char {
    if character.is_control() && character != '\t' {
        '\u{fffd}'
    } else {
        character
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_before: usize,
        _context_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        if span.offset() + span.len() > self.lines.len() + 1 {
            return Err(MietteError::OutOfBounds);
        }
        let whole: SourceSpan = (0, self.lines.len()).into();
        let (line, column) = match context_before {
            0 => (self.place.line - 1, self.place.column - 1),
            _ => (self.first_line, 0),
        };
        let (name, lines) = (self.file.clone(), self.lines.lines().count());
        Ok(Box::new(MietteSpanContents::new_named(
            name,
            self.lines.as_bytes(),
            whole,
            line,
            column,
            lines,
        )))
    }
}
