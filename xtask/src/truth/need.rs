//! Which rules need a driver toolkit: what `docs/findings.md` says of each, and a test of the judge holds it to.

use std::collections::BTreeSet;
use std::sync::LazyLock;

const PAGE: &str = include_str!("../../../docs/findings.md");
/// Which cell of the page's table says so.
const CELL: usize = 3;

/// Whether a rule decides some things, or all, only where there is a toolkit.
pub(crate) fn needs_toolkit(rule: &str) -> bool {
    static NEEDING: LazyLock<BTreeSet<&str>> = LazyLock::new(|| PAGE.lines().filter_map(needing).collect());
    NEEDING.contains(rule)
}

/// The rule of a row of the table, where it needs one.
fn needing(line: &str) -> Option<&str> {
    let cells: Vec<&str> = line.strip_prefix("| [`")?.split(" | ").collect();
    let (rule, _) = cells.first()?.split_once('`')?;
    matches!(*cells.get(CELL)?, "yes" | "in part").then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_about_what_the_kernel_exports_need_a_toolkit_and_those_about_the_image_do_not() {
        for rule in ["symbol-missing", "crc-mismatch", "module-builtin", "vermagic-mismatch"] {
            assert!(needs_toolkit(rule), "{rule}");
        }
        for rule in [
            "elf-truncated",
            "copy-tool-missing",
            "parameter-malformed",
            "no-such-rule",
        ] {
            assert!(!needs_toolkit(rule), "{rule}");
        }
    }
}
