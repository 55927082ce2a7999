//! Patterns of aliases, as the C library's `fnmatch` takes them.

pub(super) const fn is_wildcard(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[')
}

/// Whether a pattern that begins so could still match: up to its first wildcard it must be the name's beginning.
pub(super) fn could_match(beginning: &[u8], name: &[u8]) -> bool {
    let literal = beginning
        .iter()
        .take_while(|byte| !is_wildcard(**byte) && **byte != b'\\')
        .count();
    let literal = beginning.get(..literal).unwrap_or_default();
    name.starts_with(literal)
}

/// `fnmatch(pattern, name, 0)`: `*`, `?`, `[a-z]`, `[!a]`, and `\` before a literal.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    // Where the last `*` stood, and how far of the name it has swallowed.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', after)) = pattern.split_first() {
            (pattern, star) = (after, Some((after, name)));
            continue;
        }
        match one(pattern, name) {
            Some((after, rest)) => (pattern, name) = (after, rest),
            None if pattern.is_empty() && name.is_empty() => return true,
            None => match star {
                Some((after, [_, swallowed @ ..])) => {
                    (pattern, name, star) = (after, swallowed, Some((after, swallowed)));
                }
                _ => return false,
            },
        }
    }
}

/// Matches one element of a pattern against one byte; what remains of both.
fn one<'p, 'n>(pattern: &'p [u8], name: &'n [u8]) -> Option<(&'p [u8], &'n [u8])> {
    let (byte, rest) = name.split_first()?;
    let (element, after) = pattern.split_first()?;
    match element {
        b'?' => Some((after, rest)),
        b'[' => match bracket(after, *byte) {
            Some((true, after)) => Some((after, rest)),
            Some((false, _)) => None,
            None => (*byte == b'[').then_some((after, rest)),
        },
        b'\\' => {
            let (literal, after) = after.split_first()?;
            (literal == byte).then_some((after, rest))
        }
        literal => (literal == byte).then_some((after, rest)),
    }
}

/// Whether a bracket expression (after its `[`) has a byte, and what follows it; `None` if it has no end.
fn bracket(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match pattern {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    let mut has = false;
    let mut is_first = true;
    loop {
        match rest {
            [b']', after @ ..] if !is_first => return Some((has != negated, after)),
            [low, b'-', high, after @ ..] if *high != b']' => {
                has |= (*low..=*high).contains(&byte);
                rest = after;
            }
            [literal, after @ ..] => {
                has |= *literal == byte;
                rest = after;
            }
            [] => return None,
        }
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_c_library_has_it() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("*a*b", "xxaxxab", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("pci:v[0-9]d*", "pci:v7dff", true),
            ("pci:v[0-9]d*", "pci:vxdff", false),
            ("[!a]", "b", true),
            ("[^a]", "a", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }
}
