//! Toolkits of many shapes, and what each says of a kernel.

use std::sync::Arc;

use crate::inspect::layer::Lens;
use crate::inspect::layer::fixture::{Layer, gzip};
use crate::inspect::tree::MergedTree;
use crate::kmod::facts::{ModuleContent, ModuleFile};
use crate::kmod::toolkit::{Toolkit, ToolkitEvidence};

const KERNEL: &str = "5.14.0-570.19.1.el9_6.x86_64";
const SYMVERS: &[u8] = b"0x12345678\tkmalloc\tvmlinux\tEXPORT_SYMBOL\t\n";
const CONFIG: &[u8] = b"CONFIG_MODVERSIONS=y\nCONFIG_MODULES=y\nCONFIG_SMP=y\n";
const IN_TREE_MODULE: &[u8] = include_bytes!("../../../tests/fixtures/kmod/kmmp_lone.ko");

fn evidence(layers: Vec<Layer>, kernel: &str) -> ToolkitEvidence {
    let layers = layers.into_iter().map(|layer| layer.facts_for(Lens::Toolkit));
    MergedTree::new(layers.collect()).toolkit("dtk:1", kernel)
}

fn found(layers: Vec<Layer>, kernel: &str) -> Arc<Toolkit> {
    match evidence(layers, kernel) {
        ToolkitEvidence::Found(toolkit) => toolkit,
        other => panic!("{other:?}"),
    }
}

fn release(release: &str) -> Vec<u8> {
    format!("#define UTS_RELEASE \"{release}\"\n").into_bytes()
}

/// Which of symvers, config, in-tree list, vermagic and size a toolkit has.
fn parts(toolkit: &Toolkit) -> [bool; 5] {
    [
        toolkit.symvers.is_some(),
        toolkit.config.is_some(),
        toolkit.in_tree.is_some(),
        toolkit.vermagic.is_some(),
        toolkit.this_module.is_some(),
    ]
}

#[test]
fn a_whole_toolkit_tells_everything() {
    let modules = format!("usr/lib/modules/{KERNEL}");
    let headers = format!("usr/src/kernels/{KERNEL}");
    let toolkit = found(
        vec![
            Layer::new()
                .link("lib", "usr/lib")
                .file(&format!("{modules}/kernel/a.txt"), b"")
                .file(&format!("{modules}/kernel/lib/broken.ko"), b"broken")
                .file(&format!("{modules}/kernel/lib/lone.ko"), IN_TREE_MODULE)
                .file(
                    &format!("{modules}/modules.dep"),
                    b"kernel/lib/lone.ko: kernel/lib/base.ko\n",
                )
                .file(&format!("{modules}/modules.builtin"), b"kernel/fs/ext4/ext4.ko\n")
                .file(
                    &format!("{modules}/modules.builtin.modinfo"),
                    b"ext4.license=GPL\0printk.parmtype=time:bool\0",
                ),
            Layer::new()
                .file(&format!("{headers}/Module.symvers"), SYMVERS)
                .file(&format!("{headers}/include/config/auto.conf"), CONFIG)
                .file(&format!("{headers}/include/generated/utsrelease.h"), &release(KERNEL))
                .file(
                    &format!("{headers}/scripts/module.lds"),
                    b"SECTIONS { __kflagstab 0 : ALIGN(1) { *(SORT(___kflagstab+*)) } }",
                ),
        ],
        KERNEL,
    );
    assert_eq!((toolkit.image.as_str(), toolkit.kernel.as_str()), ("dtk:1", KERNEL));
    assert_eq!(parts(&toolkit), [true; 5]);
    let crc = toolkit
        .symvers
        .as_ref()
        .and_then(|symvers| symvers.symbol("kmalloc"))
        .map(|symbol| symbol.crc);
    assert_eq!(crc, Some(0x1234_5678));
    assert!(
        toolkit
            .config
            .as_ref()
            .is_some_and(|config| config.is_on("MODVERSIONS"))
    );
    let in_tree = toolkit.in_tree.as_ref().expect("in-tree modules");
    assert!(in_tree.module("lone").is_some() && in_tree.is_builtin("ext4"));
    assert_eq!(in_tree.in_sysfs, ["printk"]);
    assert_eq!(toolkit.has_export_flags, Some(true));
    let read = ModuleFile::read(IN_TREE_MODULE);
    let Ok(ModuleContent { elf: Ok(elf), .. }) = read.content else {
        panic!("a good module")
    };
    assert_eq!(toolkit.vermagic.as_deref(), elf.info("vermagic"));
    assert_eq!(toolkit.this_module, Some(elf.this_module));
}

