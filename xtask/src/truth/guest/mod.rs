//! A real kernel under QEMU: it boots with a batch of cases, and says of each whether it loads.
//!
//! A guest that crashes, hangs, or cannot get rid of a module is given up, and another one goes on after that case.

mod cpio;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::case::{Boot, Case};
use super::kernel::Kernel;
use super::layout::hex;
use crate::firmware::Firmware;
use crate::process::run;
use cpio::Cpio;

/// How long a guest may say nothing: to boot, or about one case. Under TCG either takes seconds, and many of them on a busy machine.
const SILENCE: Duration = Duration::from_mins(5);
/// How many guests run at once: one for each processor of a small machine.
const GUESTS: usize = 2;
/// How many guests in a row may end without having said anything of a case.
const MAX_SILENT_GUESTS: usize = 2;
const INIT: &str = include_str!("init.sh");

/// What a kernel did with a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// modprobe answers success, and the module is there.
    Loaded,
    /// modprobe answers success, and the module is not there.
    NothingLoaded,
    /// The copy step fails, or modprobe does.
    Refused,
    /// The kernel died of it, or never came back.
    Crashed,
}

/// What became of a case, with the words of all who had a say.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) outcome: Outcome,
    /// What modprobe or the copy step said.
    pub(crate) said: Vec<String>,
    /// What the kernel said.
    pub(crate) kernel: Vec<String>,
}

impl Fact {
    /// The most telling line.
    pub(crate) fn reason(&self) -> String {
        let telling = |line: &&String| !line.contains("insmod ") && !line.contains("tainting kernel");
        let kernel = self.kernel.iter().filter(telling).map(|line| without_time(line));
        let said = self.said.iter().filter(telling).map(String::as_str);
        said.chain(kernel).collect::<Vec<_>>().join(" | ")
    }
}

/// A line of the kernel's log without the time before it.
fn without_time(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, rest)| rest)
}

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
    /// Where facts are kept: a kernel says the same of the same image every time.
    pub(crate) store: PathBuf,
}

