//! `${VAR}` templates of image names and files to sign, as a8m/envsubst 1.4.3 expands them for KMM.
//!
//! Its oddities are kept, since KMM has them: the lexer and the parser follow its `parse/lex.go` and
//! `parse/parse.go`. On three points it would go on in silence and pull the wrong image; there we stop: a
//! variable that is not defined, an operator that it ignores (`${v%x}`), and `${…}` inside of `${…}`.

mod lexer;
mod parser;

use lexer::Operator;
use parser::Node;

/// The longest template that is read, in bytes. What it gives must fit into an image reference or a path.
pub const MAX_TEMPLATE: usize = 16 * 1024;

/// A template. It is never kept: its text stands in the Module.
#[derive(Clone, Copy, Debug)]
pub struct Template;

impl Template {
    /// The text with its variables replaced.
    ///
    /// # Errors
    /// The text is not a template, or names something that is not there.
    pub fn expand(text: &str, variables: &Variables) -> Result<String, TemplateError> {
        if text.len() > MAX_TEMPLATE {
            return Err(TemplateError::TooLong);
        }
        let nodes = parser::parse(&lexer::lex(text)?)?;
        nodes.iter().map(|node| evaluate(node, variables)).collect()
    }
}

/// Names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Vec<(String, String)>);

impl Variables {
    /// The value of a variable, if it is defined.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn names(&self) -> String {
        self.0
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// Why a template cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `${` without `}` in the same line.
    #[error("closing brace expected: a `${{` has no `}}` in its line")]
    ClosingBrace,
    /// A variable that has neither a value nor a default.
    #[error("the variable `{variable}` is not defined and would be replaced by nothing; defined are: {defined}")]
    Unset {
        /// Its name.
        variable: String,
        /// The variables that are defined.
        defined: String,
    },
    /// Text in braces that KMM ignores.
    #[error("in `${{{variable}…}}`, `{operator}` would be ignored; KMM knows the operators :- := - = :+ +")]
    IgnoredOperator {
        /// The variable.
        variable: String,
        /// The text.
        operator: String,
    },
    /// `$` in braces without a name.
    #[error("inside of `${{…}}`, `$` must be followed by a name; KMM does not understand one `${{…}}` in another")]
    Nested,
    /// Longer than this program reads.
    #[error("longer than {MAX_TEMPLATE} bytes")]
    TooLong,
}

fn evaluate(node: &Node<'_>, variables: &Variables) -> Result<String, TemplateError> {
    match node {
        Node::Text(text) => Ok(text.clone()),
        Node::Variable(name) => value(name, variables),
        Node::Substitution {
            variable,
            operator: None,
            default: _,
        } => value(variable, variables),
        Node::Substitution {
            variable,
            operator: Some(_),
            default: None,
        } => Ok(variables.get(variable).unwrap_or_default().to_owned()),
        Node::Substitution {
            variable,
            operator: Some(operator),
            default: Some(default),
        } => {
            let set = variables.get(variable);
            match (operator, set) {
                (Operator::UnlessFilled, Some("") | None)
                | (Operator::UnlessSet, None)
                | (Operator::WhenSet, Some(_)) => evaluate(default, variables),
                (Operator::UnlessFilled | Operator::UnlessSet, Some(value)) => Ok(value.to_owned()),
                (Operator::WhenSet, None) => Ok(String::new()),
            }
        }
    }
}

fn value(name: &str, variables: &Variables) -> Result<String, TemplateError> {
    let unset = || TemplateError::Unset {
        variable: name.to_owned(),
        defined: variables.names(),
    };
    variables.get(name).map(str::to_owned).ok_or_else(unset)
}

#[cfg(test)]
mod tests;
