//! Layers good and bad, and what is read of them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tar::{EntryType, Header};

use super::fixture::{Layer, gzip, read};
use super::{Content, Kind, LayerFacts, Lens, Limits, NodeId, PathTable, ScanError, scan};
use crate::kmod::staged::Program;

/// The whole table as text, one path a line, for comparison.
fn listing(facts: &LayerFacts) -> String {
    fn add(table: &PathTable, node: NodeId, path: &str, text: &mut String) {
        for (name, child) in table.children(node) {
            let path = format!("{path}/{name}");
            let hides = if table.hides_lower(child) && table.kind(child) == Kind::Dir {
                " opaque"
            } else {
                ""
            };
            let what = match table.kind(child) {
                Kind::Absent => "absent".to_owned(),
                Kind::Dir => "dir".to_owned(),
                Kind::File(_) => "file".to_owned(),
                Kind::Link(target) => format!("-> {target}"),
                Kind::HardLink(target) => format!("== {target}"),
                Kind::Other => "other".to_owned(),
                Kind::Closed(why) => format!("closed: {why}"),
            };
            writeln!(text, "{path} {what}{hides}").expect("in memory");
            add(table, child, &path, text);
        }
    }
    let mut text = String::new();
    add(facts.paths(), PathTable::ROOT, "", &mut text);
    text
}

fn lines(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [*line, "\n"]).collect()
}

fn message(result: Result<LayerFacts, ScanError>) -> String {
    match result.expect_err("refused") {
        ScanError::Damaged(message) => format!("damaged: {message}"),
        ScanError::TooLarge(message) => format!("too large: {message}"),
        ScanError::Source(error) => format!("source: {error}"),
    }
}

fn node(table: &PathTable, path: &str) -> Option<NodeId> {
    path.split('/')
        .try_fold(PathTable::ROOT, |node, name| table.child(node, name))
}

fn content<'a>(facts: &'a LayerFacts, path: &str) -> Option<&'a Content> {
    match facts.paths().kind(node(facts.paths(), path)?) {
        Kind::File(file) => facts.content(file),
        _ => None,
    }
}

