//! Small builders of facts. A plain [`Scene`] is a good module in a good image for a kernel whose toolkit has
//! everything; each test changes what it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::judge;
use crate::api::{Finding, Rule, Severity, ToolkitNeed};
use crate::kernel::Architecture;
use crate::kmod::config::KernelConfig;
use crate::kmod::facts::{
    Crcs, ElfDefect, ElfDefectKind, ElfModule, Export, ExportTable, ModuleContent, ModuleFile, Packing, Parameter,
    Signature, StructModule, Takes, Undefined, Unpackable, Versions,
};
use crate::kmod::load::{Enforcement, Load, LoadCommand, LoadedModules, SignaturePolicy};
use crate::kmod::signature::Certificate;
use crate::kmod::staged::{Entry, Folder, Program, StagedFolder, StagedImage, Tool};
use crate::kmod::symvers::Symvers;
use crate::kmod::toolkit::{InTree, Toolkit, ToolkitEvidence};

pub(super) const KERNEL: &str = "5.14.0-570.el9.x86_64";
pub(super) const VERMAGIC: &str = "5.14.0-570.el9.x86_64 SMP preempt mod_unload modversions ";
pub(super) const X86_64: u16 = 62;
pub(super) const AARCH64: u16 = 183;
pub(super) const SIZE: u64 = 1024;
pub(super) const END: u64 = 900;
/// `struct module` of the kernel, and of the modules built for it.
const OWN: StructModule = StructModule {
    size: SIZE,
    start: Some(312),
    end: Some(END),
};

/// `Module.symvers` of the kernel.
const SYMVERS: &str = "0x00000011\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n\
    0x00000022\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n\
    0x00000033\tgpl_thing\tvmlinux\tEXPORT_SYMBOL_GPL\t\n\
    0x00000044\tspaced\tvmlinux\tEXPORT_SYMBOL\tSPACE\n\
    0x00000055\tchosen\tvmlinux\tEXPORT_SYMBOL_GPL\tmodule:other,dr*\n\
    0x00000066\text4_thing\tfs/ext4/ext4\tEXPORT_SYMBOL\t\n\
    0x00000077\trpc_call\tnet/sunrpc/sun-rpc\tEXPORT_SYMBOL\t\n";

const CONFIG: &str = "CONFIG_MODULES=y\nCONFIG_MODVERSIONS=y\nCONFIG_MODULE_SIG=y\nCONFIG_LIVEPATCH=y\n";

/// A kernel module.
#[derive(Clone)]
pub(super) struct ModuleSketch {
    elf: ElfModule,
    signature: Signature,
    packing: Packing,
    content: Option<Result<ElfDefect, Unpackable>>,
}

/// A good module: built for the kernel, and using one of its symbols.
pub(super) fn a_module() -> ModuleSketch {
    let info = [("license", "GPL"), ("vermagic", VERMAGIC)];
    let elf = ElfModule {
        machine: X86_64,
        this_module: OWN,
        name: Some("drv".to_owned()),
        modinfo: info.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        versions: Versions {
            basic: Some(Crcs(vec![("module_layout".to_owned(), 0x11)])),
            extended: None,
        },
        undefined: Vec::new(),
        exports: Vec::new(),
        parameters: Some(Box::default()),
        flaws: Vec::new(),
        link_flaws: Vec::new(),
    };
    ModuleSketch {
        elf,
        signature: Signature::Absent,
        packing: Packing::Plain,
        content: None,
    }
    .needs("_printk", 0x22)
}

impl ModuleSketch {
    pub(super) fn needs(mut self, symbol: &str, crc: u32) -> Self {
        self = self.needs_unversioned(symbol);
        let crcs = self.elf.versions.basic.get_or_insert_default();
        crcs.0.push((symbol.to_owned(), u64::from(crc)));
        self
    }

