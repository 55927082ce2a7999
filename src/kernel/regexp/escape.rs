//! Escapes of single characters: `\n`, `\.`, `\x41`, `\x{1F600}`, `\101` (`regexp/syntax: parseEscape`).

use super::scanner::Scanner;
use super::{RegexpError, RegexpErrorKind};

/// The largest code point. Go reads surrogates too, though no text holds one: hence `u32`, not `char`.
const MAX_RUNE: u32 = 0x10_FFFF;

/// Takes an escape, backslash included, and returns its code point.
pub(super) fn take_escape(scanner: &mut Scanner<'_>) -> Result<u32, RegexpError> {
    let start = *scanner;
    scanner.take("\\");
    let Some(letter) = scanner.next() else {
        return Err(RegexpErrorKind::TrailingBackslash.at(""));
    };
    let code_point = match letter {
        // A single digit but 0 would be a back-reference, which Go does not have.
        '1'..='7' if !scanner.peek().is_some_and(is_octal) => None,
        '0'..='7' => Some(take_octal(letter, scanner)),
        'x' => take_hex(scanner),
        'a' => Some(0x07),
        'f' => Some(0x0C),
        'n' => Some(0x0A),
        'r' => Some(0x0D),
        't' => Some(0x09),
        'v' => Some(0x0B),
        other => (other.is_ascii() && !other.is_ascii_alphanumeric()).then_some(u32::from(other)),
    };
    code_point.ok_or_else(|| RegexpErrorKind::Escape.at(scanner.since(start)))
}

fn is_octal(c: char) -> bool {
    ('0'..='7').contains(&c)
}

/// Up to three octal digits, the first of which is taken already.
fn take_octal(first: char, scanner: &mut Scanner<'_>) -> u32 {
    let mut value = first.to_digit(8).unwrap_or_default();
    for _ in 0..2 {
        let Some(digit) = scanner.peek().and_then(|c| c.to_digit(8)) else {
            break;
        };
        value = value * 8 + digit;
        scanner.next();
    }
    value
}

/// Two hexadecimal digits, or any number of them in braces.
fn take_hex(scanner: &mut Scanner<'_>) -> Option<u32> {
    if !scanner.take("{") {
        let high = scanner.next()?.to_digit(16);
        let low = scanner.next()?.to_digit(16);
        return Some(high? * 16 + low?);
    }
    let mut value = None;
    loop {
        match scanner.next()? {
            '}' => return value,
            c => {
                let next = value.unwrap_or(0_u32) * 16 + c.to_digit(16)?;
                value = Some(next).filter(|v| *v <= MAX_RUNE);
                value?;
            }
        }
    }
}
