//! Dependencies: in the image, in-tree with KMM's `host` link and without, soft ones, and `modulesLoadingOrder`
//! (kmod `libkmod/libkmod-module.c: __kmod_module_get_probe_list`).

use super::{Case, Kernel};

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let mut cases = in_the_image(kernel)?;
    cases.extend(in_tree(kernel)?);
    cases.extend(soft(kernel)?);
    cases.extend(already_there(kernel)?);
    Ok(cases)
}

fn in_the_image(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let pair = |name: &str| -> anyhow::Result<Case> {
        Ok(kernel.case(name).ko(kernel.ko("importer")?).ko(kernel.ko("exporter")?))
    };
    Ok(vec![
        pair("in-image")?,
        pair("in-image-file-gone")?.without("extra/exporter.ko"),
        pair("in-image-file-damaged")?.file("extra/exporter.ko", "no module"),
        pair("in-image-file-empty")?.file("extra/exporter.ko", ""),
        pair("in-image-refused")?.file(
            "extra/exporter.ko",
            kernel.ko("exporter")?.with_crc("module_layout", |crc| crc ^ 1).bytes,
        ),
        pair("in-image-loaded-alone")?.loads("exporter"),
        pair("in-image-link-to-file")?
            .without("extra/exporter.ko")
            .file("real/exporter.ko", kernel.ko("exporter")?.bytes)
            .link("extra/exporter.ko", "../real/exporter.ko"),
        pair("in-image-link-outside")?
            .without("extra/exporter.ko")
            .file("/srv/exporter.ko", kernel.ko("exporter")?.bytes)
            .link("extra/exporter.ko", "/srv/exporter.ko"),
    ])
}

fn in_tree(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("needs_lru")?)) };
    let node = format!("/lib/modules/{}", kernel.release);
    Ok(vec![
        one("in-tree-unlinked")?,
        one("in-tree-unlinked-but-loaded")?.with_loaded(&["lru_cache"]),
        one("in-tree-host-link")?.host_link(),
        one("in-tree-host-link-of-another-name")?.host_link_named("in-tree"),
        one("in-tree-host-link-after-depmod")?.link("host", &node),
        one("in-tree-host-link-removed-after-depmod")?
            .host_link()
            .without("host"),
        one("in-tree-host-link-to-another-kernel")?
            .host_link()
            .link("host", "/lib/modules/9.9.9-none"),
        one("in-tree-host-link-relative")?
            .host_link()
            .link("host", &format!("../../../../../lib/modules/{}", kernel.release)),
        kernel
            .case("in-tree-itself-by-host-link")
            .loads("lru_cache")
            .host_link(),
        kernel
            .case("in-tree-needless-host-link")
            .ko(kernel.ko("plain")?)
            .host_link(),
        kernel
            .case("in-tree-copied-into-the-image")
            .ko(kernel.ko("needs_lru")?)
            .ko(kernel.in_tree("lru_cache")?.map_or_else(|| kernel.ko("plain"), Ok)?),
    ])
}

/// Orders that admission refuses (fewer than two, doubled, not beginning with the module) are no cases.
fn soft(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let ko = |name: &str| kernel.ko(name);
    let ordered = |name: &str, order: &[&str]| -> anyhow::Result<Case> {
        Ok(kernel
            .case(name)
            .ko(ko("plain")?)
            .ko(ko("aliases")?)
            .ko(ko("exporter")?)
            .order(order))
    };
    Ok(vec![
        kernel.case("soft-none-there").ko(ko("softdeps")?),
        kernel
            .case("soft-all-there")
            .ko(ko("softdeps")?)
            .ko(ko("plain")?)
            .ko(ko("aliases")?),
        kernel
            .case("soft-pre-refused")
            .ko(ko("softdeps")?)
            .ko(ko("plain")?.cut(200))
            .ko(ko("aliases")?),
        kernel
            .case("soft-post-refused")
            .ko(ko("softdeps")?)
            .ko(ko("plain")?)
            .ko(ko("aliases")?.cut(200)),
        ordered("order-two", &["plain", "aliases"])?,
        ordered("order-three", &["plain", "aliases", "exporter"])?,
        ordered("order-missing", &["plain", "no_such_module"])?,
        ordered("order-missing-in-the-middle", &["plain", "no_such_module", "exporter"])?,
        ordered("order-with-dashes", &["plain", "no-such-module"])?,
        ordered("order-by-alias", &["plain", "another-name"])?,
        ordered("order-pre-refused", &["plain", "aliases"])?.file("extra/aliases.ko", "no module"),
        ordered("order-pre-gone", &["plain", "aliases"])?.without("extra/aliases.ko"),
        ordered("order-ignored", &["plain", "aliases"])?.args(&["-i"]),
        kernel
            .case("order-with-dependencies")
            .ko(ko("importer")?)
            .ko(ko("exporter")?)
            .order(&["importer", "exporter"]),
        kernel
            .case("order-in-tree-unlinked")
            .ko(ko("needs_lru")?)
            .order(&["needs_lru", "lru_cache"]),
        kernel
            .case("order-in-tree-by-host-link")
            .ko(ko("plain")?)
            .order(&["plain", "lru_cache"])
            .host_link(),
    ])
}

fn already_there(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let twin = || -> anyhow::Result<_> {
        let plain = kernel.ko("params_none")?.named("dummy");
        Ok(plain.with_elf(|elf| elf.replace_everywhere(b"params_none\0", b"dummy\0_none\0")))
    };
    Ok(vec![
        kernel.case("same-name-as-in-tree").ko(twin()?),
        kernel
            .case("same-name-as-in-tree-loaded")
            .ko(twin()?)
            .with_loaded(&["dummy"]),
        kernel
            .case("same-name-as-in-tree-loaded-and-removed")
            .ko(twin()?)
            .with_loaded(&["dummy"])
            .removing(&["dummy"]),
        kernel
            .case("same-name-as-in-tree-first-time")
            .ko(twin()?)
            .args(&["--first-time"]),
        kernel
            .case("in-tree-removed-that-is-not-there")
            .ko(kernel.ko("plain")?)
            .removing(&["no_such_module"]),
        kernel
            .case("in-tree-removed-that-is-not-loaded")
            .ko(kernel.ko("plain")?)
            .removing(&["dummy"]),
    ])
}
