//! Dependencies: in the image, in-tree with KMM's `host` link and without, soft ones, and `modulesLoadingOrder`
//! (kmod `libkmod/libkmod-module.c: __kmod_module_get_probe_list`); and modules whose name is taken already.

use super::{Case, Kernel};

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let mut cases = in_the_image(kernel)?;
    cases.extend(in_tree(kernel)?);
    cases.extend(hosts(kernel)?);
    cases.extend(loaded(kernel)?);
    cases.extend(soft(kernel)?);
    cases.extend(already_there(kernel)?);
    cases.extend(built_in(kernel)?);
    cases.extend(built_in_by_name(kernel)?);
    cases.extend(of_lesser_toolkits(kernel)?);
    Ok(cases)
}

/// Modules that are asked for, or wanted first, and that the kernel has built in.
fn built_in_by_name(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    const LONGEST: usize = 64;
    let Some(name) = kernel.builtin(false, LONGEST)? else {
        return Ok(Vec::new());
    };
    let one = |id: &str| -> anyhow::Result<Case> { Ok(kernel.case(id).ko(kernel.ko("plain")?)) };
    let soft = kernel.ko("plain")?.with_modinfo("softdep", &format!("pre: {name}"));
    Ok(vec![
        one("built-in-asked")?.loads(&name),
        one("built-in-asked-by-host-link")?.host_link().loads(&name),
        one("built-in-asked-that-the-image-tells-of")?
            .file("modules.builtin", format!("kernel/{name}.ko\n"))
            .loads(&name),
        kernel.case("soft-built-in").ko(soft.seen_by_depmod()),
        one("order-built-in")?.order(&["plain", &name]),
        one("order-built-in-by-host-link")?.host_link().order(&["plain", &name]),
    ])
}

/// A driver toolkit may lack in-tree modules that nodes have: a distribution has them in packages of their own.
fn of_lesser_toolkits(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |id: &str| -> anyhow::Result<Case> {
        Ok(kernel.case(id).ko(kernel.ko("needs_lru")?).toolkit_lacks("lru_cache"))
    };
    Ok(vec![
        one("in-tree-that-the-toolkit-lacks-by-host-link")?.host_link(),
        one("in-tree-that-the-toolkit-lacks-unlinked")?,
        one("in-tree-that-the-toolkit-lacks-but-loaded")?.with_loaded(&["lru_cache"]),
    ])
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
        kernel
            .case("in-image-with-a-dash")
            .ko(kernel.ko("importer")?)
            .ko(kernel.ko("exporter")?.named("ex-porter")),
        kernel
            .case("in-image-in-another-folder")
            .ko(kernel.ko("importer")?)
            .ko(kernel.ko("exporter")?.in_folder("updates/a/b")),
        kernel
            .case("in-image-twice")
            .ko(kernel.ko("importer")?)
            .ko(kernel.ko("exporter")?.in_folder("updates"))
            .ko(kernel.ko("exporter")?.cut(100)),
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

/// KMM's documented link, in the forms that people give it.
fn hosts(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("needs_lru")?)) };
    let node = format!("/lib/modules/{}", kernel.release);
    Ok(vec![
        one("host-link-through-usr")?
            .host_link()
            .link("host", &format!("/usr/lib/modules/{}/", kernel.release)),
        one("host-link-with-a-slash")?
            .host_link()
            .link("host", &format!("{node}/")),
        one("host-link-to-all-kernels")?
            .host_link()
            .link("host", "/lib/modules"),
        one("host-link-to-itself")?.host_link().link("host", "host"),
        one("host-link-by-another-link")?
            .host_link()
            .link("node", &node)
            .link("host", "node"),
        one("host-link-in-a-layer-of-its-own")?
            .host_link()
            .next_layer()
            .link("host", &node),
        one("host-link-hidden-by-a-layer")?
            .host_link()
            .next_layer()
            .whiteout("host"),
        one("host-is-a-folder-with-copies")?
            .host_link()
            .next_layer()
            .whiteout("host")
            .next_layer()
            .file("host/README", "modules of the node belong here"),
        one("host-link-and-index-of-before")?
            .host_link()
            .file("modules.dep.bin", ""),
        kernel
            .case("host-link-of-an-image-without-modules")
            .host_link()
            .loads("crc7"),
        kernel
            .case("host-link-to-a-module-that-nodes-lack")
            .ko(kernel.ko("importer")?)
            .host_had(kernel.ko("exporter")?),
        kernel
            .case("host-link-and-dependency-in-the-image-too")
            .ko(kernel.ko("importer")?)
            .ko(kernel.ko("exporter")?)
            .host_had(kernel.ko("exporter")?),
        kernel
            .case("in-tree-with-dependencies-unlinked")
            .ko(kernel.ko("needs_in_tree")?),
        kernel
            .case("in-tree-with-dependencies-by-host-link")
            .ko(kernel.ko("needs_in_tree")?)
            .host_link(),
    ])
}