impl Batch<'_> {
    /// A fact for every case, in their order: boots as often as it takes to learn those that are not known yet.
    pub(crate) fn facts(&self, work: &Path, print: &mut impl FnMut(&str)) -> anyhow::Result<Vec<Fact>> {
        let keys = self.keys()?;
        let mut told: BTreeMap<usize, Telling> = BTreeMap::new();
        for (number, key) in keys.iter().enumerate() {
            if let Some(telling) = self.recall(key) {
                told.insert(number, telling);
            }
        }
        let asked: Vec<usize> = (0..keys.len()).filter(|number| !told.contains_key(number)).collect();
        print(&format!("{} of {} cases are asked anew", asked.len(), keys.len()));
        for telling in self.ask(&asked, &keys, work)? {
            told.extend(telling);
        }
        let facts = self.cases.iter().enumerate();
        Ok(facts
            .map(|(number, (case, _))| told.remove(&number).unwrap_or_default().fact(case))
            .collect())
    }

    /// Shares the cases among a few guests.
    fn ask(&self, asked: &[usize], keys: &[String], work: &Path) -> anyhow::Result<Vec<BTreeMap<usize, Telling>>> {
        let share = asked.len().div_ceil(GUESTS).max(1);
        std::thread::scope(|scope| {
            let shares = asked.chunks(share).enumerate();
            let guests: Vec<_> = shares
                .map(|(at, share)| {
                    let initrd = work.join(format!("{}.{}.{at}.cpio", self.kernel.release, self.boot.name()));
                    scope.spawn(move || self.boot_all(&initrd, share, keys))
                })
                .collect();
            let join = |guest: std::thread::ScopedJoinHandle<'_, _>| {
                guest
                    .join()
                    .unwrap_or_else(|_panic| anyhow::bail!("a guest's thread died"))
            };
            guests.into_iter().map(join).collect()
        })
    }

    /// Boots until every case has been asked.
    fn boot_all(&self, initrd: &Path, asked: &[usize], keys: &[String]) -> anyhow::Result<BTreeMap<usize, Telling>> {
        fs::write(initrd, self.initrd(asked)?)?;
        let mut told = BTreeMap::new();
        let (mut rest, mut silent) = (asked, 0);
        while let Some(from) = rest.first() {
            let before = told.len();
            let last = self.boot_once(initrd, *from, keys, &mut told)?;
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
        keys: &[String],
        told: &mut BTreeMap<usize, Telling>,
    ) -> anyhow::Result<String> {
        let mut command = self.kernel.architecture.qemu();
        command.args(self.firmware.iter().flat_map(Firmware::arguments));
        let append = format!("{} truth.from={from}", self.boot.command_line());
        let mut guest = Guest::start(command, self.kernel, initrd, &append)?;
        let (mut current, mut last) = (None::<(usize, Telling)>, String::new());
        while let Ok(line) = guest.lines.recv_timeout(SILENCE) {
            let Some((word, rest)) = answer(&line) else {
                if let Some((_, telling)) = &mut current {
                    telling.noise.push(line.clone());
                }
                last = line;
                continue;
            };
            match word {
                "case" => current = Some((rest.parse().context("a case's number")?, Telling::default())),
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
                self.remember(&keys[number], &telling)?;
                told.insert(number, telling);
            }
        }
        if let Some((number, telling)) = current {
            self.remember(&keys[number], &telling)?;
            told.insert(number, telling);
        }
        guest.stop();
        Ok(last)
    }

    /// What all that decides about a case comes to.
    fn keys(&self) -> anyhow::Result<Vec<String>> {
        let kmod = fs::read(self.modprobe())?;
        let node = fs::read(self.kernel.node_tree().join("modules.dep"))?;
        let kernel = fs::read(self.kernel.vmlinuz())?;
        let common = [hex(&kmod), hex(&node), hex(&kernel), hex(INIT.as_bytes())].concat();
        let mut boot = self.boot.command_line().to_owned();
        if self.firmware.is_some() {
            for certificate in self.kernel.certificates() {
                boot += &hex(&fs::read(certificate)?);
            }
        }
        let key = |(case, layers): &(&Case, Vec<LayerFile>)| {
            let told: Vec<String> = instructions(case, layers).into_iter().map(|(_, text)| text).collect();
            hex(format!("{common} {boot} {}", told.join("\0")).as_bytes())
        };
        Ok(self.cases.iter().map(key).collect())
    }

    fn modprobe(&self) -> PathBuf {
        self.kmod.as_deref().unwrap_or(Path::new("/usr/sbin")).join("modprobe")
    }

    fn recall(&self, key: &str) -> Option<Telling> {
        serde_json::from_slice(&fs::read(self.store.join(key)).ok()?).ok()
    }

    fn remember(&self, key: &str, telling: &Telling) -> anyhow::Result<()> {
        fs::create_dir_all(&self.store)?;
        Ok(fs::write(self.store.join(key), serde_json::to_vec(telling)?)?)
    }

    /// The worker's file system, and the cases.
    fn initrd(&self, asked: &[usize]) -> anyhow::Result<Vec<u8>> {
        let mut cpio = Cpio::default();
        cpio.file("init", INIT.as_bytes());
        cpio.file(
            "bin/busybox",
            &fs::read("/bin/busybox").context("`apt-get install busybox-static`")?,
        );
        worker(&mut cpio, &self.modprobe())?;
        let node = self.kernel.node_tree();
        add_tree(&mut cpio, &node, &format!("lib/modules/{}", self.kernel.release))?;
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
fn worker(cpio: &mut Cpio, modprobe: &Path) -> anyhow::Result<()> {
    let program = fs::canonicalize(modprobe).context("`apt-get install kmod`")?;
    cpio.file("bin/kmod", &fs::read(&program)?);
    for name in ["modprobe", "insmod", "rmmod"] {
        cpio.link(&format!("sbin/{name}"), "/bin/kmod");
    }
    let libraries = run(Command::new("ldd").arg(&program))?;
    for word in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        cpio.file(word.trim_start_matches('/'), &fs::read(word)?);
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

/// What a guest says of one case.
#[derive(Default, Serialize, Deserialize)]
struct Telling {
    copied: Option<bool>,
    loaded: Option<bool>,
    modules: Vec<String>,
    said: Vec<String>,
    kernel: Vec<String>,
    noise: Vec<String>,
    ended: bool,
}

impl Telling {
    fn add(&mut self, word: &str, rest: &str) {
        match word {
            "copied" => self.copied = Some(rest == "0"),
            "loaded" => self.loaded = Some(rest == "0"),
            "module" => self.modules.push(rest.to_owned()),
            "kernel" => self.kernel.push(rest.to_owned()),
            "end" => self.ended = true,
            _ => self.said.push(rest.to_owned()),
        }
    }

    fn fact(mut self, case: &Case) -> Fact {
        let expected = case.expected.clone().unwrap_or_else(|| case.module.replace('-', "_"));
        let outcome = match (self.ended, self.copied, self.loaded) {
            (false, ..) => Outcome::Crashed,
            (true, Some(true), Some(true)) if self.modules.contains(&expected) => Outcome::Loaded,
            (true, Some(true), Some(true)) => Outcome::NothingLoaded,
            (true, ..) => Outcome::Refused,
        };
        if outcome == Outcome::Crashed {
            self.kernel.append(&mut self.noise);
        }
        Fact {
            outcome,
            said: self.said,
            kernel: self.kernel,
        }
    }
}

/// A virtual machine, and the lines of its serial console.
struct Guest {
    qemu: Child,
    lines: Receiver<String>,
}

impl Guest {
    fn start(mut command: Command, kernel: &Kernel, initrd: &Path, append: &str) -> anyhow::Result<Self> {
        command
            .args(["-m", "1024", "-nographic", "-no-reboot", "-nic", "none", "-kernel"])
            .arg(fs::canonicalize(kernel.vmlinuz())?)
            .arg("-initrd")
            .arg(initrd)
            .arg("-append")
            .arg(format!(
                "{} quiet loglevel=1 oops=panic panic=-1 {append}",
                kernel.architecture.console()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut qemu = command
            .spawn()
            .context("QEMU does not start: `apt-get install qemu-system-x86`")?;
        let output = qemu.stdout.take().context("a pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { qemu, lines })
    }

    /// Ends it. Whether it has ended already does not matter.
    fn stop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        while !matches!(self.lines.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
            if matches!(
                self.lines.recv_timeout(Duration::from_secs(1)),
                Err(RecvTimeoutError::Disconnected)
            ) {
                break;
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop();
    }
}
