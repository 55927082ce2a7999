//! `cargo xtask`: the tasks of this project that are not the product.

fn main() {}
