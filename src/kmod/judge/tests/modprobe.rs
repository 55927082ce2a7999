//! modprobe's arguments, its indexes and links, and the modules that it loads before ours.

use std::sync::Arc;

use super::sketch::{KERNEL, a_module, a_scene, an_index, each, with};
use crate::kmod::staged::Entry;
use crate::kmod::toolkit::InTree;

#[test]
#[expect(clippy::too_many_lines, reason = "one table, one row for each branch")]
fn what_the_arguments_ask_for() {
    let plus = format!("{KERNEL}+");
    each(vec![
        ("an unknown option", a_scene().args("--fancy"), "modprobe-arguments!"),
        ("removing is not loading", a_scene().args("-r"), "modprobe-arguments!"),
        (
            "looking up is not loading",
            a_scene().args("--dry-run"),
            "modprobe-arguments!",
        ),
        ("printing is not loading", a_scene().args("-c"), "modprobe-arguments!"),
        ("harmless options", a_scene().args("-q --use-blacklist -s"), ""),
        ("another folder", a_scene().args("-d /opt"), "modprobe-arguments!"),
        ("another kernel", a_scene().args("-S 6.1"), "modprobe-arguments!"),
        (
            "the same folder, written differently",
            a_scene().args("-d /tmp/./opt/"),
            "",
        ),
        (
            "a kernel with + has another folder",
            a_scene().kernel(&plus),
            "kernel-folder-plus!",
        ),
        (
            "unless modprobe is told of it",
            a_scene()
                .kernel(&plus)
                .args(&format!("-S {KERNEL}"))
                .toolkit(|t| t.vermagic = None)
                .config("MODVERSIONS SMP PREEMPT_BUILD MODULE_UNLOAD X86_64"),
            "",
        ),
        ("raw arguments with the copy", a_scene().raw("-d /tmp/opt drv"), ""),
        (
            "raw arguments without it, and nothing in-tree",
            a_scene().raw("drv"),
            "module-not-found!",
        ),
        (
            "an in-tree module instead of ours",
            a_scene().raw("-v intree"),
            "modprobe-arguments?",
        ),
        (
            "an alias that only the node knows",
            a_scene().raw("pci:v1d2"),
            "modprobe-arguments?",
        ),
        (
            "without a toolkit nobody knows",
            a_scene().without_toolkit().raw("drv"),
            "modprobe-arguments?",
        ),
        (
            "raw arguments without a module",
            a_scene().raw("-v"),
            "modprobe-arguments!",
        ),
        (
            "with -a, words are modules",
            a_scene().args("-a").parameters(&["x=1"]),
            "module-not-found!",
        ),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, one row for each branch")]
fn what_the_indexes_know() {
    let index = |bytes: Vec<u8>| Entry::Index(Arc::new(bytes));
    let dep = |entry: Entry| {
        let mut scene = a_scene();
        scene.entries.insert("modules.dep.bin".to_owned(), entry);
        scene
    };
    let mut damaged = an_index(&[("drv".to_owned(), "extra/drv.ko:".to_owned())]);
    damaged.truncate(20);
    each(vec![
        ("an empty index is none", dep(index(Vec::new())), "dep-index-missing!"),
        (
            "a file that is no index",
            dep(index(b"extra/drv.ko:".to_vec())),
            "dep-index-damaged!",
        ),
        ("an index that is cut off", dep(index(damaged)), "dep-index-damaged!"),
        (
            "an index that is too large",
            dep(Entry::TooLarge(1 << 40)),
            "file-too-large!",
        ),
        (
            "an index of which nothing is known",
            dep(Entry::Unread("a sparse file".to_owned())),
            "file-not-read?",
        ),
        ("an index through a link", a_scene().link("x", "y"), ""),
        ("no such module", a_scene().module("other"), "module-not-found!"),
        (
            "dashes are underscores",
            a_scene().line("my_drv", "extra/drv.ko:").module("my-drv"),
            "",
        ),
        ("unmatched brackets", a_scene().module("drv["), "module-not-found!"),
        ("an alias", a_scene().alias("pci:v*d2", "drv").module("pci:v1d2"), ""),
        (
            "an alias for nothing",
            a_scene().alias("a", "gone").module("a"),
            "module-not-found!",
        ),
        (
            "of an alias's modules the last one counts",
            a_scene()
                .beside("bad", a_module().needs("gone", 1))
                .alias("a", "bad")
                .alias("a", "drv")
                .module("a"),
            "symbol-missing?",
        ),
        (
            "and only that",
            a_scene()
                .beside("bad", a_module().needs("gone", 1))
                .alias("a", "drv")
                .alias("a", "bad")
                .module("a"),
            "symbol-missing!",
        ),
        (
            "a module of an alias that the last one needs",
            a_scene()
                .beside("bad", a_module().needs("gone", 1))
                .line("drv", "extra/drv.ko: extra/bad.ko")
                .alias("a", "bad")
                .alias("a", "drv")
                .module("a"),
            "symbol-missing!",
        ),
        (
            "a module that an alias names twice",
            a_scene()
                .beside("bad", a_module().needs("gone", 1))
                .alias("a", "bad")
                .alias("a", "bad")
                .module("a"),
            "symbol-missing!",
        ),
        (
            "one that fails exports nothing to the next",
            with(a_module().needs("lib_call", 0x99))
                .beside("bad", a_module().needs("gone", 1).exports("lib_call", Some(0x99)))
                .alias("a", "bad")
                .alias("a", "drv")
                .module("a"),
            "symbol-missing? symbol-missing!",
        ),
        (
            "a path instead of a name",
            a_scene().module(&format!("/tmp/opt/lib/modules/{KERNEL}/extra/drv.ko")),
            "module-not-found!",
        ),
        (
            "a path that is relative",
            a_scene().module("./drv.ko"),
            "module-not-found!",
        ),
        (
            "a symbol that a module exports",
            a_scene()
                .symbol_index("symbol:drv_open", "drv")
                .module("symbol:drv_open"),
            "",
        ),
        (
            "a symbol that nobody exports",
            a_scene()
                .symbol_index("symbol:drv_open", "drv")
                .module("symbol:drv_close"),
            "module-not-found!",
        ),
        (
            "a symbol is looked up under its full name only",
            a_scene().symbol_index("drv_open", "drv").module("drv_open"),
            "module-not-found!",
        ),
    ]);
}

#[test]
fn a_module_that_the_image_calls_built_in_is_never_loaded() {
    let mut scene = a_scene();
    let builtin = an_index(&[("drv".to_owned(), String::new())]);
    scene
        .entries
        .insert("modules.builtin.bin".to_owned(), Entry::Index(Arc::new(builtin)));
    assert_eq!(scene.rules(), "module-builtin!");
}

#[test]
fn without_any_index_there_is_nothing_to_find() {
    let mut scene = a_scene();
    scene.entries.insert(
        "modules.dep".to_owned(),
        Entry::Index(Arc::new(b"extra/drv.ko:\n".to_vec())),
    );
    scene
        .entries
        .insert("modules.dep.bin".to_owned(), Entry::Link("gone".to_owned()));
    assert_eq!(scene.rules(), "dep-index-missing!");
}

#[test]
fn what_the_paths_lead_to() {
    let node = |path: &str| a_scene().without_file("extra/drv.ko").link("extra/drv.ko", path);
    each(vec![
        (
            "a file that is gone",
            a_scene().without_file("extra/drv.ko"),
            "module-file-missing!",
        ),
        (
            "a link inside the folder",
            a_scene().link("l.ko", "extra/drv.ko").line("drv", "l.ko:"),
            "",
        ),
        ("a link out of the folder", node("/opt/drv.ko"), "link-leaves-folder!"),
        ("a link to itself", node("drv.ko"), "link-leaves-folder!"),
        ("a folder", a_scene().line("drv", "extra:"), "module-file-missing!"),
        (
            "a link to an in-tree module",
            node(&format!("/lib/modules/{KERNEL}/kernel/drivers/intree.ko.xz")),
            "module-in-tree?",
        ),
        (
            "an in-tree module that was asked for",
            a_scene()
                .link("host", &format!("/lib/modules/{KERNEL}"))
                .line("intree", "host/kernel/drivers/intree.ko.xz:")
                .module("intree"),
            "module-in-tree?",
        ),
        (
            "another kernel's folder on the node",
            node("/lib/modules/6.1/x.ko"),
            "module-file-missing!",
        ),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, one row for each branch")]
fn what_is_loaded_before() {
    let user = || with(a_module().needs("lib_call", 0x99));
    let library = || a_module().exports("lib_call", Some(0x99));
    let linked = || {
        with(a_module().needs("rpc_call", 0x77))
            .link("host", &format!("/lib/modules/{KERNEL}"))
            .line("drv", "extra/drv.ko: host/kernel/net/sunrpc/sun-rpc.ko.xz")
    };
    each(vec![
        (
            "a dependency in the image",
            user()
                .beside("lib", library())
                .line("drv", "extra/drv.ko: extra/lib.ko"),
            "",
        ),
        (
            "one that fails fails ours",
            user()
                .beside("lib", library().needs("gone", 1))
                .line("drv", "extra/drv.ko: extra/lib.ko"),
            "symbol-missing!",
        ),
        (
            "one that the index does not name is not loaded",
            user().beside("lib", library()),
            "symbol-missing!",
        ),
        (
            "one whose file is gone",
            user().line("drv", "extra/drv.ko: extra/lib.ko"),
            "dependency-missing! symbol-missing!",
        ),
        (
            "one whose file is gone takes the others with it",
            user()
                .beside("lib", library())
                .line("drv", "extra/drv.ko: extra/lib.ko extra/gone.ko"),
            "dependency-missing! symbol-missing!",
        ),
        (
            "one whose file is gone and that nobody needs",
            a_scene().line("drv", "extra/drv.ko: extra/gone.ko"),
            "dependency-missing?",
        ),
        (
            "without a toolkit a missing one decides",
            a_scene().line("drv", "extra/drv.ko: extra/gone.ko").without_toolkit(),
            "dependency-missing!",
        ),
        (
            "an in-tree one through the documented link",
            linked(),
            "dependency-in-tree",
        ),
        (
            "one that the toolkit's list lacks, and its table of symbols names",
            linked().toolkit(|toolkit| toolkit.in_tree = Some(Arc::new(InTree::from_text("", "", "")))),
            "dependency-in-tree?",
        ),
        (
            "the same without a toolkit",
            linked().without_toolkit(),
            "dependency-in-tree",
        ),
        (
            "an in-tree one that the kernel does not have, as far as its lists tell",
            linked().toolkit(|t| {
                t.in_tree = Some(Arc::new(InTree::default()));
                t.symvers = None;
            }),
            "dependency-missing! not-checked",
        ),
        (
            "an in-tree one without the link",
            with(a_module().needs("rpc_call", 0x77)),
            "dependency-in-tree-unlinked!",
        ),
        (
            "an in-tree one without the link, on nodes that have it loaded",
            with(a_module().needs("rpc_call", 0x77)).with_loaded("sun_rpc 4096 0 - Live 0x0\n"),
            "dependency-in-tree-unlinked?",
        ),
        (
            "an in-tree one without the link, on nodes that have it loaded in another version",
            with(a_module().needs("rpc_call", 0x78)).with_loaded("sun_rpc\n"),
            "crc-mismatch! dependency-in-tree-unlinked?",
        ),
        (
            "an in-tree one without the link that KMM unloads first", // truth: dependencies/loaded-and-removed-first
            with(a_module().needs("rpc_call", 0x77))
                .with_loaded("sun_rpc\n")
                .removing("sun-rpc"),
            "dependency-in-tree-unlinked!",
        ),
        (
            "an in-tree one through the link, on nodes that have it loaded",
            linked().with_loaded("sun_rpc\n"),
            "dependency-in-tree",
        ),
        ("one that is built in", with(a_module().needs("ext4_thing", 0x66)), ""),
        (
            "an unreadable one hides what it exports",
            user()
                .file(
                    "extra/lib.ko",
                    library().unpackable(crate::kmod::facts::Unpackable::TooLarge(1)),
                )
                .line("drv", "extra/drv.ko: extra/lib.ko"),
            "file-too-large!",
        ),
        (
            "so does one of which nothing is known",
            user()
                .entry("extra/lib.ko", Entry::Unread("a sparse file".to_owned()))
                .line("drv", "extra/drv.ko: extra/lib.ko"),
            "file-not-read?",
        ),
    ]);
}

#[test]
fn soft_dependencies_are_tried_and_forgiven() {
    let user = || with(a_module().needs("lib_call", 0x99));
    let library = || a_module().exports("lib_call", Some(0x99));
    each(vec![
        (
            "a soft one is loaded first",
            user().beside("lib", library()).order("drv lib"),
            "",
        ),
        (
            "one of the next",
            user()
                .beside("mid", a_module())
                .beside("lib", library())
                .order("drv mid lib"),
            "",
        ),
        (
            "a missing one is ignored",
            a_scene().order("drv lib"),
            "soft-dependency-missing?",
        ),
        (
            "a failing one is ignored",
            a_scene().beside("lib", a_module().needs("gone", 1)).order("drv lib"),
            "symbol-missing?",
        ),
        (
            "but what it exports is missing then",
            user().beside("lib", library().needs("gone", 1)).order("drv lib"),
            "symbol-missing? symbol-missing!",
        ),
        (
            "one that is needed as well is not forgiven",
            user()
                .beside("lib", library().needs("gone", 1))
                .order("drv lib")
                .line("drv", "extra/drv.ko: extra/lib.ko"),
            "symbol-missing!",
        ),
        (
            "-i ignores the order",
            user().beside("lib", library()).order("drv lib").args("-i"),
            "symbol-missing!",
        ),
        (
            "-C reads another one",
            user().beside("lib", library()).order("drv lib").args("-C /x"),
            "symbol-missing!",
        ),
        (
            "an order in circles ends",
            a_scene().beside("lib", a_module()).order("drv lib drv"),
            "",
        ),
    ]);
}

#[test]
fn an_endless_loading_order_is_followed_only_so_far() {
    let names: Vec<String> = (0..500).map(|n| format!("m{n}")).collect();
    let mut scene = a_scene().order(&format!("drv {}", names.join(" ")));
    for name in &names {
        scene = scene.line(name, "extra/drv.ko:");
    }
    assert_eq!(scene.rules(), "");
}

#[test]
fn modules_of_the_same_name() {
    let ours = || a_scene().line("intree", "extra/drv.ko:").module("intree");
    each(vec![
        ("an in-tree one may be loaded already", ours(), "module-in-tree?"),
        ("unless KMM unloads it", ours().removing("intree"), ""),
        (
            "KMM wants its file's name to the letter",
            ours().removing("in-tree"),
            "module-in-tree?",
        ),
        (
            "one that nodes have loaded",
            ours().with_loaded("intree\n"),
            "module-in-tree?",
        ),
        (
            "that one, and modprobe minds", // truth: dependencies/same-name-as-in-tree-loaded-first-time
            ours().with_loaded("intree\n").args("--first-time"),
            "module-in-tree!",
        ),
        (
            "a built-in one",
            a_scene().line("ext4", "extra/drv.ko:").module("ext4"),
            "module-builtin?",
        ),
        (
            "a built-in one with parameters",
            a_scene().line("tcp_cubic", "extra/drv.ko:").module("tcp-cubic"),
            "module-builtin!",
        ),
        (
            "a part of the kernel with parameters, which is no module",
            a_scene().line("printk", "extra/drv.ko:").module("printk"),
            "module-builtin!",
        ),
    ]);
    let first_time = ours().args("--first-time").findings();
    assert!(
        first_time[0].message.contains("modprobe fails (--first-time)"),
        "{}",
        first_time[0].message
    );
}

#[test]
fn an_endless_list_of_dependencies_is_not_followed() {
    let needs = "extra/drv.ko ".repeat(100_001);
    let scene = a_scene().line("drv", &format!("extra/drv.ko: {needs}"));
    assert_eq!(scene.rules(), "not-checked?");
}

#[test]
fn endless_texts_are_shortened() {
    let findings = a_scene().module(&"x".repeat(5_000)).findings();
    let lengths = [&findings[0].message, findings[0].symbol.as_ref().unwrap()];
    assert_eq!(lengths.map(|text| text.chars().count()), [1_001, 1_001]);
}
