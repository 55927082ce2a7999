//! The stable names of findings. What each one means stands in `kmod::explain`; `docs/findings.md` is made from both.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// The rule that a finding comes from. Its name is stable: scripts may rely on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Rule {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl Rule {
            /// Every rule, in the order in which a node would meet them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

rules! {
    // 1. KMM copies the modules out of the image.
    /// The image's tools are for another architecture than the target kernel.
    ImageArchitecture = "image-architecture",
    /// `sh`, `mkdir` or `cp` is missing.
    CopyToolMissing = "copy-tool-missing",
    /// `<dirName>/lib/modules/<kernel>` is not there.
    KernelFolderMissing = "kernel-folder-missing",
    /// `<dirName>/lib/modules/<kernel>` is a link.
    KernelFolderLink = "kernel-folder-link",
    /// `firmwarePath` has nothing to copy.
    FirmwareMissing = "firmware-missing",
    // 2. modprobe looks for them.
    /// modprobe does not take these arguments, or they make it do something else.
    ModprobeArguments = "modprobe-arguments",
    /// The kernel's release ends in `+`: KMM copies one folder and modprobe opens another.
    KernelFolderPlus = "kernel-folder-plus",
    /// `modules.dep.bin` is missing or empty.
    DepIndexMissing = "dep-index-missing",
    /// `modules.dep.bin` or `modules.alias.bin` is damaged.
    DepIndexDamaged = "dep-index-damaged",
    /// No module and no alias of that name is in the index.
    ModuleNotFound = "module-not-found",
    /// The index names a file that is not in the folder.
    ModuleFileMissing = "module-file-missing",
    /// A link leads out of the copied folder.
    LinkLeavesFolder = "link-leaves-folder",
    /// A module that ours needs is neither in the folder nor in the kernel.
    DependencyMissing = "dependency-missing",
    /// A module that ours needs is in-tree and reached through the image's link to the node's folder.
    DependencyInTree = "dependency-in-tree",
    /// A module of `modulesLoadingOrder` or of a soft dependency is missing, which modprobe ignores.
    SoftDependencyMissing = "soft-dependency-missing",
    /// The image's `modprobe.d` never reaches the node.
    ModprobeConfigIgnored = "modprobe-config-ignored",
    /// A module of the same name is in-tree; loaded already, it makes modprobe answer success without loading ours.
    ModuleInTree = "module-in-tree",
    /// A module of the same name is built into the kernel.
    ModuleBuiltin = "module-builtin",
    // 3. The kernel reads the file.
    /// The compressed file is damaged.
    FileDamaged = "file-damaged",
    /// The file is larger than this program reads.
    FileTooLarge = "file-too-large",
    /// No signature, and signatures are enforced.
    SignatureMissing = "signature-missing",
    /// A signature that the kernel cannot read.
    SignatureMalformed = "signature-malformed",
    /// A signature by a key that is not trusted.
    SignatureUntrusted = "signature-untrusted",
    /// A signature with algorithms that the kernel does not have.
    SignatureUnsupported = "signature-unsupported",
    /// A signature that does not fit the file: it was altered after signing.
    SignatureMismatch = "signature-mismatch",
    /// A signature that was not verified: no trusted certificate is known.
    SignaturePresent = "signature-present",
    /// A good signature.
    SignatureGood = "signature-good",
    /// Not an ELF file that the kernel takes.
    ElfMalformed = "elf-malformed",
    /// The file ends before its sections do.
    ElfTruncated = "elf-truncated",
    /// A file for another architecture.
    ElfMachine = "elf-machine",
    /// No symbol table.
    ElfStripped = "elf-stripped",
    /// Not a kernel module.
    NotAModule = "not-a-module",
    /// `struct module` has another size on this kernel.
    ModuleStructSize = "module-struct-size",
    /// The kernel cannot link the file.
    ElfRelocation = "elf-relocation",
    /// The kernel takes the file, and crashes.
    KernelCrash = "kernel-crash",
    // 4. The kernel compares versions.
    /// A symbol had another CRC in the kernel that the module was built for.
    CrcMismatch = "crc-mismatch",
    /// The kernel checks symbol versions, and the module has none.
    VersionsMissing = "versions-missing",
    /// vermagic is not the kernel's.
    VermagicMismatch = "vermagic-mismatch",
    /// No vermagic.
    VermagicMissing = "vermagic-missing",
    /// A live patch, and the kernel takes none.
    LivepatchUnsupported = "livepatch-unsupported",
    // 5. The kernel resolves symbols and parses parameters.
    /// Nobody exports a symbol that the module needs.
    SymbolMissing = "symbol-missing",
    /// A module that ours needs is in-tree, and the image has no link to it.
    DependencyInTreeUnlinked = "dependency-in-tree-unlinked",
    /// A symbol is for GPL-compatible modules only.
    SymbolGplOnly = "symbol-gpl-only",
    /// It uses GPL-only symbols and those of a proprietary module.
    SymbolProprietary = "symbol-proprietary",
    /// The kernel checks symbol versions, and one symbol has none; the kernel lets it pass.
    SymbolVersionMissing = "symbol-version-missing",
    /// The namespace of a symbol is not imported.
    SymbolNamespace = "symbol-namespace",
    /// A symbol that the module exports is exported already.
    SymbolDuplicate = "symbol-duplicate",
    /// A parameter that the module does not have; the kernel ignores it.
    ParameterUnknown = "parameter-unknown",
    /// A value that the parameter does not take.
    ParameterMalformed = "parameter-malformed",
    // What could not be checked.
    /// A file that matters, but whose content this program could not read.
    FileNotRead = "file-not-read",
    /// Without a driver toolkit, some checks cannot be made.
    ToolkitMissing = "toolkit-missing",
    /// The driver toolkit is not that of the target kernel.
    ToolkitOtherKernel = "toolkit-other-kernel",
    /// The driver toolkit lacks something; these checks were not made.
    NotChecked = "not-checked",
}

