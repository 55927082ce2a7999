//! What each finding means, how to see it by hand, and how to mend it: for `kmm-preflight explain` and
//! `docs/findings.md`, which is made from the same texts.

mod copy;
mod file;
mod modprobe;
mod proof;
mod symbols;
mod unchecked;
mod version;

use crate::api::Rule;
use proof::PROOFS;
pub use proof::Proof;

/// All there is to say about one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The rule.
    pub rule: Rule,
    /// A headline.
    pub title: &'static str,
    /// What it means for the module on the node.
    pub meaning: &'static str,
    /// How to see it by hand; commands, one a line.
    pub see: &'static str,
    /// How to mend it.
    pub mend: &'static str,
    /// Where it comes from: file and function of the kernel, of kmod or of KMM.
    pub source: &'static str,
    /// The kernel options that it depends on; empty where there are none.
    pub depends_on: &'static str,
    /// How sure it is, and what is not seen.
    pub certainty: &'static str,
}

/// The chapters, in the order in which a node would meet their rules.
const CHAPTERS: &[(&str, &[Explanation])] = &[
    ("KMM copies the modules out of the image", copy::TEXTS),
    ("modprobe looks for them", modprobe::TEXTS),
    ("The kernel reads the file", file::TEXTS),
    ("The kernel compares versions", version::TEXTS),
    ("The kernel resolves symbols and parses parameters", symbols::TEXTS),
    ("What could not be checked", unchecked::TEXTS),
];

/// What there is to say about a rule.
pub fn explanation(rule: Rule) -> &'static Explanation {
    let mut all = CHAPTERS.iter().flat_map(|(_, texts)| texts.iter());
    all.find(|text| text.rule == rule)
        .expect("invariant: every rule is explained, which a test checks")
}

/// What shows that a rule agrees with real kernels.
pub fn proof(rule: Rule) -> Proof {
    let found = PROOFS.iter().find(|(of, _)| *of == rule);
    found
        .map(|(_, proof)| *proof)
        .expect("invariant: every rule has its proof, which a test checks")
}

/// `docs/findings.md`.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    page.extend(
        CHAPTERS
            .iter()
            .flat_map(|(_, texts)| texts.iter())
            .map(Explanation::row),
    );
    for (chapter, texts) in CHAPTERS {
        page.push_str("\n## ");
        page.push_str(chapter);
        page.push('\n');
        for text in *texts {
            page.push_str(&text.markdown());
        }
    }
    page
}

const HEAD: &str = "\
# Findings

Every finding of `kmm-preflight` comes from one of these rules, in the order in which a node would meet them.
A finding *decides* (the module does not load), *warns* (it loads, but not as its owner expects) or *informs*.
`kmm-preflight explain RULE` prints the same text. This file is generated from it.

The cases in the last column are those of `cargo xtask truth`: what real kernels did with them stands in
[truth.md](truth.md). In each of them the rule speaks, and the kernel does what it says.

| rule | how sure | depends on | needs a toolkit | decided in | shown by |
|---|---|---|---|---|---|
";

impl Explanation {
    /// Its row in the table of `docs/findings.md`.
    fn row(&self) -> String {
        let depends = if self.depends_on.is_empty() {
            "–"
        } else {
            self.depends_on
        };
        format!(
            "| [`{0}`](#{0}) | {1} | {depends} | {2} | {3} | {4} |\n",
            self.rule,
            self.certainty,
            self.rule.toolkit_need().word(),
            self.source,
            proof(self.rule).markdown()
        )
    }

    /// Its section of `docs/findings.md`.
    pub fn markdown(&self) -> String {
        let commands = self.see.replace('\n', "\n    ");
        let depends = if self.depends_on.is_empty() {
            "nothing"
        } else {
            self.depends_on
        };
        format!(
            "\n### <a id=\"{0}\"></a>`{0}`: {1}\n\n{2}\n\nSee it by hand:\n\n    {commands}\n\n- Mend it: {3}\n- Source: {4}\n\
             - Depends on: {depends}\n- Needs a driver toolkit: {5}\n- How sure: {6}\n- Shown by: {7}\n",
            self.rule,
            self.title,
            self.meaning,
            self.mend,
            self.source,
            self.rule.toolkit_need().word(),
            self.certainty,
            proof(self.rule).markdown()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_explained_once_and_in_full() {
        let explained: Vec<Rule> = CHAPTERS
            .iter()
            .flat_map(|(_, texts)| texts.iter())
            .map(|text| text.rule)
            .collect();
        assert_eq!(explained, Rule::ALL, "the chapters keep the order of the rules");
        for rule in Rule::ALL {
            let text = explanation(*rule);
            for part in [
                text.title,
                text.meaning,
                text.see,
                text.mend,
                text.source,
                text.certainty,
            ] {
                assert!(!part.trim().is_empty(), "{rule}");
            }
        }
    }

    #[test]
    fn every_rule_has_what_shows_it() {
        let shown: Vec<Rule> = PROOFS.iter().map(|(rule, _)| *rule).collect();
        assert_eq!(shown, Rule::ALL, "in the order of the rules");
        for (rule, proof) in PROOFS {
            let sound = match proof {
                Proof::Cases(cases) => !cases.is_empty() && cases.iter().all(|case| case.split('/').count() == 2),
                Proof::Tests(sentence) | Proof::Nothing(sentence) => !sentence.is_empty(),
            };
            assert!(sound, "{rule}: {proof:?}");
        }
    }

    #[test]
    fn no_cell_of_the_table_breaks_it() {
        for rule in Rule::ALL {
            let row = explanation(*rule).row();
            assert_eq!(row.matches('|').count(), 7, "{row}");
            assert_eq!(row.matches('\n').count(), 1, "{row}");
        }
    }

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md");

    #[test]
    fn the_page_in_docs_is_up_to_date() {
        let page = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(
            page == markdown(),
            "run: kmm-preflight explain -o markdown > docs/findings.md"
        );
    }
}
