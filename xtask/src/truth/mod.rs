//! Truth: what real kernels do with modules, against what `kmm-preflight check` says of them.
//!
//! Cases are tables in [`cases`]. For each kernel their images are written as an OCI layout; the kernel boots under
//! QEMU and does with each what KMM does; `check` judges the same images with and without a driver toolkit.

mod bases;
mod built_in;
mod case;
mod cases;
mod chapters;
mod choice;
mod configured;
mod damage;
mod document;
mod elf;
mod guest;
mod kernel;
mod keys;
mod ko;
mod layer;
mod layout;
mod need;
mod predict;
mod programs;
mod proofs;
mod report;
mod shipped;
mod signing;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::environment;
use case::{Boot, Case};
use chapters::{Chapters, Subject};
use choice::{Choice, Core};
use configured::Compared;
pub use damage::Damages;
use guest::{Batch, Fact, LayerFile};
use kernel::Kernel;
use layout::Layout;
use predict::Question;
use proofs::Proofs;
use report::Row;

/// The kernels of the core, of two series.
const CORE: [&str; 2] = ["6.1.0-50-cloud-amd64", "6.12.107+deb12-cloud-amd64"];
/// All kernels: three of one series, of which two have one ABI; a real-time one; one of another architecture; two of
/// newer series, the last of which knows Rust and has no symbol versions; and one that `xtask/truth/own` configures as
/// Debian configures none.
const ALL: [&str; 8] = [
    "6.1.0-47-cloud-amd64",
    "6.1.0-50-cloud-amd64",
    "6.1.0-53-cloud-amd64",
    "6.1.0-50-rt-amd64",
    "6.1.0-50-cloud-arm64",
    "6.12.107+deb12-cloud-amd64",
    "7.3.4+deb13-cloud-amd64",
    "7.3.4-own-strict",
];

/// What is asked of this task.
pub struct Options {
    /// Every kernel, not only the core's.
    pub all: bool,
    /// Only the core's cases, also of other kernels than the core's.
    pub core: bool,
    /// These kernels instead; with `all`, the others only give the modules that were compiled for them.
    pub kernels: Vec<String>,
    /// Only cases whose group and name contain one of these.
    pub only: Vec<String>,
    /// What people ship, rather than our own cases; with `all` besides.
    pub shipped: bool,
    /// Random damages of one module, rather than our own cases.
    pub damages: Option<Damages>,
    /// Where the report goes.
    pub report: Option<PathBuf>,
    /// How many guests run at once.
    pub guests: usize,
}

impl Options {
    /// Whether our own cases are asked.
    fn own_cases(&self) -> bool {
        self.all || !(self.shipped || self.damages.is_some())
    }

    /// Whether a kernel is asked itself.
    fn asks(&self, release: &String) -> bool {
        self.kernels.is_empty() || self.kernels.contains(release)
    }

    /// What is asked of those cases that have no core.
    fn named(&self) -> Choice<'_> {
        if self.only.is_empty() {
            Choice::All
        } else {
            Choice::Named(&self.only)
        }
    }

    /// Whether every case is asked of every kernel.
    const fn asks_everything(&self) -> bool {
        self.all && !self.core && self.kernels.is_empty() && self.only.is_empty()
    }

    /// What is asked of the kernel of this number, where no other kernel has been asked yet about these cases, each of
    /// which shows a rule.
    fn choice<'a>(&'a self, kernel: usize, proofs: &'a BTreeSet<String>) -> Choice<'a> {
        if !self.only.is_empty() {
            self.named()
        } else if self.core || (!self.all && self.kernels.is_empty()) {
            Choice::Core(Core {
                kernel,
                kernels: self.all.then_some(ALL.len()),
                proofs,
            })
        } else {
            Choice::All
        }
    }
}

/// Asks kernels and `check`, prints what came of it, and returns whether they agree.
pub fn run(options: &Options, mut print: impl FnMut(&str)) -> anyhow::Result<bool> {
    let cache = environment::cache_folder().context("no home folder, and so no cache")?;
    let work = Path::new("target/truth");
    fs::create_dir_all(work)?;
    predict::compile()?;
    let errand = Errand {
        options,
        cache: &cache,
        work,
    };
    let mut answers = Vec::new();
    if options.own_cases() {
        answers.push(own_cases(&errand, &mut print)?);
    }
    if options.all || options.shipped {
        answers.push(shipped::ask(&errand, &mut print)?);
    }
    if let Some(damages) = &options.damages {
        answers.push(damages.ask(&errand, &mut print)?);
    }
    let rows: Vec<&Row> = answers.iter().flat_map(|answer| &answer.rows).collect();
    fs::write(work.join("everything.tsv"), report::everything(&rows))?;
    let agree = answers.iter().all(|answer| answer.agrees);
    if let Some(path) = &options.report {
        let chapters = answers.into_iter().map(|answer| (answer.subject, answer.chapter));
        chapters.collect::<Chapters>().write(path)?;
    }
    Ok(agree)
}