/// How much of a rule takes a driver toolkit: what the kernel exports, how it is configured, and what stands in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolkitNeed {
    /// The image alone decides.
    None,
    /// Some of what it looks at stands in the image, the rest in the toolkit.
    Partly,
    /// Without a toolkit it never decides.
    Wholly,
}

impl ToolkitNeed {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "no",
            Self::Partly => "in part",
            Self::Wholly => "yes",
        }
    }
}

impl Rule {
    /// How much of this rule takes a driver toolkit. That the judge keeps to it, the scenes of its tests look.
    pub const fn toolkit_need(self) -> ToolkitNeed {
        match self {
            Self::ModuleInTree
            | Self::VersionsMissing
            | Self::VermagicMissing
            | Self::LivepatchUnsupported
            | Self::SymbolMissing
            | Self::DependencyInTreeUnlinked
            | Self::SymbolVersionMissing
            | Self::ToolkitOtherKernel
            | Self::NotChecked => ToolkitNeed::Wholly,
            Self::ImageArchitecture
            | Self::ElfMachine
            | Self::ModuleNotFound
            | Self::ModuleBuiltin
            | Self::ModuleStructSize
            | Self::ModuleFileMissing
            | Self::DependencyMissing
            | Self::SignatureMissing
            | Self::SignatureUntrusted
            | Self::SignatureUnsupported
            | Self::CrcMismatch
            | Self::VermagicMismatch
            | Self::SymbolGplOnly
            | Self::SymbolProprietary
            | Self::SymbolNamespace
            | Self::SymbolDuplicate
            | Self::KernelCrash
            | Self::ElfMalformed => ToolkitNeed::Partly,
            _ => ToolkitNeed::None,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no rule of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRule;

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|rule| rule.name() == name)
            .ok_or(UnknownRule)
    }
}