#[test]
fn headers_are_found_where_distributions_put_them() {
    let symvers = |folder: &str| Layer::new().file(&format!("{folder}/Module.symvers"), SYMVERS);
    let told = |folder: &str, kernel: &str| {
        symvers(folder).file(&format!("{folder}/include/generated/utsrelease.h"), &release(kernel))
    };
    for (case, layer, kernel) in [
        ("RHEL", symvers("usr/src/kernels/5.14.0-1"), "5.14.0-1"),
        (
            "RHEL's real-time kernel",
            symvers("usr/src/kernels/5.14.0-1+rt"),
            "5.14.0-1+rt",
        ),
        (
            "Debian",
            symvers("usr/src/linux-headers-6.1.0-18-amd64").dir("usr/src/linux-headers-6.1.0-18-common"),
            "6.1.0-18-amd64",
        ),
        (
            "SUSE, through the build link",
            symvers("usr/src/linux-6.4-obj/x86_64/default")
                .link("lib/modules/6.4-default/build", "/usr/src/linux-6.4-obj/x86_64/default"),
            "6.4-default",
        ),
        (
            "headers below the modules",
            symvers("usr/lib/modules/6.12/build"),
            "6.12",
        ),
        (
            "a folder whose name tells less than its release",
            told("usr/src/kernels/current", "6.9"),
            "6.9",
        ),
        ("a place of its own", told("opt/kernel", "6.10-custom"), "6.10-custom"),
        ("KMM's kernel without its plus", symvers("usr/src/kernels/6.9+"), "6.9"),
        ("a kernel with a plus", symvers("usr/src/kernels/6.9"), "6.9+"),
        (
            "packed beside the modules",
            Layer::new().file("usr/lib/modules/6.9/symvers.gz", &gzip(SYMVERS)),
            "6.9",
        ),
        (
            "packed below boot",
            Layer::new()
                .dir("lib/modules/6.9")
                .file("boot/symvers-6.9.zst", &zstd::encode_all(SYMVERS, 1).expect("zstd")),
            "6.9",
        ),
    ] {
        assert!(found(vec![layer], kernel).symvers.is_some(), "{case}");
    }
}

#[test]
fn the_configuration_is_taken_from_the_first_place_that_has_one() {
    let headers = "usr/src/kernels/6.9";
    for (case, layer, expected) in [
        (
            "auto.conf",
            Layer::new().file(&format!("{headers}/include/config/auto.conf"), CONFIG),
            true,
        ),
        (
            ".config",
            Layer::new().file(&format!("{headers}/.config"), CONFIG),
            true,
        ),
        (
            "beside the modules",
            Layer::new().file("lib/modules/6.9/config", CONFIG),
            true,
        ),
        (
            "below boot",
            Layer::new().dir(headers).file("boot/config-6.9", CONFIG),
            true,
        ),
        (
            "an empty one first",
            Layer::new()
                .file(&format!("{headers}/include/config/auto.conf"), b"")
                .file("boot/config-6.9", CONFIG),
            true,
        ),
        (
            "another kernel's",
            Layer::new().dir(headers).file("boot/config-6.8", CONFIG),
            false,
        ),
    ] {
        assert_eq!(found(vec![layer], "6.9").config.is_some(), expected, "{case}");
    }
}

#[test]
fn each_of_two_kernels_has_its_own_facts() {
    let both = || {
        let release = br#"{"KERNEL_VERSION": "5.14.0-1.x86_64", "RT_KERNEL_VERSION": "5.14.0-1.x86_64+rt", "RHEL_VERSION": "9.6"}"#;
        Layer::new()
            .file("etc/driver-toolkit-release.json", release)
            .file("usr/src/kernels/5.14.0-1.x86_64/Module.symvers", SYMVERS)
            .file("usr/src/kernels/5.14.0-1.x86_64/.config", CONFIG)
    };
    assert_eq!(
        parts(&found(vec![both()], "5.14.0-1.x86_64")),
        [true, true, false, false, false]
    );
    assert_eq!(parts(&found(vec![both()], "5.14.0-1.x86_64+rt")), [false; 5]);
}

#[test]
fn other_kernels_are_named() {
    let dtk = Layer::new()
        .file(
            "etc/driver-toolkit-release.json",
            br#"{"KERNEL_VERSION": "5.14.0-1", "RT_KERNEL_VERSION": ""}"#,
        )
        .dir("usr/src/kernels/5.14.0-2")
        .file("odd/include/generated/utsrelease.h", &release("6.6"));
    for (case, layer, expected) in [
        ("a toolkit", dtk, &["5.14.0-1", "5.14.0-2", "6.6"][..]),
        ("no toolkit at all", Layer::new().file("bin/sh", b""), &[]),
        (
            "a release file that is none",
            Layer::new().file("etc/driver-toolkit-release.json", b"[1"),
            &[],
        ),
    ] {
        match evidence(vec![layer], KERNEL) {
            ToolkitEvidence::OtherKernel { kernels, image } => assert_eq!(
                (kernels.as_slice(), image.as_str()),
                (
                    &expected.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>()[..],
                    "dtk:1"
                ),
                "{case}"
            ),
            other => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn empty_lists_and_broken_files_say_nothing() {
    let toolkit = found(
        vec![
            Layer::new()
                .file("lib/modules/6.9/modules.dep", b"")
                .file("lib/modules/6.9/modules.builtin", b"kernel/fs/ext4/ext4.ko\n")
                .file("lib/modules/6.9/kernel/broken.ko", b"broken")
                .file("lib/modules/6.9/symvers.gz", &gzip(SYMVERS)[..20]),
        ],
        "6.9",
    );
    assert_eq!(parts(&toolkit), [false; 5]);
}
