//! What a kernel module file says of itself. Data only; `elf` and its neighbours fill it in.
//!
//! The facts hold all that any rule asks for, so that the file's bytes can be dropped as soon as it is read.
//! They do not depend on the target kernel, and so can be cached by the layer's digest.

use serde::{Deserialize, Serialize};

/// A file whose name says that it is a kernel module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleFile {
    /// How the file is compressed, told by its first bytes as kmod does, not by its name.
    pub packing: Packing,
    /// Size in bytes once unpacked; 0 where it could not be.
    pub size: u64,
    /// What stands in it, or why it could not be unpacked.
    pub content: Result<ModuleContent, Unpackable>,
}

/// The two parts of a module file that the kernel reads: first the signature, then the ELF image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleContent {
    /// The signature at its end (`kernel/module/signing.c: module_sig_check`).
    pub signature: Signature,
    /// The ELF image as the newest kernels read it, or the first thing in it that they refuse
    /// (`kernel/module/main.c: elf_validity_cache_copy`).
    pub elf: Result<ElfModule, ElfDefect>,
    /// What earlier kernels make of the same image, where that is something else: hardly ever.
    pub earlier: Vec<(Era, Result<ElfModule, ElfDefect>)>,
}

impl ModuleContent {
    /// The ELF image as kernels of an era read it.
    pub fn seen_by(&self, era: Era) -> Result<&ElfModule, &ElfDefect> {
        let earlier = self.earlier.iter().find(|(of, _)| *of == era);
        earlier.map_or(&self.elf, |(_, elf)| elf).as_ref()
    }
}

/// Kernels that read a module's ELF image alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Era {
    /// Before Linux 6.4 (`elf_validity_check`, `setup_load_info`): they look for `.modinfo` and `struct module` among the
    /// loaded sections only, take the first of several, and compare no sizes.
    Before6_4,
    /// Linux 6.4 to 6.12 (`elf_validity_cache_copy`, one function): they count `.modinfo`, `struct module` and symbol tables
    /// among the sections that have content.
    Before6_13,
    /// Since Linux 6.13 (`elf_validity_cache_copy`, in parts): sections are counted whatever their type, and names must
    /// lie in their tables.
    Since6_13,
}

impl Era {
    /// All of them, the newest last.
    pub const ALL: [Self; 3] = [Self::Before6_4, Self::Before6_13, Self::Since6_13];

    /// Whether the kernel puts code, data and what is needed at the start only into memory of their own each, as it does
    /// since Linux 6.4 (`struct module_memory`).
    pub const fn has_memory_types(self) -> bool {
        !matches!(self, Self::Before6_4)
    }
}

/// How a module file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip (`.ko.gz`).
    Gzip,
    /// xz (`.ko.xz`).
    Xz,
    /// Zstandard (`.ko.zst`).
    Zstd,
}

/// Why a module file could not be unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unpackable {
    /// The compressed stream is damaged; the decompressor's word.
    Damaged(String),
    /// It is larger, once unpacked, than this program is willing to read (limit in bytes).
    TooLarge(u64),
}

/// The first thing in an ELF image that the kernel refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElfDefect {
    /// What kind of refusal it is.
    pub kind: ElfDefectKind,
    /// One sentence in the kernel's own terms, for instance `section 12 ends beyond the file`.
    pub message: String,
}

/// Kinds of refusal, in the order in which the kernel meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ElfDefectKind {
    /// Too short for a header, wrong magic, not relocatable, impossible section table …
    Header,
    /// A section lies outside the file: the file is truncated, or its table lies.
    Truncated,
    /// No symbol table: stripped too far.
    NoSymbols,
    /// No `.gnu.linkonce.this_module` section: not a kernel module.
    NotAModule,
    /// A common symbol (`-fcommon`), which the kernel cannot place.
    CommonSymbol,
    /// Anything else that `elf_validity_check` refuses.
    Malformed,
    /// Code that may be written to, which kernels with `CONFIG_STRICT_MODULE_RWX` refuse.
    WritableCode,
    /// No section for the jumps of `ftrace`, which arm64 kernels want that have it.
    NoFtraceTrampoline,
    /// No sections for the jumps and addresses that some architectures add when they link a module.
    NoTrampolines,
    /// Symbol versions in the extended form that do not fit together, which only kernels look at that know it.
    ExtendedVersions,
    /// Sections of one name, which the kernel cannot both list, and minds since Linux 6.12.
    SectionsOfOneName,
    /// A relocation that the kernel cannot apply.
    Relocation,
    /// A relocation that the kernel applies where nobody reads it: an entry of a table stays empty, and is passed over.
    Unlinked,
    /// Nothing that the kernel checks, but what it works with until it dies of it.
    Deadly,
    /// Nothing that the kernel minds: more than this program reads.
    BeyondLimits,
}

/// `struct module` as the kernel has it that a module was built for, as far as the module tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StructModule {
    /// Its size in bytes.
    pub size: u64,
    /// At which of its bytes the pointer to the start function stands, where the module has one.
    pub start: Option<u64>,
    /// The same of the end function.
    pub end: Option<u64>,
}

