//! Truth: what real kernels do with modules, against what `kmm-preflight check` says of them.
//!
//! Cases are tables in [`cases`]. For each kernel their images are written as an OCI layout; the kernel boots under
//! QEMU and does with each what KMM does; `check` judges the same images with and without a driver toolkit.

mod case;
mod cases;
mod damage;
mod document;
mod elf;
mod guest;
mod kernel;
mod ko;
mod layer;
mod layout;
mod predict;
mod report;
mod shipped;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::environment;
use case::{Base, Boot, Case};
pub use damage::Damages;
use document::{Document, Subject};
use guest::{Batch, LayerFile};
use kernel::Kernel;
use layer::{Node, Tree};
use layout::Layout;
use report::Row;

/// The kernels of the core, of two series.
const CORE: [&str; 2] = ["6.1.0-50-cloud-amd64", "6.12.107+deb12-cloud-amd64"];
/// All kernels: of the first three, which are of one series, the last two have one ABI.
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
    /// These kernels instead.
    pub kernels: Vec<String>,
    /// Only cases whose group and name contain one of these.
    pub only: Vec<String>,
    /// What people ship, rather than our own cases; with `all` besides.
    pub shipped: bool,
    /// Random damages of one module, rather than our own cases.
    pub damages: Option<Damages>,
    /// Where the report goes.
    pub report: Option<PathBuf>,
}

impl Options {
    fn own_cases(&self) -> bool {
        self.all || !(self.shipped || self.damages.is_some())
    }
}

/// Asks kernels and `check`, prints what came of it, and returns whether they agree.
pub fn run(options: &Options, mut print: impl FnMut(&str)) -> anyhow::Result<bool> {
    let cache = environment::cache_folder().context("no home folder, and so no cache")?;
    let work = Path::new("target/truth");
    fs::create_dir_all(work)?;
    predict::compile()?;
    let (mut rows, mut document) = (Vec::new(), Document::default());
    if options.own_cases() {
        for kernel in prepared(&releases(options), &cache, &mut print)? {
            let round = Round::new(&kernel, cases::all(&kernel)?, options, work, &facts(&cache))?;
            rows.extend(round.rows(&mut print)?);
        }
        document.tell(Subject::OwnCases, report::own_cases(&rows));
        print(&report::groups(&rows));
    }
    if options.all || options.shipped {
        let (more, text) = shipped::ask(options, &cache, work, &mut print)?;
        rows.extend(more);
        document.tell(Subject::Shipped, text);
    }
    if let Some(damages) = &options.damages {
        let (more, text) = damage::ask(damages, options, &cache, work, &mut print)?;
        rows.extend(more);
        document.tell(Subject::Damages, text);
    }
    fs::write(work.join("everything.tsv"), report::everything(&rows))?;
    print(&report::disagreements(&rows));
    print(&report::confusion(&rows));
    if let Some(path) = &options.report {
        document.write(path)?;
    }
    Ok(report::agrees(&rows))
}

/// Where facts are kept.
fn facts(cache: &Path) -> PathBuf {
    cache.join("truth/facts")
}

/// The kernels, each of which knows of the others.
fn prepared(releases: &[String], cache: &Path, print: &mut impl FnMut(&str)) -> anyhow::Result<Vec<Kernel>> {
    let mut kernels = Vec::new();
    for release in releases {
        print(&format!("{release}: fetching and compiling what is missing"));
        kernels.push(Kernel::prepare(release, cache)?);
    }
    let releases: Vec<String> = kernels.iter().map(|kernel| kernel.release.clone()).collect();
    for kernel in &mut kernels {
        let is_other = |release: &&String| **release != kernel.release;
        kernel.others = releases.iter().filter(is_other).cloned().collect();
    }
    Ok(kernels)
}

fn releases(options: &Options) -> Vec<String> {
    let named: &[&str] = if options.all { &ALL } else { &CORE };
    if options.kernels.is_empty() {
        named.iter().map(|release| (*release).to_owned()).collect()
    } else {
        options.kernels.clone()
    }
}

/// All cases on one kernel.
struct Round<'a> {
    kernel: &'a Kernel,
    work: &'a Path,
    store: PathBuf,
    layout: PathBuf,
    cases: Vec<(&'static str, Case, Vec<LayerFile>)>,
}

