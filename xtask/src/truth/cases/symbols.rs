//! Undefined and weak symbols, namespaces, what is exported twice (`kernel/module/main.c: simplify_symbols`,
//! `resolve_symbol`, `verify_namespace_is_imported`, `verify_exported_symbols`).

use super::{Case, Kernel};

/// What other kernels export, and those that trim their exports only if a module of theirs uses it.
const OFTEN_TRIMMED: &str = "hex_dump_to_buffer";

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let tables = [
        trimmed(kernel)?,
        missing_or_weak(kernel)?,
        exported_by_others(kernel)?,
        namespaces(kernel)?,
        exported_twice(kernel)?,
        refused_by_itself(kernel)?,
    ];
    Ok(tables.into_iter().flatten().collect())
}

fn missing_or_weak(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let ko = |name: &str| kernel.ko(name);
    Ok(vec![
        kernel.case("missing").ko(ko("missing_symbol")?),
        kernel.case("missing-forced").ko(ko("missing_symbol")?).args(&["-f"]),
        kernel.case("weak-missing").ko(ko("weak")?),
        kernel
            .case("weak-exported-by-the-kernel")
            .ko(ko("weak")?.with_elf(|elf| elf.rename_symbol("nobody_exports_this", "jiffies_to_msecs"))),
        kernel.case("weak-exported-by-the-kernel-no-versions").ko(ko("weak")?
            .without_section("__versions")
            .with_elf(|elf| elf.rename_symbol("nobody_exports_this", "jiffies_to_msecs"))),
        kernel
            .case("weak-exported-by-an-unlinked-in-tree-module")
            .ko(ko("weak")?
                .without_section("__versions")
                .with_elf(|elf| elf.rename_symbol("nobody_exports_this", "lc_create"))),
        kernel.case("weak-gpl-only-and-proprietary").ko(ko("weak")?
            .with_modinfo("license", "Proprietary")
            .without_section("__versions")
            .with_elf(|elf| elf.rename_symbol("nobody_exports_this", "crypto_alloc_shash"))),
        kernel
            .case("weak-of-a-namespace-not-imported")
            .ko(ko("weak")?
                .without_section("__versions")
                .with_elf(|elf| elf.rename_symbol("nobody_exports_this", "exporter_in_namespace"))
                .adding_modinfo("softdep", "pre: exporter")
                .seen_by_depmod())
            .ko(ko("exporter")?),
        kernel
            .case("missing-by-another-name")
            .ko(ko("plain")?.with_elf(|elf| elf.rename_symbol("_printk", "_printk_of_nobody"))),
        kernel
            .case("empty-name")
            .ko(ko("plain")?.with_elf(|elf| elf.rename_symbol("_printk", ""))),
    ])
}

/// `CONFIG_TRIM_UNUSED_KSYMS`: what no in-tree module uses is not exported.
fn trimmed(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    if !kernel.has("TRIM_UNUSED_KSYMS")? {
        return Ok(Vec::new());
    }
    let needing = |weak: bool| -> anyhow::Result<_> {
        Ok(kernel.ko("weak")?.with_elf(|elf| {
            elf.rename_symbol("nobody_exports_this", OFTEN_TRIMMED);
            if !weak {
                elf.require_symbol(OFTEN_TRIMMED);
            }
        }))
    };
    Ok(vec![
        kernel.case("trimmed").ko(needing(false)?),
        kernel.case("trimmed-and-weak").ko(needing(true)?),
    ])
}

fn exported_by_others(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let ko = |name: &str| kernel.ko(name);
    Ok(vec![
        kernel.case("exported-by-nobody-loaded").ko(ko("importer")?),
        kernel
            .case("exported-by-the-image")
            .ko(ko("importer")?)
            .ko(ko("exporter")?),
        kernel
            .case("exported-by-an-older-exporter")
            .ko(ko("importer")?)
            .ko(ko("exporter")?.with_elf(|elf| elf.replace_everywhere(b"exporter_plain", b"exporter_plaim"))),
    ])
}

fn namespaces(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let ko = |name: &str| kernel.ko(name);
    Ok(vec![
        kernel
            .case("namespace-not-imported")
            .ko(ko("importer_no_ns")?)
            .ko(ko("exporter")?),
        kernel
            .case("namespace-not-imported-forced")
            .ko(ko("importer_no_ns")?)
            .ko(ko("exporter")?)
            .args(&["-f"]),
        kernel
            .case("namespace-imported-under-another-name")
            .ko(ko("importer")?.with_modinfo("import_ns", "EXPORTEX"))
            .ko(ko("exporter")?),
        kernel
            .case("namespace-imported-in-lower-case")
            .ko(ko("importer")?.with_modinfo("import_ns", "exporter"))
            .ko(ko("exporter")?),
        kernel
            .case("namespace-imported-empty")
            .ko(ko("importer")?.with_modinfo("import_ns", ""))
            .ko(ko("exporter")?),
        kernel
            .case("namespace-imported-twice")
            .ko(ko("importer")?.adding_modinfo("import_ns", "EXPORTER"))
            .ko(ko("exporter")?),
        kernel
            .case("namespace-imported-with-a-space")
            .ko(ko("importer")?.with_modinfo("import_ns", "EXPORTER "))
            .ko(ko("exporter")?),
        kernel
            .case("namespace-imported-needlessly")
            .ko(ko("plain")?.adding_modinfo("import_ns", "NOBODYS")),
        kernel
            .case("namespaces-imported-two")
            .ko(ko("importer")?
                .with_modinfo("import_ns", "OTHER")
                .adding_modinfo("import_ns", "EXPORTER"))
            .ko(ko("exporter")?),
    ])
}

fn exported_twice(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let ko = |name: &str| kernel.ko(name);
    Ok(vec![
        kernel
            .case("exports-what-the-kernel-exports")
            .ko(ko("twin")?.with_elf(|elf| elf.replace_everywhere(b"lc_crXate", b"bitmap_or"))),
        kernel
            .case("exports-what-an-in-tree-module-exports")
            .ko(ko("twin")?.with_elf(|elf| elf.replace_everywhere(b"lc_crXate", b"lc_create"))),
        kernel
            .case("exports-what-a-loaded-in-tree-module-exports")
            .ko(ko("twin")?.with_elf(|elf| elf.replace_everywhere(b"lc_crXate", b"lc_create")))
            .with_loaded(&["lru_cache"]),
        kernel
            .case("exports-what-another-module-of-the-image-exports")
            .ko(ko("importer")?)
            .ko(ko("exporter")?)
            .ko(ko("twin")?.with_elf(|elf| elf.replace_everywhere(b"lc_crXate", b"gone_gone"))),
    ])
}

fn refused_by_itself(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let ko = |name: &str| kernel.ko(name);
    Ok(vec![
        kernel
            .case("init-fails")
            .ko(ko("failing")?)
            .out_of_reach("the module's own code finds no hardware"),
    ])
}
