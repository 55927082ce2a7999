//! What a node takes of this machine beside its folder, and how all of it is given back, also by the next one where a
//! node was killed before it could.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::folder;
use crate::process::run;

/// This machine as the pods see it.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// Where the pods are.
pub(super) const POD_NETWORK: &str = "10.88.0.0/16";
/// The Service of the API server, by which pods reach it: the first address of the Services' network.
pub(super) const SERVICE: &str = "10.96.0.1";
/// What connects the pods.
pub(super) const BRIDGE: &str = "cni0";

/// How long to wait for another node to end: longer than a test that has one.
const OTHER_NODE: Duration = Duration::from_mins(15);
/// How long killed pods may take to be gone.
const PODS_GONE: Duration = Duration::from_secs(30);
/// How often a condition is looked at that is waited for.
const POLL: Duration = Duration::from_millis(100);

/// Folders that the servers of a node make at places of their own choice.
const TRACES: [&str; 4] = [
    "/run/containerd",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
];

/// Whether we are root.
pub(super) fn is_ours() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The right to be the one node of this machine, and the list of what it must not leave behind.
pub(super) struct Claim {
    file: File,
    list: Vec<PathBuf>,
}

impl Claim {
    /// Waits until nobody else has it, and removes what one left behind that was killed.
    pub(super) fn take() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join("kmm-preflight-node.lock");
        let mut file = File::options().create(true).read(true).append(true).open(&path)?;
        lock(&file).with_context(|| format!("{} is held", path.display()))?;
        let mut left = String::new();
        file.read_to_string(&mut left)?;
        let mut claim = Self {
            file,
            list: left.lines().map(PathBuf::from).collect(),
        };
        claim.settle();
        let absent = TRACES.iter().map(Path::new).filter(|trace| !trace.exists());
        for trace in absent {
            claim.remember(trace)?;
        }
        Ok(claim)
    }

    /// Lists something to remove.
    pub(super) fn remember(&mut self, path: &Path) -> anyhow::Result<()> {
        writeln!(self.file, "{}", path.display())?;
        self.list.push(path.to_owned());
        Ok(())
    }

    /// Removes what is listed. What cannot be removed stays listed nowhere: the next node would not do better.
    fn settle(&mut self) {
        for path in self.list.drain(..) {
            stop_pods(&path);
            folder::remove(&path);
        }
        let _ = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.settle();
    }
}

fn lock(file: &File) -> anyhow::Result<()> {
    let deadline = Instant::now() + OTHER_NODE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                anyhow::bail!("another node has been running for {OTHER_NODE:?}")
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
        }
    }
}

/// The bridge of the pods, and the address of the API server's Service.
pub(super) struct Network;

impl Network {
    /// Makes it, anew where it is there.
    pub(super) fn create() -> anyhow::Result<Self> {
        remove_network();
        let network = Self;
        ip(&["address", "add", &format!("{SERVICE}/32"), "dev", "lo"])?;
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        ip(&["address", "add", &format!("{GATEWAY}/16"), "dev", BRIDGE])?;
        ip(&["link", "set", BRIDGE, "up"])?;
        Ok(network)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove_network();
    }
}

/// What is not there cannot be removed: errors say nothing else.
fn remove_network() {
    let _ = ip(&["link", "delete", BRIDGE]);
    let _ = ip(&["address", "delete", &format!("{SERVICE}/32"), "dev", "lo"]);
}

fn ip(arguments: &[&str]) -> anyhow::Result<String> {
    run(Command::new("ip").args(arguments)).context("`apt-get install iproute2` where it is missing")
}

/// Kills the pods of the node in this folder, and unmounts and removes what they had.
pub(super) fn stop_pods(folder: &Path) {
    let deadline = Instant::now() + PODS_GONE;
    loop {
        let pods = processes_of(folder);
        if pods.is_empty() || Instant::now() > deadline {
            break;
        }
        let _ = Command::new("kill").arg("-KILL").args(pods).output();
        std::thread::sleep(POLL);
    }
    for mount in folder::mounts_in(folder).iter().rev() {
        let _ = run(Command::new("umount").arg("--lazy").arg(mount));
    }
    remove_cgroups();
}

/// The pods' processes, and those that watch over them, by their ids.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let ours = fs::read_link("/proc/self/ns/mnt").ok();
    let is_pods = |process: &Path| {
        let mounts = fs::read_link(process.join("ns/mnt")).ok();
        mounts.is_some() && mounts != ours && has(&process.join("mountinfo"), &folder)
    };
    let is_shim =
        |process: &Path| has(&process.join("cmdline"), &folder) && has(&process.join("comm"), "containerd-shim");
    let all = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let found = all.filter(|process| is_pods(process) || is_shim(process));
    found
        .filter_map(|process| Some(process.file_name()?.to_str()?.to_owned()))
        .collect()
}

fn has(file: &Path, text: &str) -> bool {
    fs::read(file).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
}

/// The kubelet's groups, in every hierarchy. One that is not empty belongs to another kubelet, and stays.
fn remove_cgroups() {
    let hierarchies = fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    for hierarchy in hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]) {
        remove_groups(&hierarchy.join("kubepods"));
    }
}

fn remove_groups(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}
