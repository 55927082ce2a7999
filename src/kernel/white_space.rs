//! White space in a text that can have none: it comes from copying, and is named rather than trimmed.

use std::fmt;

/// The first white space of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhiteSpace {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub character: char,
}

/// Where something stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before everything else.
    Beginning,
    /// At this character, counted from 1.
    At(usize),
    /// After everything else.
    End,
}

impl WhiteSpace {
    /// The first white space of a text, if it has any.
    pub fn first(text: &str) -> Option<Self> {
        let (index, character) = text.chars().enumerate().find(|(_, c)| c.is_whitespace())?;
        let place = match index {
            0 => Place::Beginning,
            _ if text.trim_end().chars().count() <= index => Place::End,
            _ => Place::At(index + 1),
        };
        Some(Self { place, character })
    }
}

impl fmt::Display for WhiteSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Beginning => f.write_str("white space at its beginning")?,
            Place::At(position) => write!(f, "white space at character {position}")?,
            Place::End => f.write_str("white space at its end")?,
        }
        match self.character {
            ' ' => f.write_str(": a space"),
            '\t' => f.write_str(": a tab"),
            '\n' | '\r' => f.write_str(": a line break"),
            other => write!(f, ": the character U+{:04X}", u32::from(other)),
        }
    }
}