/// What nodes have loaded before, of which check is told (`--loaded-modules`).
fn loaded(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("needs_lru")?)) };
    Ok(vec![
        one("loaded-another")?.with_loaded(&["crc7"]),
        one("loaded-it-and-others")?.with_loaded(&["crc7", "lru_cache", "dummy"]),
        one("loaded-with-host-link")?.host_link().with_loaded(&["lru_cache"]),
        one("loaded-and-removed-first")?
            .with_loaded(&["lru_cache"])
            .removing(&["lru_cache"]),
        one("loaded-and-host-link-and-removed-first")?
            .host_link()
            .with_loaded(&["lru_cache"])
            .removing(&["lru_cache"]),
        one("loaded-and-install-ignored")?
            .with_loaded(&["lru_cache"])
            .args(&["-i"]),
        one("loaded-and-forced")?.with_loaded(&["lru_cache"]).args(&["-f"]),
        kernel
            .case("loaded-and-of-another-version")
            .ko(kernel.ko("needs_lru")?.with_crc("lc_create", |crc| crc ^ 1))
            .with_loaded(&["lru_cache"]),
        kernel
            .case("loaded-in-tree-asked-by-host-link")
            .loads("lru_cache")
            .host_link()
            .with_loaded(&["lru_cache"]),
        kernel
            .case("loaded-needs-nothing")
            .ko(kernel.ko("plain")?)
            .with_loaded(&["lru_cache"]),
        kernel
            .case("loaded-and-missing-in-the-image-too")
            .ko(kernel.ko("importer")?)
            .with_loaded(&["lru_cache"]),
    ])
}

/// Orders that admission refuses (fewer than two, doubled, not beginning with the module) are no cases.
fn soft(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let tables = [
        soft_refused(kernel)?,
        orders(kernel)?,
        soft_there_or_gone(kernel)?,
        soft_by_modinfo(kernel)?,
    ];
    Ok(tables.into_iter().flatten().collect())
}

fn soft_refused(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let ko = |name: &str| kernel.ko(name);
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
    ])
}

fn orders(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
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

fn soft_there_or_gone(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let ko = |name: &str| kernel.ko(name);
    Ok(vec![
        kernel.case("soft-pre-there").ko(ko("softdeps")?).ko(ko("plain")?),
        kernel.case("soft-post-there").ko(ko("softdeps")?).ko(ko("aliases")?),
        kernel
            .case("soft-pre-gone")
            .ko(ko("softdeps")?)
            .ko(ko("plain")?)
            .without("extra/plain.ko"),
        kernel
            .case("soft-post-gone")
            .ko(ko("softdeps")?)
            .ko(ko("aliases")?)
            .without("extra/aliases.ko"),
        kernel
            .case("soft-pre-needs-what-is-missing")
            .ko(ko("softdeps")?)
            .ko(ko("missing_symbol")?.named("plain")),
        kernel
            .case("soft-in-its-own-order")
            .ko(ko("softdeps")?)
            .ko(ko("plain")?)
            .ko(ko("aliases")?)
            .order(&["softdeps", "aliases"]),
        kernel
            .case("soft-text-missing")
            .ko(ko("softdeps")?)
            .ko(ko("plain")?.cut(200))
            .without("modules.softdep"),
    ])
}

fn soft_by_modinfo(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let ko = |name: &str| kernel.ko(name);
    Ok(vec![
        kernel
            .case("soft-by-modinfo-added")
            .ko(ko("plain")?.with_modinfo("softdep", "pre: exporter").seen_by_depmod())
            .ko(ko("exporter")?),
        kernel
            .case("soft-of-each-other")
            .ko(ko("plain")?.with_modinfo("softdep", "pre: aliases").seen_by_depmod())
            .ko(ko("aliases")?.with_modinfo("softdep", "pre: plain").seen_by_depmod()),
        kernel
            .case("soft-of-itself")
            .ko(ko("plain")?.with_modinfo("softdep", "pre: plain").seen_by_depmod()),
        kernel
            .case("soft-that-is-needed-as-well")
            .ko(ko("importer")?
                .with_modinfo("softdep", "pre: exporter")
                .seen_by_depmod())
            .ko(ko("exporter")?),
        kernel
            .case("soft-after-what-is-needed")
            .ko(ko("importer")?
                .with_modinfo("softdep", "post: exporter")
                .seen_by_depmod())
            .ko(ko("exporter")?),
    ])
}

fn already_there(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let twin = || kernel.ko("params_none")?.calling_itself("dummy");
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
            .case("same-name-as-in-tree-loaded-first-time")
            .ko(twin()?)
            .with_loaded(&["dummy"])
            .args(&["--first-time"]),
        kernel
            .case("same-name-as-in-tree-by-host-link-too")
            .ko(twin()?)
            .host_link(),
        kernel
            .case("same-name-as-in-tree-in-updates")
            .ko(twin()?.in_folder("updates"))
            .host_link(),
        kernel
            .case("same-name-as-in-tree-loaded-and-another-removed")
            .ko(twin()?)
            .with_loaded(&["dummy"])
            .removing(&["crc7"]),
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

/// A built-in module with parameters has a folder in `/sys/module`, and no other module can be of that name
/// (`kernel/module/sysfs.c: mod_sysfs_init`).
fn built_in(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let longest = "params_none".len();
    let mut cases = Vec::new();
    for (with_parameters, which) in [(true, "with-parameters"), (false, "without-parameters")] {
        if let Some(name) = kernel.builtin(with_parameters, longest)? {
            let ko = kernel.ko("params_none")?.calling_itself(&name)?;
            let case = |what: &str| kernel.case(format!("same-name-as-built-in-{which}{what}"));
            cases.extend([
                case("").ko(ko.clone()),
                case("-and-first-time").ko(ko.clone()).args(&["--first-time"]),
                case("-and-told-to-the-image")
                    .ko(ko.clone())
                    .file("modules.builtin", format!("kernel/{name}.ko\n")),
                case("-and-removed").ko(ko).removing(&[&name]),
            ]);
        }
    }
    for name in ["printk", "workqueue"] {
        let ko = kernel.ko("params_none")?.calling_itself(name)?;
        cases.push(kernel.case(format!("same-name-as-a-part-of-the-kernel-{name}")).ko(ko));
    }
    Ok(cases)
}
