//! What KMM's copy step finds in images of many shapes.

use super::StageRequest;
use crate::inspect::layer::fixture::Layer;
use crate::inspect::tree::MergedTree;
use crate::kmod::facts::ModuleFile;
use crate::kmod::staged::{Entry, Folder, Program, StagedFolder, StagedImage, Tool};

const KERNEL: &str = "5.14.0-570.el9.x86_64";

fn elf() -> Vec<u8> {
    [b"\x7fELF\x02\x01".as_slice(), &[0; 12], &[62, 0]].concat()
}

fn stage(layers: Vec<Layer>) -> StagedImage {
    stage_of(layers, "/opt", None)
}

fn stage_of(layers: Vec<Layer>, dir_name: &str, firmware_path: Option<&str>) -> StagedImage {
    let tree = MergedTree::new(layers.into_iter().map(Layer::facts).collect());
    tree.stage(&StageRequest {
        dir_name: dir_name.to_owned(),
        kernel_folder: KERNEL.to_owned(),
        firmware_path: firmware_path.map(str::to_owned),
    })
}

fn folder(image: &StagedImage) -> &Folder {
    match &image.folder {
        StagedFolder::Folder(folder) => folder,
        other => panic!("no folder but {other:?}"),
    }
}

fn names(image: &StagedImage) -> Vec<&str> {
    folder(image).entries.keys().map(String::as_str).collect()
}

