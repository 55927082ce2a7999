//! A real kernel under QEMU: it boots with a batch of cases, and says of each whether it loads.
//!
//! A guest that crashes, hangs, or cannot get rid of a module is given up, and another one goes on. A case with which
//! a guest ended is asked again in the next one, first thing: what came before may have been to blame.

mod cpio;
mod fact;
mod machine;
mod queue;
mod store;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context;

use super::case::{Boot, Case};
use super::kernel::Kernel;
use super::layout::hex;
use super::programs::Programs;
use crate::firmware::Firmware;
use cpio::Cpio;
use fact::Telling;
pub(crate) use fact::{Fact, Outcome};
use machine::{Heard, Machine};
use store::Store;

/// How long a guest may take to boot, or for one case, not counting what it waits for a processor. Under TCG either takes seconds.
const PATIENCE: Duration = Duration::from_mins(2);
/// How many guests in a row may end without having said anything of a case.
const MAX_SILENT_GUESTS: usize = 2;
const INIT: &str = include_str!("init.sh");
/// Debian's own kmod.
const KMOD: &str = "bin/kmod";

/// A layer of an image, as a tar.
#[derive(Clone)]
pub(crate) struct LayerFile {
    pub(crate) path: PathBuf,
    /// Whether it hides something of the layers below.
    pub(crate) hides: bool,
}

/// The cases of one boot, and the layers of their images.
pub(crate) struct Batch<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) boot: Boot,
    /// The folder of the worker's modprobe, where it is not Debian's.
    pub(crate) kmod: Option<PathBuf>,
    /// What starts the kernel, where QEMU does not do it alone.
    pub(crate) firmware: Option<Firmware>,
    /// The cases with their images' layers.
    pub(crate) cases: Vec<(&'a Case, Vec<LayerFile>)>,
    /// Where facts are kept: a folder.
    pub(crate) store: PathBuf,
}

