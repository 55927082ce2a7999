//! What changes while a Job is at work, and what goes.

use super::{Fate, failed, judged, verdict};
use crate::kubelet::Play;
use crate::stage::{KERNEL, PREFLIGHTS, Stage, eventually};

#[test]
fn a_changed_dockerfile_is_another_build_and_the_old_one_goes() {
    // "D24"
    let fate = Fate::new(Play::Runs("build"));
    let Some((stage, kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    stage.buildable(&["nic"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let first = kubelet.wait_for_jobs(1).remove(0);
    stage.dockerfile("FROM scratch\\nLABEL a=b");
    kubelet.wait_for_jobs(2);
    let is_gone = || !stage.objects().contains(&crate::kubelet::name_of(&first));
    assert!(eventually(is_gone), "{}", stage.objects());
    fate.is(failed());
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Failure");
    // So is a failure's: its Job is not kept once it is of no more use.
    fate.is(judged(false));
    stage.dockerfile("FROM scratch\\nLABEL a=c");
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
    assert_eq!(kubelet.names().len(), 3, "{:?}", kubelet.names());
}

#[test]
fn the_jobs_of_a_module_and_of_a_preflight_go_with_them_and_no_others() {
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(Play::Runs("build"))) else {
        return;
    };
    stage.buildable(&["one", "two"]);
    let _operator = stage.operator_with_jobs(&[]);
    for name in ["upgrade", "other"] {
        stage.preflight(name, KERNEL);
    }
    kubelet.wait_for_jobs(4);
    stage.kubectl(["delete", "module", "-n", "a", "two"]);
    let count = || stage.objects().matches("job.batch/").count();
    assert!(eventually(|| count() == 2), "{}", stage.objects());
    // Their pods go a moment after them.
    let has_two = || stage.objects().contains("preflight-two-");
    assert!(eventually(|| !has_two()), "{}", stage.objects());
    stage.kubectl(["delete", "preflightvalidationocp", "upgrade"]);
    assert!(eventually(|| count() == 1), "{}", stage.objects());
    let other = stage.object(PREFLIGHTS, "other");
    let uid = other["metadata"]["uid"].as_str().expect("a UID");
    let left = stage.kubectl([
        "get",
        "jobs",
        "-n",
        "a",
        "-o",
        "name",
        "-l",
        &format!("preflight.kmm.sigs.x-k8s.io/uid={uid}"),
    ]);
    assert_eq!(left.matches("job.batch/").count(), 1, "{left}");
}

#[test]
fn a_build_is_of_no_more_use_when_somebody_pushes_the_image() {
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(Play::Runs("build"))) else {
        return;
    };
    stage.buildable(&["quicknic"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    kubelet.wait_for_jobs(1);
    Stage::copy_image(&stage.quicknic(KERNEL), &stage.quicknic("missing-quicknic"));
    stage.wait_for_row("upgrade", "quicknic", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
}
