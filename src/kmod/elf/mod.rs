//! The ELF image of a module, read as the kernel reads it: the same checks in the same order, and no others.
//!
//! The checks are those of `kernel/module/main.c` (`elf_validity_check` in 5.14, `elf_validity_cache_copy` since 6.4,
//! `simplify_symbols`). Where versions differ, the newest is followed: it refuses a second `.modinfo` or
//! `.gnu.linkonce.this_module` (since 6.4), and section and symbol names that lie outside their string tables (the
//! last since 6.13; before, the kernel would have read beyond them). No real compiler writes such files.

mod exports;
mod image;
mod symbols;
#[cfg(test)]
mod tests;
mod versions;

use image::{Image, Section};

use super::facts::{ElfDefect, ElfDefectKind, ElfModule};
use super::modinfo;

/// How many texts (names, modinfo pairs) are kept of one module. The largest real ones have some ten thousand.
const MAX_TEXTS: usize = 1 << 18;

/// How many bytes of text are kept of one module; real ones stay below one MiB.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Where `name` stands in `struct module` of a 64-bit kernel: after `enum module_state` and `struct list_head`.
const NAME_OFFSET: usize = 24;

/// `MODULE_NAME_LEN` of a 64-bit kernel (`include/linux/moduleparam.h`).
const NAME_LEN: usize = 56;

/// What the kernel reads from the image, or the first thing that it refuses.
pub(super) fn read(bytes: &[u8]) -> Result<ElfModule, ElfDefect> {
    let image = Image::open(bytes)?;
    let mut budget = Budget::default();
    let modinfo = modinfo_pairs(&image, &mut budget)?;
    let symbols = symbols::Symbols::find(&image)?;
    let this_module = this_module(&image)?;
    let versions = versions::read(&image, &mut budget)?;
    symbols.check_names()?;
    Ok(ElfModule {
        machine: image.machine,
        this_module_size: this_module.size,
        name: module_name(image.content(this_module)),
        modinfo,
        versions,
        exports: exports::read(&image, &symbols, &mut budget)?,
        undefined: symbols.undefined(image.machine, &mut budget)?,
    })
}

/// `elf_validity_cache_index_info`: there may be one `.modinfo`, or none.
fn modinfo_pairs(image: &Image<'_>, budget: &mut Budget) -> Result<Vec<(String, String)>, ElfDefect> {
    let mut sections = image.named(".modinfo");
    let section = sections.next();
    if sections.next().is_some() {
        return Err(malformed("it has more than one .modinfo section"));
    }
    let content = section.map(|section| image.content(section)).unwrap_or_default();
    modinfo::pairs(content)
        .map(|(key, value)| Ok((budget.keep(key)?, budget.keep(value)?)))
        .collect()
}

/// `elf_validity_cache_index_mod`, but for its size, which only the kernel can judge.
fn this_module<'i>(image: &'i Image<'_>) -> Result<&'i Section, ElfDefect> {
    let mut sections = image.named(".gnu.linkonce.this_module");
    match (sections.next(), sections.next()) {
        (Some(section), None) if section.has_content() && section.is_allocated() => Ok(section),
        (Some(_), None) => Err(not_a_module(
            "its .gnu.linkonce.this_module section has no content to load",
        )),
        (Some(_), Some(_)) => Err(not_a_module("it has more than one .gnu.linkonce.this_module section")),
        (None, _) => Err(not_a_module("it has no .gnu.linkonce.this_module section")),
    }
}

/// The name in `struct module`. A kernel with a randomised layout has it elsewhere: then there is no name to read.
fn module_name(this_module: &[u8]) -> Option<String> {
    let field = this_module.get(NAME_OFFSET..NAME_OFFSET + NAME_LEN)?;
    let name = field.get(..field.iter().position(|byte| *byte == 0)?)?;
    let plausible = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    plausible.then(|| String::from_utf8_lossy(name).into_owned())
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

fn beyond_limits(message: &str) -> ElfDefect {
    defect(ElfDefectKind::BeyondLimits, message)
}

fn not_a_module(message: &str) -> ElfDefect {
    defect(ElfDefectKind::NotAModule, message)
}
