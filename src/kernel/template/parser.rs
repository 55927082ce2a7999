//! Items → nodes (`parse/parse.go`).

use super::TemplateError;
use super::lexer::{Item, Kind, Operator};

/// A part of a template that has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Text(String),
    Variable(&'a str),
    /// `${variable operator default}`
    Substitution {
        variable: &'a str,
        operator: Option<Operator>,
        default: Option<Box<Self>>,
    },
}

pub(super) fn parse<'a>(items: &[Item<'a>]) -> Result<Vec<Node<'a>>, TemplateError> {
    let mut nodes = Vec::new();
    let mut rest = items;
    while let Some((item, after)) = rest.split_first() {
        rest = after;
        match (item.kind, after.first()) {
            (Kind::End, _) => break,
            (Kind::Open, Some(next)) if next.kind == Kind::Variable => nodes.push(substitution(&mut rest)?),
            (Kind::Variable, _) => nodes.push(Node::Variable(name(item)?)),
            // Braces without a name are text, for instance `${}`.
            _ => nodes.push(Node::Text(item.text.to_owned())),
        }
    }
    Ok(nodes)
}

/// Takes what stands in braces, the closing one included. The last operator and the last default count.
fn substitution<'a>(rest: &mut &[Item<'a>]) -> Result<Node<'a>, TemplateError> {
    let variable = take(rest).ok_or(TemplateError::ClosingBrace)?.text;
    let (mut operator, mut default) = (None, None);
    loop {
        match take(rest) {
            Some(Item {
                kind: Kind::Close,
                text,
            }) => {
                let ignored = text.trim_end_matches('}');
                return finish(variable, operator, default, ignored);
            }
            Some(
                item @ Item {
                    kind: Kind::Variable, ..
                },
            ) => default = Some(Node::Variable(name(&item)?)),
            Some(Item {
                kind: Kind::Operator(found),
                ..
            }) => operator = Some(found),
            Some(item @ Item { kind: Kind::Text, .. }) => default = Some(Node::Text(literal(item, rest)?)),
            // envsubst would loop for ever here.
            Some(Item {
                kind: Kind::Open | Kind::End,
                ..
            })
            | None => return Err(TemplateError::ClosingBrace),
        }
    }
}

/// Takes text up to the closing brace: behind the first character of it, nothing is special.
fn literal<'a>(first: Item<'a>, rest: &mut &[Item<'a>]) -> Result<String, TemplateError> {
    let mut text = first.text.to_owned();
    while let Some((item, after)) = rest.split_first() {
        match item.kind {
            Kind::Close | Kind::End => break,
            Kind::Variable => _ = name(item)?,
            _ => {}
        }
        text.push_str(item.text);
        *rest = after;
    }
    Ok(text)
}

fn finish<'a>(
    variable: &'a str,
    operator: Option<Operator>,
    default: Option<Node<'a>>,
    ignored: &str,
) -> Result<Node<'a>, TemplateError> {
    let ignored = match (operator, &default) {
        (None, Some(Node::Text(text))) => text.as_str(),
        (None, Some(Node::Variable(name))) => name,
        _ => ignored,
    };
    if !ignored.trim().is_empty() {
        return Err(TemplateError::IgnoredOperator {
            variable: variable.to_owned(),
            operator: ignored.trim().to_owned(),
        });
    }
    Ok(Node::Substitution {
        variable,
        operator,
        default: default.map(Box::new),
    })
}

/// The name without its `$`.
fn name<'a>(item: &Item<'a>) -> Result<&'a str, TemplateError> {
    match item.text.strip_prefix('$').unwrap_or(item.text) {
        "" => Err(TemplateError::Nested),
        name => Ok(name),
    }
}

fn take<'a>(rest: &mut &[Item<'a>]) -> Option<Item<'a>> {
    let (item, after) = rest.split_first()?;
    *rest = after;
    Some(*item)
}
