//! What was judged without knowing what nodes have loaded, and is weighed by that later: the same as judging with it.

use super::sketch::{Scene, a_module, with};
use crate::api::Rule;
use crate::kmod::judge::{given_loaded, unmet_dependencies};

fn rules(scene: Scene) -> Vec<(Rule, crate::api::Severity)> {
    scene
        .findings()
        .into_iter()
        .map(|finding| (finding.rule, finding.severity))
        .collect()
}

/// The scene as it is judged once `sun_rpc` turns out to be loaded.
fn later(scene: Scene) -> Vec<(Rule, crate::api::Severity)> {
    let weighed = given_loaded(&scene.findings(), |module| {
        (module == "sun_rpc").then(|| "somebody says so".to_owned())
    });
    weighed
        .into_iter()
        .map(|finding| (finding.rule, finding.severity))
        .collect()
}

#[test]
fn it_is_the_same_whether_one_knows_before_or_learns_later() {
    let scenes: [fn() -> Scene; 4] = [
        || with(a_module().needs("rpc_call", 0x77)),
        || with(a_module().needs("rpc_call", 0x78)),
        || with(a_module().needs("rpc_call", 0x77)).line("drv", "extra/drv.ko: host/kernel/net/sunrpc/sun-rpc.ko.xz"),
        || with(a_module().needs("ext4_thing", 0x66)),
    ];
    for scene in scenes {
        assert_eq!(later(scene()), rules(scene().with_loaded("sun_rpc\n")));
    }
}

#[test]
fn the_evidence_is_named_first_and_what_has_none_decides_as_before() {
    let findings = with(a_module().needs("rpc_call", 0x77)).findings();
    assert_eq!(unmet_dependencies(&findings).collect::<Vec<_>>(), ["sun_rpc"]);
    assert_eq!(given_loaded(&findings, |_| None), findings);
    let weighed = given_loaded(&findings, |module| Some(format!("n1 has {module}")));
    assert!(
        weighed[0]
            .message
            .starts_with("n1 has sun_rpc; without that it would not load: needs"),
        "{weighed:?}"
    );
    assert_eq!(unmet_dependencies(&weighed).count(), 0);
}
