//! From Go's syntax to text for the `regex` crate in which nothing is left to interpret: every literal and
//! class is written by its code points, every flag is resolved where it counts.

use std::fmt::Write as _;

use super::class::{NOTHING, take_class, take_escaped_set, write_range};
use super::escape::take_escape;
use super::scanner::Scanner;
use super::{RegexpError, RegexpErrorKind};

/// The most copies of one thing that nested counts may ask for (`regexp/syntax: repeatIsValid`).
const MAX_COPIES: u32 = 1_000;

/// The same pattern for the `regex` crate.
pub(super) fn translate(pattern: &str) -> Result<String, RegexpError> {
    let mut translator = Translator::default();
    let mut scanner = Scanner::new(pattern);
    while let Some(next) = scanner.peek() {
        translator.step(next, &mut scanner)?;
    }
    if translator.groups.is_empty() {
        Ok(translator.out)
    } else {
        Err(RegexpErrorKind::MissingParen.at(pattern))
    }
}

#[derive(Default)]
struct Translator<'a> {
    out: String,
    flags: Flags,
    groups: Vec<Group>,
    /// What a repetition would repeat; nothing at the start of a pattern, group or alternative.
    atom: Option<Atom>,
    /// The most copies that counts in the current group ask for, apart from those in the atom.
    copies: u32,
    /// Where the repetition before this place began, if there was one just before it.
    repeated: Option<Scanner<'a>>,
}

/// Go's flags that change what matches. `U`, which swaps laziness, does not.
#[derive(Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_newline: bool,
}

/// What is taken up again when a group ends.
struct Group {
    start: usize,
    flags: Flags,
    copies: u32,
}

#[derive(Clone, Copy)]
struct Atom {
    /// Where it begins in the output.
    start: usize,
    /// The most copies that counts in it ask for.
    copies: u32,
}

impl<'a> Translator<'a> {
    fn step(&mut self, next: char, scanner: &mut Scanner<'a>) -> Result<(), RegexpError> {
        let repeated = self.repeated.take();
        match next {
            '*' | '+' | '?' => return self.repeat_simply(next, scanner, repeated),
            '{' => {
                if let Some(count) = Count::take(&mut scanner.clone()) {
                    return self.repeat_counted(count, scanner, repeated);
                }
                scanner.next();
                self.literal(u32::from('{'));
            }
            '(' => self.open(scanner)?,
            ')' => self.close(scanner)?,
            '[' => {
                let class = take_class(scanner)?;
                self.set(&class);
            }
            '\\' => self.escape(scanner)?,
            _ => {
                scanner.next();
                self.plain(next);
            }
        }
        Ok(())
    }

    fn plain(&mut self, character: char) {
        match character {
            '|' => {
                self.settle();
                self.out.push('|');
            }
            '^' if self.flags.multi_line => self.push("(?m:^)"),
            '^' => self.push(r"\A"),
            '$' if self.flags.multi_line => self.push("(?m:$)"),
            '$' => self.push(r"\z"),
            '.' if self.flags.dot_newline => self.push("(?s:.)"),
            '.' => self.push(r"[^\n]"),
            other => self.literal(u32::from(other)),
        }
    }

    fn escape(&mut self, scanner: &mut Scanner<'a>) -> Result<(), RegexpError> {
        const ASSERTIONS: [(&str, &str); 4] = [
            (r"\A", r"\A"),
            (r"\z", r"\z"),
            (r"\b", r"(?-u:\b)"),
            (r"\B", r"(?-u:\B)"),
        ];
        if let Some((_, assertion)) = ASSERTIONS.iter().find(|(name, _)| scanner.take(name)) {
            self.push(assertion);
        } else if scanner.take(r"\Q") {
            let quoted = scanner.take_until(r"\E").unwrap_or_else(|| scanner.take_all());
            quoted.chars().for_each(|c| self.literal(u32::from(c)));
        } else if let Some(set) = take_escaped_set(scanner)? {
            self.set(&set);
        } else {
            let code_point = take_escape(scanner)?;
            self.literal(code_point);
        }
        Ok(())
    }

    /// Leaves the atom behind: no repetition can follow it any more.
    fn settle(&mut self) {
        let copies = self.atom.take().map_or(1, |atom| atom.copies);
        self.copies = self.copies.max(copies);
    }

    /// Writes something that a repetition may follow.
    fn push(&mut self, text: &str) {
        self.settle();
        self.atom = Some(Atom {
            start: self.out.len(),
            copies: 1,
        });
        self.out.push_str(text);
    }

    fn literal(&mut self, code_point: u32) {
        let mut class = String::from("[");
        write_range(&mut class, code_point, code_point);
        class.push(']');
        match class.len() {
            2 => self.push(NOTHING),
            _ => self.set(&class),
        }
    }

    fn set(&mut self, class: &str) {
        if self.flags.fold_case {
            self.push(&format!("(?i:{class})"));
        } else {
            self.push(class);
        }
    }

    fn open(&mut self, scanner: &mut Scanner<'a>) -> Result<(), RegexpError> {
        let mut inner = self.flags;
        let opens = match scanner.rest().strip_prefix("(?") {
            None => scanner.take("("),
            Some(name) if is_named(name) => take_name(scanner)?,
            Some(_) => inner.take(scanner)?,
        };
        if opens {
            self.settle();
            self.groups.push(Group {
                start: self.out.len(),
                flags: self.flags,
                copies: self.copies,
            });
            self.out.push_str("(?:");
            self.copies = 1;
        }
        self.flags = inner;
        Ok(())
    }

