//! The CA files change while the operator runs, as those of a mounted ConfigMap do.

use std::fs;

use serde_json::Value;

use crate::stage::{KERNEL, Operator, Stage, eventually, module, row};
use crate::support::fake_image::FakeImage;
use crate::support::fake_registry::FakeRegistry;

fn behind_tls() -> FakeRegistry {
    let registry = FakeRegistry::setup().https(&["127.0.0.1"]).start();
    registry.push("acme/kmod:1", &FakeImage::new());
    registry
}

fn reason(row: &Value) -> &str {
    row["statusReason"].as_str().unwrap_or_default()
}

/// How often its log says this.
#[track_caller]
fn says(operator: &Operator, words: &str, times: usize) {
    let said = eventually(|| operator.log().matches(words).count() >= times);
    assert!(said, "{words:?}, {times} times:\n{}", operator.log());
}

#[test]
fn what_the_ca_files_become_counts_without_a_restart() {
    let Some(stage) = Stage::set() else { return };
    let (registry, other) = (behind_tls(), behind_tls());
    let file = stage.plane.folder().join("ca.crt");
    fs::write(&file, other.certificate()).expect("a file");
    let operator = stage.operator(&["--ca-file", file.to_str().expect("UTF-8")]);
    let image = format!("{}/acme/kmod:1", registry.host());
    stage.apply(&module("a", "trusted", &image).replace("      registryTLS: {insecure: true}\n", ""));
    stage.preflight("upgrade", KERNEL);
    stage.wait_for_status("upgrade", |status| {
        reason(&row(status, "trusted")).contains("certificate")
    });

    fs::write(&file, "no certificate at all").expect("a file");
    says(&operator, "what they said before counts until this is mended", 1);
    fs::write(&file, registry.certificate()).expect("a file");
    says(&operator, "the CA files have changed: from now on", 1);
    stage.wait_for_status("upgrade", |status| row(status, "trusted")["digest"].is_string());
    assert_eq!(operator.metric("kmm_preflight_leader"), Some(1.0), "it leads on");
    operator.end();
}
