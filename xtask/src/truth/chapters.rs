//! `docs/truth.md`: a chapter for each subject that kernels can be asked about. A run tells of those that it has asked
//! about; the others stay as they stand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a chapter is about, in the order of the chapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    OwnCases,
    Shipped,
    Damages,
}

impl Subject {
    const ALL: [Self; 3] = [Self::OwnCases, Self::Shipped, Self::Damages];

    /// The line that a chapter begins with.
    const fn heading(self) -> &'static str {
        match self {
            Self::OwnCases => "# Truth",
            Self::Shipped => "## Modules that people run",
            Self::Damages => "## Random damages",
        }
    }
}

/// The chapters that are told anew, without their headings.
pub(super) struct Chapters {
    told: BTreeMap<Subject, String>,
}

impl FromIterator<(Subject, String)> for Chapters {
    fn from_iter<I: IntoIterator<Item = (Subject, String)>>(chapters: I) -> Self {
        Self {
            told: chapters.into_iter().collect(),
        }
    }
}

impl Chapters {
    /// Writes them in their places in a file.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let old = if path.exists() {
            fs::read_to_string(path)?
        } else {
            String::new()
        };
        Ok(fs::write(path, self.over(&old))?)
    }

    /// The document, of which this text was the old one.
    fn over(&self, old: &str) -> String {
        let chapter = |subject: Subject| {
            let text = self.told.get(&subject).cloned().or_else(|| chapter(old, subject))?;
            Some(format!("{}\n\n{}\n", subject.heading(), text.trim()))
        };
        let chapters: Vec<String> = Subject::ALL.into_iter().filter_map(chapter).collect();
        chapters.join("\n")
    }
}

/// What a document has of a subject, without the heading.
fn chapter(document: &str, subject: Subject) -> Option<String> {
    let is_heading = |line: &str| Subject::ALL.iter().any(|subject| line == subject.heading());
    let mut lines = document.lines().skip_while(|line| *line != subject.heading());
    lines.next()?;
    let lines: Vec<&str> = lines.take_while(|line| !is_heading(line)).collect();
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chapters(told: &[(Subject, &str)]) -> Chapters {
        told.iter()
            .map(|(subject, text)| (*subject, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn what_was_not_asked_stays_as_it_stands() {
        let old = chapters(&[
            (Subject::OwnCases, "table\n\n## By group\n\nmore\n"),
            (Subject::Damages, "damages"),
        ])
        .over("");
        let new = chapters(&[(Subject::Shipped, "shipped\n")]).over(&old);
        assert_eq!(
            new,
            "# Truth\n\ntable\n\n## By group\n\nmore\n\n## Modules that people run\n\nshipped\n\n## Random damages\n\ndamages\n"
        );
        assert_eq!(chapters(&[]).over(&new), new);
    }

    #[test]
    fn what_was_asked_anew_is_replaced() {
        let old = chapters(&[(Subject::OwnCases, "first"), (Subject::Shipped, "second")]).over("");
        let new = chapters(&[(Subject::OwnCases, "other")]).over(&old);
        assert_eq!(new, "# Truth\n\nother\n\n## Modules that people run\n\nsecond\n");
    }
}
