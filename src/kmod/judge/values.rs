//! The values that a module parameter takes, by its type (`kernel/params.c`, `lib/kstrtox.c`, `lib/cmdline.c`),
//! and how much of it.

use crate::kmod::facts::ValueLimit;

/// The longest value of a `charp` parameter (`kernel/params.c: param_set_charp`).
const MAX_STRING: usize = 1024;

/// What the kernel makes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It takes it, or the type is not one of the kernel's own and only the module knows.
    Yes,
    /// It refuses it.
    No,
    /// Linux 5.18 and later take it (`true`, `false`), earlier ones do not.
    SinceLinux518,
}

/// One `name=value` of the option string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The name as written.
    pub(super) name: String,
    /// The value; `None` without `=`.
    pub(super) value: Option<String>,
}

/// The option string that modprobe makes of its words: a value with spaces is put into quotes
/// (kmod `tools/modprobe.c: options_from_array`).
pub(super) fn option_string(words: &[String]) -> String {
    let quoted = |word: &String| match word.split_once('=') {
        Some((name, value)) if value.contains(' ') && !value.starts_with(['"', '\'']) => {
            format!("{name}=\"{value}\"")
        }
        _ => word.clone(),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The assignments that the kernel reads from an option string (`lib/cmdline.c: next_arg`,
/// `kernel/params.c: parse_args`). What follows a lone `--` is ignored.
pub(super) fn assignments(options: &str) -> Vec<Assignment> {
    let mut found = Vec::new();
    let mut rest = options.trim_start_matches(is_space);
    while !rest.is_empty() {
        let (assignment, after) = next_assignment(rest);
        if assignment.name == "--" && assignment.value.is_none() {
            break;
        }
        found.push(assignment);
        rest = after.trim_start_matches(is_space);
    }
    found
}

/// Quotes hold spaces together; they are taken off around a value, or around the whole.
fn next_assignment(text: &str) -> (Assignment, &str) {
    let (text, quoted) = text.strip_prefix('"').map_or((text, false), |inner| (inner, true));
    let mut in_quotes = quoted;
    let end = text.find(|letter: char| {
        in_quotes ^= letter == '"';
        is_space(letter) && !in_quotes
    });
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    let without_last_quote = |word: &str| word.strip_suffix('"').unwrap_or(word).to_owned();
    // An `=` in the first place is part of the name.
    let equals = word
        .char_indices()
        .skip(1)
        .find(|(_, letter)| *letter == '=')
        .map(|(at, _)| at);
    let split = equals.and_then(|at| Some((word.get(..at)?, word.get(at + 1..)?)));
    let assignment = match split {
        None if quoted => Assignment {
            name: without_last_quote(word),
            value: None,
        },
        None => Assignment {
            name: word.to_owned(),
            value: None,
        },
        Some((name, value)) => {
            let value = match value.strip_prefix('"') {
                Some(inner) => without_last_quote(inner),
                None if quoted => without_last_quote(value),
                None => value.to_owned(),
            };
            Assignment {
                name: name.to_owned(),
                value: Some(value),
            }
        }
    };
    (assignment, rest)
}

const fn is_space(letter: char) -> bool {
    letter.is_ascii_whitespace() || letter == '\x0b'
}

/// Whether a parameter of that type (`parmtype` of modinfo) takes that value.
pub(super) fn taken(kind: &str, value: Option<&str>) -> Taken {
    if let Some(element) = kind.strip_prefix("array of ") {
        return array(element, value);
    }
    match kind {
        "bool" | "bool_enable_only" | "bint" => boolean(value.unwrap_or("1")),
        // Of the switches only this one lacks `KERNEL_PARAM_OPS_FL_NOARG`.
        "invbool" => value.map_or(Taken::No, boolean),
        "byte" => unsigned(value, u8::MAX.into()),
        "ushort" => unsigned(value, u16::MAX.into()),
        "uint" | "hexint" => unsigned(value, u32::MAX.into()),
        "ulong" | "ullong" => unsigned(value, u64::MAX),
        "short" => signed(value, i16::MAX.unsigned_abs().into()),
        "int" => signed(value, i32::MAX.unsigned_abs().into()),
        "long" => signed(value, i64::MAX.unsigned_abs()),
        "charp" => answer(value.is_some_and(|text| text.len() <= MAX_STRING)),
        "string" => answer(value.is_some()),
        _ => Taken::Yes,
    }
}

const fn answer(yes: bool) -> Taken {
    if yes { Taken::Yes } else { Taken::No }
}

/// How much of its limit a value needs, where that is more than there is.
pub(super) fn beyond(limit: ValueLimit, value: &str) -> Option<usize> {
    let (most, needed) = match limit {
        // `param_array` counts before it reads: what stands before the first comma and behind the last is a value, if an
        // empty one.
        ValueLimit::Values(most) => (most, value.split(',').count()),
        // `param_set_copystring`.
        ValueLimit::Bytes(most) => (most, value.len() + 1),
    };
    let is_within = usize::try_from(most).is_ok_and(|most| needed <= most);
    (!is_within).then_some(needed)
}

/// Values between commas; how many there may be, [`beyond`] tells.
fn array(element: &str, value: Option<&str>) -> Taken {
    let Some(value) = value else { return Taken::No };
    let answers: Vec<Taken> = value.split(',').map(|part| taken(element, Some(part))).collect();
    let first_other = answers.iter().copied().find(|answer| *answer == Taken::No);
    first_other
        .or_else(|| answers.into_iter().find(|answer| *answer != Taken::Yes))
        .unwrap_or(Taken::Yes)
}

/// `kstrtobool`: the first letter tells, of `on` and `off` the second.
fn boolean(value: &str) -> Taken {
    let mut letters = value.bytes().map(|letter| letter.to_ascii_lowercase());
    match (letters.next(), letters.next()) {
        (Some(b'y' | b'1' | b'n' | b'0'), _) | (Some(b'o'), Some(b'n' | b'f')) => Taken::Yes,
        (Some(b't' | b'f'), _) => Taken::SinceLinux518,
        _ => Taken::No,
    }
}

/// `kstrtoull`: an optional `+`.
fn unsigned(value: Option<&str>, max: u64) -> Taken {
    let number = value.and_then(|text| magnitude(text.strip_prefix('+').unwrap_or(text)));
    answer(number.is_some_and(|number| number <= max))
}

/// `kstrtoll`: an optional `-` or `+`; below zero there is room for one more.
fn signed(value: Option<&str>, max: u64) -> Taken {
    match value.and_then(|text| text.strip_prefix('-')) {
        Some(text) => answer(magnitude(text).is_some_and(|number| number <= max + 1)),
        None => unsigned(value, max),
    }
}

/// `_kstrtoull` with base 0: `0x` hexadecimal, `0` octal, else decimal; one newline may follow.
fn magnitude(text: &str) -> Option<u64> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match hex {
        Some(digits) => (digits, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // Rust would take a second sign.
    digits
        .bytes()
        .all(|digit| digit.is_ascii_alphanumeric())
        .then(|| u64::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_the_kernel_takes_them() {
        for (kind, good, bad) in [
            (
                "byte",
                &["0", "255", "0xff", "+1", "0377", "1\n"][..],
                &["256", "-1", "", "1 ", "0x", "08", "x", "++1"][..],
            ),
            (
                "short",
                &["-32768", "32767", "-0x10"],
                &["-32769", "32768", "-+1", "- 1"],
            ),
            ("ushort", &["65535"], &["65536"]),
            (
                "int",
                &["-2147483648", "2147483647", "+5"],
                &["2147483648", "-2147483649", "1.5", "1k"],
            ),
            ("uint", &["4294967295"], &["4294967296"]),
            ("hexint", &["0xdeadbeef", "10"], &["deadbeef"]),
            ("long", &["-9223372036854775808"], &["9223372036854775808"]),
            ("ulong", &["18446744073709551615"], &["18446744073709551616"]),
            ("ullong", &["18446744073709551615"], &["-1"]),
            (
                "bool",
                &["y", "Yes", "1", "N", "0", "on", "OFF", "10"],
                &["", "2", "o", "x"],
            ),
            ("invbool", &["n"], &["z"]),
            ("bint", &["1"], &["5"]),
            ("bool_enable_only", &["1", "n"], &["x", ""]),
            ("charp", &["", "anything at all"], &[]),
            ("string", &["anything"], &[]),
            ("array of int", &["1", "1,2,-3"], &["1,,2", "", "1,x"]),
            ("array of bool", &["y,n"], &["y,"]),
            ("array of charp", &["a,,b"], &[]),
            ("a type of its own", &["anything"], &[]),
        ] {
            for value in good {
                assert_eq!(taken(kind, Some(value)), Taken::Yes, "{kind} {value:?}");
            }
            for value in bad {
                assert_eq!(taken(kind, Some(value)), Taken::No, "{kind} {value:?}");
            }
        }
    }

    #[test]
    fn only_booleans_may_stand_without_a_value() {
        for (kind, answer) in [
            ("bool", Taken::Yes),
            ("bint", Taken::Yes),
            ("bool_enable_only", Taken::Yes),
            ("invbool", Taken::No),
            ("int", Taken::No),
            ("charp", Taken::No),
            ("string", Taken::No),
            ("array of bool", Taken::No),
        ] {
            assert_eq!(taken(kind, None), answer, "{kind}");
        }
    }

    #[test]
    fn true_and_false_came_late() {
        assert_eq!(taken("bool", Some("true")), Taken::SinceLinux518);
        assert_eq!(taken("array of bool", Some("y,False")), Taken::SinceLinux518);
        assert_eq!(taken("array of bool", Some("false,x")), Taken::No);
    }

    #[test]
    fn more_than_a_limit_is_counted_as_the_kernel_counts() {
        let values = ValueLimit::Values;
        let bytes = ValueLimit::Bytes;
        for (limit, value, expected) in [
            (values(2), "1", None),
            (values(2), "1,2", None),
            (values(2), "1,2,3", Some(3)),
            (values(2), "1,2,", Some(3)),
            (values(2), ",,", Some(3)),
            (values(2), "1,", None),
            (values(2), ",", None),
            (values(2), "", None),
            (values(1), "", None),
            (values(1), ",", Some(2)),
            (values(0), "", Some(1)),
            (values(u32::MAX), "1,2", None),
            (bytes(4), "", None),
            (bytes(4), "abc", None),
            (bytes(4), "abcd", Some(5)),
            (bytes(4), "a,c", None),
            (bytes(4), "\u{fc}", None),
            (bytes(4), "\u{fc}\u{fc}", Some(5)),
            (bytes(1), "", None),
            (bytes(0), "", Some(1)),
        ] {
            assert_eq!(beyond(limit, value), expected, "{limit:?} {value:?}");
        }
    }

    #[test]
    fn a_string_may_be_1024_bytes_long() {
        assert_eq!(taken("charp", Some(&"x".repeat(1024))), Taken::Yes);
        assert_eq!(taken("charp", Some(&"x".repeat(1025))), Taken::No);
    }

    #[test]
    fn words_become_assignments_by_way_of_modprobe_and_the_kernel() {
        for (sentence, words, expected) in [
            ("a plain one", &["a=1"][..], &[("a", Some("1"))][..]),
            ("two", &["a=1", "b"], &[("a", Some("1")), ("b", None)]),
            ("modprobe quotes spaces", &["a=x y"], &[("a", Some("x y"))]),
            ("quotes are kept and taken off", &["a=\"x y\""], &[("a", Some("x y"))]),
            (
                "single quotes are none to the kernel",
                &["a='x y'"],
                &[("a", Some("'x")), ("y'", None)],
            ),
            ("a word with a space is two", &["a b"], &[("a", None), ("b", None)]),
            ("an empty value is a value", &["a="], &[("a", Some(""))]),
            ("quotes around the whole", &["\"a=x\""], &[("a", Some("x"))]),
            ("quotes around a name", &["\"a b\""], &[("a b", None)]),
            ("a leading = is part of the name", &["=a"], &[("=a", None)]),
            ("nothing after --", &["a=1", "--", "b=2"], &[("a", Some("1"))]),
            ("a value may hold =", &["a=b=c"], &[("a", Some("b=c"))]),
        ] {
            let words: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
            let found = assignments(&option_string(&words));
            let found: Vec<_> = found.iter().map(|a| (a.name.as_str(), a.value.as_deref())).collect();
            assert_eq!(found, expected, "{sentence}");
        }
    }
}
