//! The values that a module parameter takes (`kernel/params.c`, `lib/kstrtox.c`, `lib/cmdline.c`).

use crate::kmod::facts::{Takes, ValueType};

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

/// What the kernel makes of a value for a parameter, but for how much of it there is ([`beyond`]).
pub(super) fn taken(takes: Takes, value: Option<&str>) -> Taken {
    match takes {
        Takes::One(value_type) => one(value_type, value),
        Takes::Several { each, .. } => value.map_or(Taken::No, |value| several(each, value)),
        Takes::Copied { .. } => answer(value.is_some()),
    }
}

fn one(value_type: ValueType, value: Option<&str>) -> Taken {
    match value_type {
        ValueType::Switch => boolean(value.unwrap_or("1")),
        // Of the switches only this one lacks `KERNEL_PARAM_OPS_FL_NOARG`.
        ValueType::InvertedSwitch => value.map_or(Taken::No, boolean),
        ValueType::Byte => unsigned(value, u8::MAX.into()),
        ValueType::UShort => unsigned(value, u16::MAX.into()),
        ValueType::UInt => unsigned(value, u32::MAX.into()),
        ValueType::ULong => unsigned(value, u64::MAX),
        ValueType::Short => signed(value, i16::MAX.unsigned_abs().into()),
        ValueType::Int => signed(value, i32::MAX.unsigned_abs().into()),
        ValueType::Long => signed(value, i64::MAX.unsigned_abs()),
        ValueType::Text => answer(value.is_some_and(|text| text.len() <= MAX_STRING)),
        ValueType::Own => Taken::Yes,
    }
}

const fn answer(yes: bool) -> Taken {
    if yes { Taken::Yes } else { Taken::No }
}

/// How much of its limit a value needs, where that is more than there is.
pub(super) fn beyond(takes: Takes, value: &str) -> Option<usize> {
    let (most, needed) = match takes {
        // `param_array` counts before it reads: what stands before the first comma and behind the last is a value, if an
        // empty one.
        Takes::Several { most, .. } => (most?, value.split(',').count()),
        // `param_set_copystring`.
        Takes::Copied { room } => (room?, value.len() + 1),
        Takes::One(_) => return None,
    };
    let is_within = usize::try_from(most).is_ok_and(|most| needed <= most);
    (!is_within).then_some(needed)
}

/// Values between commas; how many there may be, [`beyond`] tells.
fn several(each: ValueType, value: &str) -> Taken {
    let answers: Vec<Taken> = value.split(',').map(|part| one(each, Some(part))).collect();
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
        for (value_type, good, bad) in [
            (
                ValueType::Byte,
                &["0", "255", "0xff", "+1", "0377", "1\n"][..],
                &["256", "-1", "", "1 ", "0x", "08", "x", "++1"][..],
            ),
            (
                ValueType::Short,
                &["-32768", "32767", "-0x10"],
                &["-32769", "32768", "-+1", "- 1"],
            ),
            (ValueType::UShort, &["65535"], &["65536"]),
            (
                ValueType::Int,
                &["-2147483648", "2147483647", "+5"],
                &["2147483648", "-2147483649", "1.5", "1k"],
            ),
            (ValueType::UInt, &["4294967295"], &["4294967296"]),
            (ValueType::UInt, &["0xdeadbeef", "10"], &["deadbeef"]),
            (ValueType::Long, &["-9223372036854775808"], &["9223372036854775808"]),
            (ValueType::ULong, &["18446744073709551615"], &["18446744073709551616"]),
            (ValueType::ULong, &["18446744073709551615"], &["-1"]),
            (
                ValueType::Switch,
                &["y", "Yes", "1", "N", "0", "on", "OFF", "10"],
                &["", "2", "o", "x"],
            ),
            (ValueType::InvertedSwitch, &["n"], &["z"]),
            (ValueType::Own, &["anything"], &[]),
        ] {
            for value in good {
                assert_eq!(one(value_type, Some(value)), Taken::Yes, "{value_type:?} {value:?}");
            }
            for value in bad {
                assert_eq!(one(value_type, Some(value)), Taken::No, "{value_type:?} {value:?}");
            }
        }
    }

    const fn any_number_of(each: ValueType) -> Takes {
        Takes::Several { each, most: None }
    }

    const COPIED: Takes = Takes::Copied { room: None };

    #[test]
    fn of_several_values_each_is_taken_by_itself() {
        for (takes, value, answer) in [
            (any_number_of(ValueType::Int), "1", Taken::Yes),
            (any_number_of(ValueType::Int), "1,2,-3", Taken::Yes),
            (any_number_of(ValueType::Int), "1,,2", Taken::No),
            (any_number_of(ValueType::Int), "", Taken::No),
            (any_number_of(ValueType::Int), "1,x", Taken::No),
            (any_number_of(ValueType::Switch), "y,n", Taken::Yes),
            (any_number_of(ValueType::Switch), "y,", Taken::No),
            (any_number_of(ValueType::Text), "a,,b", Taken::Yes),
            (any_number_of(ValueType::Own), "a,,b", Taken::Yes),
            (COPIED, "anything", Taken::Yes),
        ] {
            assert_eq!(taken(takes, Some(value)), answer, "{takes:?} {value:?}");
        }
    }

    #[test]
    fn only_switches_may_stand_without_a_value() {
        for (takes, answer) in [
            (Takes::One(ValueType::Switch), Taken::Yes),
            (Takes::One(ValueType::InvertedSwitch), Taken::No),
            (Takes::One(ValueType::Int), Taken::No),
            (Takes::One(ValueType::Text), Taken::No),
            (Takes::One(ValueType::Own), Taken::Yes),
            (COPIED, Taken::No),
            (any_number_of(ValueType::Switch), Taken::No),
        ] {
            assert_eq!(taken(takes, None), answer, "{takes:?}");
        }
    }

    #[test]
    fn true_and_false_came_late() {
        let switches = any_number_of(ValueType::Switch);
        assert_eq!(one(ValueType::Switch, Some("true")), Taken::SinceLinux518);
        assert_eq!(taken(switches, Some("y,False")), Taken::SinceLinux518);
        assert_eq!(taken(switches, Some("false,x")), Taken::No);
    }

    #[test]
    fn more_than_a_limit_is_counted_as_the_kernel_counts() {
        let values = |most| Takes::Several {
            each: ValueType::Int,
            most: Some(most),
        };
        let bytes = |room| Takes::Copied { room: Some(room) };
        for (takes, value, expected) in [
            (Takes::One(ValueType::Int), "1,2", None),
            (any_number_of(ValueType::Int), "1,2", None),
            (COPIED, "abc", None),
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
            assert_eq!(beyond(takes, value), expected, "{takes:?} {value:?}");
        }
    }

    #[test]
    fn a_string_may_be_1024_bytes_long() {
        assert_eq!(one(ValueType::Text, Some(&"x".repeat(1024))), Taken::Yes);
        assert_eq!(one(ValueType::Text, Some(&"x".repeat(1025))), Taken::No);
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
