//! What stands in the image around the modules: links, layers, programs, other kernels, firmware.

use super::{Case, Kernel};
use crate::truth::case::Base;
use crate::truth::elf::{self, Elf};
use crate::truth::kernel::Architecture;

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let mut cases = programs(kernel)?;
    cases.extend(kernels(kernel)?);
    cases.extend(links_above_the_folder(kernel)?);
    cases.extend(links_of_modules(kernel)?);
    cases.extend(links_within_the_folder(kernel)?);
    cases.extend(chains_and_loops(kernel)?);
    cases.extend(links_to_nodes(kernel)?);
    cases.extend(odd_links(kernel)?);
    cases.extend(layers(kernel)?);
    cases.extend(firmware(kernel)?);
    cases.extend(unfit_programs(kernel)?);
    Ok(cases)
}

/// Programs that are there, and that no such kernel executes.
fn unfit_programs(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?).base(Base::Shell)) };
    let machine = match kernel.architecture {
        Architecture::Amd64 => elf::machine::AARCH64,
        Architecture::Arm64 => elf::machine::X86_64,
    };
    let mut foreign = kernel.programs.busybox()?;
    Elf::new(&mut foreign).set_machine(machine);
    Ok(vec![
        one("programs-of-another-processor")?
            .base(Base::Busybox)
            .file("/bin/busybox", foreign.clone()),
        one("copy-program-of-another-processor")?.file("/bin/cp", foreign),
        one("cp-is-empty")?.file("/bin/cp", ""),
        one("mkdir-is-empty")?.file("/bin/mkdir", ""),
        one("cp-is-a-script")?
            .file("/bin/cp", "#!/bin/busybox sh\nexec /bin/busybox cp \"$@\"\n")
            .file("/bin/busybox", kernel.programs.busybox()?),
        one("cp-is-a-script-that-does-not-say-so")?
            .file("/bin/cp", "exec /bin/busybox cp \"$@\"\n")
            .file("/bin/busybox", kernel.programs.busybox()?),
    ])
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
        one("shell-is-text", Base::Shell)?.file("/bin/sh", "no program"),
        one("shell-is-empty", Base::Shell)?.file("/bin/sh", ""),
        one("shell-is-a-folder", Base::Shell)?
            .without("/bin/sh")
            .folder("/bin/sh"),
        one("shell-elsewhere", Base::Shell)?
            .without("/bin/sh")
            .file("/usr/bin/sh", kernel.programs.busybox()?),
        one("shell-hidden-by-a-layer", Base::Busybox)?
            .next_layer()
            .whiteout("/bin/sh"),
        one("shell-of-a-later-layer", Base::Shell)?
            .without("/bin/sh")
            .next_layer()
            .file("/bin/sh", kernel.programs.busybox()?),
        one("usr-merged-no-shell", Base::UsrMerged)?.without("/usr/bin/sh"),
        one("usr-merged-no-link", Base::UsrMerged)?.without("/bin"),
        one("usr-merged-lib-in-a-later-layer", Base::UsrMerged)?
            .next_layer()
            .file("/usr/lib/os-release", ""),
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

/// Images for several kernels, and with folders that only look like the kernel's.
fn kernels(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let release = &kernel.release;
    let beside = |folder: &str, file: &str| format!("/opt/lib/modules/{folder}/{file}");
    let bytes = kernel.ko("plain")?.bytes;
    Ok(vec![
        one("kernels-other-has-a-sound-one")?
            .file("extra/plain.ko", "no module")
            .file(&beside("9.9.9-none", "extra/plain.ko"), bytes.clone()),
        one("kernels-other-has-a-damaged-one")?.file(&beside("9.9.9-none", "extra/plain.ko"), "no module"),
        one("kernels-of-a-longer-name")?
            .without("")
            .file(&beside(&format!("{release}-debug"), "extra/plain.ko"), bytes.clone()),
        one("kernels-of-a-shorter-name")?.without("").file(
            &beside(release.split('-').next().unwrap_or_default(), "extra/plain.ko"),
            bytes.clone(),
        ),
        one("kernels-of-upper-case")?
            .without("")
            .file(&beside(&release.to_uppercase(), "extra/plain.ko"), bytes.clone()),
        one("kernels-with-a-plus")?
            .without("")
            .file(&beside(&format!("{release}+"), "extra/plain.ko"), bytes),
        one("kernels-without-indexes")?.file(&beside("9.9.9-none", "modules.order"), ""),
        one("kernels-link-between-them")?.link("/opt/lib/modules/9.9.9-none", release),
        one("kernels-file-beside-them")?.file("/opt/lib/modules/README", "modules"),
    ])
}

fn links_above_the_folder(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let elsewhere = |name: &str| -> anyhow::Result<Case> { Ok(one(name)?.dir("/srv")) };
    let bytes = kernel.ko("plain")?.bytes;
    let release = &kernel.release;
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
    ])
}

fn links_of_modules(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let bytes = kernel.ko("plain")?.bytes;
    let release = &kernel.release;
    Ok(vec![
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
    ])
}

