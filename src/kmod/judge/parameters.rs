//! The parameters: the last thing that the kernel looks at before the module's own code runs
//! (`kernel/module/main.c: load_module`, `kernel/params.c: parse_args`).

use std::collections::BTreeMap;

use super::kernel::Kernel;
use super::values::{Assignment, Taken, assignments, beyond, option_string, taken};
use crate::api::{Finding, Rule};
use crate::kmod::facts::{ElfModule, ValueLimit};

/// Parameters that the kernel itself knows, whatever the module (`unknown_module_param_cb`).
const KNOWN_TO_THE_KERNEL: [&str; 2] = ["async_probe", "dyndbg"];

/// How many of a module's parameters are named to somebody who has mistaken one.
const NAMED: usize = 20;

/// Every parameter of the command line, in its order.
pub(super) fn check(elf: &ElfModule, words: &[String], kernel: &Kernel<'_>) -> Vec<Finding> {
    let declared = declared(elf);
    let given = assignments(&option_string(words));
    given
        .iter()
        .filter_map(|assignment| one(elf, &declared, assignment, kernel))
        .collect()
}

/// The parameters that a module declares, with their types; empty where it only describes one.
fn declared(elf: &ElfModule) -> BTreeMap<&str, &str> {
    let described = elf.infos("parm").filter_map(|info| info.split_once(':'));
    let typed = elf.infos("parmtype").filter_map(|info| info.split_once(':'));
    described.map(|(name, _)| (name, "")).chain(typed).collect()
}

fn one(
    elf: &ElfModule,
    declared: &BTreeMap<&str, &str>,
    assignment: &Assignment,
    kernel: &Kernel<'_>,
) -> Option<Finding> {
    let name = assignment.name.replace('-', "_");
    let Some(kind) = declared.get(name.as_str()) else {
        return unknown(declared, &name);
    };
    let value = assignment.value.as_deref();
    let shown = value.map_or_else(
        || format!("`{name}` without a value"),
        |value| format!("`{name}={value}`"),
    );
    let refused = |why: &str| {
        let message = format!("the kernel refuses the module with {shown}: the parameter takes {why}");
        Finding::decides(Rule::ParameterMalformed, message)
    };
    let finding = match (too_much(elf, &name, value), taken(kind, value)) {
        (Some(why), _) => refused(&why),
        (None, Taken::No) => refused(&format!("{}; correct its value", words(kind))),
        (None, Taken::SinceLinux518) if !kernel.at_least(5, 18) => Finding::warns(
            Rule::ParameterMalformed,
            format!("kernels before 5.18 refuse {shown}, unless their maker has added it; write y or n"),
        ),
        (None, Taken::Yes | Taken::SinceLinux518) => return None,
    };
    Some(finding.of_symbol(name))
}

/// What the parameter takes, where the value is more than that (`can only take %i arguments`, `string doesn't fit in %u chars`).
fn too_much(elf: &ElfModule, name: &str, value: Option<&str>) -> Option<String> {
    let (limit, value) = (elf.limit(name)?, value?);
    let needed = beyond(limit, value)?;
    Some(match limit {
        ValueLimit::Values(most) => {
            let empty_one = if value.ends_with(',') {
                ", one of them empty after the last comma"
            } else {
                ""
            };
            format!("a list of at most {most}, and these are {needed}{empty_one}; leave some out")
        }
        ValueLimit::Bytes(most) => {
            format!("a text that fits into {most} bytes, and this one needs {needed} with its end; shorten it")
        }
    })
}

/// The kernel says `unknown parameter ignored`, and goes on.
fn unknown(declared: &BTreeMap<&str, &str>, name: &str) -> Option<Finding> {
    if KNOWN_TO_THE_KERNEL.contains(&name) {
        return None;
    }
    let known: Vec<&str> = declared.keys().copied().take(NAMED).collect();
    let has = match declared.len().saturating_sub(NAMED) {
        0 if known.is_empty() => "it declares none".to_owned(),
        0 => format!("it has {}", known.join(", ")),
        more => format!("it has {} and {more} more", known.join(", ")),
    };
    let message = format!(
        "the module declares no parameter `{name}` ({has}); the kernel ignores it; correct its name, or leave it out"
    );
    Some(Finding::warns(Rule::ParameterUnknown, message).of_symbol(name))
}

/// A type of modinfo in words.
fn words(kind: &str) -> String {
    if let Some(element) = kind.strip_prefix("array of ") {
        return format!("a list with commas, each {}", words(element));
    }
    match kind {
        "bool" | "bool_enable_only" | "invbool" | "bint" => "y or n",
        "byte" => "a number from 0 to 255",
        "short" => "a number from -32768 to 32767",
        "ushort" => "a number from 0 to 65535",
        "int" => "a number from -2147483648 to 2147483647",
        "uint" | "hexint" => "a number from 0 to 4294967295",
        "long" => "a 64-bit number",
        "ulong" | "ullong" => "a 64-bit number that is not negative",
        "charp" => "a text of at most 1024 bytes",
        other => other,
    }
    .to_owned()
}
