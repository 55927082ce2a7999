//! Which cases are asked: all of them, those that are named, or the core, which CI can wait for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::case::Case;
use super::report::Row;

/// Of each group every n-th case is in the core, beginning with another one on each kernel.
const EVERY: usize = 8;
/// Cases of which `check` once said something else than a kernel; they are always in the core.
const ONCE_WRONG: &str = include_str!("../../truth/once-wrong.txt");

/// The choice for one kernel.
pub(super) enum Choice<'a> {
    All,
    /// Those whose group and name contain one of these.
    Named(&'a [String]),
    /// The core's, on the kernel of this number.
    Core(usize),
}

impl Choice<'_> {
    /// Whether a case is asked; `at` is its place in its group's table.
    pub(super) fn takes(&self, group: &str, at: usize, case: &Case) -> bool {
        let name = format!("{group}/{}", case.id);
        match self {
            Self::All => true,
            Self::Named(parts) => parts.iter().any(|part| name.contains(part.as_str())),
            Self::Core(kernel) => {
                case.in_every_core || at % EVERY == kernel % EVERY || once_wrong().contains(name.as_str())
            }
        }
    }
}

fn once_wrong() -> BTreeSet<&'static str> {
    ONCE_WRONG.lines().filter(|line| !line.starts_with('#')).collect()
}

/// Adds to the cases that were wrong once those that are now.
pub(super) fn remember(rows: &[Row]) -> anyhow::Result<()> {
    let comments = ONCE_WRONG.lines().filter(|line| line.starts_with('#'));
    let wrong = rows.iter().filter(|row| !row.agrees()).map(Row::name);
    let names: BTreeSet<String> = once_wrong().into_iter().map(str::to_owned).chain(wrong).collect();
    let lines = comments.map(str::to_owned).chain(names);
    let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
    Ok(fs::write(place(), text)?)
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("truth/once-wrong.txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_begins_with_another_case_on_each_kernel_and_has_what_was_wrong_once() {
        let case = |id: &str| Case::new("6.1.0-0", id);
        let chosen = |kernel: usize| -> Vec<usize> {
            (0..2 * EVERY)
                .filter(|at| Choice::Core(kernel).takes("group", *at, &case("never wrong")))
                .collect()
        };
        assert_eq!((chosen(0), chosen(1)), (vec![0, EVERY], vec![1, 1 + EVERY]));
        let (group, id) = once_wrong().first().unwrap().split_once('/').unwrap();
        assert!((0..EVERY).all(|at| Choice::Core(0).takes(group, at, &case(id))));
    }
}
