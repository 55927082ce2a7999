//! `modules.dep`, `modules.builtin` and `modules.builtin.modinfo` → the in-tree modules of a kernel.

use std::collections::BTreeSet;

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

/// What gives something that is built in a folder of its name in `/sys/module` (`kernel/params.c: param_sysfs_builtin`,
/// `version_sysfs_builtin`): a parameter, unless it is hidden (its permissions are 0, which no file tells), and a version.
const SHOWN_IN_SYSFS: [&str; 2] = [".parmtype", ".version"];

/// The names in `modules.builtin.modinfo` that have a folder in `/sys/module`, one a line. The file has an entry
/// `NAME.KEY=VALUE` for every `MODULE_…` of what is built in, each with a NUL at its end.
pub fn in_sysfs(modinfo: &str) -> String {
    let entries = modinfo.split('\0').filter_map(|entry| entry.split_once('='));
    let names = entries.filter_map(|(key, _)| SHOWN_IN_SYSFS.iter().find_map(|kind| key.strip_suffix(kind)));
    let names: BTreeSet<&str> = names.collect();
    names.into_iter().flat_map(|name| [name, "\n"]).collect()
}

impl InTree {
    /// Reads both files, and what [`in_sysfs`] has made of the third. Of two lines for one module the first
    /// counts, as in depmod's index.
    pub fn from_text(modules_dep: &str, modules_builtin: &str, in_sysfs: &str) -> Self {
        let mut modules: Vec<InTreeModule> = modules_dep.lines().filter_map(in_tree_module).collect();
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        modules.dedup_by(|later, first| later.name == first.name);
        let mut builtin: Vec<String> = modules_builtin
            .lines()
            .filter_map(|line| name_of(line.trim()))
            .collect();
        builtin.sort();
        builtin.dedup();
        let mut in_sysfs: Vec<String> = in_sysfs.lines().map(str::to_owned).collect();
        in_sysfs.sort();
        Self {
            modules,
            builtin,
            in_sysfs,
        }
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
            "",
        );
        let storage = in_tree.module("usb_storage").unwrap();
        assert_eq!(storage.needs, ["kernel/drivers/usb/core/usbcore.ko"]);
        assert_eq!(in_tree.module("usb-storage"), Some(storage));
        assert_eq!((in_tree.modules.len(), in_tree.module("rubbish")), (2, None));
        assert!(in_tree.is_builtin("crc_t10dif") && in_tree.is_builtin("ext4") && !in_tree.is_builtin("fat"));
    }

    #[test]
    fn what_is_built_in_and_has_parameters_or_a_version_is_found_among_all_that_it_says_of_itself() {
        let modinfo = "ext4.license=GPL\0tcp_cubic.parmtype=beta:int\0tcp_cubic.parm=beta:a = b\0\
                       printk.parmtype=time:bool\0printk.parmtype=ignore_loglevel:bool\0ext4.description=no .parmtype=x\0\
                       loop.version=1.2\0loop.srcversion=33\0";
        let names = in_sysfs(modinfo);
        assert_eq!(names, "loop\nprintk\ntcp_cubic\n");
        let in_tree = InTree::from_text("", "kernel/fs/ext4/ext4.ko\n", &names);
        assert!(in_tree.is_in_sysfs("tcp-cubic") && in_tree.is_in_sysfs("printk") && in_tree.is_in_sysfs("loop"));
        assert!(!in_tree.is_in_sysfs("ext4"));
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
