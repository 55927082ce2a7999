//! Merged trees against a model: a plain map that each layer is applied to.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Found, MergedTree};
use crate::inspect::layer::fixture::Layer;
use crate::kmod::staged::Program;

/// A file that can be told from others by the machine of its ELF header.
fn elf(machine: u16) -> Vec<u8> {
    [b"\x7fELF\x02\x01".as_slice(), &[0; 12], &machine.to_le_bytes()].concat()
}

fn tree(layers: impl IntoIterator<Item = Layer>) -> MergedTree {
    MergedTree::new(layers.into_iter().map(Layer::facts).collect())
}

fn told(found: &Found<'_>) -> String {
    match found {
        Found::Dir(_) => "dir".to_owned(),
        Found::File {
            program: Program::Elf(machine),
            ..
        } => format!("file {machine}"),
        Found::File { .. } => "file 0".to_owned(),
        Found::Link(target) => format!("-> {target}"),
        Found::Other => "other".to_owned(),
        Found::Closed(why) => format!("closed: {why}"),
    }
}

/// Every path and what stands there.
fn listing(tree: &MergedTree) -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    tree.walk(&tree.root(), |path, found| {
        paths.insert(path.to_owned(), told(found));
    });
    paths
}

#[test]
fn links_are_followed_within_the_root() {
    let tree = tree([
        Layer::new()
            .file("usr/bin/sh", &elf(1))
            .link("bin", "usr/bin")
            .link("up", "../../../../usr")
            .link("abs", "/usr/./bin/../bin/sh"),
        Layer::new().link("usr/lib", "../opt/lib").file("opt/lib/x", &elf(2)),
        Layer::new()
            .link("loop", "loop")
            .link("ping", "pong")
            .link("pong", "ping")
            .link("nowhere", "gone/x"),
    ]);
    for (path, expected) in [
        ("/bin/sh", Some("file 1")),
        ("bin//sh/", Some("file 1")),
        ("abs", Some("file 1")),
        ("up/bin/sh", Some("file 1")),
        ("usr/lib/x", Some("file 2")),
        ("up/lib/x", Some("file 2")),
        ("opt/lib/../../bin/sh", Some("file 1")),
        ("bin/../../opt", Some("dir")),
        ("usr/bin/sh/x", None),
        ("loop", None),
        ("ping", None),
        ("nowhere", None),
        ("", Some("dir")),
    ] {
        let found = tree.resolve(path).map(|found| told(&found));
        assert_eq!(found.as_deref(), expected, "{path}");
    }
}

#[test]
fn a_chain_of_more_links_than_linux_follows_leads_nowhere() {
    let chain = |links: usize| {
        let start = Layer::new().file("l0", &elf(1));
        (0..links).fold(start, |layer, at| {
            layer.link(&format!("l{}", at + 1), &format!("l{at}"))
        })
    };
    assert!(tree([chain(40)]).resolve("l40").is_some());
    assert!(tree([chain(41)]).resolve("l41").is_none());
}

#[test]
fn a_hard_link_keeps_the_file_whatever_becomes_of_its_first_name() {
    let tree = tree([
        Layer::new().file("a", &elf(1)),
        Layer::new().hard_link("b", "a"),
        Layer::new().whiteout("a").hard_link("c", "b"),
        Layer::new().file("b", &elf(2)).hard_link("d", "gone"),
    ]);
    let expected = [("b", "file 2"), ("c", "file 1"), ("d", "other")];
    let expected = expected.map(|(path, what)| (path.to_owned(), what.to_owned()));
    assert_eq!(listing(&tree), BTreeMap::from(expected));
}

#[test]
fn hundreds_of_layers_of_hard_links_to_each_other_end() {
    let layers = (0..500).map(|at: usize| {
        Layer::new()
            .link("s", "s2/x")
            .hard_link(&format!("h{}", at + 1), &format!("h{at}"))
    });
    let tree = tree([Layer::new().file("h0", &elf(1))].into_iter().chain(layers));
    assert!(matches!(
        tree.resolve("h500"),
        Some(Found::File {
            program: Program::Elf(1),
            ..
        })
    ));
}

/// What a layer does to one path.
#[derive(Clone, Debug)]
enum Act {
    File(u16),
    Dir,
    Link,
    HardLink(String),
    Whiteout,
    Opaque,
}

