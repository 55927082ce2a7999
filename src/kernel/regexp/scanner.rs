//! A place in a pattern: what comes next, and what has been taken since a mark.

/// A place in a pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(pattern: &'a str) -> Self {
        Self { rest: pattern }
    }

    /// All that comes.
    pub(super) fn rest(self) -> &'a str {
        self.rest
    }

    /// The next character.
    pub(super) fn peek(self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes the next character.
    pub(super) fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// Takes `prefix`, if it comes next.
    pub(super) fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes everything up to `end`, and `end` itself; nothing where there is no `end`.
    pub(super) fn take_until(&mut self, end: &str) -> Option<&'a str> {
        let (before, after) = self.rest.split_once(end)?;
        self.rest = after;
        Some(before)
    }

    /// Takes all that comes.
    pub(super) fn take_all(&mut self) -> &'a str {
        std::mem::take(&mut self.rest)
    }

    /// What has been taken since `mark`, an earlier copy of this scanner.
    pub(super) fn since(self, mark: Self) -> &'a str {
        mark.rest.strip_suffix(self.rest).unwrap_or(mark.rest)
    }
}
