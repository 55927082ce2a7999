//! What stands in the image around the modules: links, layers, programs, other kernels, firmware.

use super::{Case, Kernel};
use crate::truth::case::Base;

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let mut cases = programs(kernel)?;
    cases.extend(links(kernel)?);
    cases.extend(layers(kernel)?);
    cases.extend(firmware(kernel)?);
    Ok(cases)
}

fn programs(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str, base| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?).base(base)) };
    Ok(vec![
        one("busybox", Base::Busybox)?,
        one("usr-merged", Base::UsrMerged)?,
        one("usr-merged-dir-usr", Base::UsrMerged)?.dir("/usr"),
        one("scratch", Base::Scratch)?,
        one("a-shell-with-programs", Base::Shell)?,
        one("no-shell", Base::Shell)?.without("/bin/sh"),
        one("no-mkdir", Base::Shell)?.without("/bin/mkdir"),
        one("no-cp", Base::Shell)?.without("/bin/cp"),
        one("programs-in-usr-local-bin", Base::Shell)?
            .without("/bin/cp")
            .file("/usr/local/bin/cp", kernel.programs.busybox()?),
        one("shell-is-a-dangling-link", Base::Shell)?.link("/bin/sh", "/nowhere"),
        one("other-kernel-only", Base::Busybox)?
            .without("")
            .file("/opt/lib/modules/9.9.9-none/modules.dep", ""),
        one("several-kernels", Base::Busybox)?.file("/opt/lib/modules/9.9.9-none/modules.dep", ""),
        one("modprobe-d", Base::Busybox)?.file(
            "/etc/modprobe.d/a.conf",
            "install plain /bin/false\nblacklist plain\noptions plain nonsense\n",
        ),
        one("modprobe-d-in-dir", Base::Busybox)?.file("/opt/etc/modprobe.d/a.conf", "install plain /bin/false\n"),
        one("modprobe-d-in-dir-lib", Base::Busybox)?.file("/opt/lib/modprobe.d/a.conf", "install plain /bin/false\n"),
    ])
}

#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn links(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let bytes = kernel.ko("plain")?.bytes;
    let release = &kernel.release;
    let elsewhere = |name: &str| -> anyhow::Result<Case> { Ok(one(name)?.dir("/srv")) };
    Ok(vec![
        elsewhere("link-dir-name")?.link("/opt", "srv").also_dir("/opt"),
        elsewhere("link-lib")?.link("/opt/lib", "/srv/lib").also_dir("/opt"),
        elsewhere("link-lib-modules")?
            .link("/opt/lib/modules", "../../srv/lib/modules")
            .also_dir("/opt"),
        elsewhere("link-kernel")?
            .link(
                &format!("/opt/lib/modules/{release}"),
                &format!("/srv/lib/modules/{release}"),
            )
            .also_dir("/opt"),
        elsewhere("link-kernel-relative")?
            .link(
                &format!("/opt/lib/modules/{release}"),
                &format!("../../../srv/lib/modules/{release}"),
            )
            .also_dir("/opt"),
        one("link-kernel-to-another-in-the-folder")?
            .without("")
            .file("/opt/lib/modules/real/extra/plain.ko", bytes.clone())
            .link(&format!("/opt/lib/modules/{release}"), "real"),
        one("link-kernel-dangling")?
            .without("")
            .link(&format!("/opt/lib/modules/{release}"), "/nowhere"),
        one("kernel-is-a-file")?
            .without("")
            .file(&format!("/opt/lib/modules/{release}"), "no folder"),
        one("link-module-inside")?
            .without("extra/plain.ko")
            .file("real/plain.ko", bytes.clone())
            .link("extra/plain.ko", "../real/plain.ko"),
        one("link-module-outside")?
            .without("extra/plain.ko")
            .file("/srv/plain.ko", bytes.clone())
            .link("extra/plain.ko", "/srv/plain.ko"),
        one("link-module-outside-relative")?
            .without("extra/plain.ko")
            .file("/opt/plain.ko", bytes.clone())
            .link("extra/plain.ko", "../../../../plain.ko"),
        one("link-module-to-itself")?.link("extra/plain.ko", "plain.ko"),
        one("link-module-to-a-chain")?
            .without("extra/plain.ko")
            .file("c.ko", bytes.clone())
            .link("b.ko", "c.ko")
            .link("a.ko", "b.ko")
            .link("extra/plain.ko", "../a.ko"),
        one("link-module-to-the-copy")?
            .without("extra/plain.ko")
            .file("real/plain.ko", bytes.clone())
            .link("extra/plain.ko", &format!("/opt/lib/modules/{release}/real/plain.ko")),
        one("link-module-to-tmp")?
            .without("extra/plain.ko")
            .file("real/plain.ko", bytes.clone())
            .link(
                "extra/plain.ko",
                &format!("/tmp/opt/lib/modules/{release}/real/plain.ko"),
            ),
        one("link-folder-inside")?
            .without("extra")
            .file("real/plain.ko", bytes.clone())
            .link("extra", "real"),
        one("link-folder-outside")?
            .without("extra")
            .file("/srv/plain.ko", bytes.clone())
            .link("extra", "/srv"),
        one("link-index-inside")?
            .file("index/modules.dep.bin", "")
            .link("modules.dep.bin", "index/modules.dep.bin"),
        one("link-build-dangling")?
            .link("build", "/usr/src/nowhere")
            .link("source", "/usr/src/nowhere"),
        one("hard-link-module")?
            .file("real/plain.ko", bytes.clone())
            .without("extra/plain.ko")
            .hard_link("extra/plain.ko", "real/plain.ko"),
        one("hard-link-of-another-name")?
            .file("/srv/blob", bytes.clone())
            .without("extra/plain.ko")
            .hard_link("extra/plain.ko", "/srv/blob"),
        one("module-is-a-folder")?
            .without("extra/plain.ko")
            .folder("extra/plain.ko"),
    ])
}

