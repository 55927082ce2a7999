//! How the static program is linked, so that it stays small. A program that may lie anywhere in memory has some 50,000
//! addresses to be put right when it starts: told one by one they are 1.2 MiB of the file, and of memory; in the packed form,
//! which glibc reads since 2.36, a few KiB. Linkers that do not know it pass over it with a warning.

#[expect(clippy::disallowed_methods, reason = "so Cargo talks to a build script")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let told = |variable: &str| std::env::var(variable).unwrap_or_default();
    let is_static = told("CARGO_CFG_TARGET_FEATURE")
        .split(',')
        .any(|feature| feature == "crt-static");
    if !is_static {
        return;
    }
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    // Functions that came out the same are kept once. Only Rust's own linker is sure to know how, and this is where it is the default.
    if told("CARGO_CFG_TARGET_ARCH") == "x86_64" && told("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}