impl<'a> Round<'a> {
    /// Makes the images.
    fn new(
        kernel: &'a Kernel,
        cases: Vec<(&'static str, Case)>,
        options: &Options,
        work: &'a Path,
        store: &Path,
    ) -> anyhow::Result<Self> {
        let folder = work.join(&kernel.release);
        let mut layout = Layout::create(&folder, kernel.architecture.go_name())?;
        let bases = bases()?;
        let mut made = Vec::new();
        for (group, case) in cases {
            if !wanted(options, group, &case) {
                continue;
            }
            let layers = case.layers(&bases, &kernel.node_tree());
            let layers = layers.with_context(|| format!("the image of {group}/{}", case.id))?;
            let tars: Vec<Vec<u8>> = layers.iter().map(Tree::tar).collect::<anyhow::Result<_>>()?;
            let names = layout.add(&predict::reference(group, &case), &tars)?;
            let files = names.iter().zip(&layers).map(|(name, tree)| LayerFile {
                path: layout.layer(name),
                hides: tree.hides(),
            });
            made.push((group, case, files.collect()));
        }
        layout.add(&predict::toolkit_reference(kernel), &[kernel.toolkit()?.tar()?])?;
        layout.finish()?;
        Ok(Self {
            kernel,
            work,
            store: store.to_owned(),
            layout: folder,
            cases: made,
        })
    }

    fn rows(self, print: &mut impl FnMut(&str)) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for boot in Boot::ALL {
            let of_boot: Vec<_> = self.cases.iter().filter(|(_, case, _)| case.boot == boot).collect();
            if of_boot.is_empty() {
                continue;
            }
            print(&format!(
                "{}: {} cases, booted {}",
                self.kernel.release,
                of_boot.len(),
                boot.name()
            ));
            let batch = Batch {
                kernel: self.kernel,
                boot,
                cases: of_boot.iter().map(|(_, case, files)| (case, files.clone())).collect(),
                store: self.store.clone(),
            };
            let facts = batch.facts(self.work, print)?;
            let asked: Vec<_> = of_boot.iter().map(|(group, case, _)| (*group, case)).collect();
            let with = predict::verdicts(self.kernel, boot, &asked, &self.layout, true)?;
            let without = predict::verdicts(self.kernel, boot, &asked, &self.layout, false)?;
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
                });
            }
        }
        Ok(rows)
    }
}

fn wanted(options: &Options, group: &str, case: &Case) -> bool {
    let name = format!("{group}/{}", case.id);
    options.only.is_empty() || options.only.iter().any(|part| name.contains(part.as_str()))
}

/// What images begin with.
fn bases() -> anyhow::Result<BTreeMap<Base, Tree>> {
    let busybox = fs::read("/bin/busybox").context("no /bin/busybox: `apt-get install busybox-static`")?;
    let applets = |folder: &str| {
        let mut tree = Tree::default().with(&format!("{folder}/busybox"), Node::File(busybox.clone()));
        for name in ["sh", "mkdir", "cp"] {
            tree.put(&format!("{folder}/{name}"), Node::Link("busybox".to_owned()));
        }
        tree
    };
    let merged = applets("usr/bin")
        .with("bin", Node::Link("usr/bin".to_owned()))
        .with("lib", Node::Link("usr/lib".to_owned()))
        .with("usr/lib", Node::Folder);
    let shell = Tree::default()
        .with("bin/mkdir", Node::File(busybox.clone()))
        .with("bin/cp", Node::File(busybox.clone()));
    Ok(BTreeMap::from([
        (Base::Busybox, applets("bin")),
        (Base::UsrMerged, merged),
        (Base::Shell, shell_alone(shell)?),
        (Base::Scratch, Tree::default()),
    ]))
}

/// dash, which has no programs in it, with what it is linked to.
fn shell_alone(mut tree: Tree) -> anyhow::Result<Tree> {
    tree.put("bin/sh", Node::File(fs::read("/bin/dash").context("no /bin/dash")?));
    let libraries = crate::process::run(std::process::Command::new("ldd").arg("/bin/dash"))?;
    for word in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        tree.put(word.trim_start_matches('/'), Node::File(fs::read(word)?));
    }
    Ok(tree)
}
