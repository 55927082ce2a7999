//! The patterns of `/bin/sh` for one name of a path (POSIX.1-2017, XCU 2.13): `*`, `?`, `[ab]`, `[!a-c]`, `\`.

/// A pattern for one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    Any,
    Many,
    OneOf { ranges: Vec<(char, char)>, negated: bool },
}

impl Glob {
    /// Reads a pattern. A bracket that nothing closes stands for itself, as it does for a shell.
    pub(super) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            pieces.push(match c {
                '*' => Piece::Many,
                '?' => Piece::Any,
                '\\' => Piece::Char(rest.next().unwrap_or('\\')),
                '[' => match bracket(rest.as_str()) {
                    Some((piece, after)) => {
                        rest = after.chars();
                        piece
                    }
                    None => Piece::Char('['),
                },
                c => Piece::Char(c),
            });
        }
        Self { pieces }
    }

    /// The only name that it matches, if it has no wildcard.
    pub(super) fn literal(&self) -> Option<String> {
        let chars = self.pieces.iter().map(|piece| match piece {
            Piece::Char(c) => Some(*c),
            _ => None,
        });
        chars.collect()
    }

    /// Whether it matches a name. A dot in front is matched by a dot alone.
    pub(super) fn matches(&self, name: &str) -> bool {
        if name.starts_with('.') && self.pieces.first() != Some(&Piece::Char('.')) {
            return false;
        }
        let name: Vec<char> = name.chars().collect();
        self.matches_all(&name)
    }

    /// Greedy matching with one step back to the last `*`: time grows with the product of the lengths at most.
    fn matches_all(&self, name: &[char]) -> bool {
        let (mut piece, mut at) = (0, 0);
        let mut last_many: Option<(usize, usize)> = None;
        while let Some(c) = name.get(at) {
            match self.pieces.get(piece) {
                Some(Piece::Many) => {
                    last_many = Some((piece, at));
                    piece += 1;
                }
                Some(one) if one.takes(*c) => (piece, at) = (piece + 1, at + 1),
                _ => {
                    let Some((many, from)) = last_many else { return false };
                    last_many = Some((many, from + 1));
                    (piece, at) = (many + 1, from + 1);
                }
            }
        }
        let left = self.pieces.get(piece..).unwrap_or_default();
        left.iter().all(|piece| *piece == Piece::Many)
    }
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::Any => true,
            Self::Many => false,
            Self::OneOf { ranges, negated } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated,
        }
    }
}

/// What follows `[`, up to its `]`, and what is after that. A `]` right after the `[` stands for itself.
fn bracket(text: &str) -> Option<(Piece, &str)> {
    let negated = text.starts_with(['!', '^']);
    let text = if negated { text.get(1..)? } else { text };
    let mut ranges = Vec::new();
    let mut rest = text.chars();
    loop {
        let from = match rest.next()? {
            ']' if !ranges.is_empty() => break,
            '\\' => rest.next()?,
            c => c,
        };
        let mut ahead = rest.clone();
        let to = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) if to != ']' => {
                rest = ahead;
                to
            }
            _ => from,
        };
        ranges.push((from, to));
    }
    Some((Piece::OneOf { ranges, negated }, rest.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shell_matches_them() {
        for (pattern, name, expected) in [
            ("a.ko", "a.ko", true),
            ("a.ko", "a.kox", false),
            ("*", "a.ko", true),
            ("*", ".a.ko", false),
            ("?a", ".a", false),
            ("[.]a", ".a", false),
            (".*", ".a", true),
            ("*.ko", "a.ko", true),
            ("*.ko", ".ko", false),
            ("a*.ko", "a.ko", true),
            ("*a*a*.ko", "banana.ko", true),
            ("*a*x*.ko", "banana.ko", false),
            ("?.ko", "ab.ko", false),
            ("[ab].ko", "b.ko", true),
            ("[ab].ko", "c.ko", false),
            ("[a-c]*", "bar", true),
            ("[!a-c]*", "bar", false),
            ("[^a-c]*", "zoo", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[\\]]", "]", true),
            ("é?", "éa", true),
            ("***", "", true),
            ("", "", true),
        ] {
            assert_eq!(Glob::parse(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_without_wildcards_is_a_name() {
        assert_eq!(Glob::parse("a\\*b").literal().as_deref(), Some("a*b"));
        assert_eq!(Glob::parse("a*").literal(), None);
        assert_eq!(Glob::parse("[a").literal().as_deref(), Some("[a"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = Glob::parse(&"*a".repeat(2000));
        assert!(!pattern.matches(&"a".repeat(1999)));
        assert!(pattern.matches(&"a".repeat(2000)));
    }
}
