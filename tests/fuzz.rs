//! The bodies of `fuzz/fuzz_targets`, compiled with the stable compiler and run over the seeds of `fuzz/seeds`: a target
//! that no longer compiles, or that a seed brings down, is seen without `fuzz/run`.

use std::fs;
use std::path::Path;

// What the targets call by the name of the crate that `cargo fuzz` links to them.
extern crate self as libfuzzer_sys;

/// One module for each target, and a test that runs it over its seeds.
macro_rules! targets {
    ($($target:ident = $file:literal),+ $(,)?) => {
        $(
            #[path = $file]
            #[expect(unused_attributes, reason = "`no_main` is for the program that `cargo fuzz` makes of it")]
            mod $target;
        )+

        /// Every target by its name.
        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($target), $target::run)),+];
    };
}

targets! {
    certificate = "../fuzz/fuzz_targets/certificate.rs",
    go_regexp = "../fuzz/fuzz_targets/go_regexp.rs",
    index = "../fuzz/fuzz_targets/index.rs",
    kernel_config = "../fuzz/fuzz_targets/kernel_config.rs",
    kernel_version = "../fuzz/fuzz_targets/kernel_version.rs",
    layer = "../fuzz/fuzz_targets/layer.rs",
    module_file = "../fuzz/fuzz_targets/module_file.rs",
    reference = "../fuzz/fuzz_targets/reference.rs",
    signing_key = "../fuzz/fuzz_targets/signing_key.rs",
    symvers = "../fuzz/fuzz_targets/symvers.rs",
    template = "../fuzz/fuzz_targets/template.rs",
}

/// The names of what is in a folder of `fuzz/`.
fn names(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let entries = fs::read_dir(folder).expect("a folder of fuzz/");
    let stem = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(|entry| stem(&entry.expect("an entry").path())).collect();
    names.sort();
    names
}

#[test]
fn every_fuzz_target_takes_its_seeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, run) in TARGETS {
        let seeds = fs::read_dir(root.join(name)).expect("seeds");
        let texts: Vec<Vec<u8>> = seeds
            .map(|seed| fs::read(seed.expect("a seed").path()).expect("its bytes"))
            .collect();
        assert!(!texts.is_empty(), "{name} has no seeds");
        texts.iter().for_each(|text| run(text));
    }
}

#[test]
fn the_targets_here_are_those_of_cargo_fuzz() {
    let here: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names("fuzz_targets"), here);
    let manifest = include_str!("../fuzz/Cargo.toml");
    for name in here {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

// Below the targets, which import it by its path.
/// A target's body as a function of bytes. Where it takes a text, bytes that are none are left out.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:block) => {
        pub(crate) fn run($bytes: &[u8]) $body
    };
    (|$text:ident: &str| $body:block) => {
        pub(crate) fn run(bytes: &[u8]) {
            if let Ok($text) = str::from_utf8(bytes) $body
        }
    };
}