/// What the kernel reads from the ELF image of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElfModule {
    /// `e_machine`; see [`crate::kernel::Architecture::elf_machine`].
    pub machine: u16,
    /// `.gnu.linkonce.this_module`, which is `struct module` as the kernel has it that it was built for.
    pub this_module: StructModule,
    /// The name in `struct module`, by which the kernel knows it, if it can be read.
    pub name: Option<String>,
    /// `.modinfo`: `key=value`, in the file's order. Keys may repeat.
    pub modinfo: Vec<(String, String)>,
    /// The CRCs of the symbols that it uses, as its kernel had them.
    pub versions: Versions,
    /// The symbols that it needs.
    pub undefined: Vec<Undefined>,
    /// The symbols that it exports.
    pub exports: Vec<Export>,
    /// Its parameters, in the order of their table; `None` where something in it could not be read.
    pub parameters: Option<Box<[Parameter]>>,
    /// What the kernel stumbles over when it loads the sections, though its first checks let it pass.
    pub flaws: Vec<ElfDefect>,
    /// What it stumbles over once it has resolved the symbols: when it links the sections, and afterwards.
    pub link_flaws: Vec<ElfDefect>,
}

impl ElfModule {
    /// The first value of a `.modinfo` key, as the kernel's `get_modinfo` finds it.
    pub fn info<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.infos(key).next()
    }

    /// All values of a `.modinfo` key.
    pub fn infos<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.modinfo
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }
}

/// A parameter as the kernel finds it (`include/linux/moduleparam.h: struct kernel_param`), whatever modinfo says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, with underscores for dashes: the kernel makes no difference (`parameq`).
    pub name: String,
    /// What it takes.
    pub takes: Takes,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Takes {
    /// One value.
    One(ValueType),
    /// Values with commas between them (`struct kparam_array`).
    Several {
        /// What each is.
        each: ValueType,
        /// How many at most (`max`), where that can be read.
        most: Option<u32>,
    },
    /// A text that is copied (`struct kparam_string`).
    Copied {
        /// How many bytes there are for it and the NUL at its end (`maxlen`), where that can be read.
        room: Option<u32>,
    },
}

/// The types of values that the kernel itself reads (`kernel/params.c: param_ops_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueType {
    /// `byte`: 8 bits, not negative.
    Byte,
    /// `short`: 16 bits.
    Short,
    /// `ushort`: 16 bits, not negative.
    UShort,
    /// `int`: 32 bits.
    Int,
    /// `uint` or `hexint`: 32 bits, not negative.
    UInt,
    /// `long`: 64 bits.
    Long,
    /// `ulong` or `ullong`: 64 bits, not negative.
    ULong,
    /// `charp`: a text.
    Text,
    /// `bool`, `bint` or `bool_enable_only`: a switch, which is on if no value is given.
    Switch,
    /// `invbool`: a switch that wants a value.
    InvertedSwitch,
    /// Only the module's own code knows.
    Own,
}

/// The CRCs of the symbols that a module uses, in the forms that its file has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Those of `__versions`: records of 64 bytes.
    pub basic: Option<Crcs>,
    /// Those of `__version_ext_crcs` and `__version_ext_names`, which Linux 6.14 and later read.
    pub extended: Option<Crcs>,
}

/// Symbol and CRC, in the file's order. A CRC has 32 bits, but its record in `__versions` has 64, and the kernel
/// compares them all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crcs(pub Vec<(String, u64)>);

impl Crcs {
    /// The CRC that the module expects of a symbol: the first record of that name.
    pub fn of(&self, symbol: &str) -> Option<u64> {
        self.0.iter().find(|(name, _)| name == symbol).map(|(_, crc)| *crc)
    }
}

/// A symbol that the module needs from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undefined {
    /// Its name.
    pub name: String,
    /// Whether it may be missing.
    pub weak: bool,
}

/// A symbol that the module exports to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// The table that it stands in.
    pub table: ExportTable,
    /// Its flags, where the file has a table of them (`__kflagstab`).
    pub flags: Option<u8>,
    /// The symbol namespace that users must import.
    pub namespace: Option<String>,
    /// Its CRC, if it was built with `CONFIG_MODVERSIONS`.
    pub crc: Option<u32>,
}

/// The tables of exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExportTable {
    /// `__ksymtab`. Before Linux 7.1 everybody may use what stands there; since, flags tell.
    Plain,
    /// `__ksymtab_gpl`, for GPL-compatible modules only; Linux ignores it since 7.1.
    GplOnly,
}

impl Export {
    /// `KSYM_FLAG_GPL_ONLY` (`include/linux/module_symbol.h`).
    const GPL_ONLY: u8 = 1;

    /// Whether only GPL-compatible modules may use it, to a kernel that reads flags or to an earlier one; `None` where such a
    /// kernel does not see it at all.
    pub fn gpl_only(&self, kernel_reads_flags: bool) -> Option<bool> {
        match (self.table, kernel_reads_flags) {
            (ExportTable::Plain, true) => Some(self.flags.unwrap_or_default() & Self::GPL_ONLY != 0),
            (ExportTable::Plain, false) => Some(false),
            (ExportTable::GplOnly, true) => None,
            (ExportTable::GplOnly, false) => Some(true),
        }
    }
}

/// The signature at the end of a module file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signature {
    /// The file does not end with the kernel's signature marker.
    Absent,
    /// It has the marker, but what stands before it is not a signature that the kernel can read.
    Malformed(String),
    /// A signature in a form that the kernel does not know (`ENOPKG`): to a kernel that does not enforce
    /// signatures, it is as good as none. Why, in one sentence.
    Unsupported(String),
    /// A PKCS#7 signature.
    Pkcs7(Box<Pkcs7Signature>),
}

/// A PKCS#7 signature and what is needed to verify it without the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pkcs7Signature {
    /// Issuer and serial number, or key identifier, of the signer's certificate, in words.
    pub signer: String,
    /// The digest algorithm it names, as the kernel calls it: `sha256`, `sha512` …
    pub digest_algorithm: String,
    /// That digest over the file without its signature; empty where the algorithm is unknown.
    pub content_digest: Vec<u8>,
    /// The PKCS#7 message itself, DER.
    pub der: Vec<u8>,
}
