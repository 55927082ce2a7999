//! Folders of modules, as images have them: read from disk, or indexed on the way by the real depmod.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kmm_preflight::kmod::facts::{ElfModule, ModuleFile};
use kmm_preflight::kmod::staged::{Entry, Folder};

/// `lib/modules/<release>` below a root.
pub(crate) fn read(root: &Path, release: &str) -> Folder {
    let base = root.join("lib/modules").join(release);
    let mut folder = Folder::default();
    add(&mut folder, &base, &base);
    folder
}

fn add(folder: &mut Folder, base: &Path, at: &Path) {
    for item in fs::read_dir(at).expect("a folder") {
        let path = item.expect("an item").path();
        let name = path
            .strip_prefix(base)
            .expect("a path below the folder")
            .display()
            .to_string();
        if path.is_symlink() {
            let target = fs::read_link(&path).expect("a link");
            folder.entries.insert(name, Entry::Link(target.display().to_string()));
        } else if path.is_dir() {
            add(folder, base, &path);
        } else {
            folder.entries.insert(name, entry(&path));
        }
    }
}

fn entry(path: &Path) -> Entry {
    let bytes = fs::read(path).expect("a file");
    if path.parent().is_some_and(|folder| folder.ends_with("extra")) {
        Entry::Module(Arc::new(ModuleFile::read(&bytes)))
    } else {
        Entry::Index(Arc::new(bytes))
    }
}

/// A module under `extra/` with its companions, indexed. depmod sees a sound module under the names of variants that
/// stand alone, as if they had been damaged later: it would leave some of them out. Debian's does not know `.ko.gz`, so
/// those stand there as `.ko`; what counts are the first bytes.
pub(crate) fn indexed(module: &Path, companions: &[PathBuf], release: &str) -> Folder {
    let root = tempfile::tempdir().expect("a folder");
    let extra = root.path().join("lib/modules").join(release).join("extra");
    fs::create_dir_all(&extra).expect("a folder");
    let copy = |file: &Path, named: &Path| {
        let name = named.file_name().and_then(|name| name.to_str()).expect("a file name");
        fs::copy(file, extra.join(name.trim_end_matches(".gz"))).expect("a copy");
    };
    let sound = module.with_file_name("plain.ko");
    copy(if companions.is_empty() { &sound } else { module }, module);
    for companion in companions {
        copy(companion, companion);
    }
    depmod(root.path(), release);
    copy(module, module);
    read(root.path(), release)
}

fn depmod(root: &Path, release: &str) {
    let run = Command::new("depmod").arg("-b").arg(root).arg(release).output();
    let run = run.expect("depmod, of Debian's package kmod");
    assert!(run.status.success(), "depmod of {}: {run:?}", root.display());
}

/// The ELF image of a sound module.
pub(crate) fn elf(file: &ModuleFile) -> &ElfModule {
    file.content
        .as_ref()
        .expect("an unpacked module")
        .elf
        .as_ref()
        .expect("an ELF image")
}
