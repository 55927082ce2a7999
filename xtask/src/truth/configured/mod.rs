//! One option at a time: a real kernel's driver toolkit with another configuration, such as RHEL's.
//!
//! What such a kernel does is not seen but read in its source, which each row names. The rows are counted apart.

mod configurations;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::bases::bases;
use super::case::{Boot, Case};
use super::kernel::{Architecture, CONFIGURATION, Kernel, SYMVERS};
use super::layer::{Node, Tree};
use super::layout::Layout;
use super::predict::{self, Question, Verdict};

/// The group's name.
const GROUP: &str = "configured";

/// How a kernel is configured, as it differs from the real one that its toolkit was made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Configuration {
    pub(crate) name: &'static str,
    /// What it is, in words.
    pub(crate) meaning: &'static str,
    /// Options with their values, without `CONFIG_`.
    set: &'static [(&'static str, &'static str)],
    /// Options that are off.
    unset: &'static [&'static str],
    symvers: Symvers,
    /// Whether the toolkit has the kernel's configuration at all.
    told: bool,
    /// Which kernel of ours shows the same, and by which cases, where one does.
    pub(crate) seen: &'static str,
}

/// What has become of `Module.symvers`.
#[derive(Clone, Copy, Debug)]
enum Symvers {
    AsItWas,
    /// A kernel without symbol versions: all sums are zero.
    WithoutVersions,
    /// A kernel that does not export this symbol.
    Without(&'static str),
}

/// A case, and what a kernel of that configuration does with it.
pub(crate) struct Expected {
    pub(crate) configuration: Configuration,
    pub(crate) case: Case,
    pub(crate) loads: bool,
    /// Where that is written: file and functions of the kernel or of kmod.
    pub(crate) source: &'static str,
    /// What check must say besides: what it had to assume, or which option decides.
    pub(crate) words: Option<&'static str>,
}

/// What came of it.
pub(crate) struct Compared {
    pub(crate) expected: Expected,
    pub(crate) verdict: Verdict,
}

/// Whether the rows can be made from this kernel: it has symbol versions, which some rows take away, in one form.
pub(crate) fn can_be_made_from(kernel: &Kernel) -> anyhow::Result<bool> {
    let in_one_form = kernel.has("MODVERSIONS")? && !kernel.has("EXTENDED_MODVERSIONS")?;
    Ok(kernel.architecture == Architecture::Amd64 && in_one_form)
}

/// Asks check about every row; or, where there are any, about those whose group and name contain one of the texts.
pub(crate) fn compare(kernel: &Kernel, only: &[String], work: &Path) -> anyhow::Result<Vec<Compared>> {
    let bases = bases(&kernel.programs)?;
    let mut rows = rows::rows(kernel)?;
    rows.retain(|row| {
        let name = format!("{GROUP}/{}", row.case.id);
        only.is_empty() || only.iter().any(|text| name.contains(text.as_str()))
    });
    let folder = work.join(GROUP);
    let mut layout = Layout::create(&folder, kernel.architecture.go_name())?;
    let mut groups: BTreeMap<(&str, Boot), Vec<Expected>> = BTreeMap::new();
    let mut toolkits = BTreeSet::new();
    for row in rows {
        let layers = row.case.layers(&bases, &kernel.node_tree())?;
        layout.add(&predict::reference(GROUP, &row.case), &layers)?;
        let group = groups.entry((row.configuration.name, row.case.boot)).or_default();
        if toolkits.insert(row.configuration.name) {
            layout.add(&row.configuration.reference(), &[row.configuration.toolkit(kernel)?])?;
        }
        group.push(row);
    }
    layout.finish()?;
    let mut compared = Vec::new();
    for ((_, boot), group) in groups {
        compared.extend(judged(kernel, boot, &folder, group)?);
    }
    Ok(compared)
}

/// Rows of one configuration, with what check says of them.
fn judged(kernel: &Kernel, boot: Boot, layout: &Path, rows: Vec<Expected>) -> anyhow::Result<Vec<Compared>> {
    let toolkit = rows.first().map(|row| row.configuration.reference());
    let question = Question {
        kernel,
        boot,
        layout,
        toolkit: toolkit.as_deref(),
    };
    let cases: Vec<_> = rows.iter().map(|row| (GROUP, &row.case)).collect();
    let verdicts = predict::verdicts(&question, &cases)?;
    let compared = |(expected, verdict)| Compared { expected, verdict };
    Ok(rows.into_iter().zip(verdicts).map(compared).collect())
}

impl Compared {
    /// Whether check says what the source says, in the words that were asked for.
    pub(crate) fn agrees(&self) -> bool {
        let said = self
            .expected
            .words
            .is_none_or(|words| self.verdict.findings.contains(words));
        said && self.verdict.loads == self.expected.loads
    }
}

impl Configuration {
    fn reference(&self) -> String {
        format!("truth.example.com/toolkit/{}:latest", self.name)
    }