    pub(super) fn needs_unversioned(mut self, symbol: &str) -> Self {
        self.elf.undefined.push(Undefined {
            name: symbol.to_owned(),
            weak: false,
        });
        self
    }

    /// Makes the last symbol weak.
    pub(super) fn weakly(mut self) -> Self {
        self.elf.undefined.last_mut().expect("a symbol").weak = true;
        self
    }

    pub(super) fn exports(mut self, symbol: &str, crc: Option<u32>) -> Self {
        let export = Export {
            name: symbol.to_owned(),
            table: ExportTable::Plain,
            flags: None,
            namespace: None,
            crc,
        };
        self.elf.exports.push(export);
        self
    }

    /// Makes the last export one for GPL-compatible modules only.
    pub(super) fn for_gpl_only(mut self) -> Self {
        self.elf.exports.last_mut().expect("an export").table = ExportTable::GplOnly;
        self
    }

    /// Gives the last export flags, as modules for Linux 7.1 have them.
    pub(super) fn flagged(mut self, flags: u8) -> Self {
        self.elf.exports.last_mut().expect("an export").flags = Some(flags);
        self
    }

    /// Packs the file.
    pub(super) fn packed(mut self) -> Self {
        self.packing = Packing::Xz;
        self
    }

    pub(super) fn into_namespace(mut self, namespace: &str) -> Self {
        self.elf.exports.last_mut().expect("an export").namespace = Some(namespace.to_owned());
        self
    }

