//! What an image that loads today brings, and what it leaves to others.

use super::sketch::{KERNEL, Scene, a_module, a_scene, with};
use crate::kmod::judge::Ways;
use crate::kmod::staged::StagedFolder;

fn ways(scene: Scene) -> Option<Ways> {
    let (staged, load) = scene.staging();
    crate::kmod::ways(&staged, &load)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_a_module_names_and_modprobe_does_not_load_comes_from_others() {
    let link = format!("/lib/modules/{KERNEL}");
    let needs = || with(a_module().info("depends", "sun-rpc,ring"));
    let rows = [
        ("names nothing", a_scene(), "drv", ""),
        (
            "kbuild names nothing so",
            with(a_module().info("depends", "")),
            "drv",
            "",
        ),
        ("neither is there", needs(), "drv", "ring sun_rpc"),
        (
            "its own is beside it",
            needs()
                .beside("ring", a_module())
                .line("drv", "extra/drv.ko: extra/ring.ko"),
            "drv ring",
            "sun_rpc",
        ),
        (
            "the other one by the link",
            needs()
                .link("host", &link)
                .line("drv", "extra/drv.ko: host/kernel/net/sunrpc/sun-rpc.ko.xz"),
            "drv sun_rpc",
            "ring",
        ),
        (
            "one path leads nowhere, and modprobe drops them all",
            needs()
                .beside("ring", a_module())
                .line("drv", "extra/drv.ko: extra/ring.ko host/sun-rpc.ko"),
            "drv",
            "ring sun_rpc",
        ),
        (
            "a need of its own module's",
            a_scene()
                .beside("ring", a_module().info("depends", "sun-rpc"))
                .line("drv", "extra/drv.ko: extra/ring.ko"),
            "drv ring",
            "sun_rpc",
        ),
        (
            "a soft dependency may have failed",
            a_scene()
                .order("drv ring")
                .beside("ring", a_module().info("depends", "sun-rpc")),
            "drv ring",
            "",
        ),
        (
            "the symbol alone does not tell whose it is today",
            with(a_module().needs("rpc_call", 0x77)),
            "drv",
            "",
        ),
    ];
    for (row, scene, itself, others) in rows {
        let ways = ways(scene).expect(row);
        let names = |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(
            (names(&ways.itself).as_str(), names(&ways.others).as_str()),
            (itself, others),
            "{row}"
        );
    }
}

#[test]
fn what_is_not_loaded_from_the_copied_folder_tells_nothing() {
    assert_eq!(
        ways(a_scene().staged(|staged| staged.folder = StagedFolder::Missing {
            other_kernels: Vec::new()
        })),
        None
    );
    assert_eq!(ways(a_scene().raw("-d / drv")), None);
}