/// What is asked, and where there is room for it.
struct Errand<'a> {
    options: &'a Options,
    /// What may be lost, and is kept from one time to the next.
    cache: &'a Path,
    /// What is made anew each time.
    work: &'a Path,
}

impl Errand<'_> {
    /// The kernels that were named, or else these.
    fn kernels_named_or(&self, known: &[&str], print: &mut impl FnMut(&str)) -> anyhow::Result<Vec<Kernel>> {
        let releases = match self.options.kernels.as_slice() {
            [] => known.iter().map(|release| (*release).to_owned()).collect(),
            named => named.to_vec(),
        };
        kernels(&releases, self.options, self.cache, print)
    }

    /// What came of those of the cases that are chosen; these cases have no core.
    fn asked(
        &self,
        kernel: &Kernel,
        cases: Vec<(&'static str, usize, Case)>,
        print: &mut impl FnMut(&str),
    ) -> anyhow::Result<Vec<Row>> {
        Round::new(kernel, cases, &self.options.named(), self.work)?.rows(self.options.guests, print)
    }
}

/// What came of asking about a subject.
struct Answer {
    subject: Subject,
    rows: Vec<Row>,
    /// Whether `check` said the same, always.
    agrees: bool,
    chapter: String,
}

impl Answer {
    /// Prints what is most important in the rows.
    fn of(subject: Subject, rows: Vec<Row>, chapter: String, print: &mut impl FnMut(&str)) -> Self {
        print(&report::disagreements(&rows));
        print(&report::groups(&rows));
        print(&report::confusion(&rows));
        Self {
            subject,
            agrees: report::agrees(&rows),
            rows,
            chapter,
        }
    }
}

/// Asks the cases of [`cases`], and compares what `check` says of [`configured`] toolkits.
fn own_cases(errand: &Errand<'_>, print: &mut impl FnMut(&str)) -> anyhow::Result<Answer> {
    let Errand { options, cache, work } = *errand;
    let kernels = kernels(&releases(options), options, cache, print)?;
    let proofs = Proofs::of_the_page()?;
    let (mut rows, mut known, mut unasked) = (Vec::new(), BTreeSet::new(), proofs.cases());
    for (number, kernel) in kernels.iter().enumerate().filter(|(_, kernel)| kernel.asked) {
        print(&format!("{}: making images", kernel.release));
        let cases = cases::all(kernel)?;
        known.extend(cases.iter().map(|(group, _, case)| format!("{group}/{}", case.id)));
        let of_kernel =
            Round::new(kernel, cases, &options.choice(number, &unasked), work)?.rows(options.guests, print)?;
        for row in &of_kernel {
            unasked.remove(&row.name());
        }
        rows.extend(of_kernel);
    }
    let configured = configured_rows(&kernels, options, work)?;
    if options.report.is_some() {
        choice::remember(&rows)?;
    }
    // Kernels that somebody names may lack what a rule depends on.
    let unfounded = if options.kernels.is_empty() {
        proofs.unfounded(&rows, &known)
    } else {
        Vec::new()
    };
    let chapter = document::document(&kernels, &rows, &configured, options.asks_everything())?;
    let mut answer = Answer::of(Subject::OwnCases, rows, chapter, print);
    print(&report::configured_disagreements(&configured));
    print(&report::configurations(&configured));
    for sentence in &unfounded {
        print(sentence);
    }
    answer.agrees &= configured.iter().all(Compared::agrees) && unfounded.is_empty();
    Ok(answer)
}

/// The rows of kernels that cannot be booted, made from the first one that they can be made from.
fn configured_rows(kernels: &[Kernel], options: &Options, work: &Path) -> anyhow::Result<Vec<Compared>> {
    for kernel in kernels.iter().filter(|kernel| kernel.asked) {
        if configured::can_be_made_from(kernel)? {
            return configured::compare(kernel, &options.only, work);
        }
    }
    Ok(Vec::new())
}

/// The kernels, each of which knows of the others.
fn kernels(
    releases: &[String],
    options: &Options,
    cache: &Path,
    print: &mut impl FnMut(&str),
) -> anyhow::Result<Vec<Kernel>> {
    let mut kernels: Vec<Kernel> = Vec::new();
    for release in releases {
        print(&format!("{release}: fetching and compiling what is missing"));
        let mut kernel = Kernel::prepare(release, cache)?;
        kernel.asked = options.asks(release);
        if kernels.iter().any(|other| other.release == kernel.release) {
            print(&format!(
                "{}, which is in {release}'s place, is asked already",
                kernel.release
            ));
        } else {
            kernels.push(kernel);
        }
    }
    let releases: Vec<String> = kernels.iter().map(|kernel| kernel.release.clone()).collect();
    for kernel in &mut kernels {
        let is_other = |release: &&String| **release != kernel.release;
        kernel.others = releases.iter().filter(is_other).cloned().collect();
    }
    Ok(kernels)
}

