//! Go's `regexp` on top of the `regex` crate: the same texts match, the same patterns are refused.
//!
//! Both engines search alike, but they read some patterns differently (`[a&&b]`, `\<`, `a**`, `{`). So a
//! pattern is parsed here by Go's rules (`regexp/syntax/parse.go`, flags `Perl`) and written anew in a form
//! that leaves nothing to interpret; [`translate`] does that. Only whether a text matches is kept: captures,
//! laziness and positions are not.

mod class;
mod escape;
mod memo;
mod scanner;
mod translate;
mod unicode;

use std::fmt;

use regex::RegexBuilder;

/// The longest pattern that is read, in bytes. Go has no such limit; real mappings have some dozens of bytes.
pub const MAX_PATTERN: usize = 16 * 1024;

/// The memory that one compiled pattern may take. Go's limit is 128 MiB, far above what a webhook can spare.
const MAX_COMPILED: usize = 8 * 1024 * 1024;

/// How deep groups and repetitions may nest. Go's limit is 1,000; deeper than this would need a larger stack.
const MAX_DEPTH: u32 = 250;

/// A pattern as Go's `regexp.Compile` reads it.
#[derive(Clone, Debug)]
pub struct GoRegexp(regex::Regex);

impl GoRegexp {
    /// Compiles a pattern, or takes what it compiled to before.
    ///
    /// # Errors
    /// Go would refuse it, or it is beyond the limits of this program.
    pub fn new(pattern: &str) -> Result<Self, RegexpError> {
        memo::compiled(pattern, Self::compile)
    }

    fn compile(pattern: &str) -> Result<Self, RegexpError> {
        let error = |kind| RegexpError {
            kind,
            part: shorten(pattern),
        };
        if pattern.len() > MAX_PATTERN {
            return Err(error(RegexpErrorKind::Large));
        }
        RegexBuilder::new(&translate::translate(pattern)?)
            .size_limit(MAX_COMPILED)
            .nest_limit(MAX_DEPTH)
            .build()
            .map(Self)
            .map_err(|refused| match refused {
                regex::Error::CompiledTooBig(_) => error(RegexpErrorKind::Large),
                // The text that is compiled is of our own making: all that can be wrong with it is its depth.
                _ => error(RegexpErrorKind::NestingDepth),
            })
    }

    /// Whether the pattern is found anywhere in `text`, as Go's `MatchString` says.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Why Go refuses a pattern, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexpError {
    /// What is wrong.
    pub kind: RegexpErrorKind,
    /// The part of the pattern that is wrong, or its beginning.
    pub part: String,
}

impl fmt::Display for RegexpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error parsing regexp: {}: `{}`", self.kind, self.part)
    }
}

impl std::error::Error for RegexpError {}

/// The kinds of Go's `regexp/syntax: ErrorCode` that a pattern in UTF-8 can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RegexpErrorKind {
    /// A range that runs backwards, or a class that Go does not know.
    #[error("invalid character class range")]
    CharRange,
    /// An escape that Go does not know; back-references among them.
    #[error("invalid escape sequence")]
    Escape,
    /// `(?P<name` without its end, or with a name that is none.
    #[error("invalid named capture")]
    NamedCapture,
    /// `(?` with something that Go does not know: look-around, possessive groups, `(?x)`.
    #[error("invalid or unsupported Perl syntax")]
    PerlOp,
    /// `a**`
    #[error("invalid nested repetition operator")]
    RepeatOp,
    /// A count above 1,000, also where nested counts multiply, or one that runs backwards.
    #[error("invalid repeat count")]
    RepeatSize,
    /// `[` without `]`
    #[error("missing closing ]")]
    MissingBracket,
    /// `(` without `)`
    #[error("missing closing )")]
    MissingParen,
    /// A repetition of nothing.
    #[error("missing argument to repetition operator")]
    MissingRepeatArgument,
    /// `\` at the end.
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// `)` without `(`
    #[error("unexpected )")]
    UnexpectedParen,
    /// Deeper than this program follows.
    #[error("expression nests too deeply")]
    NestingDepth,
    /// Larger than this program compiles.
    #[error("expression too large")]
    Large,
}

impl RegexpErrorKind {
    /// The error at that part of the pattern.
    fn at(self, part: &str) -> RegexpError {
        RegexpError {
            kind: self,
            part: shorten(part),
        }
    }
}

/// The part of a pattern that a message shows.
fn shorten(part: &str) -> String {
    const SHOWN: usize = 60;
    match part.char_indices().nth(SHOWN) {
        Some((end, _)) => part.get(..end).map(|start| format!("{start}…")).unwrap_or_default(),
        None => part.to_owned(),
    }
}

#[cfg(test)]
mod tests;
