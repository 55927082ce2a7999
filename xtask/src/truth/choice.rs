//! Which cases are asked: all of them, those that are named, or the core, which CI can wait for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::case::Case;
use super::report::Row;

/// Of each group every n-th case is in the core, beginning with another one on each kernel.
const EVERY: usize = 10;
/// Cases of which `check` once said something else than a kernel; they are always in the core.
const ONCE_WRONG: &str = include_str!("../../truth/once-wrong.txt");

/// The choice for one kernel.
pub(super) enum Choice<'a> {
    All,
    /// Those whose group and name contain one of these.
    Named(&'a [String]),
    Core(Core<'a>),
}

/// The core's part for one kernel.
pub(super) struct Core<'a> {
    /// The kernel's number among those that are asked.
    pub(super) kernel: usize,
    /// Among how many kernels all cases are shared, where every case is to be asked of some kernel; fewer than
    /// [`EVERY`] count.
    pub(super) kernels: Option<usize>,
    /// The cases that show a rule, as `group/case`, and that no kernel before this one had.
    pub(super) proofs: &'a BTreeSet<String>,
}

impl Choice<'_> {
    /// Whether a case is asked; `at` is its place in its group's table.
    pub(super) fn takes(&self, group: &str, at: usize, case: &Case) -> bool {
        let name = format!("{group}/{}", case.id);
        match self {
            Self::All => true,
            Self::Named(parts) => parts.iter().any(|part| name.contains(part.as_str())),
            Self::Core(core) => case.in_every_core || core.takes(at, &name),
        }
    }
}

impl Core<'_> {
    fn takes(&self, at: usize, name: &str) -> bool {
        let share = self.kernels.unwrap_or(EVERY).clamp(1, EVERY);
        let turn = at % EVERY % share == self.kernel % share;
        turn || self.proofs.contains(name) || once_wrong().contains(name)
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

    fn case(id: &str) -> Case {
        Case::new("6.1.0-0", id)
    }

    /// The places of the cases that are chosen on a kernel.
    fn chosen(kernel: usize, kernels: Option<usize>) -> Vec<usize> {
        let proofs = BTreeSet::new();
        let choice = Choice::Core(Core {
            kernel,
            kernels,
            proofs: &proofs,
        });
        let places = 0..2 * EVERY;
        places
            .filter(|at| choice.takes("group", *at, &case("never wrong")))
            .collect()
    }

    #[test]
    fn the_core_begins_with_another_case_on_each_kernel() {
        assert_eq!(chosen(0, None), [0, EVERY]);
        assert_eq!(chosen(1, None), [1, 1 + EVERY]);
    }

    #[test]
    fn on_all_kernels_together_every_case_of_the_core_is_asked() {
        for kernels in [1, 2, 7, EVERY, EVERY + 3] {
            let asked: BTreeSet<usize> = (0..kernels).flat_map(|kernel| chosen(kernel, Some(kernels))).collect();
            assert_eq!(asked, (0..2 * EVERY).collect(), "{kernels} kernels");
        }
    }

    #[test]
    fn what_was_wrong_once_and_what_shows_a_rule_is_in_the_core() {
        let proofs = BTreeSet::from(["group/shows a rule".to_owned()]);
        let choice = Choice::Core(Core {
            kernel: 0,
            kernels: None,
            proofs: &proofs,
        });
        assert!((0..EVERY).all(|at| choice.takes("group", at, &case("shows a rule"))));
        let (group, id) = once_wrong().first().unwrap().split_once('/').unwrap();
        assert!((0..EVERY).all(|at| choice.takes(group, at, &case(id))));
    }
}