fn releases(options: &Options) -> Vec<String> {
    let known: &[&str] = if options.all { &ALL } else { &CORE };
    let known = || known.iter().map(|release| (*release).to_owned());
    match (options.kernels.as_slice(), options.all) {
        ([], _) => known().collect(),
        (named, false) => named.to_vec(),
        (named, true) => {
            let more = named.iter().filter(|release| !ALL.contains(&release.as_str()));
            known().chain(more.cloned()).collect()
        }
    }
}

/// A case with its group, and the layers of its image.
type Made = (&'static str, Case, Vec<LayerFile>);

/// All cases on one kernel.
struct Round<'a> {
    kernel: &'a Kernel,
    work: &'a Path,
    layout: PathBuf,
    cases: Vec<Made>,
}

impl<'a> Round<'a> {
    /// Makes the images of those cases that are chosen; a case comes with its group and its place there.
    fn new(
        kernel: &'a Kernel,
        cases: Vec<(&'static str, usize, Case)>,
        choice: &Choice<'_>,
        work: &'a Path,
    ) -> anyhow::Result<Self> {
        let folder = work.join(&kernel.release);
        let mut layout = Layout::create(&folder, kernel.architecture.go_name())?;
        let bases = bases::bases(&kernel.programs)?;
        let mut made = Vec::new();
        for (group, at, case) in cases {
            if !choice.takes(group, at, &case) {
                continue;
            }
            let layers = case.layers(&bases, &kernel.node_tree());
            let layers = layers.with_context(|| format!("the image of {group}/{}", case.id))?;
            let names = layout.add(&predict::reference(group, &case), &layers)?;
            let files = names.iter().zip(&layers).map(|(name, tree)| LayerFile {
                path: layout.layer(name),
                hides: tree.hides(),
            });
            made.push((group, case, files.collect()));
        }
        layout.add(&predict::toolkit_reference(kernel), &[kernel.toolkit()?])?;
        let lacking: BTreeSet<&str> = made.iter().filter_map(|(_, case, _)| case.toolkit_lacks).collect();
        for module in lacking {
            let toolkit = predict::toolkit_reference(kernel);
            layout.add(
                &predict::lesser_toolkit(&toolkit, module),
                &[kernel.toolkit_without(module)?],
            )?;
        }
        layout.finish()?;
        Ok(Self {
            kernel,
            work,
            layout: folder,
            cases: made,
        })
    }

    /// What kernel and `check` say of each case; where it is booted in the same way, the cases follow one another.
    fn rows(&self, guests: usize, print: &mut impl FnMut(&str)) -> anyhow::Result<Vec<Row>> {
        let mut nodes: BTreeMap<(Boot, Option<&PathBuf>), Vec<_>> = BTreeMap::new();
        for made in &self.cases {
            nodes.entry((made.1.boot, made.1.kmod.as_ref())).or_default().push(made);
        }
        let batches = nodes.iter().map(|((boot, kmod), made)| self.batch(*boot, *kmod, made));
        let batches = batches.collect::<anyhow::Result<Vec<_>>>()?;
        let facts = guest::facts(&batches, guests, self.work, print)?;
        let mut rows = Vec::new();
        for (((boot, _), made), facts) in nodes.iter().zip(facts) {
            let asked: Vec<_> = made.iter().map(|(group, case, _)| (*group, case)).collect();
            rows.extend(self.judged(*boot, &asked, facts)?);
        }
        Ok(rows)
    }

    /// The cases of one node.
    fn batch<'b>(&'b self, boot: Boot, kmod: Option<&PathBuf>, made: &[&'b Made]) -> anyhow::Result<Batch<'b>> {
        Ok(Batch {
            kernel: self.kernel,
            boot,
            kmod: kmod.cloned(),
            firmware: boot
                .trusts_us()
                .then(|| self.kernel.firmware(boot, self.work))
                .transpose()?,
            cases: made.iter().map(|(_, case, files)| (case, files.clone())).collect(),
            store: self.kernel.cache.join("truth/facts"),
        })
    }

    /// Puts what `check` says beside what the kernel did.
    fn judged(&self, boot: Boot, asked: &[(&'static str, &Case)], facts: Vec<Fact>) -> anyhow::Result<Vec<Row>> {
        let toolkit = predict::toolkit_reference(self.kernel);
        let question = |toolkit| Question {
            kernel: self.kernel,
            boot,
            layout: &self.layout,
            toolkit,
        };
        let with = predict::verdicts(&question(Some(&toolkit)), asked)?;
        let without = predict::verdicts(&question(None), asked)?;
        let said = asked.iter().zip(facts).zip(with.into_iter().zip(without));
        let row = |(((group, case), fact), (with_toolkit, without_toolkit)): ((&(&'static str, &Case), _), _)| Row {
            kernel: self.kernel.release.clone(),
            boot: boot.name(),
            group,
            id: case.id.clone(),
            fact,
            with_toolkit,
            without_toolkit,
            out_of_reach: case.out_of_reach,
        };
        Ok(said.map(row).collect())
    }
}
