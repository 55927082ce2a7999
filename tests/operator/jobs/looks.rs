//! A node's own view, where the registry does not tell the operator, or where it is not to be asked.

use serde_json::json;

use super::{Fate, reason, verdict};
use crate::kubelet::{Play, label};
use crate::stage::{KERNEL, Stage, module};
use crate::support::fake_image::FakeImage;
use crate::support::fake_registry::{Asks, FakeRegistry};

const ANNOTATION: &str = "metadata: {annotations: {preflight.kmm.sigs.x-k8s.io/image-check: runtime}, ";

/// What a node's look says of an image that is good.
fn good() -> Play {
    Play::Completes(vec![("judge", json!({"outcome": "judged", "findings": []}))])
}

#[test]
fn a_module_that_asks_for_it_is_looked_at_by_a_node_alone() {
    // "D03"
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(good())) else {
        return;
    };
    let image = "registry.invalid/nobody/reaches:1";
    stage.apply(&module("a", "nic", image).replace("metadata: {", ANNOTATION));
    let operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let good = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    let job = kubelet.jobs().remove(0);
    assert_eq!(label(&job, "errand"), "look");
    assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["image"], image);
    assert!(
        good["job"]
            .as_str()
            .is_some_and(|job| job.starts_with("a/kmm-preflight-nic-")),
        "{good:#}"
    );
    assert_eq!(
        operator.metric("kmm_preflight_inspections_total"),
        None,
        "{}",
        operator.metrics()
    );
    stage.wait_until_nothing_is_left();
}

#[test]
fn a_registry_that_refuses_the_operator_is_asked_by_a_node_and_nothing_is_built() {
    // "D11"
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(good())) else {
        return;
    };
    let registry = FakeRegistry::setup().asks(Asks::Basic).login("robot", "secret").start();
    registry.push("acme/kmod:1", &FakeImage::new());
    stage.apply(&super::buildable("nic", &registry.reference("acme/kmod:1")));
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    let errands: Vec<_> = kubelet
        .jobs()
        .iter()
        .map(|job| label(job, "errand").to_owned())
        .collect();
    assert_eq!(errands, ["look"]);
    stage.wait_until_nothing_is_left();
}

#[test]
fn an_image_that_a_node_cannot_pull_is_missing_and_the_job_does_not_wait_for_it() {
    // "D01"
    let message =
        "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.invalid/a:1\": not found";
    let missing = Play::Waits {
        container: "judge",
        reason: "ErrImagePull",
        message,
    };
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(missing)) else {
        return;
    };
    stage.apply(&module("a", "nic", "registry.invalid/a:1").replace("metadata: {", ANNOTATION));
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let missing = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Failure");
    assert!(
        reason(&missing).starts_with("verified image does not exist"),
        "{missing:#}"
    );
    stage.wait_until_nothing_is_left();
    assert_eq!(kubelet.names().len(), 1);
}