fn in_folder(path: &str) -> String {
    format!("opt/lib/modules/{KERNEL}/{path}")
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn tools_are_found_as_a_shell_finds_them() {
    let present = Tool::Present(Program::Elf(62));
    for (case, layers, expected) in [
        (
            "a usr-merged distribution",
            vec![
                Layer::new().link("bin", "usr/bin").file("usr/bin/sh", &elf()),
                Layer::new().file("usr/bin/cp", &elf()).file("usr/bin/mkdir", &elf()),
            ],
            [present; 3],
        ),
        (
            "busybox and its applets",
            vec![
                Layer::new()
                    .file("bin/busybox", &elf())
                    .link("bin/sh", "/bin/busybox")
                    .link("usr/bin/cp", "../../bin/busybox")
                    .hard_link("bin/mkdir", "bin/busybox"),
            ],
            [present; 3],
        ),
        (
            "scripts instead of programs",
            vec![
                Layer::new()
                    .file("bin/sh", b"#!")
                    .file("usr/local/bin/cp", b"#!")
                    .file("sbin/mkdir", b"#!/bin/sh"),
            ],
            [Tool::Present(Program::Script); 3],
        ),
        (
            "files that are no programs",
            vec![
                Layer::new()
                    .file("bin/sh", b"text")
                    .file("usr/local/bin/cp", b"")
                    .file("sbin/mkdir", b"\x7fELF"),
            ],
            [Program::Other, Program::Other, Program::Empty].map(Tool::Present),
        ),
        (
            "an image of files alone",
            vec![Layer::new().file("opt/x", b"")],
            [Tool::Missing; 3],
        ),
        (
            "links to nowhere, folders, and places beyond PATH",
            vec![
                Layer::new()
                    .link("bin/sh", "dash")
                    .dir("bin/cp")
                    .file("opt/bin/mkdir", &elf()),
            ],
            [Tool::Missing; 3],
        ),
        (
            "removed by a later layer",
            vec![
                Layer::new()
                    .file("bin/sh", &elf())
                    .file("bin/cp", &elf())
                    .file("bin/mkdir", &elf()),
                Layer::new().whiteout("bin"),
            ],
            [Tool::Missing; 3],
        ),
    ] {
        let image = stage(layers);
        assert_eq!([image.sh, image.mkdir, image.cp], expected, "{case}");
    }
}

#[test]
fn the_kernels_folder_is_copied_with_all_that_is_below_it() {
    let image = stage(vec![
        Layer::new()
            .file(&in_folder("extra/a.ko"), b"old")
            .file(&in_folder("extra/gone.ko"), b"")
            .file(&in_folder("extra/deep/b.ko.xz"), b"xz"),
        Layer::new()
            .whiteout(&in_folder("extra/gone.ko"))
            .file(&in_folder("extra/a.ko"), b"new")
            .hard_link(&in_folder("updates/a2.ko"), &in_folder("extra/deep/b.ko.xz"))
            .file(&in_folder("modules.dep.bin"), b"index")
            .file(&in_folder("modules.order"), b"")
            .link(&in_folder("kernel"), "/lib/modules/host")
            .member(tar::EntryType::Fifo, &in_folder("pipe"), "", b""),
    ]);
    assert_eq!(
        names(&image),
        [
            "extra/a.ko",
            "extra/deep/b.ko.xz",
            "kernel",
            "modules.dep.bin",
            "modules.order",
            "pipe",
            "updates/a2.ko"
        ]
    );
    let entries = &folder(&image).entries;
    let module = |path: &str| match &entries[path] {
        Entry::Module(file) => file.size,
        other => panic!("{path} is {other:?}"),
    };
    assert_eq!(
        (
            module("extra/a.ko"),
            module("extra/deep/b.ko.xz"),
            module("updates/a2.ko")
        ),
        (3, 2, 2)
    );
    assert_eq!(entries["modules.dep.bin"], Entry::Index(b"index".to_vec().into()));
    assert_eq!(entries["kernel"], Entry::Link("/lib/modules/host".to_owned()));
    assert_eq!(
        (&entries["modules.order"], &entries["pipe"]),
        (&Entry::Other, &Entry::Other)
    );
}

#[test]
fn links_above_the_kernels_folder_are_followed_and_the_folder_itself_is_not() {
    let module = format!("data/modules/{KERNEL}/a.ko");
    for (case, layer, dir_name) in [
        (
            "the directory of the image",
            Layer::new().link("kmods", "/data").link("data/lib", "."),
            "/kmods",
        ),
        ("its lib", Layer::new().link("opt/lib", "../data"), "/opt/"),
        (
            "its modules",
            Layer::new().link("opt/lib/modules", "/data/modules"),
            "opt",
        ),
        (
            "none",
            Layer::new().link("data/lib/modules", "/data/modules"),
            "data/./",
        ),
    ] {
        let image = stage_of(vec![Layer::new().file(&module, b""), layer], dir_name, None);
        assert_eq!(names(&image), ["a.ko"], "{case}");
    }
    let linked = stage(vec![
        Layer::new().file(&module, b"").link(&in_folder(""), "/data/modules/x"),
    ]);
    assert_eq!(
        linked.folder,
        StagedFolder::Link {
            target: "/data/modules/x".to_owned()
        }
    );
}

#[test]
fn without_the_kernels_folder_the_others_are_named() {
    let missing = |names: &[&str]| StagedFolder::Missing {
        other_kernels: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    for (case, layer, expected) in [
        ("nothing at all", Layer::new(), missing(&[])),
        (
            "other kernels, and a file that is none",
            Layer::new()
                .dir("opt/lib/modules/6.1")
                .dir("opt/lib/modules/5.14")
                .file("opt/lib/modules/x", b""),
            missing(&["5.14", "6.1"]),
        ),
        (
            "a file in its place",
            Layer::new().file(&in_folder(""), b""),
            StagedFolder::NotAFolder,
        ),
        ("a file above", Layer::new().file("opt/lib", b""), missing(&[])),
    ] {
        assert_eq!(stage(vec![layer]).folder, expected, "{case}");
    }
}

#[test]
fn firmware_is_what_the_shells_star_finds() {
    for (case, layer, expected) in [
        ("a file", Layer::new().file("firmware/a.bin", b""), true),
        ("a folder", Layer::new().dir("firmware/vendor"), true),
        (
            "through a link",
            Layer::new().file("data/a.bin", b"").link("firmware", "data"),
            true,
        ),
        ("hidden files only", Layer::new().file("firmware/.keep", b""), false),
        ("an empty folder", Layer::new().dir("firmware"), false),
        ("a file of that name", Layer::new().file("firmware", b""), false),
        ("nothing", Layer::new(), false),
    ] {
        assert_eq!(
            stage_of(vec![layer], "/opt", Some("/firmware")).firmware,
            Some(expected),
            "{case}"
        );
    }
    assert_eq!(stage(vec![Layer::new()]).firmware, None);
}

#[test]
fn modprobes_configuration_is_seen_where_authors_put_it() {
    for (path, expected) in [
        ("etc/modprobe.d/a.conf", true),
        ("opt/etc/modprobe.d/a.conf", true),
        ("opt/lib/modprobe.d/a.conf", true),
        ("etc/modprobe.d/README", false),
        ("usr/lib/modprobe.d/dist.conf", false),
    ] {
        assert_eq!(
            stage(vec![Layer::new().file(path, b"")]).has_modprobe_config,
            expected,
            "{path}"
        );
    }
}

/// A module, and an index, as the kernel's own tools write them.
const MODULE: &[u8] = include_bytes!("../../../tests/fixtures/kmod/kmmp_lone.ko");
const INDEX: &[u8] = include_bytes!("../../../tests/fixtures/kmod/modules.dep.bin");

#[test]
fn a_hard_link_to_a_file_under_its_hash_is_the_module_or_index_that_it_is() {
    let store = |name: &str| format!("sysroot/ostree/repo/objects/{name}.file");
    let objects = Layer::new().file(&store("ab/01"), MODULE).file(&store("cd/02"), INDEX);
    let linked = |layer: Layer| {
        layer
            .hard_link(&in_folder("kernel/lone.ko"), &store("ab/01"))
            .hard_link(&in_folder("modules.dep.bin"), &store("cd/02"))
    };
    for (case, layers) in [
        ("in one layer", vec![linked(objects.clone())]),
        ("from a layer above", vec![objects, linked(Layer::new())]),
    ] {
        let image = stage(layers);
        let entries = &folder(&image).entries;
        let module = ModuleFile::read(MODULE);
        assert_eq!(entries["kernel/lone.ko"], Entry::Module(module.into()), "{case}");
        assert_eq!(
            entries["modules.dep.bin"],
            Entry::Index(INDEX.to_vec().into()),
            "{case}"
        );
    }
}

#[test]
fn files_whose_bytes_are_not_known_are_called_so_and_neither_good_nor_damaged() {
    let sparse = |layer: Layer, path: &str| layer.pax(&[("GNU.sparse.major", "1")]).file(&in_folder(path), b"map");
    let store = Layer::new()
        .file("store/1f", b"\xfd7zXZ\0 and more")
        .hard_link(&in_folder("linked.ko.xz"), "store/1f");
    let image = stage(vec![sparse(sparse(store, "sparse.ko"), "modules.dep.bin")]);
    for (path, why) in [
        ("linked.ko.xz", "hard link"),
        ("sparse.ko", "sparse"),
        ("modules.dep.bin", "sparse"),
    ] {
        let Entry::Unread(said) = &folder(&image).entries[path] else {
            panic!("{path} was read")
        };
        assert!(said.contains(why), "{path}: {said}");
    }
}
