//! `modules.dep` and `modules.builtin` in text form → the in-tree modules of a kernel.

use super::toolkit::{InTree, InTreeModule};

/// The endings of module files, as depmod knows them (`shared/util.c: kmod_exts`).
const ENDINGS: [&str; 4] = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];

/// The name of the module in a file, with `-` as `_`; `None` if the file's name is not that of a module.
pub fn name_of(path: &str) -> Option<String> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending))?;
    (!name.is_empty()).then(|| name.replace('-', "_"))
}

/// One line of `modules.dep`: a file and the files that it needs. `None` for what is no such line.
pub fn dependency_line(line: &str) -> Option<(&str, Vec<&str>)> {
    let (path, needs) = line.split_once(':')?;
    Some((path.trim(), needs.split_whitespace().collect()))
}

impl InTree {
    /// Reads both files. Of two lines for one module the first counts, as in depmod's index.
    pub fn from_text(modules_dep: &str, modules_builtin: &str) -> Self {
        let mut modules: Vec<InTreeModule> = modules_dep.lines().filter_map(in_tree_module).collect();
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        modules.dedup_by(|later, first| later.name == first.name);
        let mut builtin: Vec<String> = modules_builtin
            .lines()
            .filter_map(|line| name_of(line.trim()))
            .collect();
        builtin.sort();
        builtin.dedup();
        Self { modules, builtin }
    }
}

fn in_tree_module(line: &str) -> Option<InTreeModule> {
    let (path, needs) = dependency_line(line)?;
    let needs = needs.into_iter().map(str::to_owned).collect();
    Some(InTreeModule {
        name: name_of(path)?,
        path: path.to_owned(),
        needs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_by_name_whatever_dashes_it_has() {
        let in_tree = InTree::from_text(
            "kernel/drivers/usb/storage/usb-storage.ko.xz: kernel/drivers/usb/core/usbcore.ko\nkernel/fs/fat/fat.ko:\nrubbish\n",
            "kernel/lib/crc-t10dif.ko\n\nkernel/fs/ext4/ext4.ko\n",
        );
        let storage = in_tree.module("usb_storage").unwrap();
        assert_eq!(storage.needs, ["kernel/drivers/usb/core/usbcore.ko"]);
        assert_eq!(in_tree.module("usb-storage"), Some(storage));
        assert_eq!((in_tree.modules.len(), in_tree.module("rubbish")), (2, None));
        assert!(in_tree.is_builtin("crc_t10dif") && in_tree.is_builtin("ext4") && !in_tree.is_builtin("fat"));
    }

    #[test]
    fn only_module_files_have_a_modules_name() {
        for (path, name) in [
            ("extra/a-b.ko", Some("a_b")),
            ("a.ko.zst", Some("a")),
            ("/lib/a.ko.gz", Some("a")),
            ("a.ko.bz2", None),
            (".ko", None),
            ("a.o", None),
        ] {
            assert_eq!(name_of(path).as_deref(), name, "{path}");
        }
    }
}
