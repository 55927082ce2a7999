//! What a cache keeps, forgets and never believes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Bounds, Cache, KnownManifest, LayerKey, store};
use crate::image::{Digest, Reference};
use crate::inspect::layer::Lens;
use crate::inspect::layer::fixture::Layer;
use crate::kmod::facts::ModuleFile;

fn digest(number: u64) -> Digest {
    Digest::parse(&format!("sha256:{number:064x}")).expect("a digest")
}

fn key(number: u64) -> LayerKey {
    LayerKey {
        digest: digest(number),
        lens: Lens::ModuleImage,
    }
}

fn reference(text: &str) -> Reference {
    Reference::parse(text).expect("a reference")
}

fn on_disk(folder: &Path) -> Cache {
    Cache::new(Some(folder.to_owned()), Bounds::default())
}

fn keep(cache: &Cache, number: u64, content: &[u8]) {
    let facts = Layer::new().file("modules.dep.bin", content).facts();
    cache.keep_layer(&key(number), content.len() as u64, Arc::unwrap_or_clone(facts));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                todo.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn what_is_kept_on_disk_is_there_for_the_next_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = on_disk(&folder.path().join("deep/below"));
    keep(&first, 1, b"content");
    let manifest = || KnownManifest {
        media_type: "kind".to_owned(),
        bytes: b"{}".to_vec(),
    };
    first.keep_manifest(&digest(2), manifest());
    first.keep_hint(&reference("example.com/a:1"), &digest(2));
    first.keep_hint(&reference("example.com/a:1"), &digest(3));

    let second = on_disk(&folder.path().join("deep/below"));
    assert!(second.layer_at_hand(&key(1)).is_none());
    let layer = second.layer_on_disk(&key(1)).expect("a layer");
    let kept = first.layer_at_hand(&key(1)).expect("a layer");
    assert_eq!((&layer.facts, layer.size, layer.weight), (&kept.facts, 7, kept.weight));
    assert!(second.layer_at_hand(&key(1)).is_some());
    assert_eq!(second.manifest(&digest(2)).as_deref(), Some(&manifest()));
    assert_eq!(second.hint(&reference("example.com/a:1")), Some(digest(3)));
    assert_eq!(second.hint(&reference("example.com/a:2")), None);
}

#[test]
fn another_lens_is_another_question() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = on_disk(folder.path());
    keep(&cache, 1, b"content");
    let toolkit = LayerKey {
        lens: Lens::Toolkit,
        ..key(1)
    };
    assert!(cache.layer_at_hand(&toolkit).is_none() && cache.layer_on_disk(&toolkit).is_none());
}

#[test]
fn in_memory_nothing_outlives_the_cache_and_layers_are_forgotten_beyond_the_bound() {
    let bounds = Bounds {
        layer_memory: 1500,
        ..Bounds::default()
    };
    let cache = Cache::new(None, bounds);
    for number in 0..4 {
        keep(&cache, number, &[b'x'; 400]);
    }
    assert!(cache.layer_at_hand(&key(0)).is_none());
    assert!(cache.layer_at_hand(&key(3)).is_some());
    assert!(cache.layer_on_disk(&key(3)).is_none());
}

#[test]
fn damaged_files_are_passed_over_and_written_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    keep(&on_disk(folder.path()), 1, b"content");
    let [file] = files(folder.path()).try_into().expect("one file");
    let good = fs::read(&file).expect("the file");
    let flipped: Vec<u8> = good
        .iter()
        .enumerate()
        .map(|(at, byte)| if at == 9 { byte ^ 1 } else { *byte })
        .collect();
    for (case, bytes) in [
        ("cut short", &good[..good.len() - 1]),
        ("altered", &flipped),
        ("empty", b""),
        ("tiny", b"abc"),
    ] {
        fs::write(&file, bytes).expect("written");
        assert!(on_disk(folder.path()).layer_on_disk(&key(1)).is_none(), "{case}");
    }
    keep(&on_disk(folder.path()), 1, b"content");
    assert_eq!(fs::read(&file).expect("the file"), good);
}