fn layers(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let bytes = kernel.ko("plain")?.bytes;
    Ok(vec![
        one("layer-on-top")?.next_layer().file("/etc/motd", "hello"),
        one("whiteout-of-the-module")?.next_layer().whiteout("extra/plain.ko"),
        one("whiteout-of-the-index")?.next_layer().whiteout("modules.dep.bin"),
        one("whiteout-of-the-folder")?.next_layer().whiteout("extra"),
        one("whiteout-of-cp")?
            .base(Base::Shell)
            .next_layer()
            .whiteout("/bin/cp"),
        one("whiteout-and-again")?
            .next_layer()
            .whiteout("extra/plain.ko")
            .next_layer()
            .file("extra/plain.ko", bytes.clone()),
        one("opaque-folder")?.next_layer().file("extra/.wh..wh..opq", ""),
        one("opaque-folder-and-again")?
            .next_layer()
            .file("extra/.wh..wh..opq", "")
            .file("extra/plain.ko", bytes.clone()),
        one("damaged-then-sound")?
            .file("extra/plain.ko", "no module")
            .next_layer()
            .file("extra/plain.ko", bytes.clone()),
        one("sound-then-damaged")?
            .next_layer()
            .file("extra/plain.ko", "no module"),
        one("folder-becomes-a-link")?
            .next_layer()
            .file("real/plain.ko", bytes)
            .whiteout("extra")
            .next_layer()
            .link("extra", "real"),
    ])
}

fn firmware(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str, path: &str| -> anyhow::Result<Case> {
        Ok(kernel.case(name).ko(kernel.ko("plain")?).firmware(path))
    };
    Ok(vec![
        one("firmware", "/firmware")?.file("/firmware/a.bin", "firmware"),
        one("firmware-in-a-folder", "/firmware")?.file("/firmware/vendor/a.bin", "firmware"),
        one("firmware-folder-missing", "/firmware")?,
        one("firmware-folder-empty", "/firmware")?.folder("/firmware"),
        one("firmware-hidden-alone", "/firmware")?.file("/firmware/.a.bin", "firmware"),
        one("firmware-is-a-file", "/firmware")?.file("/firmware", "firmware"),
        one("firmware-link-to-a-folder", "/firmware")?
            .file("/srv/a.bin", "firmware")
            .link("/firmware", "/srv"),
        one("firmware-dangling-link-in-it", "/firmware")?.link("/firmware/a.bin", "/nowhere"),
        one("firmware-and-no-kernel-folder", "/firmware")?
            .without("")
            .file("/firmware/a.bin", "firmware"),
    ])
}