/// A fact for every case of each batch, in their order: boots as often as it takes to learn those that are not known
/// yet, with so many guests at once.
pub(crate) fn facts(
    batches: &[Batch<'_>],
    guests: usize,
    work: &Path,
    print: &mut impl FnMut(&str),
) -> anyhow::Result<Vec<Vec<Fact>>> {
    let mut known = batches.iter().map(Batch::known).collect::<anyhow::Result<Vec<_>>>()?;
    for (batch, known) in batches.iter().zip(&known) {
        print(&format!(
            "{}, booted {}: {} of {} cases are asked anew",
            batch.kernel.release,
            batch.boot.name(),
            known.unknown().len(),
            batch.cases.len()
        ));
    }
    let told = queue::ask(batches, &known, guests, work, print)?;
    for (batch, telling) in told {
        known[batch].told.extend(telling);
    }
    let facts = batches.iter().zip(known);
    Ok(facts.map(|(batch, known)| batch.facts(known)).collect())
}

/// What is known of a batch's cases.
struct Known {
    /// What each case is called in the store, by its number.
    keys: Vec<String>,
    told: BTreeMap<usize, Telling>,
}

impl Known {
    /// The numbers of the cases that must be asked.
    fn unknown(&self) -> Vec<usize> {
        let numbers = 0..self.keys.len();
        numbers.filter(|number| !self.told.contains_key(number)).collect()
    }
}

impl Batch<'_> {
    /// What the store knows.
    fn known(&self) -> anyhow::Result<Known> {
        let (keys, store) = (self.keys()?, self.store());
        let recalled = (0..).zip(&keys).map(|(number, key)| (number, store.recall(key)));
        let told = recalled
            .filter_map(|(number, telling)| Some((number, telling?)))
            .collect();
        Ok(Known { keys, told })
    }

    fn facts(&self, mut known: Known) -> Vec<Fact> {
        let cases = (0..).zip(&self.cases);
        cases
            .map(|(number, (case, _))| known.told.remove(&number).unwrap_or_default().fact(case))
            .collect()
    }

    /// Boots until every case has been asked.
    fn boot_all(
        &self,
        initrd: &Path,
        asked: &[usize],
        keys: &[String],
        progress: &Sender<()>,
    ) -> anyhow::Result<BTreeMap<usize, Telling>> {
        fs::write(initrd, self.initrd(asked)?)?;
        let store = self.store();
        let mut told = BTreeMap::new();
        let (mut rest, mut silent) = (asked, 0);
        while let Some(from) = rest.first() {
            let before = told.len();
            let last = self.boot_once(initrd, *from, |number, telling| {
                store.remember(&keys[number], &telling)?;
                told.insert(number, telling);
                // Nobody need listen.
                let _ = progress.send(());
                Ok(())
            })?;
            silent = if told.len() == before { silent + 1 } else { 0 };
            anyhow::ensure!(
                silent < MAX_SILENT_GUESTS,
                "{} does not boot: {last}",
                self.kernel.release
            );
            rest = rest
                .iter()
                .position(|number| !told.contains_key(number))
                .map_or(&[], |at| &rest[at..]);
        }
        fs::remove_file(initrd)?;
        Ok(told)
    }

    /// One guest, from one case on. Returns the last line that was no answer.
    fn boot_once(
        &self,
        initrd: &Path,
        from: usize,
        mut tell: impl FnMut(usize, Telling) -> anyhow::Result<()>,
    ) -> anyhow::Result<String> {
        let mut machine = Machine::start(self.qemu(initrd, from)?, PATIENCE)?;
        let (mut current, mut last) = (None::<(usize, Telling)>, String::new());
        while let Heard::Line(line) = machine.hear()? {
            let Some((word, rest)) = answer(&line) else {
                if let Some((_, telling)) = &mut current {
                    telling.noise.push(line.clone());
                }
                last = line;
                continue;
            };
            match word {
                "case" => {
                    machine.give(PATIENCE);
                    current = Some((rest.parse().context("a case's number")?, Telling::default()));
                }
                "done" | "dirty" => break,
                _ => {
                    if let Some((_, telling)) = &mut current {
                        telling.add(word, rest);
                    }
                }
            }
            if word == "end"
                && let Some((number, telling)) = current.take()
            {
                tell(number, telling)?;
            }
        }
        match current {
            Some((number, telling)) if number == from => tell(number, telling)?,
            _ => {}
        }
        Ok(last)
    }

    /// The machine, on which one case after the other is asked, from one on.
    fn qemu(&self, initrd: &Path, from: usize) -> anyhow::Result<Command> {
        let (architecture, boot) = (self.kernel.architecture, self.told()?);
        let mut command = architecture.qemu();
        command
            .args(self.firmware.iter().flat_map(Firmware::arguments))
            .args(["-m", "1024", "-nographic", "-no-reboot", "-nic", "none", "-kernel"])
            .arg(fs::canonicalize(self.kernel.vmlinuz())?)
            .arg("-initrd")
            .arg(initrd)
            .arg("-append")
            .arg(format!("{} {boot} truth.from={from}", architecture.told()))
            .stderr(Stdio::inherit());
        Ok(command)
    }

    fn store(&self) -> Store {
        Store::new(self.store.clone())
    }

    /// What the kernel is told. A real-time one asks firmware for nothing by itself, not even whom it trusts.
    fn told(&self) -> anyhow::Result<String> {
        let boot = self.boot.command_line();
        let is_silent = self.firmware.is_some() && self.kernel.has("EFI_DISABLE_RUNTIME")?;
        Ok(if is_silent {
            format!("{boot} efi=runtime")
        } else {
            boot.to_owned()
        })
    }

    /// What all that decides about a case comes to.
    fn keys(&self) -> anyhow::Result<Vec<String>> {
        let kmod = self.kernel.programs.read(&self.kmod())?;
        let node = fs::read(self.kernel.node_tree().join("modules.dep"))?;
        let kernel = fs::read(self.kernel.vmlinuz())?;
        let common = [hex(&kmod), hex(&node), hex(&kernel), hex(INIT.as_bytes())].concat();
        let mut boot = self.told()?;
        if self.firmware.is_some() {
            for certificate in self.kernel.certificates(self.boot) {
                boot += &hex(&fs::read(certificate)?);
            }
        }
        let key = |(case, layers): &(&Case, Vec<LayerFile>)| {
            let told: Vec<String> = instructions(case, layers).into_iter().map(|(_, text)| text).collect();
            hex(format!("{common} {boot} {}", told.join("\0")).as_bytes())
        };
        Ok(self.cases.iter().map(key).collect())
    }

    /// What the worker's modprobe, insmod and rmmod are.
    fn kmod(&self) -> String {
        let own = |folder: &PathBuf| folder.join("kmod").to_string_lossy().into_owned();
        self.kmod.as_ref().map_or_else(|| KMOD.to_owned(), own)
    }

    /// The worker's file system, and the cases.
    fn initrd(&self, asked: &[usize]) -> anyhow::Result<Vec<u8>> {
        let mut cpio = Cpio::default();
        cpio.file("init", INIT.as_bytes());
        cpio.file("bin/busybox", &self.kernel.programs.busybox()?);
        worker(&mut cpio, &self.kernel.programs, &self.kmod())?;
        let node = self.kernel.node_tree();
        add_tree(&mut cpio, &node, &format!("lib/modules/{}", self.kernel.release))?;
        // KMM mounts them under both names.
        cpio.link("usr/lib/modules", "/lib/modules");
        let mut layers = BTreeMap::new();
        for number in asked {
            let (case, files) = &self.cases[*number];
            // Numbers of one width, so that the shell's order is ours.
            let folder = format!("cases/{number:04}");
            for (name, text) in instructions(case, files) {
                cpio.file(&format!("{folder}/{name}"), text.as_bytes());
            }
            layers.extend(files.iter().map(|file| (name_of(&file.path), &file.path)));
        }
        for (name, path) in layers {
            cpio.file(&format!("layers/{name}"), &fs::read(path)?);
        }
        Ok(cpio.finish())
    }
}

