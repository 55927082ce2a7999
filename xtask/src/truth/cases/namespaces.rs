//! Namespaces that name the modules they are for (`kernel/module/main.c: verify_module_namespace`, since Linux 6.16), which
//! older kernels take for any other one; and symbols that Rust code exports.

use super::{Case, Kernel};
use crate::truth::ko::Ko;

/// What our exporter calls its namespace, and others of that length.
const OURS: &str = "EXPORTER";
const FOR_I: &str = "module:i";
const FOR_ALL: &str = "module:*";

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let exporter = |namespace: &str| -> anyhow::Result<Ko> {
        let (from, to) = (format!("{OURS}\0"), format!("{namespace}\0"));
        let ko = kernel.ko("exporter")?;
        Ok(ko.with_elf(|elf| elf.replace_everywhere(from.as_bytes(), to.as_bytes())))
    };
    let bare = || kernel.ko("importer_no_ns");
    let importing =
        |namespace: &str| -> anyhow::Result<Ko> { Ok(kernel.ko("importer")?.with_modinfo("import_ns", namespace)) };
    let mut cases = vec![
        kernel
            .case("for-modules-it-is-one-of")
            .ko(bare()?.calling_itself("i")?)
            .ko(exporter(FOR_I)?),
        kernel
            .case("for-modules-it-is-none-of")
            .ko(bare()?)
            .ko(exporter(FOR_I)?),
        kernel.case("for-all-modules").ko(bare()?).ko(exporter(FOR_ALL)?),
        kernel
            .case("for-modules-and-imported")
            .ko(importing(FOR_I)?)
            .ko(exporter(FOR_I)?),
        kernel
            .case("for-nobody-and-imported")
            .ko(importing(FOR_I)?)
            .ko(exporter(OURS)?),
    ];
    cases.extend(rust(kernel)?);
    Ok(cases)
}

/// A module that needs what Rust code of the kernel's exports, where it has any.
fn rust(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let symvers = kernel.symvers()?;
    let mut names = symvers.lines().filter_map(|line| line.split('\t').nth(1));
    let Some(symbol) = names.find(|name| name.starts_with("_R")) else {
        return Ok(Vec::new());
    };
    let needing = |symbol: &str| -> anyhow::Result<Ko> {
        let weak = kernel.ko("weak")?.without_section("__versions");
        Ok(weak.with_elf(|elf| {
            elf.rename_symbol("nobody_exports_this", symbol);
            elf.require_symbol(symbol);
        }))
    };
    Ok(vec![
        kernel.case("rust-symbol").ko(needing(symbol)?),
        kernel
            .case("rust-symbol-and-proprietary")
            .ko(needing(symbol)?.with_modinfo("license", "Proprietary")),
        kernel
            .case("rust-symbol-of-another-compiler")
            .ko(needing(&format!("{symbol}_"))?),
    ])
}
