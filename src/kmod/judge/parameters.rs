//! The parameters: the last thing that the kernel looks at before the module's own code runs
//! (`kernel/module/main.c: load_module`, `kernel/params.c: parse_args`).

use std::collections::BTreeSet;

use super::kernel::Kernel;
use super::values::{Assignment, Taken, assignments, beyond, option_string, taken};
use crate::api::{Finding, Rule};
use crate::kmod::facts::{ElfModule, Parameter, Takes, ValueType};

/// Parameters that the kernel itself knows, whatever the module (`unknown_module_param_cb`).
const KNOWN_TO_THE_KERNEL: [&str; 2] = ["async_probe", "dyndbg"];

/// How many of a module's parameters are named to somebody who has mistaken one.
const NAMED: usize = 20;

/// Every parameter of the command line, in its order.
pub(super) fn check(elf: &ElfModule, words: &[String], kernel: &Kernel<'_>) -> Vec<Finding> {
    let given = assignments(&option_string(words));
    let Some(parameters) = &elf.parameters else {
        return unread(&given).into_iter().collect();
    };
    given
        .iter()
        .filter_map(|assignment| one(parameters, assignment, kernel))
        .collect()
}

/// What the kernel makes of parameters whose table could not be read, nobody knows.
fn unread(given: &[Assignment]) -> Option<Finding> {
    (!given.is_empty()).then(|| {
        let message = "which parameters the module has could not be read; not checked: the ones that it is given";
        Finding::informs(Rule::NotChecked, message)
    })
}

fn one(parameters: &[Parameter], assignment: &Assignment, kernel: &Kernel<'_>) -> Option<Finding> {
    let name = assignment.name.replace('-', "_");
    // The kernel takes the first one of a name (`parse_one`).
    let Some(parameter) = parameters.iter().find(|parameter| parameter.name == name) else {
        return unknown(parameters, &name);
    };
    let (takes, value) = (parameter.takes, assignment.value.as_deref());
    let shown = value.map_or_else(
        || format!("`{name}` without a value"),
        |value| format!("`{name}={value}`"),
    );
    let refused = |why: &str| {
        let message = format!("the kernel refuses the module with {shown}: the parameter takes {why}");
        Finding::decides(Rule::ParameterMalformed, message)
    };
    let finding = match (too_much(takes, value), taken(takes, value)) {
        (Some(why), _) => refused(&why),
        (None, Taken::No) => refused(&format!("{}; correct its value", words(takes))),
        (None, Taken::SinceLinux518) if !kernel.at_least(5, 18) => Finding::warns(
            Rule::ParameterMalformed,
            format!("kernels before 5.18 refuse {shown}, unless their maker has added it; write y or n"),
        ),
        (None, Taken::Yes | Taken::SinceLinux518) => return None,
    };
    Some(finding.of_symbol(name))
}

/// What the parameter takes, where the value is more than that (`can only take %i arguments`, `string doesn't fit in %u chars`).
fn too_much(takes: Takes, value: Option<&str>) -> Option<String> {
    let value = value?;
    let needed = beyond(takes, value)?;
    match takes {
        Takes::Several { most, .. } => {
            let empty_one = if value.ends_with(',') {
                ", one of them empty after the last comma"
            } else {
                ""
            };
            Some(format!(
                "a list of at most {}, and these are {needed}{empty_one}; leave some out",
                most?
            ))
        }
        Takes::Copied { room } => Some(format!(
            "a text that fits into {} bytes, and this one needs {needed} with its end; shorten it",
            room?
        )),
        Takes::One(_) => None,
    }
}

/// The kernel says `unknown parameter ignored`, and goes on.
fn unknown(parameters: &[Parameter], name: &str) -> Option<Finding> {
    if KNOWN_TO_THE_KERNEL.contains(&name) {
        return None;
    }
    let names: BTreeSet<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let known: Vec<&str> = names.iter().copied().take(NAMED).collect();
    let has = match names.len().saturating_sub(NAMED) {
        0 if known.is_empty() => "it has none".to_owned(),
        0 => format!("it has {}", known.join(", ")),
        more => format!("it has {} and {more} more", known.join(", ")),
    };
    let message = format!(
        "the module has no parameter `{name}` ({has}); the kernel ignores it; correct its name, or leave it out"
    );
    Some(Finding::warns(Rule::ParameterUnknown, message).of_symbol(name))
}

/// What a parameter takes, in words.
fn words(takes: Takes) -> String {
    match takes {
        Takes::One(value_type) => of_type(value_type).to_owned(),
        Takes::Several { each, .. } => format!("a list with commas, each {}", of_type(each)),
        Takes::Copied { .. } => "a text".to_owned(),
    }
}

const fn of_type(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Switch | ValueType::InvertedSwitch => "y or n",
        ValueType::Byte => "a number from 0 to 255",
        ValueType::Short => "a number from -32768 to 32767",
        ValueType::UShort => "a number from 0 to 65535",
        ValueType::Int => "a number from -2147483648 to 2147483647",
        ValueType::UInt => "a number from 0 to 4294967295",
        ValueType::Long => "a 64-bit number",
        ValueType::ULong => "a 64-bit number that is not negative",
        ValueType::Text => "a text of at most 1024 bytes",
        ValueType::Own => "what the module itself reads",
    }
}