/// The word and the rest of a line for us. The firmware leaves something before the first one.
fn answer(line: &str) -> Option<(&str, &str)> {
    let (_, answer) = line.split_once("@@")?;
    Some(answer.split_once(' ').unwrap_or((answer, "")))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// modprobe and what it is linked to.
fn worker(cpio: &mut Cpio, programs: &Programs, kmod: &str) -> anyhow::Result<()> {
    cpio.file("bin/kmod", &programs.read(kmod)?);
    for name in ["modprobe", "insmod", "rmmod"] {
        cpio.link(&format!("sbin/{name}"), "/bin/kmod");
    }
    for (path, bytes) in programs.linked(kmod)? {
        cpio.file(&path, &bytes);
    }
    Ok(())
}

fn add_tree(cpio: &mut Cpio, folder: &Path, to: &str) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{to}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            add_tree(cpio, &entry.path(), &path)?;
        } else {
            cpio.file(&path, &fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// What the guest is told of a case, file by file, in KMM's words (`internal/pod/workerpodmanager.go: addCopyCommand`,
/// `getModulesOrderAnnotationValue`; `internal/worker/worker.go: LoadKmod`).
fn instructions(case: &Case, layers: &[LayerFile]) -> Vec<(&'static str, String)> {
    let kernel = case.kernel.strip_suffix('+').unwrap_or(&case.kernel);
    let shared = format!("/tmp{}", case.dir_name());
    let mut copy = copy_command(
        &format!("{}/lib/modules/{kernel}", case.dir_name()),
        &format!("{shared}/lib/modules"),
    );
    if let Some(path) = &case.firmware {
        copy += &copy_command(&format!("{path}/*"), &format!("/tmp{path}"));
    }
    let named = || {
        let own = ["-vd".to_owned(), shared.clone()];
        let words = own
            .iter()
            .chain(&case.args)
            .chain([&case.module])
            .chain(&case.parameters);
        words.cloned().collect()
    };
    let load: Vec<String> = case.raw_args.clone().unwrap_or_else(named);
    let pairs = case.loading_order.iter().zip(case.loading_order.iter().skip(1));
    let softdep: Vec<String> = pairs
        .map(|(module, pre)| format!("softdep {module} pre: {pre}"))
        .collect();
    vec![
        ("layers", lines(&layers.iter().map(layer_line).collect::<Vec<_>>())),
        ("before", lines(&case.loaded_before)),
        ("remove", lines(&case.to_remove)),
        ("copy", copy),
        ("load", lines(&load)),
        ("softdep.conf", lines(&softdep)),
    ]
}

/// A layer's name, with a word more where it hides something of those below.
fn layer_line(layer: &LayerFile) -> String {
    format!(
        "{}{}",
        name_of(&layer.path),
        if layer.hides { " whiteouts" } else { "" }
    )
}

fn copy_command(from: &str, to: &str) -> String {
    format!("\nmkdir -p {to};\ncp -R {from} {to};\n")
}

fn lines(words: &[String]) -> String {
    words.iter().flat_map(|word| [word.as_str(), "\n"]).collect()
}
