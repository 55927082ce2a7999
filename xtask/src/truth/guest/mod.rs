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

use super::case::{Boot, Case};
use super::kernel::Kernel;
use crate::process::run;
use cpio::Cpio;

/// How long a guest may say nothing: to boot, or about one case. Under TCG on a busy machine either takes seconds.
const SILENCE: Duration = Duration::from_secs(90);
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

/// The cases of one boot, and the layers of their images.
pub(crate) struct Batch<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) boot: Boot,
    /// The cases with the paths of their images' layers.
    pub(crate) cases: Vec<(&'a Case, Vec<PathBuf>)>,
}

impl Batch<'_> {
    /// Boots as often as it takes, and returns a fact for every case, in their order.
    pub(crate) fn facts(&self, work: &Path) -> anyhow::Result<Vec<Fact>> {
        let initrd = work.join(format!("{}.{}.cpio", self.kernel.release, self.boot.name()));
        fs::write(&initrd, self.initrd()?)?;
        let mut told: BTreeMap<usize, Telling> = BTreeMap::new();
        let (mut from, mut silent) = (0, 0);
        while from < self.cases.len() {
            let before = told.len();
            let last = self.boot_once(&initrd, from, &mut told)?;
            silent = if told.len() == before { silent + 1 } else { 0 };
            anyhow::ensure!(
                silent < MAX_SILENT_GUESTS,
                "{} does not boot: {last}",
                self.kernel.release
            );
            from = told.last_key_value().map_or(from, |(number, _)| number + 1);
        }
        fs::remove_file(&initrd)?;
        let facts = self.cases.iter().enumerate();
        Ok(facts
            .map(|(number, (case, _))| told.remove(&number).unwrap_or_default().fact(case))
            .collect())
    }

    /// One guest, from one case on. Returns the last line that was no answer.
    fn boot_once(&self, initrd: &Path, from: usize, told: &mut BTreeMap<usize, Telling>) -> anyhow::Result<String> {
        let mut guest = Guest::start(self.kernel, initrd, &format!("{} truth.from={from}", self.boot.command_line()))?;
        let (mut current, mut last) = (None, String::new());
        while let Ok(line) = guest.lines.recv_timeout(SILENCE) {
            let Some((word, rest)) = line.strip_prefix("@@").map(|line| line.split_once(' ').unwrap_or((line, ""))) else {
                if let Some(telling) = current.and_then(|number| told.get_mut(&number)) {
                    telling.noise.push(line.clone());
                }
                last = line;
                continue;
            };
            match word {
                "case" => {
                    let number = rest.parse().context("a case's number")?;
                    told.insert(number, Telling::default());
                    current = Some(number);
                }
                "done" | "dirty" => break,
                _ => {
                    if let Some(telling) = current.and_then(|number| told.get_mut(&number)) {
                        telling.add(word, rest);
                    }
                }
            }
        }
        guest.stop();
        Ok(last)
    }

    /// The worker's file system, and the cases.
    fn initrd(&self) -> anyhow::Result<Vec<u8>> {
        let mut cpio = Cpio::default();
        cpio.file("init", INIT.as_bytes());
        cpio.file("bin/busybox", &fs::read("/bin/busybox").context("`apt-get install busybox-static`")?);
        worker(&mut cpio)?;
        let node = self.kernel.node_tree();
        add_tree(&mut cpio, &node, &format!("lib/modules/{}", self.kernel.release))?;
        let mut layers = BTreeMap::new();
        for (number, (case, paths)) in self.cases.iter().enumerate() {
            // Numbers of one width, so that the shell's order is ours.
            let folder = format!("cases/{number:04}");
            for (name, text) in instructions(case, paths) {
                cpio.file(&format!("{folder}/{name}"), text.as_bytes());
            }
            layers.extend(paths.iter().map(|path| (name_of(path), path)));
        }
        for (name, path) in layers {
            cpio.file(&format!("layers/{name}"), &fs::read(path)?);
        }
        Ok(cpio.finish())
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// modprobe and what it is linked to.
fn worker(cpio: &mut Cpio) -> anyhow::Result<()> {
    let program = fs::canonicalize("/usr/sbin/modprobe").context("`apt-get install kmod`")?;
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
fn instructions(case: &Case, layers: &[PathBuf]) -> Vec<(&'static str, String)> {
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
        let words = own.iter().chain(&case.args).chain([&case.module]).chain(&case.parameters);
        words.cloned().collect()
    };
    let load: Vec<String> = case.raw_args.clone().unwrap_or_else(named);
    let pairs = case.loading_order.iter().zip(case.loading_order.iter().skip(1));
    let softdep: Vec<String> = pairs.map(|(module, pre)| format!("softdep {module} pre: {pre}")).collect();
    vec![
        ("layers", lines(&layers.iter().map(|path| name_of(path)).collect::<Vec<_>>())),
        ("before", lines(&case.loaded_before)),
        ("remove", lines(&case.to_remove)),
        ("copy", copy),
        ("load", lines(&load)),
        ("softdep.conf", lines(&softdep)),
    ]
}

fn copy_command(from: &str, to: &str) -> String {
    format!("\nmkdir -p {to};\ncp -R {from} {to};\n")
}

fn lines(words: &[String]) -> String {
    words.iter().map(|word| format!("{word}\n")).collect()
}

/// What a guest says of one case.
#[derive(Default)]
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
    fn start(kernel: &Kernel, initrd: &Path, append: &str) -> anyhow::Result<Self> {
        let mut command = kernel.architecture.qemu();
        command
            .args(["-m", "1024", "-nographic", "-no-reboot", "-nic", "none", "-kernel"])
            .arg(fs::canonicalize(kernel.vmlinuz())?)
            .arg("-initrd")
            .arg(initrd)
            .arg("-append")
            .arg(format!("{} quiet loglevel=1 oops=panic panic=-1 {append}", kernel.architecture.console()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut qemu = command.spawn().context("QEMU does not start: `apt-get install qemu-system-x86`")?;
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
            if matches!(self.lines.recv_timeout(Duration::from_secs(1)), Err(RecvTimeoutError::Disconnected)) {
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
