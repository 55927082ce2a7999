//! The chapter about our own cases: the tables, and what one must know to read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::case::Boot;
use super::cases::abi;
use super::configured::Compared;
use super::kernel::Kernel;
use super::report::{self, Row};

/// Options of a kernel's configuration that decide about modules, without `CONFIG_`.
const DECIDING: [&str; 12] = [
    "MODVERSIONS",
    "BASIC_MODVERSIONS",
    "EXTENDED_MODVERSIONS",
    "MODULE_FORCE_LOAD",
    "MODULE_SIG",
    "MODULE_SIG_FORCE",
    "MODULE_DECOMPRESS",
    "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS",
    "TRIM_UNUSED_KSYMS",
    "PREEMPT_RT",
    "LIVEPATCH",
    "RUST",
];

const INTRODUCTION: &str = "\
What real kernels did with small modules, and what `kmm-preflight check` had said of them. `cargo xtask truth --all
--report docs/truth.md` writes this, and what is told of modules that people run, but not of random damages, which are
asked with `--damages`; `xtask/truth/packages.sh --all` installs what it uses. Each kernel boots under QEMU, in as many
guests for each boot configuration as it takes, and does with every image what KMM does: `cp -R` of the kernel's folder, then
`modprobe -vd` of the copy. `check` judges the same images, with the kernel's driver toolkit and without; of a kernel that wants
signatures it is told whom it trusts, the certificates that it was built with among them, which are read out of its `vmlinuz`.

- **loads, said so** and **refused, said so**: kernel and `check` agree. A module is refused if the copy or modprobe
  fails, if modprobe succeeds and the module is not there, or if the kernel dies of it or never comes back, twice.
- **refused, not checked**: it does not load, `check` says Success, and cannot know better: without a toolkit, where
  with one it refuses, and by rules alone that need one ([findings.md](findings.md) says which do); or where no file
  tells (listed below), and the kernel names no cause that one would tell.
- **false alarm**: it loads, and `check` says that it does not.
- **false all-clear**: it does not load, and `check` says that it does, without such an excuse.

`cargo xtask truth` alone asks the core, as CI does: one kernel of each of two series, of each group every tenth case, and
always what `kmm-preflight sign` has signed, and those that were wrong once (`xtask/truth/once-wrong.txt`); besides, on the first kernel that has it, each case that
[findings.md](findings.md) names. It fails on any disagreement, and where a rule is not shown by what is said to show it.
With `--all --core` every case is asked of one kernel or another. `--kernel` names other
kernels of Debian's. Kernels with `-own-` in their names have configurations that none of Debian's has: they are compiled from
Debian's package of the source with what stands in `xtask/truth/own`, a quarter of an hour each on two cores, once. Where Debian's archive has dropped one, the next newer one of its line takes its place, and the run
says so: then name it in `CORE` and `ALL` of `xtask/src/truth/mod.rs` and write this file anew. Answers are kept in
`~/.cache/kmm-preflight/truth/facts`; what is damaged there is asked again, and the folder may be deleted.
";

const CONFIGURED: &str = "\
Not seen but derived, and not counted above. Each row is a case with a real kernel's driver toolkit whose configuration was
changed; what a kernel of that configuration does with it stands in the source that the row names. Where a kernel has been
seen to do so, since it has that option too among others, the first table names cases that show it. In the rows of
`untold` the toolkit has no configuration at all: there `check` must say what it assumed.
";

const COMMAND_LINE: &str = "\
What the table names is said besides this, which every kernel is told. `mitigations=off` is there because guards against
speculation cost an emulated processor most of its time, and have no say in what is loaded; with `oops=panic panic=-1` a
kernel that dies of a module ends its guest. Where `db` is told of, firmware has our certificates in it (OVMF), and a
real-time kernel is told `efi=runtime`, without which it asks no firmware whom to trust. Firmware and keys of that kind are
there for amd64 alone, and so are cases of gzip (`packing`), for which a modprobe is compiled that reads it: Debian's does not.
";

/// What is said where a kernel was asked some cases, and the next one others.
const PART: &str =
    " Not every case was asked of every kernel: of each, its part of the core (`--core`), or what was named.";
const UNKNOWN: &str = "- Not known, since each kernel was asked some of them.\n";

/// The whole chapter, without its heading.
pub(super) fn document(
    kernels: &[Kernel],
    rows: &[Row],
    configured: &[Compared],
    all_were_asked: bool,
) -> anyhow::Result<String> {
    let distinct: BTreeSet<String> = rows.iter().map(distinct_name).collect();
    let groups: BTreeSet<&str> = rows.iter().map(|row| row.group).collect();
    Ok(format!(
        "{INTRODUCTION}\n{} distinct cases in {} groups, {} answers of {} kernels.{}\n\n{}\n\
         ## Kernels\n\n{}\n### Whose modules load where\n\n{}\n### Boots\n\n{}\n\
         {COMMAND_LINE}\n{}\n## By group\n\n{}\n## Where they disagree\n\n{}\n\
         ## Cases that not every kernel has\n\nThey alter what only some modules have.\n\n{}\n\
         ## Where no file tells\n\n{}\n\
         ## Configurations one by one\n\n{CONFIGURED}\n{}\n{}\n{}",
        distinct.len(),
        groups.len(),
        rows.len(),
        kernels.len(),
        if all_were_asked { "" } else { PART },
        report::confusion(rows),
        descriptions(kernels)?,
        abi_table(kernels, rows),
        boots(kernels, rows),
        command_lines(kernels),
        report::groups(rows),
        report::listed_disagreements(rows),
        if all_were_asked {
            lacking(kernels, rows)
        } else {
            UNKNOWN.to_owned()
        },
        out_of_reach(rows),
        report::configurations(configured),
        configured_disagreements(configured),
        report::configured_rows(configured),
    ))
}

/// A case's name without the kernel that a module was compiled for.
fn distinct_name(row: &Row) -> String {
    let name = row.name();
    name.split_once("-of-")
        .filter(|_| row.group == abi::GROUP)
        .map_or_else(|| name.clone(), |(what, _)| what.to_owned())
}

fn descriptions(kernels: &[Kernel]) -> anyhow::Result<String> {
    let mut text = String::from("| kernel | architecture | its configuration, as far as it decides |\n|---|---|---|\n");
    for kernel in kernels {
        let mut options = Vec::new();
        for option in DECIDING {
            if kernel.has(option)? {
                options.push(option);
            }
        }
        let (release, architecture) = (&kernel.release, kernel.architecture.go_name());
        let _ = writeln!(text, "| {release} | {architecture} | {} |", options.join(", "));
    }
    Ok(text)
}

/// Which kernel takes a module that was compiled for another one.
fn abi_table(kernels: &[Kernel], rows: &[Row]) -> String {
    let loads: BTreeMap<(&str, &str), bool> = rows
        .iter()
        .filter(|row| row.group == abi::GROUP)
        .map(|row| ((row.kernel.as_str(), row.id.as_str()), row.loads()))
        .collect();
    let mut text = String::from("| compiled for | loads on | is refused by |\n|---|---|---|\n");
    for kernel in kernels {
        let id = abi::id("plain", &kernel.release);
        let on = |wanted: bool| {
            let of = |other: &&Kernel| loads.get(&(other.release.as_str(), id.as_str())) == Some(&wanted);
            let names = kernels.iter().filter(of).map(|other| other.release.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(text, "| {} | {} | {} |", kernel.release, on(true), on(false));
    }
    text
}

fn boots(kernels: &[Kernel], rows: &[Row]) -> String {
    let mut text = String::from("| boot | the kernel is told besides | kernels | answers |\n|---|---|---:|---:|\n");
    for boot in Boot::ALL {
        let of_boot = || rows.iter().filter(|row| row.boot == boot.name());
        let asked = |kernel: &&Kernel| of_boot().any(|row| row.kernel == kernel.release);
        let command_line = match boot.command_line() {
            "" => "nothing".to_owned(),
            words => format!("`{words}`"),
        };
        let (kernels, answers) = (kernels.iter().filter(asked).count(), of_boot().count());
        let _ = writeln!(text, "| {} | {command_line} | {kernels} | {answers} |", boot.name());
    }
    text
}

/// What each architecture's kernels are told, however they are booted.
fn command_lines(kernels: &[Kernel]) -> String {
    let lines: BTreeSet<String> = kernels
        .iter()
        .map(|kernel| {
            format!(
                "- {}: `{}`\n",
                kernel.architecture.go_name(),
                kernel.architecture.told()
            )
        })
        .collect();
    lines.into_iter().collect()
}

/// The cases that a kernel has not, though another one has.
fn lacking(kernels: &[Kernel], rows: &[Row]) -> String {
    let names_of = |release: &str| -> BTreeSet<String> {
        let rows = rows
            .iter()
            .filter(|row| row.kernel == release && row.group != abi::GROUP);
        rows.map(Row::name).collect()
    };
    let all: BTreeSet<String> = kernels.iter().flat_map(|kernel| names_of(&kernel.release)).collect();
    let mut text = String::new();
    for kernel in kernels {
        let own = names_of(&kernel.release);
        let missing: Vec<String> = all.difference(&own).map(|name| format!("`{name}`")).collect();
        if !missing.is_empty() {
            let _ = writeln!(text, "- {} lacks {}", kernel.release, missing.join(", "));
        }
    }
    or_none(text)
}

fn out_of_reach(rows: &[Row]) -> String {
    let whys = rows.iter().filter_map(|row| Some((row.name(), row.out_of_reach?)));
    let mut text = String::new();
    for (name, why) in whys.collect::<BTreeMap<_, _>>() {
        let _ = writeln!(text, "- `{name}`: {why}");
    }
    or_none(text)
}

fn configured_disagreements(rows: &[Compared]) -> String {
    match report::configured_disagreements(rows) {
        none if none.is_empty() => "Disagreements: none.\n".to_owned(),
        some => format!("Disagreements:\n\n```text\n{some}```\n"),
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() { "None.\n".to_owned() } else { text }
}