fn links_within_the_folder(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let bytes = kernel.ko("plain")?.bytes;
    Ok(vec![
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

/// Long chains of links, and one that never ends.
fn chains_and_loops(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let bytes = kernel.ko("plain")?.bytes;
    let chain = |length: usize| -> anyhow::Result<Case> {
        let mut case = one(&format!("link-chain-of-{length}"))?
            .without("extra/plain.ko")
            .file("real/plain.ko", bytes.clone())
            .link("extra/plain.ko", "../real/link-1");
        for number in 1..length {
            let next = if number + 1 == length {
                "plain.ko".to_owned()
            } else {
                format!("link-{}", number + 1)
            };
            case = case.link(&format!("real/link-{number}"), &next);
        }
        Ok(case)
    };
    Ok(vec![
        chain(5)?,
        chain(39)?,
        chain(41)?,
        one("link-loop-of-two")?
            .link("extra/plain.ko", "other.ko")
            .link("extra/other.ko", "plain.ko"),
    ])
}

/// Links that mean something else on the node than in the image.
fn links_to_nodes(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let release = &kernel.release;
    let node = format!("/lib/modules/{release}");
    Ok(vec![
        one("link-kernel-to-itself")?
            .without("")
            .link(&format!("/opt/lib/modules/{release}"), release),
        one("link-kernel-to-the-nodes")?
            .without("")
            .link(&format!("/opt/lib/modules/{release}"), &node),
        one("link-kernel-to-the-nodes-by-name-of-theirs")?
            .without("")
            .link(&format!("/opt/lib/modules/{release}"), &node)
            .loads("crc7"),
        one("link-lib-modules-to-the-nodes")?
            .without("")
            .without("/opt/lib/modules")
            .link("/opt/lib/modules", "/lib/modules"),
        one("link-module-to-a-nodes")?
            .link("extra/plain.ko", &format!("{node}/kernel/lib/crc7.ko"))
            .expecting("crc7"),
        one("link-module-to-what-no-node-has")?.link("extra/plain.ko", &format!("{node}/extra/plain.ko")),
        one("link-index-to-a-nodes")?.link("modules.dep.bin", &format!("{node}/modules.dep.bin")),
    ])
}

fn odd_links(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| -> anyhow::Result<Case> { Ok(kernel.case(name).ko(kernel.ko("plain")?)) };
    let bytes = kernel.ko("plain")?.bytes;
    Ok(vec![
        one("link-index-outside")?
            .file("/srv/modules.dep.bin", "")
            .link("modules.dep.bin", "/srv/modules.dep.bin"),
        one("link-index-dangling")?.link("modules.dep.bin", "nowhere"),
        one("link-folder-loop")?.link("again", "."),
        one("link-folder-upwards")?.link("up", ".."),
        one("link-to-proc")?.link("extra/plain.ko", "/proc/self/exe"),
        one("link-to-dev-null")?.link("extra/plain.ko", "/dev/null"),
        one("link-with-dots-and-slashes")?
            .without("extra/plain.ko")
            .file("real/plain.ko", bytes.clone())
            .link("extra/plain.ko", "..//./real/../real/plain.ko"),
        one("link-to-a-folder-in-place-of-the-module")?
            .without("extra/plain.ko")
            .file("real/plain.ko", bytes.clone())
            .link("extra/plain.ko", "../real"),
        one("link-through-a-file")?
            .without("extra/plain.ko")
            .file("real/plain.ko", bytes.clone())
            .link("extra/plain.ko", "../real/plain.ko/plain.ko"),
        one("hard-link-across-a-link")?
            .without("extra/plain.ko")
            .file("real/plain.ko", bytes.clone())
            .hard_link("extra/plain.ko", "real/plain.ko")
            .next_layer()
            .whiteout("real/plain.ko"),
        one("hard-link-and-the-first-name-changed")?
            .without("extra/plain.ko")
            .file("real/plain.ko", bytes)
            .hard_link("extra/plain.ko", "real/plain.ko")
            .next_layer()
            .file("real/plain.ko", "no module"),
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
        one("firmware-folder-of-folders-alone", "/firmware")?.folder("/firmware/vendor"),
        one("firmware-beside-the-modules", "/opt/lib/firmware")?.file("/opt/lib/firmware/a.bin", "firmware"),
        one("firmware-of-lib-firmware", "/lib/firmware")?.file("/lib/firmware/a.bin", "firmware"),
        one("firmware-of-the-base-image", "/bin")?,
        one("firmware-with-a-slash", "/firmware/")?.file("/firmware/a.bin", "firmware"),
        one("firmware-hidden-by-a-layer", "/firmware")?
            .file("/firmware/a.bin", "firmware")
            .next_layer()
            .whiteout("/firmware/a.bin"),
        one("firmware-of-a-later-layer", "/firmware")?
            .next_layer()
            .file("/firmware/a.bin", "firmware"),
        one("firmware-link-outside", "/firmware")?
            .file("/srv/a.bin", "firmware")
            .link("/firmware/a.bin", "/srv/a.bin"),
        one("firmware-and-no-kernel-folder", "/firmware")?
            .without("")
            .file("/firmware/a.bin", "firmware"),
    ])
}
