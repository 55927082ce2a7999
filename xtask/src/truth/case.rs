//! One question that a real kernel and `kmm-preflight check` both answer: an image, what the Module says of it, and how
//! the node was booted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::ko::Ko;
use super::layer::{Node, Tree};

/// How a kernel is booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Boot {
    /// As it comes.
    Plain,
    /// With `module.sig_enforce=1`.
    Enforcing,
    /// With `lockdown=integrity`.
    LockedDown,
    /// By firmware that has our certificates in its `db`, which the kernel takes over.
    Trusting,
    /// The same, with `module.sig_enforce=1`.
    TrustingEnforcing,
    /// The same, with `lockdown=integrity`, which Secure Boot comes to.
    TrustingLockedDown,
    /// By firmware that has the certificates of the keys with which our own signer signs, and `module.sig_enforce=1`.
    TrustingSigner,
}

impl Boot {
    pub(crate) const ALL: [Self; 7] = [
        Self::Plain,
        Self::Enforcing,
        Self::LockedDown,
        Self::Trusting,
        Self::TrustingEnforcing,
        Self::TrustingLockedDown,
        Self::TrustingSigner,
    ];
    /// Those of firmware that has our certificates.
    pub(crate) const TRUSTING: [Self; 3] = [Self::Trusting, Self::TrustingEnforcing, Self::TrustingLockedDown];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Enforcing => "sig_enforce",
            Self::LockedDown => "lockdown",
            Self::Trusting => "db",
            Self::TrustingEnforcing => "db-sig_enforce",
            Self::TrustingLockedDown => "db-lockdown",
            Self::TrustingSigner => "db-signer",
        }
    }

    /// What the kernel is told.
    pub(crate) const fn command_line(self) -> &'static str {
        match self {
            Self::Plain | Self::Trusting => "",
            Self::Enforcing | Self::TrustingEnforcing | Self::TrustingSigner => "module.sig_enforce=1",
            Self::LockedDown | Self::TrustingLockedDown => "lockdown=integrity",
        }
    }

    /// Whether the kernel takes signed modules only.
    pub(crate) const fn enforces(self) -> bool {
        !matches!(self, Self::Plain | Self::Trusting)
    }

    /// Whether the kernel trusts certificates of ours.
    pub(crate) const fn trusts_us(self) -> bool {
        !matches!(self, Self::Plain | Self::Enforcing | Self::LockedDown)
    }
}

/// What an image begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Base {
    /// busybox, with `/bin` and `/lib` as folders.
    Busybox,
    /// busybox, with `/bin` and `/lib` as links into `/usr`.
    UsrMerged,
    /// A shell that has no other programs in it, and `mkdir` and `cp` beside it.
    Shell,
    /// Nothing.
    Scratch,
}

/// A change of the image after depmod ran. Paths without a leading slash are below the kernel's folder.
#[derive(Clone)]
enum Edit {
    Put(String, Node),
    Remove(String),
    /// What follows stands in a layer of its own.
    NextLayer,
}

/// The case.
#[derive(Clone)]
pub(crate) struct Case {
    /// Its name among those of its group.
    pub(crate) id: String,
    pub(crate) kernel: String,
    pub(crate) boot: Boot,
    /// The folder of the modprobe and depmod that worker and image's maker have, where they are not Debian's.
    pub(crate) kmod: Option<PathBuf>,
    pub(crate) base: Base,
    /// Where the modules are put; `dirName`, unless that is another.
    dir: String,
    named_dir: Option<String>,
    /// `moduleName`.
    pub(crate) module: String,
    pub(crate) args: Vec<String>,
    pub(crate) raw_args: Option<Vec<String>>,
    pub(crate) parameters: Vec<String>,
    pub(crate) loading_order: Vec<String>,
    pub(crate) to_remove: Vec<String>,
    pub(crate) firmware: Option<String>,
    /// What the node has loaded before: in-tree modules by name.
    pub(crate) loaded_before: Vec<String>,
    /// The module that must be there in the end, where it is not `module`.
    pub(crate) expected: Option<String>,
    /// Why no file can tell, where that is so.
    pub(crate) out_of_reach: Option<&'static str>,
    /// Whether it is in every core.
    pub(crate) in_every_core: bool,
    /// An in-tree module that nodes have and the driver toolkit lacks.
    pub(crate) toolkit_lacks: Option<&'static str>,
    kos: Vec<Ko>,
    /// Whether KMM's link to the in-tree modules stands in the folder while depmod runs.
    host_link: Option<String>,
    /// Modules that the image's maker had in the kernel's own folder while depmod ran, and that nodes lack.
    host_had: Vec<Ko>,
    edits: Vec<Edit>,
}

