//! `/lib/modules/<kernel>` of a kernel, from the lists that depmod and kbuild write as text.

use std::borrow::Cow;

use super::toolkit::{InTree, InTreeModule};

impl InTree {
    /// Reads `modules.dep` and `modules.builtin`. Lines that are none are passed over; of two modules of one name
    /// the first counts, which is the one that depmod prefers.
    pub fn from_text(modules_dep: &str, modules_builtin: &str) -> Self {
        let mut modules: Vec<InTreeModule> =
            modules_dep.lines().filter_map(DependencyLine::parse).map(DependencyLine::into_module).collect();
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        modules.dedup_by(|later, first| later.name == first.name);
        let paths = modules_builtin.lines().map(str::trim).filter(|path| !path.is_empty());
        let mut builtin: Vec<String> = paths.map(|path| module_name(path).into_owned()).collect();
        builtin.sort_unstable();
        builtin.dedup();
        Self { modules, builtin }
    }
}

/// A line of `modules.dep`, and a value of `modules.dep.bin`: a module and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyLine<'a> {
    /// The module's path.
    pub path: &'a str,
    /// The paths of what it needs, those first that are loaded last (kmod reads the list backwards).
    pub needs: Vec<&'a str>,
}

impl<'a> DependencyLine<'a> {
    /// Reads `path: path path …` (kmod `libkmod-module.c: kmod_module_parse_depline`). A line without a colon, or
    /// without a path before it, is none.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (path, needs) = line.split_once(':')?;
        let path = path.trim();
        (!path.is_empty()).then(|| Self { path, needs: needs.split_ascii_whitespace().collect() })
    }

    fn into_module(self) -> InTreeModule {
        InTreeModule {
            name: module_name(self.path).into_owned(),
            path: self.path.to_owned(),
            needs: self.needs.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// The name of a module from its path: the file's name up to the first dot, with `-` as `_`
/// (kmod `shared/util.c: path_to_modname`).
pub fn module_name(path: &str) -> Cow<'_, str> {
    let file = path.rsplit('/').next().unwrap_or_default();
    let name = file.split('.').next().unwrap_or_default();
    if name.contains('-') { Cow::Owned(name.replace('-', "_")) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_modules_dep_are_understood() {
        let line = |path, needs: &[&'static str]| Some(DependencyLine { path, needs: needs.to_vec() });
        let cases = [
            ("no dependency", "extra/a.ko:", line("extra/a.ko", &[])),
            ("two", "extra/a.ko: extra/b.ko kernel/c.ko.xz", line("extra/a.ko", &["extra/b.ko", "kernel/c.ko.xz"])),
            ("an absolute path", "/opt/a.ko: /opt/b.ko", line("/opt/a.ko", &["/opt/b.ko"])),
            ("no colon", "extra/a.ko", None),
            ("no path", ": extra/b.ko", None),
            ("nothing", "", None),
        ];
        for (name, text, expected) in cases {
            assert_eq!(DependencyLine::parse(text), expected, "{name}");
        }
    }

    #[test]
    fn a_path_gives_the_name_that_kmod_makes_of_it() {
        let cases = [
            ("kernel/drivers/net/virtio-net.ko.xz", "virtio_net"),
            ("a.ko", "a"),
            ("drivers/net/tun", "tun"),
            ("odd-dir/snd-hda.intel.ko", "snd_hda"),
            ("", ""),
        ];
        for (path, expected) in cases {
            assert_eq!(module_name(path), expected);
        }
    }

    #[test]
    fn in_tree_modules_are_found_whatever_the_order_of_the_lists() {
        let in_tree = InTree::from_text(
            "kernel/z.ko: kernel/virtio-ring.ko\nkernel/virtio-ring.ko:\nbroken\nupdates/a.ko:\nkernel/a.ko:\n",
            "kernel/fs/ext4/ext4.ko\n\nkernel/crypto/aes-generic.ko\n",
        );
        assert_eq!(in_tree.module("virtio-ring").map(|m| m.path.as_str()), Some("kernel/virtio-ring.ko"));
        assert_eq!(in_tree.module("z").map(|m| m.needs.clone()), Some(vec!["kernel/virtio-ring.ko".to_owned()]));
        assert_eq!(in_tree.module("a").map(|m| m.path.as_str()), Some("updates/a.ko"));
        assert_eq!(in_tree.module("broken"), None);
        assert!(in_tree.is_builtin("ext4") && in_tree.is_builtin("aes-generic") && !in_tree.is_builtin("a"));
    }

    #[test]
    fn a_real_list_by_depmod_is_understood() {
        let in_tree = InTree::from_text(include_str!("../../tests/fixtures/kmod/modules.dep"), "");
        let pump = in_tree.module("kmmp_pump").unwrap();
        assert_eq!(pump.path, "extra/kmmp_pump.ko");
        assert_eq!(pump.needs, ["extra/kmmp_ring.ko"]);
    }
}
