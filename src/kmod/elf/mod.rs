//! The ELF image of a module, read as the kernel reads it: the same checks in the same order, and no others.
//!
//! The checks are those of `kernel/module/main.c` (`elf_validity_check` and `setup_load_info` in 5.14 and 6.1,
//! `elf_validity_cache_copy` since 6.4, `simplify_symbols`). Where versions differ, the image is read once for each [`Era`].
//! What comes after them, when the sections are loaded ([`layout`]) and linked ([`linking`]), the kernel hardly
//! checks: what is wrong there it refuses late, or dies of.

mod exports;
mod image;
mod layout;
mod linking;
mod loading;
mod parameters;
mod relocation;
mod symbols;
#[cfg(test)]
mod tests;
mod versions;

use image::{Image, Section};
use layout::Layout;
use loading::Loading;
use symbols::Symbols;

use super::facts::{ElfDefect, ElfDefectKind, ElfModule, Era};
use super::modinfo;

const MODINFO: &str = ".modinfo";
const THIS_MODULE: &str = ".gnu.linkonce.this_module";

/// How many texts (names, modinfo pairs) are kept of one module. The largest real ones have some ten thousand.
const MAX_TEXTS: usize = 1 << 18;

/// How many bytes of text are kept of one module; real ones stay below one MiB.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Where `name` stands in `struct module` of a 64-bit kernel: after `enum module_state` and `struct list_head`.
const NAME_OFFSET: usize = 24;

/// `MODULE_NAME_LEN` of a 64-bit kernel (`include/linux/moduleparam.h`).
const NAME_LEN: usize = 56;

/// How far into `struct module` its name is looked for where it is not at its place: the structure has some 1,300 bytes.
const MAX_STRUCTURE: usize = 64 << 10;

/// What a kernel reads from an image, or the first thing that it refuses.
type Reading = Result<ElfModule, ElfDefect>;

/// What the newest kernels read from an image, and what earlier ones do, where that differs.
pub(super) fn read(bytes: &[u8]) -> (Reading, Vec<(Era, Reading)>) {
    let newest = read_as(bytes, Era::Since6_13);
    let earlier = [Era::Before6_4, Era::Before6_13].map(|era| (era, read_as(bytes, era)));
    let differing = earlier.into_iter().filter(|(_, reading)| *reading != newest).collect();
    (newest, differing)
}

fn read_as(bytes: &[u8], era: Era) -> Reading {
    let image = Image::open(bytes, era)?;
    let mut budget = Budget::default();
    let modinfo_at = modinfo_section(&image)?;
    let modinfo = modinfo_pairs(&image, modinfo_at, &mut budget)?;
    let this_module = this_module(&image)?;
    let symbols = Symbols::find(&image)?;
    let (versions, versions_flaw) = versions::read(&image, &mut budget)?;
    symbols.check_names()?;
    let loading = Loading::new(&image, &symbols, modinfo_at);
    relocation::check_count(&loading)?;
    let layout = Layout::new(&loading);
    let structure = Structure::of(image.content(this_module), &modinfo);
    let mut link_flaws = loading.link_flaws(&layout);
    link_flaws.extend(structure.and_then(|structure| structure.flaw(&modinfo)));
    Ok(ElfModule {
        machine: image.machine,
        this_module: linking::struct_module(&loading, this_module.size),
        name: structure.and_then(Structure::name),
        modinfo,
        versions,
        exports: exports::read(&image, &symbols, &mut budget)?,
        undefined: symbols.undefined(&mut budget)?,
        parameters: parameters::read(&image, &symbols),
        flaws: versions_flaw.into_iter().chain(loading.flaws(&layout)).collect(),
        link_flaws,
    })
}

/// There may be one `.modinfo`, or none (`elf_validity_cache_index_info`); before Linux 6.4, the first that is loaded counts.
fn modinfo_section(image: &Image<'_>) -> Result<Option<usize>, ElfDefect> {
    if image.era == Era::Before6_4 {
        return Ok(image.allocated(MODINFO));
    }
    match *image.counted(MODINFO) {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(malformed("it has more than one .modinfo section")),
    }
}

fn modinfo_pairs(
    image: &Image<'_>,
    section: Option<usize>,
    budget: &mut Budget,
) -> Result<Vec<(String, String)>, ElfDefect> {
    let section = section.and_then(|at| image.sections.get(at));
    let content = section.map(|section| image.raw(section)).unwrap_or_default();
    modinfo::pairs(content)
        .map(|(key, value)| Ok((budget.keep(key)?, budget.keep(value)?)))
        .collect()
}

