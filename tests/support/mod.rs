//! What the integration tests share. A test file says `mod support;` and uses what it needs.
#![allow(dead_code, unreachable_pub, reason = "every test file uses another part of it")]

pub mod fake_image;
pub mod fake_layer;
pub mod fake_registry;
pub mod small_disk;
