//! A real kernel, of Debian's or of its source: itself, its in-tree modules, its headers, and our small modules compiled against it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use super::case::{Case, depmod, index_files};
use super::ko::{Ko, Packing};
use super::layer::{Node, Tree};
use super::layout::hex;
use super::programs::Programs;

/// The in-tree modules that nodes and toolkits have, with all that they need; those that a kernel lacks are left out.
/// A real node has a thousand more, of which no case needs any. [`Kernel::with_in_tree`] adds some.
const IN_TREE: [&str; 8] = [
    "libcrc32c",
    "crc32c_generic",
    "crc32c-intel",
    "lru_cache",
    "dummy",
    "ts_bm",
    "ts_kmp",
    "crc7",
];

/// The kernel's configuration, in its headers.
pub(crate) const CONFIGURATION: &str = "include/config/auto.conf";
/// What the kernel exports, in its headers.
pub(crate) const SYMVERS: &str = "Module.symvers";

/// What processor a kernel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    pub(crate) const fn go_name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// An emulated machine, without KVM, at low priority, which does not outlive us.
    pub(crate) fn qemu(self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "nice", "-n", "3"]);
        match self {
            Self::Amd64 => command.args(["qemu-system-x86_64", "-accel", "tcg"]),
            Self::Arm64 => command.args(["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a57"]),
        };
        command
    }

    /// Where the kernel talks to.
    const fn console(self) -> &'static str {
        match self {
            Self::Amd64 => "console=ttyS0",
            Self::Arm64 => "console=ttyAMA0",
        }
    }

    /// What makes an emulated processor faster and has no say in what is loaded; the other one has nothing to gain.
    const fn hastened(self) -> &'static str {
        match self {
            Self::Amd64 => " mitigations=off",
            Self::Arm64 => "",
        }
    }

    /// What every kernel is told, however it is booted: to be quiet, and to end where it dies.
    pub(crate) fn told(self) -> String {
        format!(
            "{}{} quiet loglevel=1 oops=panic panic=-1",
            self.console(),
            self.hastened()
        )
    }
}

/// The kernel.
#[derive(Clone)]
pub(crate) struct Kernel {
    pub(crate) release: String,
    pub(crate) architecture: Architecture,
    /// The other kernels that modules were compiled for.
    pub(crate) others: Vec<String>,
    /// Whether cases are asked of it; else it only has modules compiled for it.
    pub(crate) asked: bool,
    /// What images and nodes have.
    pub(crate) programs: Programs,
    /// What `kernel.sh` has left.
    folder: PathBuf,
    /// The folder of our compiled modules, in that of every kernel.
    modules: String,
    /// All that is kept.
    pub(crate) cache: PathBuf,
    /// The in-tree modules that its nodes have, with all that they need.
    in_tree: BTreeSet<String>,
    /// Its nodes' file system, below `folder`.
    node: String,
}

impl Kernel {
    /// Fetches and compiles what is missing. Where Debian's archive has dropped that kernel, it is another one.
    pub(crate) fn prepare(release: &str, cache: &Path) -> anyhow::Result<Self> {
        let (release, modules) = fetch(release, cache)?;
        let architecture = if release.ends_with("arm64") {
            Architecture::Arm64
        } else {
            Architecture::Amd64
        };
        let folder = cache.join("truth").join(&release);
        let kernel = Self {
            architecture,
            others: Vec::new(),
            asked: true,
            programs: Programs::new(folder.join("programs"), architecture),
            folder,
            modules,
            cache: cache.to_owned(),
            in_tree: IN_TREE.map(str::to_owned).into(),
            node: "node".to_owned(),
            release,
        };
        kernel.make_node_tree()?;
        kernel.make_keys()?;
        Ok(kernel)
    }

    /// The same kernel on nodes that have more in-tree modules: these, and all that they need.
    pub(crate) fn with_in_tree(&self, modules: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut kernel = self.clone();
        kernel.in_tree.extend(modules);
        let names: Vec<&str> = kernel.in_tree.iter().map(String::as_str).collect();
        kernel.node = format!("node-{:.16}", hex(names.join(" ").as_bytes()));
        kernel.make_node_tree()?;
        Ok(kernel)
    }

    pub(crate) fn case(&self, id: impl Into<String>) -> Case {
        Case::new(&self.release, id)
    }