/// `elf_validity_cache_index_mod`, but for its size, which only the kernel can judge; before Linux 6.4 `setup_load_info`,
/// which takes the first one that is loaded. One without content is all zeros once it is loaded.
fn this_module<'i>(image: &'i Image<'_>) -> Result<&'i Section, ElfDefect> {
    let found = match image.era {
        Era::Before6_4 => image.allocated(THIS_MODULE).into_iter().collect(),
        _ => image.counted(THIS_MODULE),
    };
    let section = match *found {
        [at] => image.sections.get(at),
        [] => None,
        _ => return Err(not_a_module("it has more than one .gnu.linkonce.this_module section")),
    };
    match section {
        None => Err(not_a_module("it has no .gnu.linkonce.this_module section")),
        Some(section) if section.is_copied() && section.is_allocated() => Ok(section),
        Some(_) if image.era == Era::Before6_4 => Err(deadly(
            "its .gnu.linkonce.this_module section has no content, and the kernel works with a struct module of zeros",
        )),
        Some(_) => Err(not_a_module(
            "its .gnu.linkonce.this_module section has no content to load",
        )),
    }
}

/// The bytes of `struct module`, where its fields stand in the order of its source.
#[derive(Clone, Copy)]
struct Structure<'a>(&'a [u8]);

impl<'a> Structure<'a> {
    /// A kernel with a randomised layout, which its modules' vermagic tells (`include/linux/vermagic.h`), has every field
    /// elsewhere: then nothing can be read.
    fn of(this_module: &'a [u8], modinfo: &[(String, String)]) -> Option<Self> {
        let vermagic = modinfo.iter().find(|(key, _)| key == "vermagic");
        let is_randomised = vermagic.is_some_and(|(_, magic)| magic.contains("RANDSTRUCT"));
        (!is_randomised).then_some(Self(this_module))
    }

    /// The module's name.
    fn name(self) -> Option<String> {
        let field = self.0.get(NAME_OFFSET..NAME_OFFSET + NAME_LEN)?;
        let name = field.get(..field.iter().position(|byte| *byte == 0)?)?;
        let plausible = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        plausible.then(|| String::from_utf8_lossy(name).into_owned())
    }

    fn flaw(self, modinfo: &[(String, String)]) -> Option<ElfDefect> {
        self.out_of_place(modinfo).or_else(|| self.nameless())
    }

    /// Nothing can be made in /sys/module for a module whose name is empty (`lib/kobject.c: kobject_add_internal`).
    fn nameless(self) -> Option<ElfDefect> {
        let is_empty = self.0.get(NAME_OFFSET) == Some(&0);
        is_empty.then(|| {
            malformed("its struct module has no name at the place of the name, and the kernel registers no such module")
        })
    }

    /// kbuild writes one name (`KBUILD_MODNAME`) into `struct module` and into `.modinfo`. Where another name is read from
    /// the structure, and that one stands elsewhere in it, the section does not begin where the structure does.
    fn out_of_place(self, modinfo: &[(String, String)]) -> Option<ElfDefect> {
        let (_, told) = modinfo.iter().find(|(key, _)| key == "name")?;
        let read = self.name().filter(|read| read != told && told.len() < NAME_LEN)?;
        let whole = format!("{told}\0");
        let looked_at = self.0.get(..MAX_STRUCTURE).unwrap_or(self.0);
        let at = looked_at
            .windows(whole.len())
            .position(|window| window == whole.as_bytes())?;
        Some(deadly(format!(
            "its struct module is out of place: its name {told} stands at byte {at} instead of {NAME_OFFSET}, where {read} is \
             read"
        )))
    }
}

/// What may still be kept of a module's texts, so that a small file with a million overlapping names stays small.
struct Budget {
    texts: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            texts: MAX_TEXTS,
            bytes: MAX_TEXT_BYTES,
        }
    }
}

impl Budget {
    /// The text as a string of our own; what is not UTF-8 in it is replaced.
    fn keep(&mut self, text: &[u8]) -> Result<String, ElfDefect> {
        match (self.texts.checked_sub(1), self.bytes.checked_sub(text.len())) {
            (Some(texts), Some(bytes)) => *self = Self { texts, bytes },
            _ => {
                return Err(beyond_limits("it has more names than this program is willing to read"));
            }
        }
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}

fn defect(kind: ElfDefectKind, message: impl Into<String>) -> ElfDefect {
    ElfDefect {
        kind,
        message: message.into(),
    }
}

fn malformed(message: impl Into<String>) -> ElfDefect {
    defect(ElfDefectKind::Malformed, message)
}

fn deadly(message: impl Into<String>) -> ElfDefect {
    defect(ElfDefectKind::Deadly, message)
}

fn beyond_limits(message: &str) -> ElfDefect {
    defect(ElfDefectKind::BeyondLimits, message)
}

fn not_a_module(message: &str) -> ElfDefect {
    defect(ElfDefectKind::NotAModule, message)
}