    fn close(&mut self, scanner: &mut Scanner<'a>) -> Result<(), RegexpError> {
        let Some(group) = self.groups.pop() else {
            return Err(RegexpErrorKind::UnexpectedParen.at(scanner.rest()));
        };
        scanner.take(")");
        self.settle();
        self.out.push(')');
        self.flags = group.flags;
        self.atom = Some(Atom {
            start: group.start,
            copies: self.copies,
        });
        self.copies = group.copies;
        Ok(())
    }

    fn repeat_simply(
        &mut self,
        operator: char,
        scanner: &mut Scanner<'a>,
        repeated: Option<Scanner<'a>>,
    ) -> Result<(), RegexpError> {
        let start = *scanner;
        scanner.next();
        let atom = self.repeatable(start, scanner, repeated)?;
        self.wrap(atom, |out| out.push(operator));
        Ok(())
    }

    fn repeat_counted(
        &mut self,
        count: Count,
        scanner: &mut Scanner<'a>,
        repeated: Option<Scanner<'a>>,
    ) -> Result<(), RegexpError> {
        let start = *scanner;
        Count::take(scanner);
        if !count.is_ordered() {
            return Err(RegexpErrorKind::RepeatSize.at(scanner.since(start)));
        }
        let mut atom = self.repeatable(start, scanner, repeated)?;
        atom.copies = count.copies(atom.copies);
        if atom.copies > MAX_COPIES {
            return Err(RegexpErrorKind::RepeatSize.at(scanner.since(start)));
        }
        self.wrap(atom, |out| count.write(out));
        Ok(())
    }

    /// What the repetition that began at `start` repeats. Takes the `?` of a lazy one.
    fn repeatable(
        &mut self,
        start: Scanner<'a>,
        scanner: &mut Scanner<'a>,
        repeated: Option<Scanner<'a>>,
    ) -> Result<Atom, RegexpError> {
        scanner.take("?");
        if let Some(before) = repeated {
            return Err(RegexpErrorKind::RepeatOp.at(scanner.since(before)));
        }
        self.repeated = Some(start);
        self.atom
            .ok_or_else(|| RegexpErrorKind::MissingRepeatArgument.at(scanner.since(start)))
    }

    /// Puts the atom, which ends the output, into a group of its own and writes the operator behind it.
    fn wrap(&mut self, atom: Atom, write_operator: impl FnOnce(&mut String)) {
        self.out.insert_str(atom.start, "(?:");
        self.out.push(')');
        write_operator(&mut self.out);
        self.atom = Some(atom);
    }
}

/// Whether a name follows `(?`. A bare `(?P<` or `(?<` at the end is no beginning of one to Go.
fn is_named(rest: &str) -> bool {
    let named = |prefix: &str| rest.starts_with(prefix) && rest.len() > prefix.len();
    named("P<") || named("<")
}

/// Takes `(?P<name>` or `(?<name>`; says that a group opens.
fn take_name(scanner: &mut Scanner<'_>) -> Result<bool, RegexpError> {
    let start = *scanner;
    let head = scanner
        .take_until(">")
        .ok_or_else(|| RegexpErrorKind::NamedCapture.at(start.rest()))?;
    let name = head
        .strip_prefix("(?P<")
        .or_else(|| head.strip_prefix("(?<"))
        .unwrap_or_default();
    if !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
        Ok(true)
    } else {
        Err(RegexpErrorKind::NamedCapture.at(scanner.since(start)))
    }
}

impl Flags {
    /// Takes `(?flags)` or `(?flags:`; says whether a group opens.
    fn take(&mut self, scanner: &mut Scanner<'_>) -> Result<bool, RegexpError> {
        let start = *scanner;
        scanner.take("(?");
        let mut on = true;
        // A minus needs a flag behind it.
        let mut complete = true;
        while let Some(flag) = scanner.next() {
            match flag {
                'i' => self.fold_case = on,
                'm' => self.multi_line = on,
                's' => self.dot_newline = on,
                'U' => {}
                '-' if on => on = false,
                ':' | ')' if complete => return Ok(flag == ':'),
                _ => break,
            }
            complete = flag != '-';
        }
        Err(RegexpErrorKind::PerlOp.at(scanner.since(start)))
    }
}

/// `{min}`, `{min,}` or `{min,max}`.
#[derive(Clone, Copy)]
struct Count {
    min: u32,
    max: Option<u32>,
}

impl Count {
    /// Takes a count. Anything else in braces is literal text to Go.
    fn take(scanner: &mut Scanner<'_>) -> Option<Self> {
        let start = *scanner;
        let count = Self::parse(scanner);
        if count.is_none() {
            *scanner = start;
        }
        count
    }

    fn parse(scanner: &mut Scanner<'_>) -> Option<Self> {
        scanner.take("{").then_some(())?;
        let min = take_number(scanner)?;
        let max = match scanner.take(",") {
            false => Some(min),
            true if scanner.peek() == Some('}') => None,
            true => Some(take_number(scanner)?),
        };
        scanner.take("}").then_some(Self { min, max })
    }

    fn is_ordered(self) -> bool {
        self.min <= MAX_COPIES && self.max.is_none_or(|max| max <= MAX_COPIES && self.min <= max)
    }

    /// How many copies it asks for of a thing that asks for `inner` itself.
    fn copies(self, inner: u32) -> u32 {
        match self.max {
            Some(0) => 1,
            max => inner.saturating_mul(max.unwrap_or(self.min).max(1)),
        }
    }

    fn write(self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self.max {
            Some(max) => write!(out, "{{{},{max}}}", self.min),
            None => write!(out, "{{{},}}", self.min),
        };
    }
}

/// A decimal number without leading zeros; one too large for `u32` is too large for a count as well.
fn take_number(scanner: &mut Scanner<'_>) -> Option<u32> {
    let start = *scanner;
    while scanner.peek().is_some_and(|c| c.is_ascii_digit()) {
        scanner.next();
    }
    let digits = scanner.since(start);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}