type Acts = BTreeMap<String, Act>;
type Model = BTreeMap<String, String>;

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "a-b", "c"]), 1..4).prop_map(|parts| parts.join("/"))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1u16..1000).prop_map(Act::File),
        2 => Just(Act::Dir),
        1 => Just(Act::Link),
        2 => path().prop_map(Act::HardLink),
        2 => Just(Act::Whiteout),
        1 => Just(Act::Opaque),
    ]
}

fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at))
}

/// Drops what no layer has: something below what the layer itself says is no folder, and hard links to nothing.
fn sensible(acts: Acts, lower: &Model) -> Acts {
    let is_leaf = |path: &str| matches!(acts.get(path), Some(Act::File(_) | Act::Link | Act::HardLink(_)));
    let has_target = |act: &Act| match act {
        Act::HardLink(target) => lower.get(target).is_some_and(|what| what.starts_with("file")),
        _ => true,
    };
    let keep = |path: &String, act: &Act| !folders(path).any(is_leaf) && has_target(act);
    let kept: Vec<bool> = acts.iter().map(|(path, act)| keep(path, act)).collect();
    let pairs = acts.into_iter().zip(kept);
    pairs.filter(|(_, keep)| *keep).map(|(pair, _)| pair).collect()
}

/// Hard links come first, so that their targets are those of the layers below.
fn tar(acts: &Acts) -> Layer {
    let links = acts.iter().filter(|(_, act)| matches!(act, Act::HardLink(_)));
    let others = acts.iter().filter(|(_, act)| !matches!(act, Act::HardLink(_)));
    links.chain(others).fold(Layer::new(), |layer, (path, act)| match act {
        Act::File(machine) => layer.file(path, &elf(*machine)),
        Act::Dir => layer.dir(path),
        Act::Link => layer.link(path, "target"),
        Act::HardLink(target) => layer.hard_link(path, target),
        Act::Whiteout => layer.whiteout(path),
        Act::Opaque => layer.opaque(path),
    })
}

fn remove_below(model: &mut Model, path: &str) {
    model.retain(|other, _| !other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
}

fn make_dir(model: &mut Model, path: &str) {
    model.insert(path.to_owned(), "dir".to_owned());
}

fn apply(model: &mut Model, acts: &Acts) {
    let lower = model.clone();
    for (path, act) in acts {
        match act {
            Act::Whiteout => {
                model.remove(path);
                remove_below(model, path);
            }
            Act::Opaque => remove_below(model, path),
            _ => {}
        }
    }
    for (path, act) in acts {
        if matches!(act, Act::Whiteout) {
            // The whiteout itself stands in its folder, which thereby is one.
            folders(path).for_each(|folder| make_dir(model, folder));
            continue;
        }
        folders(path).for_each(|folder| make_dir(model, folder));
        let what = match act {
            Act::File(machine) => format!("file {machine}"),
            Act::Link => "-> target".to_owned(),
            Act::HardLink(target) => lower.get(target).cloned().expect("checked"),
            Act::Dir | Act::Opaque | Act::Whiteout => "dir".to_owned(),
        };
        if what != "dir" {
            remove_below(model, path);
        }
        model.insert(path.clone(), what);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_pile_of_layers_shows_what_applying_them_one_by_one_leaves(
        pile in prop::collection::vec(prop::collection::btree_map(path(), act(), 0..8), 1..6)
    ) {
        let mut model = Model::new();
        let mut layers = Vec::new();
        for acts in pile {
            let acts = sensible(acts, &model);
            layers.push(tar(&acts));
            apply(&mut model, &acts);
        }
        prop_assert_eq!(listing(&tree(layers)), model);
    }

    #[test]
    fn bytes_that_are_no_layer_end_in_an_answer(
        mut bytes in prop::collection::vec(any::<u8>(), 0..2000),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        use crate::inspect::layer::{Lens, fixture::read};
        let good = Layer::new().file("a/b.ko", b"x").pax(&[("path", "c/d")]).link("l", "a").hard_link("h", "c");
        let mut good = good.tar();
        for (at, byte) in flips {
            let at = at.index(good.len());
            good[at] = byte;
        }
        drop(read(&good, Lens::Toolkit));
        drop(read(&bytes, Lens::ModuleImage));
        bytes.splice(..0, [0x1f, 0x8b, 8, 0]);
        drop(read(&bytes, Lens::ModuleImage));
        bytes.splice(..4, [0x28, 0xb5, 0x2f, 0xfd]);
        drop(read(&bytes, Lens::ModuleImage));
    }
}