#[test]
fn a_layer_becomes_a_tree_of_its_paths() {
    let layer = Layer::new()
        .dir("./")
        .dir("./opt/")
        .file("./opt/b", b"")
        .file("opt-extra/x", b"")
        .file("/opt/a/deep", b"")
        .link("lib", "usr/lib")
        .whiteout("opt/gone")
        .opaque("srv")
        .member(EntryType::Char, "dev/null", "", b"");
    let expected = lines(&[
        "/dev dir",
        "/dev/null other",
        "/lib -> usr/lib",
        "/opt dir",
        "/opt/a dir",
        "/opt/a/deep file",
        "/opt/b file",
        "/opt/gone absent",
        "/opt-extra dir",
        "/opt-extra/x file",
        "/srv dir opaque",
    ]);
    for (form, bytes) in [
        ("plain", layer.clone().tar()),
        ("gzip", layer.clone().gzip()),
        ("zstd", layer.zstd()),
    ] {
        assert_eq!(
            listing(&read(&bytes, Lens::ModuleImage).expect("good")),
            expected,
            "{form}"
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn members_count_in_the_order_in_which_they_are_unpacked() {
    for (case, layer, expected) in [
        (
            "the last of one name wins",
            Layer::new().file("a", b"").link("a", "b"),
            &["/a -> b"][..],
        ),
        (
            "a file replaces a folder and what is in it",
            Layer::new().file("a/b", b"").file("a", b""),
            &["/a file"],
        ),
        (
            "a member below a link of the layer lands where it leads",
            Layer::new()
                .link("lib", "usr/lib")
                .dir("lib/modules")
                .file("lib/x", b""),
            &[
                "/lib -> usr/lib",
                "/usr dir",
                "/usr/lib dir",
                "/usr/lib/modules dir",
                "/usr/lib/x file",
            ],
        ),
        (
            "through two links, one absolute and one with dots",
            Layer::new().link("a", "/b").link("b", "../../c").file("a/x", b""),
            &["/a -> /b", "/b -> ../../c", "/c dir", "/c/x file"],
        ),
        (
            "a link that comes later moves nothing",
            Layer::new().file("lib/x", b"").link("lib", "usr/lib"),
            &["/lib -> usr/lib"],
        ),
        (
            "a link to itself moves nothing",
            Layer::new().link("a", "a").file("a/x", b""),
            &["/a -> a"],
        ),
        (
            "links in a circle end",
            Layer::new().link("a", "b").link("b", "a").file("a/x", b""),
            &["/a -> b", "/b -> a"],
        ),
        (
            "a hard link is what its target was before it",
            Layer::new()
                .link("a", "x")
                .hard_link("b", "./a")
                .file("a", b"")
                .hard_link("c", "/a")
                .hard_link("d", "b"),
            &["/a file", "/b -> x", "/c file", "/d -> x"],
        ),
        (
            "a hard link to a file of the layers below is kept",
            Layer::new().hard_link("b", "usr/a"),
            &["/b == usr/a"],
        ),
        (
            "a hard link to itself is one to below",
            Layer::new().hard_link("b", "b"),
            &["/b == b"],
        ),
        (
            "a whiteout and a new folder of that name",
            Layer::new().whiteout("a").file("a/new", b""),
            &["/a dir opaque", "/a/new file"],
        ),
        (
            "a whiteout below an opaque folder",
            Layer::new().opaque("a").whiteout("a/b").file("a/c", b""),
            &["/a dir opaque", "/a/b absent", "/a/c file"],
        ),
        (
            "AUFS's bookkeeping is passed over",
            Layer::new().dir(".wh..wh.plnk").file("a", b""),
            &["/a file"],
        ),
    ] {
        assert_eq!(
            listing(&read(&layer.tar(), Lens::ModuleImage).expect(case)),
            lines(expected),
            "{case}"
        );
    }
}

#[test]
fn an_opaque_root_hides_everything_below() {
    let facts = Layer::new().file(".wh..wh..opq", b"").file("a", b"").facts();
    assert!(facts.paths().hides_lower(PathTable::ROOT));
    assert!(!Layer::new().file("a", b"").facts().paths().hides_lower(PathTable::ROOT));
}

#[test]
fn long_names_come_from_gnu_members_and_from_pax_records() {
    let long = "d".repeat(120) + "/" + &"e".repeat(130);
    let gnu = Layer::new().link(&long, &long);
    let pax = Layer::new()
        .pax(&[("path", &long), ("linkpath", &long), ("mtime", "1700000000.5")])
        .link("placeholder", "placeholder");
    let global = Layer::new()
        .member(EntryType::XGlobalHeader, "g", "", b"12 path=abc\n")
        .link(&long, &long);
    let expected = lines(&[&format!("/{} dir", "d".repeat(120)), &format!("/{long} -> {long}")]);
    for (case, layer) in [("gnu", gnu), ("pax", pax), ("global records name nothing", global)] {
        assert_eq!(
            listing(&read(&layer.tar(), Lens::ModuleImage).expect(case)),
            expected,
            "{case}"
        );
    }
}

#[test]
fn a_size_in_a_pax_record_counts_instead_of_the_headers() {
    let mut layer = Layer::new().pax(&[("size", "700")]);
    let mut header = Header::new_ustar();
    header.set_path("modules.dep.bin").expect("short");
    header.set_size(0);
    layer.put(header, &[b'x'; 700]);
    let facts = layer.file("next", b"").facts();
    assert_eq!(listing(&facts), lines(&["/modules.dep.bin file", "/next file"]));
    assert_eq!(
        content(&facts, "modules.dep.bin"),
        Some(&Content::Index(vec![b'x'; 700].into()))
    );
}

#[test]
fn sparse_files_are_passed_over_whole_and_never_read_as_they_stand() {
    let mut layer = Layer::new();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_path("opt/a.ko").expect("short");
    header.set_size(512);
    header.as_gnu_mut().expect("gnu").set_is_extended(true);
    let mut body = vec![0; 1024];
    body[504] = 1;
    body.extend_from_slice(&[7; 512]);
    layer.put(header, &body);
    let layer = layer
        .pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.name", "opt/b.ko")])
        .file("GNUSparseFile.0/b.ko", &[7; 600])
        .file("opt/c", b"");
    let facts = layer.facts();
    assert_eq!(
        listing(&facts),
        lines(&["/opt dir", "/opt/a.ko file", "/opt/b.ko file", "/opt/c file"])
    );
    for path in ["opt/a.ko", "opt/b.ko"] {
        assert!(matches!(content(&facts, path), Some(Content::Unreadable(_))), "{path}");
    }
}

#[test]
fn a_module_images_lens_keeps_modules_and_indexes() {
    let facts = Layer::new()
        .file("opt/lib/modules/6.1/extra/a.ko", b"not an ELF file")
        .file("opt/lib/modules/6.1/modules.dep.bin", b"index")
        .file("opt/lib/modules/6.1/modules.order", b"text")
        .file("usr/bin/cp", &[b"\x7fELF\x02\x01", &[0; 12][..], &[62, 0]].concat())
        .file("usr/bin/big", &[b"\x7fELF\x02\x02", &[0; 12][..], &[0, 22]].concat())
        .file("usr/bin/short", b"\x7fELF")
        .file("usr/bin/script", b"#!/bin/sh\n")
        .file("usr/bin/empty", b"")
        .facts();
    assert!(matches!(
        content(&facts, "opt/lib/modules/6.1/extra/a.ko"),
        Some(Content::Module(_))
    ));
    let index = content(&facts, "opt/lib/modules/6.1/modules.dep.bin");
    assert_eq!(index, Some(&Content::Index(b"index".to_vec().into())));
    assert_eq!(content(&facts, "opt/lib/modules/6.1/modules.order"), None);
    for (path, expected) in [
        ("usr/bin/cp", Program::Elf(62)),
        ("usr/bin/big", Program::Elf(22)),
        ("usr/bin/short", Program::Other),
        ("usr/bin/script", Program::Script),
        ("usr/bin/empty", Program::Empty),
    ] {
        let id = node(facts.paths(), path).expect(path);
        assert!(
            matches!(facts.paths().kind(id), Kind::File(file) if file.program == expected),
            "{path}"
        );
    }
}

#[test]
fn facts_survive_being_stored() {
    let facts = Layer::new()
        .file("a/modules.dep.bin", b"index")
        .link("b", "a")
        .whiteout("c")
        .file("d.ko", b"x")
        .facts();
    let bytes = postcard::to_stdvec(&*facts).expect("serialises");
    assert_eq!(postcard::from_bytes::<LayerFacts>(&bytes).expect("reads back"), *facts);
}

#[test]
fn damaged_layers_are_refused_with_the_reason() {
    let good = || Layer::new().file("a", b"content");
    let zeros_then_more = [good().open_end(), vec![0; 512], good().tar()].concat();
    let mut flipped = good().tar();
    flipped[3] ^= 1;
    let negative = good()
        .member(EntryType::XHeader, "pax", "", b"11 size=-5\n")
        .file("b", b"")
        .tar();
    let with_bad_crc = {
        let mut bytes = good().gzip();
        let at = bytes.len() - 6;
        bytes[at] ^= 1;
        bytes
    };
    for (bytes, reason) in [
        (flipped, "checksum"),
        (zeros_then_more, "lone block of zeros"),
        (b"<html>Not Found</html>".repeat(60), "checksum"),
        (good().open_end()[..515].to_vec(), "truncated"),
        (b"tiny".to_vec(), "truncated"),
        ([good().gzip(), b"garbage".to_vec()].concat(), "does not belong there"),
        (
            [good().gzip(), b"a lot of garbage".to_vec()].concat(),
            "does not decompress",
        ),
        ([good().zstd(), b"garbage".to_vec()].concat(), "does not decompress"),
        (with_bad_crc, "does not decompress"),
        (b"\xfd7zXZ\0 and so on".to_vec(), "compressed with xz"),
        (
            Layer::new().file("../../etc/passwd", b"").tar(),
            "climbs above the root",
        ),
        (
            Layer::new().hard_link("a", "../../etc/passwd").tar(),
            "climbs above the root",
        ),
        (
            Layer::new().link("a", &"t".repeat(5000)).tar(),
            "longer than Linux allows",
        ),
        (
            Layer::new().member(EntryType::new(b'V'), "label", "", b"").tar(),
            "tar type 'V'",
        ),
        (negative, "size is not a number"),
    ] {
        let message = message(read(&bytes, Lens::ModuleImage));
        assert!(
            message.starts_with("damaged: ") && message.contains(reason),
            "{reason}: {message}: {:?}",
            bytes.get(..4)
        );
    }
}

#[test]
fn what_follows_the_end_of_an_archive_means_nothing() {
    let mut padded = Layer::new().file("a", b"").tar();
    padded.extend_from_slice(&[b'x'; 9000]);
    let members = [gzip(&padded[..600]), gzip(&padded[600..])].concat();
    for (case, bytes) in [
        ("plain", padded),
        ("two gzip members", members),
        ("an empty layer", Vec::new()),
    ] {
        let facts = read(&bytes, Lens::ModuleImage).expect(case);
        assert_eq!(
            listing(&facts),
            if bytes.is_empty() {
                String::new()
            } else {
                lines(&["/a file"])
            },
            "{case}"
        );
    }
}

#[test]
fn a_layer_cut_at_any_byte_ends_in_an_answer() {
    let layer = || {
        Layer::new()
            .file(&"n".repeat(150), b"long")
            .file("opt/a.ko", &[1; 700])
            .link("b", "a")
            .pax(&[("path", "x")])
            .file("y", b"z")
    };
    for (form, bytes) in [
        ("plain", layer().tar()),
        ("gzip", layer().gzip()),
        ("zstd", layer().zstd()),
    ] {
        for end in 0..bytes.len() {
            let result = read(&bytes[..end], Lens::ModuleImage);
            assert!(
                form == "plain" || end == 0 || result.is_err(),
                "{form} cut at {end} passed for whole"
            );
        }
    }
}

#[test]
fn bombs_meet_a_limit() {
    let limits = |unpacked| Limits {
        unpacked,
        ..Limits::default()
    };
    let zeros = std::io::Read::take(std::io::repeat(0), 200 << 20);
    let mut bomb = zstd::stream::read::Encoder::new(zeros, 1).expect("zstd");
    let mut bytes = Vec::new();
    std::io::copy(&mut bomb, &mut bytes).expect("in memory");
    let ratio = message(scan(&bytes[..], Lens::ModuleImage, Limits::default()));
    assert!(ratio.starts_with("too large: it grows more than"), "{ratio}");
    let size = message(scan(&gzip(&vec![0; 3 << 20])[..], Lens::ModuleImage, limits(1 << 20)));
    assert!(size.starts_with("too large: it is larger than 1 MiB"), "{size}");
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 40);
    let mut layer = Layer::new();
    layer.put(header, b"");
    let name = message(read(&layer.tar(), Lens::ModuleImage));
    assert!(name.starts_with("too large: a name or record"), "{name}");
}

#[test]
fn a_zstd_window_beyond_the_limit_is_said_so() {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).expect("zstd");
    encoder.window_log(28).expect("a window");
    encoder.include_contentsize(false).expect("an option");
    std::io::Write::write_all(&mut encoder, &Layer::new().file("a", b"").tar()).expect("in memory");
    let message = message(read(&encoder.finish().expect("in memory"), Lens::ModuleImage));
    assert!(message.starts_with("too large: it needs a zstd window"), "{message}");
}

#[test]
fn what_fails_at_the_source_does_not_speak_against_the_layer() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                "connection reset",
            ))
        }
    }
    for bytes in [
        Layer::new().file("a", b"").gzip(),
        Layer::new().file("a", b"").zstd(),
        Layer::new().file("a", b"").open_end(),
    ] {
        for cut in [3, 20, bytes.len() / 2] {
            let reader = std::io::Read::chain(&bytes[..cut], Failing);
            assert_eq!(
                message(scan(reader, Lens::ModuleImage, Limits::default())),
                "source: connection reset"
            );
        }
    }
    let deadline = Some(Instant::now().checked_sub(Duration::from_secs(1)).expect("a past"));
    let limits = Limits {
        deadline,
        ..Limits::default()
    };
    let late = message(scan(&Layer::new().tar()[..], Lens::ModuleImage, limits));
    assert_eq!(late, "source: reading it took too long");
}

#[test]
fn a_layer_of_members_that_name_each_other_is_read_quickly() {
    let mut layer = Layer::new();
    for at in 0..3000 {
        layer = layer
            .file("same", b"")
            .hard_link(&format!("h{at}"), "same")
            .whiteout("same");
        layer = layer
            .link(&format!("l{at}"), &format!("l{}", at + 1))
            .file(&format!("l{at}/x"), b"");
    }
    let start = Instant::now();
    let facts = read(&layer.tar(), Lens::ModuleImage).expect("good");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(node(facts.paths(), "h2999").is_some());
}
