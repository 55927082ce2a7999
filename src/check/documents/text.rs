//! Text → documents → untyped values, as kubectl reads them: YAML 1.2 with YAML 1.1's booleans, or JSON.

use std::ops::Range;

use serde_json::Value;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error, Options};

use super::DocumentProblem;
use super::excerpt::{Excerpt, Place};

/// How many values one document may hold. A dump of ten thousand Modules has two million.
const MAX_NODES: usize = 4_000_000;
/// How deep values may nest. A Kubernetes object nests 20 deep at most.
const MAX_DEPTH: usize = 64;
/// How many values aliases may stand for: a few for convenience, never a bomb.
const MAX_ALIASED: usize = 100_000;

/// A document, and where it comes from.
pub(super) struct Origin<'a> {
    /// The file's name.
    pub(super) file: &'a str,
    /// The file's text.
    pub(super) text: &'a str,
    /// The document's bytes in it.
    pub(super) document: &'a Range<usize>,
}

impl Origin<'_> {
    /// The document's own text.
    pub(super) fn document_text(&self) -> &str {
        self.text.get(self.document.clone()).unwrap_or_default()
    }

    /// A problem at a byte of the document. The lines around it are shown unless they may be secret.
    pub(super) fn problem(&self, at: Range<usize>, message: &str) -> DocumentProblem {
        let place = Place::at(self.text, self.document.start + at.start);
        let problem = DocumentProblem::new(format!("{}:{}:{}: {message}", self.file, place.line, place.column));
        if self.may_be_secret() {
            return problem;
        }
        problem.showing(Excerpt::around(self.file, self.text, place, at.len()))
    }

    /// Whether a Secret may stand in the document; what surrounds a problem then stays out of messages.
    fn may_be_secret(&self) -> bool {
        self.document_text().contains("Secret")
    }
}

/// The documents of a text, without those that hold nothing. `---` begins a new one.
///
/// The marker cannot stand at the start of a line inside any YAML value, so a broken document does not hide the next.
pub(super) fn split(text: &str) -> Vec<Range<usize>> {
    if let Some(documents) = split_json(text) {
        return documents;
    }
    let mut starts = vec![0];
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if offset > 0
            && line
                .strip_prefix("---")
                .is_some_and(|rest| rest.trim_start().len() < rest.len())
        {
            starts.push(offset);
        }
        offset += line.len();
    }
    starts.push(text.len());
    let documents = starts
        .iter()
        .zip(starts.iter().skip(1))
        .map(|(start, end)| *start..*end);
    documents
        .filter(|document| text.get(document.clone()).is_some_and(holds_something))
        .collect()
}

/// The documents of a text that is one JSON value after another, as `jq` prints them.
fn split_json(text: &str) -> Option<Vec<Range<usize>>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let mut documents = Vec::new();
    let mut start = 0;
    while let Some(value) = values.next() {
        value.ok()?;
        documents.push(start..values.byte_offset());
        start = values.byte_offset();
    }
    Some(documents)
}

/// Whether a document is more than comments, directives and markers.
fn holds_something(document: &str) -> bool {
    document.lines().any(|line| {
        let line = line.trim();
        let line = line.strip_prefix("---").map_or(line, str::trim_start);
        !(line.is_empty() || line == "..." || line.starts_with(['#', '%']))
    })
}

/// The value of a document. Duplicate keys are refused, for the cluster would keep only one of them.
pub(super) fn parse(origin: &Origin<'_>) -> Result<Value, DocumentProblem> {
    serde_saphyr::from_str_with_options(origin.document_text(), options()).map_err(|error| {
        let inner = error.without_snippet();
        let message = inner.render_with_options(serde_saphyr::render_options! {
            snippets: serde_saphyr::SnippetMode::Off,
        });
        let (message, advice) = in_words(inner, plain(&message));
        let at = error
            .location()
            .map_or(0..1, |location| bytes_of(origin.document_text(), &location));
        origin.problem(at, &message).advising(advice.map(str::to_owned))
    })
}

/// What is wrong, and what to do about it: the parser's own words, unless these are for who programs with it.
fn in_words(error: &Error, said: String) -> (String, Option<&'static str>) {
    let too_deep =
        || format!("values nest more than {MAX_DEPTH} deep; those of a Kubernetes object nest 20 deep at most");
    match error {
        Error::DuplicateMappingKey { key, .. } => twice(key.as_deref()),
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => (too_deep(), None),
        // By the time it arrives this one is wrapped in another, which has its words alone.
        _ if said.starts_with("alias replay limit exceeded") => (
            format!("aliases (`*name`) stand for more than {MAX_ALIASED} values"),
            Some("write out what they stand for"),
        ),
        // The scanner's own limit comes before ours where lists nest.
        _ if said == "recursion limit exceeded" => (too_deep(), None),
        Error::Budget { .. } => (
            format!("a document of more than {MAX_NODES} values"),
            Some("split it into several"),
        ),
        _ => (said, None),
    }
}

/// A key that stands twice: by mistake, or because another object begins there.
fn twice(key: Option<&str>) -> (String, Option<&'static str>) {
    let name = key.map(|key| format!(" `{key}`")).unwrap_or_default();
    let advice = match key {
        Some("apiVersion" | "kind" | "metadata") => "if another object begins here, put a line `---` before it",
        _ => "remove one of the two: a cluster would take one, and drop the other without a word",
    };
    (format!("the key{name} stands here a second time"), Some(advice))
}

/// The bytes of a document that a location covers. Syntax errors have a line and a column only.
pub(super) fn bytes_of(document: &str, location: &serde_saphyr::Location) -> Range<usize> {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    if let (Some(start), Some(length)) = (location.span().byte_offset(), location.span().byte_len()) {
        return number(start)..number(start.saturating_add(length));
    }
    let (line, column) = (
        number(location.line()).saturating_sub(1),
        number(location.column()).saturating_sub(1),
    );
    let lines_before: usize = document.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = document.get(lines_before..).unwrap_or_default();
    let in_line: usize = rest.chars().take(column).map(char::len_utf8).sum();
    lines_before + in_line..lines_before + in_line + 1
}

/// The parser's message, without the place within the document that it ends with.
fn plain(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    first
        .rsplit_once(" at line ")
        .map_or(first, |(sentence, _)| sentence)
        .to_owned()
}

/// How documents are read: strictly, and within limits.
pub(super) fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_events: MAX_NODES * 2,
            max_depth: MAX_DEPTH,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_ALIASED,
        },
        emit_comments: false,
        with_snippet: false,
    }
}
