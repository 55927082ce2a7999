//! How the static program is linked. A program that may lie anywhere in memory has some 50,000 addresses to be put right when
//! it starts: told one by one they are 1.2 MiB of the file, and of memory; in the packed form, which glibc reads since
//! 2.36, a few KiB. Linkers that do not know it pass over it with a warning.

#[expect(clippy::disallowed_methods, reason = "so Cargo talks to a build script")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    if features.split(',').any(|feature| feature == "crt-static") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
