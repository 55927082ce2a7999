//! Killed at any moment, the operator comes to the same end, does nothing twice and leaves nothing behind.

use std::time::Duration;

use super::{Fate, judged, verdict};
use crate::kubelet::Play;
use crate::stage::{KERNEL, Stage, eventually};

/// Moments after an operator's start at which it is killed: before it leads, while it looks, while it begins a Job, after that.
const MOMENTS: [Duration; 5] = [
    Duration::from_millis(150),
    Duration::from_millis(400),
    Duration::from_millis(600),
    Duration::from_millis(900),
    Duration::from_millis(1500),
];

#[test]
fn killed_before_while_and_after_a_job_is_begun_it_is_begun_once() {
    let fate = Fate::new(Play::Runs("build"));
    let Some((stage, kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    stage.buildable(&["one", "two", "three"]);
    stage.preflight("upgrade", KERNEL);
    for moment in MOMENTS {
        let operator = stage.operator_with_jobs(&[]);
        std::thread::park_timeout(moment);
        operator.kill();
        stage.forget_the_leader();
    }
    let _operator = stage.operator_with_jobs(&[]);
    kubelet.wait_for_jobs(3);
    fate.is(judged(false));
    for name in ["one", "two", "three"] {
        stage.wait_for_row("upgrade", name, |row| verdict(row) == "Success");
    }
    stage.wait_until_nothing_is_left();
    assert_eq!(kubelet.names().len(), 3, "doubled: {:?}", kubelet.names());
}

#[test]
fn a_job_that_ended_while_nobody_watched_is_read_by_the_next_one() {
    let fate = Fate::new(Play::Runs("build"));
    let Some((stage, kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    stage.buildable(&["nic"]);
    stage.preflight("upgrade", KERNEL);
    let operator = stage.operator_with_jobs(&[]);
    kubelet.wait_for_jobs(1);
    operator.kill();
    stage.forget_the_leader();
    fate.is(judged(false));
    let has_ended = || stage.kubectl(["get", "jobs", "-n", "a"]).contains("Complete");
    assert!(eventually(has_ended), "{}", stage.kubectl(["get", "jobs", "-n", "a"]));
    let _operator = stage.operator_with_jobs(&[]);
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
    assert_eq!(kubelet.names().len(), 1, "{:?}", kubelet.names());
}

#[test]
fn the_jobs_of_a_preflight_that_went_while_nobody_watched_go_too() {
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(Play::Runs("build"))) else {
        return;
    };
    stage.buildable(&["nic"]);
    stage.preflight("upgrade", KERNEL);
    let operator = stage.operator_with_jobs(&[]);
    kubelet.wait_for_jobs(1);
    operator.kill();
    stage.forget_the_leader();
    stage.kubectl(["delete", "preflightvalidationocp", "upgrade"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.wait_until_nothing_is_left();
}