    /// The toolkit's image. In-tree modules stay in it only where they say nothing of a configuration that the toolkit
    /// has not: their vermagic is the real kernel's.
    pub(crate) fn toolkit(&self, kernel: &Kernel) -> anyhow::Result<Tree> {
        if !self.told {
            let mut tree = kernel.toolkit()?;
            tree.remove(&kernel.header(CONFIGURATION));
            return Ok(tree);
        }
        let configuration = self.options(&kernel.configuration()?);
        let symvers = self.symvers.of(&kernel.symvers()?);
        let tree = kernel.headers()?;
        Ok(tree
            .with(&kernel.header(CONFIGURATION), Node::File(configuration.into_bytes()))
            .with(&kernel.header(SYMVERS), Node::File(symvers.into_bytes())))
    }

    /// `auto.conf` with the options changed.
    fn options(&self, real: &str) -> String {
        let changed = self.set.iter().map(|(name, _)| name).chain(self.unset);
        let changed: Vec<String> = changed.map(|name| format!("CONFIG_{name}=")).collect();
        let is_kept = |line: &&str| !changed.iter().any(|option| line.starts_with(option));
        let kept = real.lines().filter(is_kept).map(str::to_owned);
        let set = self.set.iter().map(|(name, value)| format!("CONFIG_{name}={value}"));
        kept.chain(set).map(|line| line + "\n").collect()
    }
}

impl Symvers {
    fn of(self, real: &str) -> String {
        let line = |line: &str| match (self, line.split_once('\t')) {
            (Self::WithoutVersions, Some((_, rest))) => Some(format!("0x00000000\t{rest}\n")),
            (Self::Without(symbol), Some((_, rest))) if rest.split('\t').next() == Some(symbol) => None,
            _ => Some(format!("{line}\n")),
        };
        real.lines().filter_map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: Configuration = Configuration {
        name: "signed",
        meaning: "",
        set: &[("MODULE_SIG_FORCE", "y")],
        unset: &["MODVERSIONS"],
        symvers: Symvers::AsItWas,
        told: true,
        seen: "",
    };

    #[test]
    fn options_are_set_and_unset_by_their_whole_name() {
        let real = "CONFIG_MODVERSIONS=y\nCONFIG_ASM_MODVERSIONS=y\nCONFIG_MODVERSIONS_X=y\n";
        assert_eq!(
            SIGNED.options(real),
            "CONFIG_ASM_MODVERSIONS=y\nCONFIG_MODVERSIONS_X=y\nCONFIG_MODULE_SIG_FORCE=y\n"
        );
    }

    #[test]
    fn symbols_lose_their_versions_or_are_gone() {
        let real = "0x12\tone\tvmlinux\tEXPORT_SYMBOL\t\n0x34\tone_more\tvmlinux\tEXPORT_SYMBOL\t\n";
        assert_eq!(Symvers::AsItWas.of(real), real);
        assert_eq!(
            Symvers::Without("one").of(real),
            "0x34\tone_more\tvmlinux\tEXPORT_SYMBOL\t\n"
        );
        let bare = Symvers::WithoutVersions.of(real);
        assert!(bare.starts_with("0x00000000\tone\t") && bare.contains("\n0x00000000\tone_more\t"));
    }
}
