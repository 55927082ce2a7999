//! The parameters: the last thing that the kernel looks at before the module's own code runs
//! (`kernel/module/main.c: load_module`, `kernel/params.c: parse_args`).

use super::kernel::Kernel;
use super::values::{Assignment, Taken, assignments, option_string, taken};
use crate::api::{Finding, Rule};
use crate::kmod::facts::ElfModule;

/// Parameters that the kernel itself knows, whatever the module (`unknown_module_param_cb`).
const KNOWN_TO_THE_KERNEL: [&str; 2] = ["async_probe", "dyndbg"];

/// Every parameter of the command line, in its order.
pub(super) fn check(elf: &ElfModule, words: &[String], kernel: &Kernel<'_>) -> Vec<Finding> {
    assignments(&option_string(words)).iter().filter_map(|assignment| one(elf, assignment, kernel)).collect()
}

fn one(elf: &ElfModule, assignment: &Assignment, kernel: &Kernel<'_>) -> Option<Finding> {
    let name = assignment.name.replace('-', "_");
    let Some(kind) = kind(elf, &name) else { return unknown(elf, &name) };
    let value = assignment.value.as_deref();
    let shown = value.map_or_else(|| format!("`{name}` without a value"), |value| format!("`{name}={value}`"));
    let finding = match taken(kind, value) {
        Taken::Yes => return None,
        Taken::SinceLinux518 if kernel.at_least(5, 18) => return None,
        Taken::SinceLinux518 => Finding::warns(
            Rule::ParameterMalformed,
            format!("kernels before 5.18 refuse {shown}, unless their maker has added it; write y or n"),
        ),
        Taken::No => Finding::decides(
            Rule::ParameterMalformed,
            format!("the kernel refuses the module with {shown}: the parameter takes {}; correct its value", words(kind)),
        ),
    };
    Some(finding.of_symbol(name))
}

/// The type of a parameter in modinfo; empty where the module only describes it.
fn kind<'e>(elf: &'e ElfModule, name: &str) -> Option<&'e str> {
    let typed = elf.infos("parmtype").filter_map(|info| info.split_once(':')).find(|(parameter, _)| *parameter == name);
    let described = || elf.infos("parm").any(|info| info.split(':').next() == Some(name)).then_some("");
    typed.map(|(_, kind)| kind).or_else(described)
}

/// The kernel says `unknown parameter ignored`, and goes on.
fn unknown(elf: &ElfModule, name: &str) -> Option<Finding> {
    if KNOWN_TO_THE_KERNEL.contains(&name) {
        return None;
    }
    let mut known: Vec<&str> = elf.infos("parmtype").filter_map(|info| info.split(':').next()).collect();
    known.sort_unstable();
    let has = if known.is_empty() { "it declares none".to_owned() } else { format!("it has {}", known.join(", ")) };
    let message = format!("the module declares no parameter `{name}` ({has}); the kernel ignores it");
    Some(Finding::warns(Rule::ParameterUnknown, message).of_symbol(name))
}

/// A type of modinfo in words.
fn words(kind: &str) -> String {
    if let Some(element) = kind.strip_prefix("array of ") {
        return format!("a list with commas, each {}", words(element));
    }
    match kind {
        "bool" | "invbool" | "bint" => "y or n",
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