#[test]
fn a_journal_with_broken_lines_still_tells_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    on_disk(folder.path()).keep_hint(&reference("example.com/a"), &digest(1));
    let [file] = files(folder.path()).try_into().expect("one file");
    let mut text = fs::read_to_string(&file).expect("text");
    text += "sha256:12\nno digest at all\n\n";
    text += &(digest(2).to_string() + " example.com/b:latest\n");
    fs::write(&file, text).expect("written");
    let cache = on_disk(folder.path());
    assert_eq!(cache.hint(&reference("example.com/a")), Some(digest(1)));
    assert_eq!(cache.hint(&reference("example.com/b")), Some(digest(2)));
}

#[test]
fn a_journal_is_written_anew_when_most_of_it_is_outdated() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = on_disk(folder.path());
    for number in 0..6000 {
        cache.keep_hint(&reference("example.com/a"), &digest(number));
    }
    let [file] = files(folder.path()).try_into().expect("one file");
    let lines = fs::read_to_string(&file).expect("text").lines().count();
    assert!(lines < 4200, "{lines} lines");
    assert_eq!(
        on_disk(folder.path()).hint(&reference("example.com/a")),
        Some(digest(5999))
    );
}

#[test]
fn the_disk_is_bounded_and_what_was_read_last_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let bounds = Bounds {
        disk: 64 << 10,
        ..Bounds::default()
    };
    let cache = Cache::new(Some(folder.path().to_owned()), bounds);
    keep(&cache, 0, &[b'x'; 4000]);
    let [first] = files(folder.path()).try_into().expect("one file");
    let old = fs::File::open(&first).expect("the file");
    old.set_modified(std::time::UNIX_EPOCH).expect("an old file");
    for number in 1..100 {
        keep(&cache, number, &[b'x'; 4000]);
    }
    let left = files(folder.path());
    let size: u64 = left.iter().map(|file| fs::metadata(file).expect("a file").len()).sum();
    assert!(size < 72 << 10, "{size} bytes");
    assert!(!left.contains(&first) && cache.layer_on_disk(&key(99)).is_some());
}

#[test]
fn what_the_cache_did_not_write_is_neither_counted_nor_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let strangers = [
        "notes",
        "kernels/vmlinuz",
        "kube-v1.36.3/etcd",
        "0.1.0-x/file",
        "v0.1.0-2/file",
    ];
    for name in strangers {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(&file, vec![b'x'; 128 << 10]).expect("written");
        let file = fs::File::open(&file).expect("the file");
        file.set_modified(std::time::UNIX_EPOCH).expect("an old file");
    }
    let bounds = Bounds {
        disk: 64 << 10,
        ..Bounds::default()
    };
    let cache = Cache::new(Some(folder.path().to_owned()), bounds);
    for number in 0..40 {
        keep(&cache, number, &[b'x'; 4000]);
    }
    for name in strangers {
        assert!(folder.path().join(name).is_file(), "{name} is gone");
    }
    assert!(cache.layer_on_disk(&key(39)).is_some());
}

#[test]
fn a_folder_that_cannot_be_written_is_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"").expect("written");
    let cache = on_disk(&file);
    keep(&cache, 1, b"content");
    cache.keep_hint(&reference("example.com/a"), &digest(1));
    assert!(cache.layer_at_hand(&key(1)).is_some() && cache.layer_on_disk(&key(1)).is_none());
    assert_eq!(cache.hint(&reference("example.com/a")), Some(digest(1)));
}

/// Facts of modules as they stand, and of the same with single bytes altered, which lead through most of what is read.
#[test]
fn whoever_reads_modules_otherwise_raises_the_format() {
    const MODULES: [&[u8]; 3] = [
        include_bytes!("../../../tests/fixtures/kmod/kmmp_ring.ko"),
        include_bytes!("../../../tests/fixtures/kmod/kmmp_pump.ko"),
        include_bytes!("../../../tests/fixtures/kmod/kmmp_lone.signed.ko"),
    ];
    const ALTERED: usize = 500;
    let mut digest = flate2::Crc::new();
    let mut read = |bytes: &[u8]| {
        let facts = postcard::to_stdvec(&ModuleFile::read(bytes)).expect("facts");
        digest.update(&facts);
    };
    for module in MODULES {
        read(module);
        let mut altered = module.to_vec();
        for at in (0..ALTERED).map(|number| number * module.len() / ALTERED) {
            altered[at] ^= 0xff;
            read(&altered);
            altered[at] ^= 0xff;
        }
    }
    assert_eq!(
        (store::FORMAT, digest.sum()),
        store::READING,
        "modules are read otherwise than when FORMAT was last raised: raise it, and write down what is read now"
    );
}