impl Case {
    pub(crate) fn new(kernel: &str, id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            kernel: kernel.to_owned(),
            boot: Boot::Plain,
            kmod: None,
            base: Base::Busybox,
            dir: "/opt".to_owned(),
            named_dir: None,
            module: String::new(),
            args: Vec::new(),
            raw_args: None,
            parameters: Vec::new(),
            loading_order: Vec::new(),
            to_remove: Vec::new(),
            firmware: None,
            loaded_before: Vec::new(),
            expected: None,
            out_of_reach: None,
            in_every_core: false,
            toolkit_lacks: None,
            kos: Vec::new(),
            host_link: None,
            host_had: Vec::new(),
            edits: Vec::new(),
        }
    }

    /// One more module in the image; the first one is the one that is loaded.
    pub(crate) fn ko(mut self, ko: Ko) -> Self {
        if self.module.is_empty() {
            self.module.clone_from(&ko.name);
        }
        self.kos.push(ko);
        self
    }

    pub(crate) fn loads(mut self, module: &str) -> Self {
        module.clone_into(&mut self.module);
        self
    }

    /// What must be loaded in the end, by the kernel's own name.
    pub(crate) fn expecting(mut self, module: &str) -> Self {
        self.expected = Some(module.to_owned());
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args = owned(args);
        self
    }

    pub(crate) fn raw(mut self, args: &[&str]) -> Self {
        self.raw_args = Some(owned(args));
        self
    }

    pub(crate) fn parameters(mut self, parameters: &[&str]) -> Self {
        self.parameters = owned(parameters);
        self
    }

    pub(crate) fn order(mut self, modules: &[&str]) -> Self {
        self.loading_order = owned(modules);
        self
    }

    pub(crate) fn removing(mut self, modules: &[&str]) -> Self {
        self.to_remove = owned(modules);
        self
    }

    pub(crate) fn with_loaded(mut self, modules: &[&str]) -> Self {
        self.loaded_before = owned(modules);
        self
    }

    pub(crate) fn dir(mut self, dir: &str) -> Self {
        dir.clone_into(&mut self.dir);
        self
    }

    /// The Module names another folder than the one that the modules were put into: an edit leads from one to the other.
    pub(crate) fn also_dir(mut self, dir: &str) -> Self {
        self.named_dir = Some(dir.to_owned());
        self
    }

    /// `dirName`.
    pub(crate) fn dir_name(&self) -> &str {
        self.named_dir.as_deref().unwrap_or(&self.dir)
    }

    pub(crate) fn base(mut self, base: Base) -> Self {
        self.base = base;
        self
    }

    pub(crate) fn boot(mut self, boot: Boot) -> Self {
        self.boot = boot;
        self
    }

    pub(crate) fn kmod(mut self, folder: &Path) -> Self {
        self.kmod = Some(folder.to_owned());
        self
    }

    pub(crate) fn firmware(mut self, path: &str) -> Self {
        self.firmware = Some(path.to_owned());
        self
    }

    pub(crate) fn out_of_reach(mut self, why: &'static str) -> Self {
        self.out_of_reach = Some(why);
        self
    }

    /// It is asked wherever any are.
    pub(crate) fn in_every_core(mut self) -> Self {
        self.in_every_core = true;
        self
    }

    /// The driver toolkit lacks an in-tree module that nodes have.
    pub(crate) fn toolkit_lacks(mut self, module: &'static str) -> Self {
        self.toolkit_lacks = Some(module);
        self
    }

    /// KMM's documented link to the node's modules, made before depmod.
    pub(crate) fn host_link(self) -> Self {
        self.host_link_named("host")
    }

    pub(crate) fn host_link_named(mut self, name: &str) -> Self {
        self.host_link = Some(name.to_owned());
        self
    }

    /// The link leads, while depmod runs, to one module more than nodes have.
    pub(crate) fn host_had(mut self, ko: Ko) -> Self {
        self.host_had.push(ko);
        self.host_link()
    }

    pub(crate) fn file(self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.edit(Edit::Put(path.to_owned(), Node::File(bytes.into())))
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.edit(Edit::Put(path.to_owned(), Node::Link(target.to_owned())))
    }

    /// A second name of a file of the image.
    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        let target = self.place(target);
        self.edit(Edit::Put(path.to_owned(), Node::Hard(target)))
    }

    pub(crate) fn folder(self, path: &str) -> Self {
        self.edit(Edit::Put(path.to_owned(), Node::Folder))
    }

    /// Without a path and all below it.
    pub(crate) fn without(self, path: &str) -> Self {
        self.edit(Edit::Remove(path.to_owned()))
    }

    /// What follows stands in a layer of its own.
    pub(crate) fn next_layer(self) -> Self {
        self.edit(Edit::NextLayer)
    }

    /// A layer hides a path of the layers below.
    pub(crate) fn whiteout(self, path: &str) -> Self {
        let (folder, name) = path.rsplit_once('/').map_or_else(
            || (String::new(), path.to_owned()),
            |(folder, name)| (format!("{folder}/"), name.to_owned()),
        );
        self.file(&format!("{folder}.wh.{name}"), "")
    }

    fn edit(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }

    /// The folder that KMM copies, in the image.
    pub(crate) fn kernel_folder(&self) -> String {
        format!("{}/lib/modules/{}", self.dir, self.kernel)
    }

    /// A path of the image, from its root, without a leading slash.
    fn place(&self, path: &str) -> String {
        let place = match path.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None => format!("{}/{path}", self.kernel_folder()),
        };
        place.trim_start_matches('/').trim_end_matches('/').to_owned()
    }

    /// The image's layers, from the lowest: the base, then what the case puts on it.
    pub(crate) fn layers(&self, bases: &BTreeMap<Base, Tree>, in_tree: &Path) -> anyhow::Result<Vec<Tree>> {
        let mut base = bases.get(&self.base).context("a base")?.clone();
        let mut layers = Vec::new();
        let mut top = self.modules(in_tree)?;
        for edit in &self.edits {
            match edit {
                Edit::Put(path, node) => top.put(&self.place(path), node.clone()),
                Edit::Remove(path) => {
                    top.remove(&self.place(path));
                    base.remove(&self.place(path));
                }
                Edit::NextLayer => layers.push(std::mem::take(&mut top)),
            }
        }
        layers.push(top);
        layers.insert(0, base);
        Ok(layers)
    }

    /// An index as depmod writes it for this case.
    pub(crate) fn index(&self, name: &str, in_tree: &Path) -> anyhow::Result<Vec<u8>> {
        let place = self.place(name);
        match self.modules(in_tree)?.get(&place) {
            Some(Node::File(bytes)) => Ok(bytes.clone()),
            _ => anyhow::bail!("depmod writes no {name}"),
        }
    }

    /// The kernel's folder as depmod leaves it.
    fn modules(&self, in_tree: &Path) -> anyhow::Result<Tree> {
        let mut tree = Tree::default();
        let below = |path: &str| self.place(path);
        if self.kos.is_empty() && self.host_link.is_none() {
            return Ok(tree);
        }
        let work = tempfile::tempdir()?;
        let folder = work.path().join("lib/modules").join(&self.kernel);
        fs::create_dir_all(&folder)?;
        for ko in &self.kos {
            let path = format!("{}/{}", ko.folder, ko.file_name());
            let path = path.trim_start_matches('/');
            fs::create_dir_all(folder.join(&ko.folder))?;
            fs::write(folder.join(path), &ko.indexed)?;
            tree.put(&below(path), Node::File(ko.bytes.clone()));
        }
        if let Some(name) = &self.host_link {
            let host = work.path().join("host");
            fs::create_dir(&host)?;
            std::os::unix::fs::symlink(in_tree.join("kernel"), host.join("kernel"))?;
            for ko in &self.host_had {
                fs::write(host.join(ko.file_name()), &ko.indexed)?;
            }
            std::os::unix::fs::symlink(&host, folder.join(name))?;
            tree.put(&below(name), Node::Link(format!("/lib/modules/{}", self.kernel)));
        }
        let sbin = self.kmod.as_deref().unwrap_or(Path::new("/usr/sbin"));
        depmod(&sbin.join("depmod"), work.path(), &self.kernel)?;
        for (name, bytes) in index_files(&folder)? {
            tree.put(&below(&name), Node::File(bytes));
        }
        Ok(tree)
    }
}

/// Makes the indexes of `<base>/lib/modules/<kernel>`.
pub(crate) fn depmod(program: &Path, base: &Path, kernel: &str) -> anyhow::Result<()> {
    let output = Command::new(program)
        .arg("-b")
        .arg(base)
        .arg(kernel)
        .output()
        .context("depmod does not start: `apt-get install kmod`")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "depmod fails: {complaint}");
    Ok(())
}

/// depmod's files in a folder, by name.
pub(crate) fn index_files(folder: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("modules.") {
            files.push((name, fs::read(entry.path())?));
        }
    }
    files.sort();
    Ok(files)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
