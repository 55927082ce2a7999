//! Truth: what real kernels do with modules, against what `kmm-preflight check` says of them.
//!
//! Cases are tables in [`cases`]. For each kernel their images are written as an OCI layout; the kernel boots under
//! QEMU and does with each what KMM does; `check` judges the same images with and without a driver toolkit.

mod bases;
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
use choice::Choice;
use configured::Compared;
pub use damage::Damages;
use guest::{Batch, LayerFile};
use kernel::Kernel;
use layout::Layout;
use predict::Question;
use report::Row;

/// The kernels of the core, of two series.
const CORE: [&str; 2] = ["6.1.0-50-cloud-amd64", "6.12.107+deb12-cloud-amd64"];
/// All kernels: three of one series, of which two have one ABI; a real-time one; one of another architecture; two of
/// newer series, the last of which knows Rust and has no symbol versions.
const ALL: [&str; 7] = [
    "6.1.0-47-cloud-amd64",
    "6.1.0-50-cloud-amd64",
    "6.1.0-53-cloud-amd64",
    "6.1.0-50-rt-amd64",
    "6.1.0-50-cloud-arm64",
    "6.12.107+deb12-cloud-amd64",
    "7.3.4+deb13-cloud-amd64",
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

    /// What is asked of the kernel of this number.
    fn choice(&self, kernel: usize) -> Choice<'_> {
        if !self.only.is_empty() {
            self.named()
        } else if self.core || (!self.all && self.kernels.is_empty()) {
            Choice::Core(kernel)
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
    let mut answers = Vec::new();
    if options.own_cases() {
        answers.push(own_cases(options, &cache, work, &mut print)?);
    }
    if options.all || options.shipped {
        answers.push(shipped::ask(options, &cache, work, &mut print)?);
    }
    if let Some(damages) = &options.damages {
        answers.push(damages.ask(options, &cache, work, &mut print)?);
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
fn own_cases(options: &Options, cache: &Path, work: &Path, print: &mut impl FnMut(&str)) -> anyhow::Result<Answer> {
    let kernels = kernels(&releases(options), options, cache, print)?;
    let mut rows = Vec::new();
    for (number, kernel) in kernels.iter().enumerate().filter(|(_, kernel)| kernel.asked) {
        print(&format!("{}: making images", kernel.release));
        let round = Round::new(kernel, cases::all(kernel)?, &options.choice(number), work)?;
        rows.extend(round.rows(options.guests, print)?);
    }
    let configured = configured_rows(&kernels, options, work)?;
    if options.report.is_some() {
        choice::remember(&rows)?;
    }
    let mut unfounded = Vec::new();
    if options.asks_everything() {
        unfounded = proofs::unfounded(&findings()?, &rows);
    }
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

/// `docs/findings.md`, which says what shows each rule.
fn findings() -> anyhow::Result<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md");
    fs::read_to_string(page).context("no docs/findings.md")
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

/// All cases on one kernel.
struct Round<'a> {
    kernel: &'a Kernel,
    work: &'a Path,
    layout: PathBuf,
    cases: Vec<(&'static str, Case, Vec<LayerFile>)>,
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

    fn rows(&self, guests: usize, print: &mut impl FnMut(&str)) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut nodes: BTreeMap<(Boot, &Option<PathBuf>), Vec<_>> = BTreeMap::new();
        for made in &self.cases {
            nodes.entry((made.1.boot, &made.1.kmod)).or_default().push(made);
        }
        for ((boot, kmod), of_boot) in nodes {
            print(&format!(
                "{}: {} cases, booted {}",
                self.kernel.release,
                of_boot.len(),
                boot.name()
            ));
            let batch = Batch {
                kernel: self.kernel,
                boot,
                kmod: kmod.clone(),
                firmware: boot
                    .trusts_us()
                    .then(|| self.kernel.firmware(boot, self.work))
                    .transpose()?,
                cases: of_boot.iter().map(|(_, case, files)| (case, files.clone())).collect(),
                store: self.kernel.cache.join("truth/facts"),
                guests,
            };
            let facts = batch.facts(self.work, print)?;
            let asked: Vec<_> = of_boot.iter().map(|(group, case, _)| (*group, case)).collect();
            let toolkit = predict::toolkit_reference(self.kernel);
            let question = |toolkit| Question {
                kernel: self.kernel,
                boot,
                layout: &self.layout,
                toolkit,
            };
            let with = predict::verdicts(&question(Some(&toolkit)), &asked)?;
            let without = predict::verdicts(&question(None), &asked)?;
            for (((group, case), fact), (with_toolkit, without_toolkit)) in
                asked.into_iter().zip(facts).zip(with.into_iter().zip(without))
            {
                rows.push(Row {
                    kernel: self.kernel.release.clone(),
                    boot: boot.name(),
                    group,
                    id: case.id.clone(),
                    fact,
                    with_toolkit,
                    without_toolkit,
                    out_of_reach: case.out_of_reach,
                    key_untold: case.key_untold,
                });
            }
        }
        Ok(rows)
    }
}
