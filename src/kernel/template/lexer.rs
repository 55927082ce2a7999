//! Text → items, in envsubst's four states (`parse/lex.go`). What a state leaves standing becomes part of the
//! next item: so `${v%}` ends in the item `%}`, and the parser can tell what was ignored.

use super::TemplateError;

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A name, with its `$` where it has one.
    Variable,
    /// `${`
    Open,
    Operator(Operator),
    /// `}`, and what was left standing before it.
    Close,
    End,
}

/// What stands between a variable and its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// `:-` and `:=`: the default where the variable is unset or empty.
    UnlessFilled,
    /// `-` and `=`: the default where it is unset.
    UnlessSet,
    /// `+` and `:+`: the other text where it is set, else nothing.
    WhenSet,
}

/// The items of a template; the last one is [`Kind::End`].
pub(super) fn lex(input: &str) -> Result<Vec<Item<'_>>, TemplateError> {
    let mut lexer = Lexer {
        input,
        position: 0,
        start: 0,
        last: 0,
        depth: 0,
        items: Vec::new(),
    };
    let mut state = State::Text;
    while state != State::Done {
        state = match state {
            State::Text => lexer.text(),
            State::Variable => lexer.variable(),
            State::Operator => lexer.operator()?,
            State::Default => lexer.default()?,
            State::Done => State::Done,
        };
    }
    Ok(lexer.items)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside of braces.
    Text,
    /// In a name.
    Variable,
    /// In braces, where an operator may stand.
    Operator,
    /// In braces, behind that place.
    Default,
    Done,
}

struct Lexer<'a> {
    input: &'a str,
    /// The next character.
    position: usize,
    /// The beginning of the next item.
    start: usize,
    /// The beginning of the last item.
    last: usize,
    /// How many braces are open. A `$_` in braces leaves them open for good, as in envsubst.
    depth: usize,
    items: Vec<Item<'a>>,
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<char> {
        self.input.get(self.position..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        Some(next)
    }

    /// The text from the beginning of the next item up to `end`.
    fn pending(&self, end: usize) -> &'a str {
        self.input.get(self.start..end).unwrap_or_default()
    }

    fn emit(&mut self, kind: Kind) {
        self.emit_until(self.position, kind);
    }

    fn emit_until(&mut self, end: usize, kind: Kind) {
        self.items.push(Item {
            kind,
            text: self.pending(end),
        });
        self.last = self.start;
        self.start = end;
    }

    fn text(&mut self) -> State {
        loop {
            let here = self.position;
            match self.next() {
                Some('$') => {
                    if here > self.start {
                        self.emit_until(here, Kind::Text);
                    }
                    if let Some(state) = self.dollar() {
                        return state;
                    }
                }
                Some(_) => {}
                None => {
                    if self.position > self.start {
                        self.emit(Kind::Text);
                    }
                    self.emit(Kind::End);
                    return State::Done;
                }
            }
        }
    }

    /// What a `$` in the text begins, if it begins anything.
    fn dollar(&mut self) -> Option<State> {
        match self.peek()? {
            '$' => {
                self.start = self.position;
                self.next();
                self.emit(Kind::Text);
                None
            }
            '{' => {
                self.next();
                self.depth += 1;
                self.emit(Kind::Open);
                Some(State::Operator)
            }
            c => is_name(c).then_some(State::Variable),
        }
    }

    fn variable(&mut self) -> State {
        while self.peek().is_some_and(is_name) {
            self.next();
        }
        if matches!(self.pending(self.position), "_" | "$_") {
            return State::Text;
        }
        self.emit(Kind::Variable);
        if self.depth > 0 { State::Operator } else { State::Text }
    }

    fn operator(&mut self) -> Result<State, TemplateError> {
        match self.next_in_braces()? {
            '}' => return Ok(self.close()),
            c if is_name(c) && self.follows_open() => return Ok(State::Variable),
            '+' => self.emit(Kind::Operator(Operator::WhenSet)),
            '-' | '=' => self.emit(Kind::Operator(Operator::UnlessSet)),
            ':' => match self.next() {
                Some('-' | '=') => self.emit(Kind::Operator(Operator::UnlessFilled)),
                Some('+') => self.emit(Kind::Operator(Operator::WhenSet)),
                _ => {}
            },
            _ => {}
        }
        Ok(State::Default)
    }

    fn default(&mut self) -> Result<State, TemplateError> {
        match self.next_in_braces()? {
            '}' => Ok(self.close()),
            '$' => Ok(State::Variable),
            c if is_name(c) && self.follows_open() => Ok(State::Variable),
            _ => {
                self.emit(Kind::Text);
                Ok(State::Default)
            }
        }
    }

    fn next_in_braces(&mut self) -> Result<char, TemplateError> {
        self.next()
            .filter(|c| !matches!(c, '\r' | '\n'))
            .ok_or(TemplateError::ClosingBrace)
    }

    fn close(&mut self) -> State {
        self.depth = self.depth.saturating_sub(1);
        self.emit(Kind::Close);
        State::Text
    }

    /// Whether the last item began with `${`.
    fn follows_open(&self) -> bool {
        self.input.get(self.last..).is_some_and(|rest| rest.starts_with("${"))
    }
}

/// envsubst takes Unicode's letters and decimal digits; the marks and numbers that are taken here besides
/// are in no name that KMM defines.
fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