    /// Sets a key of modinfo.
    pub(super) fn info(mut self, key: &str, value: &str) -> Self {
        self = self.without(key);
        self.elf.modinfo.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Adds to a key of modinfo that may come again.
    pub(super) fn also(mut self, key: &str, value: &str) -> Self {
        self.elf.modinfo.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn parameter(mut self, name: &str, takes: Takes) -> Self {
        let parameter = Parameter {
            name: name.to_owned(),
            takes,
        };
        let others = self.elf.parameters.take().unwrap_or_default().into_iter();
        self.elf.parameters = Some(others.chain([parameter]).collect());
        self
    }

    /// Has a table of parameters that cannot be read.
    pub(super) fn without_readable_parameters(mut self) -> Self {
        self.elf.parameters = None;
        self
    }

    pub(super) fn without(mut self, key: &str) -> Self {
        self.elf.modinfo.retain(|(k, _)| k != key);
        self
    }

    pub(super) fn without_versions(mut self) -> Self {
        self.elf.versions = Versions::default();
        self
    }

    pub(super) fn change(mut self, change: impl FnOnce(&mut ElfModule)) -> Self {
        change(&mut self.elf);
        self
    }

    pub(super) fn signature(mut self, signature: Signature) -> Self {
        self.signature = signature;
        self
    }

    pub(super) fn defect(mut self, kind: ElfDefectKind) -> Self {
        self.content = Some(Ok(ElfDefect {
            kind,
            message: "section 3".to_owned(),
        }));
        self
    }

    pub(super) fn unpackable(mut self, why: Unpackable) -> Self {
        self.content = Some(Err(why));
        self
    }

    fn entry(self) -> Entry {
        let content = match self.content {
            None => Ok(ModuleContent {
                signature: self.signature,
                elf: Ok(self.elf),
                earlier: Vec::new(),
            }),
            Some(Ok(defect)) => Ok(ModuleContent {
                signature: self.signature,
                elf: Err(defect),
                earlier: Vec::new(),
            }),
            Some(Err(why)) => Err(why),
        };
        Entry::Module(Arc::new(ModuleFile {
            packing: self.packing,
            size: 4096,
            content,
        }))
    }
}

/// An image, a command and a kernel.
pub(super) struct Scene {
    pub(super) staged: StagedImage,
    pub(super) load: Load,
    pub(super) toolkit: Option<Toolkit>,
    pub(super) entries: BTreeMap<String, Entry>,
    lines: Vec<(String, String)>,
    aliases: Vec<(String, String)>,
}

/// The good module `drv` at `extra/drv.ko`.
pub(super) fn a_scene() -> Scene {
    with(a_module())
}

/// That module as `drv` at `extra/drv.ko`.
pub(super) fn with(module: ModuleSketch) -> Scene {
    let present = Tool::Present(Program::Elf(X86_64));
    let staged = StagedImage {
        sh: present,
        mkdir: present,
        cp: present,
        folder: StagedFolder::NotAFolder,
        has_modprobe_config: false,
        firmware: None,
        unread: Vec::new(),
    };
    let load = Load {
        kernel: KERNEL.to_owned(),
        architecture: Some(Architecture::X86_64),
        dir_name: "/opt".to_owned(),
        command: LoadCommand::Named {
            module: "drv".to_owned(),
            args: Vec::new(),
            parameters: Vec::new(),
        },
        loading_order: Vec::new(),
        in_tree_to_remove: Vec::new(),
        signatures: SignaturePolicy::default(),
        loaded: LoadedModules::default(),
    };
    let toolkit = Toolkit {
        image: "dtk".to_owned(),
        kernel: KERNEL.to_owned(),
        symvers: Some(Arc::new(Symvers::read(SYMVERS.as_bytes()).expect("a table"))),
        config: Some(Arc::new(KernelConfig::parse(CONFIG))),
        in_tree: Some(Arc::new(InTree::from_text(
            "kernel/net/sunrpc/sun-rpc.ko.xz:\nkernel/drivers/intree.ko.xz:\n",
            "kernel/fs/ext4/ext4.ko\nkernel/net/ipv4/tcp_cubic.ko\n",
            "printk\ntcp_cubic\n",
        ))),
        vermagic: Some(VERMAGIC.to_owned()),
        this_module: Some(OWN),
        has_export_flags: Some(false),
    };
    let scene = Scene {
        staged,
        load,
        toolkit: Some(toolkit),
        entries: BTreeMap::new(),
        lines: Vec::new(),
        aliases: Vec::new(),
    };
    scene.file("extra/drv.ko", module).line("drv", "extra/drv.ko:")
}

impl Scene {
    pub(super) fn file(mut self, path: &str, module: ModuleSketch) -> Self {
        self.entries.insert(path.to_owned(), module.entry());
        self
    }

    pub(super) fn entry(mut self, path: &str, entry: Entry) -> Self {
        self.entries.insert(path.to_owned(), entry);
        self
    }

    pub(super) fn link(mut self, path: &str, target: &str) -> Self {
        self.entries.insert(path.to_owned(), Entry::Link(target.to_owned()));
        self
    }

    pub(super) fn without_file(mut self, path: &str) -> Self {
        self.entries.remove(path);
        self
    }

    /// A line of `modules.dep.bin`; replaces an earlier one.
    pub(super) fn line(mut self, name: &str, line: &str) -> Self {
        self.lines.retain(|(n, _)| n != name);
        self.lines.push((name.to_owned(), line.to_owned()));
        self
    }

    pub(super) fn alias(mut self, pattern: &str, module: &str) -> Self {
        self.aliases.push((pattern.to_owned(), module.to_owned()));
        self
    }

    /// What `modules.symbols.bin` says.
    pub(super) fn symbol_index(mut self, symbol: &str, module: &str) -> Self {
        let index = an_index(&[(symbol.to_owned(), module.to_owned())]);
        self.entries
            .insert("modules.symbols.bin".to_owned(), Entry::Index(Arc::new(index)));
        self
    }

    /// Another module of the image, at `extra/<name>.ko`.
    pub(super) fn beside(self, name: &str, module: ModuleSketch) -> Self {
        let path = format!("extra/{name}.ko");
        self.file(&path, module.change(|elf| elf.name = Some(name.to_owned())))
            .line(name, &format!("{path}:"))
    }

    pub(super) fn staged(mut self, change: impl FnOnce(&mut StagedImage)) -> Self {
        change(&mut self.staged);
        self
    }

    pub(super) fn load(mut self, change: impl FnOnce(&mut Load)) -> Self {
        change(&mut self.load);
        self
    }

    pub(super) fn module(self, name: &str) -> Self {
        self.load(|load| match &mut load.command {
            LoadCommand::Named { module, .. } => name.clone_into(module),
            LoadCommand::Raw(_) => unreachable!("a named module"),
        })
    }

    pub(super) fn args(self, line: &str) -> Self {
        self.load(|load| match &mut load.command {
            LoadCommand::Named { args, .. } => *args = words(line),
            LoadCommand::Raw(_) => unreachable!("a named module"),
        })
    }

    pub(super) fn parameters(self, given: &[&str]) -> Self {
        self.load(|load| match &mut load.command {
            LoadCommand::Named { parameters, .. } => {
                *parameters = given.iter().map(|&p| p.to_owned()).collect();
            }
            LoadCommand::Raw(_) => unreachable!("a named module"),
        })
    }

    pub(super) fn raw(self, line: &str) -> Self {
        self.load(|load| load.command = LoadCommand::Raw(words(line)))
    }

    pub(super) fn order(self, order: &str) -> Self {
        self.load(|load| load.loading_order = words(order))
    }

    pub(super) fn removing(self, names: &str) -> Self {
        self.load(|load| load.in_tree_to_remove = words(names))
    }

    /// A node's `/proc/modules`.
    pub(super) fn with_loaded(self, names: &str) -> Self {
        self.load(|load| load.loaded = LoadedModules::parse(names).expect("names"))
    }

    pub(super) fn enforced(self, why: Enforcement) -> Self {
        self.load(|load| load.signatures.enforced = Some(why))
    }

    pub(super) fn trusting(self, certificate: Certificate) -> Self {
        self.load(|load| load.signatures.trusted.push(certificate))
    }

    pub(super) fn toolkit(mut self, change: impl FnOnce(&mut Toolkit)) -> Self {
        change(self.toolkit.as_mut().expect("a toolkit"));
        self
    }

    pub(super) fn without_toolkit(mut self) -> Self {
        self.toolkit = None;
        self
    }

    /// The kernel's configuration; each option is `y`.
    pub(super) fn config(self, options: &str) -> Self {
        let lines: Vec<String> = options
            .split_whitespace()
            .map(|name| format!("CONFIG_{name}=y"))
            .collect();
        self.toolkit(|toolkit| {
            toolkit.config = Some(Arc::new(KernelConfig::parse(&lines.join("\n"))));
        })
    }

    /// The kernel's release, everywhere.
    pub(super) fn kernel(mut self, release: &str) -> Self {
        release.clone_into(&mut self.load.kernel);
        self.toolkit(|toolkit| release.clone_into(&mut toolkit.kernel))
    }

    fn folder(&self) -> Folder {
        let mut entries = self.entries.clone();
        for (name, keys) in [("modules.dep.bin", &self.lines), ("modules.alias.bin", &self.aliases)] {
            if !keys.is_empty() {
                entries
                    .entry(name.to_owned())
                    .or_insert_with(|| Entry::Index(Arc::new(an_index(keys))));
            }
        }
        Folder { entries }
    }

    /// Everything that is found.
    pub(super) fn findings(mut self) -> Vec<Finding> {
        let evidence = match self.toolkit.take() {
            Some(toolkit) => ToolkitEvidence::Found(Arc::new(toolkit)),
            None => ToolkitEvidence::NotGiven,
        };
        let (staged, load) = self.staging();
        let findings = judge(&staged, &load, &evidence);
        assert_needs(&findings, &judge(&staged, &load, &ToolkitEvidence::NotGiven));
        findings
    }

    /// What KMM copies, and how it has that loaded.
    pub(super) fn staging(mut self) -> (StagedImage, Load) {
        if self.staged.folder == StagedFolder::NotAFolder {
            self.staged.folder = StagedFolder::Folder(Arc::new(self.folder()));
        }
        (self.staged, self.load)
    }

    /// The rules of what is found, each with `!` where it decides and `?` where it warns. That there is no toolkit
    /// is left out.
    pub(super) fn rules(self) -> String {
        let findings = self.findings();
        let told = findings.iter().filter(|finding| finding.rule != Rule::ToolkitMissing);
        told.map(mark).collect::<Vec<_>>().join(" ")
    }
}

/// Whether rules keep to what they say of their need of a toolkit, in what is found with one and without.
fn assert_needs(with: &[Finding], without: &[Finding]) {
    let decide = |findings: &[Finding], need| -> BTreeSet<Rule> {
        let decide = findings.iter().filter(|finding| finding.severity == Severity::Decides);
        let rules = decide.map(|finding| finding.rule);
        rules.filter(|rule| rule.toolkit_need() == need).collect()
    };
    let without_any = decide(without, ToolkitNeed::Wholly);
    assert!(without_any.is_empty(), "decide without a toolkit: {without_any:?}");
    let (seen, blind) = (decide(with, ToolkitNeed::None), decide(without, ToolkitNeed::None));
    let lost: Vec<_> = seen.difference(&blind).collect();
    assert!(lost.is_empty(), "do not decide without a toolkit: {lost:?}");
}

fn mark(finding: &Finding) -> String {
    let mark = match finding.severity {
        Severity::Decides => "!",
        Severity::Warns => "?",
        Severity::Informs => "",
    };
    format!("{}{mark}", finding.rule)
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Runs a table of scenes: what each one is, and the rules it meets.
pub(super) fn each(table: Vec<(&str, Scene, &str)>) {
    for (sentence, scene, rules) in table {
        assert_eq!(scene.rules(), rules, "{sentence}");
    }
}

/// An index file as depmod writes it, without shared prefixes: one node for each letter.
pub(super) fn an_index(keys: &[(String, String)]) -> Vec<u8> {
    let mut bytes = [0xB007_F457_u32, 0x0002_0001, 0].map(u32::to_be_bytes).concat();
    let keys: Vec<(&[u8], &str)> = keys
        .iter()
        .map(|(key, value)| (key.as_bytes(), value.as_str()))
        .collect();
    let root = index_node(&keys, &mut bytes);
    bytes.splice(8..12, root.to_be_bytes());
    bytes
}

fn index_node(keys: &[(&[u8], &str)], bytes: &mut Vec<u8>) -> u32 {
    let mut children: BTreeMap<u8, Vec<(&[u8], &str)>> = BTreeMap::new();
    for (key, value) in keys {
        if let Some((first, rest)) = key.split_first() {
            children.entry(*first).or_default().push((rest, value));
        }
    }
    let offsets: BTreeMap<u8, u32> = children
        .iter()
        .map(|(letter, rest)| (*letter, index_node(rest, bytes)))
        .collect();
    let values: Vec<&str> = keys
        .iter()
        .filter(|(key, _)| key.is_empty())
        .map(|(_, value)| *value)
        .collect();
    let mut offset = u32::try_from(bytes.len()).expect("a small index");
    if let (Some((first, _)), Some((last, _))) = (offsets.first_key_value(), offsets.last_key_value()) {
        offset |= 0x2000_0000;
        bytes.extend([*first, *last]);
        for letter in *first..=*last {
            bytes.extend(offsets.get(&letter).copied().unwrap_or_default().to_be_bytes());
        }
    }
    if !values.is_empty() {
        offset |= 0x4000_0000;
        bytes.extend(u32::try_from(values.len()).expect("few values").to_be_bytes());
        for (priority, value) in (0_u32..).zip(values) {
            bytes.extend(priority.to_be_bytes());
            bytes.extend(value.as_bytes());
            bytes.push(0);
        }
    }
    offset
}
