//! The rules, one table for each group, one row for each branch, each row a sentence.

mod assumptions;
mod copy;
mod file;
mod fixtures;
mod loaded;
mod modprobe;
mod parameters;
mod sketch;
mod symbols;
mod toolkit;
mod version;
mod ways;

use sketch::a_scene;

#[test]
fn nothing_is_found_in_a_good_image() {
    assert_eq!(a_scene().findings(), []);
}