    /// A module of ours, as it was compiled.
    pub(crate) fn ko(&self, name: &str) -> anyhow::Result<Ko> {
        self.ko_of(&self.release, name)
    }

    /// A module of ours, as it was compiled for another kernel.
    pub(crate) fn ko_of(&self, release: &str, name: &str) -> anyhow::Result<Ko> {
        let folder = self.folder.with_file_name(release).join(&self.modules);
        let path = folder.join(format!("{name}.ko"));
        let bytes = fs::read(&path).with_context(|| format!("no {}", path.display()))?;
        Ok(Ko::new(name, bytes))
    }

    /// One of the modules that are compiled only for kernels with the extended form of symbol versions.
    pub(crate) fn extended_ko(&self, name: &str) -> anyhow::Result<Ko> {
        let path = self.place("extended").join(format!("{name}.ko"));
        let bytes = fs::read(&path).with_context(|| format!("no {}", path.display()))?;
        Ok(Ko::new(name, bytes))
    }

    /// An object that was not linked into a module.
    pub(crate) fn object(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        Ok(fs::read(self.folder.join(&self.modules).join(format!("{name}.o")))?)
    }

    /// An in-tree module, signed by its maker, in the packing that it comes in.
    pub(crate) fn in_tree(&self, name: &str) -> anyhow::Result<Option<Ko>> {
        let dep = fs::read_to_string(self.node_tree().join("modules.dep"))?;
        let mut paths = dep
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(path, _)| path);
        let Some(path) = paths.find(|path| stem(path) == name) else {
            return Ok(None);
        };
        let bytes = fs::read(self.node_tree().join(path))?;
        let suffix = path.rsplit_once(".ko").map_or("", |(_, suffix)| suffix);
        let mut ko = Ko::new(name, bytes);
        ko.suffix = Packing::suffix_named(suffix);
        Ok(Some(ko))
    }

    /// A built-in module with parameters, or without, whose name is no longer than that.
    pub(crate) fn builtin(&self, with_parameters: bool, longest: usize) -> anyhow::Result<Option<String>> {
        let told = fs::read_to_string(self.node_tree().join("modules.builtin.modinfo"))?;
        let parameters: BTreeSet<&str> = told
            .split('\0')
            .filter_map(|entry| entry.split_once(".parmtype="))
            .map(|(name, _)| name)
            .collect();
        let names = fs::read_to_string(self.node_tree().join("modules.builtin"))?;
        let names = names.lines().map(|path| stem(path).replace('-', "_"));
        let mut suited = names
            .filter(|name| parameters.contains(name.as_str()) == with_parameters)
            .filter(|name| name.len() <= longest);
        Ok(suited.next())
    }

    /// What a script has left of this kernel.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn vmlinuz(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    pub(crate) fn sign_file(&self) -> PathBuf {
        self.folder.join("sign-file")
    }

    /// The folder of a modprobe and a depmod that read gzip; they are compiled where they are missing.
    pub(crate) fn gzip_kmod(&self) -> anyhow::Result<PathBuf> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("truth/kmod.sh");
        let status = Command::new("bash").arg(script).arg(&self.cache).status()?;
        anyhow::ensure!(
            status.success(),
            "there is no kmod that reads gzip: `apt-get install zlib1g-dev`"
        );
        Ok(self.cache.join("truth/kmod-gzip"))
    }

    /// Whether an option of its configuration is `y`; `name` without `CONFIG_`.
    pub(crate) fn has(&self, name: &str) -> anyhow::Result<bool> {
        let wanted = format!("CONFIG_{name}=y");
        Ok(self.configuration()?.lines().any(|line| line == wanted))
    }

    /// `auto.conf`.
    pub(crate) fn configuration(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.folder.join("headers").join(CONFIGURATION))?)
    }

    /// `/lib/modules/<kernel>` of nodes.
    pub(crate) fn node_tree(&self) -> PathBuf {
        self.folder.join(&self.node).join("lib/modules").join(&self.release)
    }

    /// A few of the in-tree modules with what they need, and the indexes of a depmod of their own.
    fn make_node_tree(&self) -> anyhow::Result<()> {
        let (from, to) = (self.folder.join("tree"), self.node_tree());
        if to.exists() {
            return Ok(());
        }
        let made = self.folder.join(format!("{}.new", self.node));
        let _ = fs::remove_dir_all(&made);
        let base = made.join("lib/modules").join(&self.release);
        fs::create_dir_all(&base)?;
        for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
            fs::copy(from.join(name), base.join(name)).with_context(|| format!("no {name}"))?;
        }
        for path in self.chosen(&fs::read_to_string(from.join("modules.dep"))?) {
            let place = base.join(&path);
            fs::create_dir_all(place.parent().context("a folder")?)?;
            fs::copy(from.join(&path), place)?;
        }
        depmod(Path::new("/usr/sbin/depmod"), &made, &self.release)?;
        let node = self.folder.join(&self.node);
        let _ = fs::remove_dir_all(&node);
        Ok(fs::rename(made, node)?)
    }

    /// The driver toolkit's image: headers' facts, and the node's in-tree modules.
    pub(crate) fn toolkit(&self) -> anyhow::Result<Tree> {
        let mut tree = self.headers()?;
        let node = self.node_tree();
        for path in self.chosen(&fs::read_to_string(node.join("modules.dep"))?) {
            let place = format!("lib/modules/{}/{path}", self.release);
            tree.put(&place, Node::File(fs::read(node.join(&path))?));
        }
        Ok(tree)
    }

    /// The toolkit of a distribution that has an in-tree module in a package of its own: nodes may have that, the toolkit
    /// lacks it.
    pub(crate) fn toolkit_without(&self, module: &str) -> anyhow::Result<Tree> {
        let mut tree = self.toolkit()?;
        let modules_dep = fs::read_to_string(self.node_tree().join("modules.dep"))?;
        let folder = format!("lib/modules/{}", self.release);
        let (gone, left): (Vec<&str>, Vec<&str>) = modules_dep
            .lines()
            .partition(|line| line.split_once(':').is_some_and(|(path, _)| stem(path) == module));
        for (path, _) in gone.iter().filter_map(|line| line.split_once(':')) {
            tree.remove(&format!("{folder}/{path}"));
        }
        let left: String = left.into_iter().flat_map(|line| [line, "\n"]).collect();
        Ok(tree.with(&format!("{folder}/modules.dep"), Node::File(left.into_bytes())))
    }

    /// The paths of the chosen modules and of what they need, as `modules.dep` has them.
    fn chosen(&self, modules_dep: &str) -> BTreeSet<String> {
        let lines = modules_dep.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(path, _)| self.in_tree.contains(stem(path)))
            .flat_map(|(path, needs)| std::iter::once(path).chain(needs.split_whitespace()))
            .map(str::to_owned)
            .collect()
    }

    /// The toolkit without the in-tree modules themselves: what it says of the kernel stands in texts alone.
    pub(crate) fn headers(&self) -> anyhow::Result<Tree> {
        let mut tree = Tree::default();
        for name in [SYMVERS, CONFIGURATION, "include/generated/utsrelease.h"] {
            let bytes = fs::read(self.folder.join("headers").join(name)).with_context(|| format!("no {name}"))?;
            tree.put(&self.header(name), Node::File(bytes));
        }
        for (name, bytes) in index_files(&self.node_tree())? {
            tree.put(&format!("lib/modules/{}/{name}", self.release), Node::File(bytes));
        }
        Ok(tree)
    }

    /// Where a file of the headers stands in the toolkit.
    pub(crate) fn header(&self, name: &str) -> String {
        format!("usr/src/linux-headers-{}/{name}", self.release)
    }

    /// `Module.symvers`.
    pub(crate) fn symvers(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.folder.join("headers").join(SYMVERS))?)
    }
}

/// Lets `kernel.sh` fetch and compile; says the kernel's name, and that of the modules' folder.
fn fetch(release: &str, cache: &Path) -> anyhow::Result<(String, String)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("truth/kernel.sh");
    let mut command = Command::new("bash");
    command.arg(script).arg(cache).arg(release).stderr(Stdio::inherit());
    let told = crate::process::run(&mut command)
        .with_context(|| format!("{release} cannot be had: what failed stands above; apt's lists may be old"))?;
    let (release, modules) = told.trim().split_once(' ').context("two words of kernel.sh")?;
    Ok((release.to_owned(), modules.to_owned()))
}

/// The name of a module's file, without its ending.
fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split_once(".ko").map_or(file, |(name, _)| name)
}
