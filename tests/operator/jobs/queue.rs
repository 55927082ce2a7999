//! So many Jobs at once, each preflight in its turn; what the API server refuses is the reason.

use serde_json::Value;

use super::{Fate, judged, reason, verdict};
use crate::kubelet::{Play, label};
use crate::stage::{KERNEL, Stage, condition, eventually};

#[test]
fn two_preflights_take_turns_and_who_waits_knows_how_many_are_before() {
    let fate = Fate::new(Play::Runs("build"));
    let Some((stage, kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    stage.buildable(&["m1", "m2", "m3", "m4"]);
    let operator = stage.operator_with_jobs(&["--jobs-at-once", "2"]);
    for name in ["one", "two"] {
        stage.preflight(name, KERNEL);
    }
    kubelet.wait_for_jobs(2);
    let status = stage.wait_for_status("two", |status| status.to_string().contains("it waits for"));
    assert!(status.to_string().contains("it is to be built"), "{status:#}");
    let queued = || operator.metric("kmm_preflight_jobs_queued ") == Some(6.0);
    assert!(eventually(queued), "{}", operator.metrics());
    assert_eq!(operator.metric("kmm_preflight_jobs_running "), Some(2.0));
    fate.is(judged(false));
    for name in ["one", "two"] {
        stage.wait_for_status(name, |status| condition(status, "Verified") == "True");
    }
    stage.wait_until_nothing_is_left();
    let whose: Vec<Value> = kubelet.jobs().iter().map(|job| label(job, "uid").into()).collect();
    assert_eq!(whose.len(), 8, "each preflight's own, each once");
    assert!(kubelet.most_at_once() <= 2, "{}", kubelet.most_at_once());
    // The first one may have taken both places before the second was seen, and none of its turns after that.
    assert!(whose[2..4].iter().any(|other| *other != whose[0]), "turns: {whose:?}");
}

#[test]
fn what_a_quota_refuses_is_the_reason_until_the_quota_is_gone() {
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(judged(false))) else {
        return;
    };
    stage.give_none_of("count/jobs.batch");
    stage.buildable(&["nic"]);
    let operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let refused = stage.wait_for_row("upgrade", "nic", |row| reason(row).contains("exceeded quota: none"));
    assert_eq!(verdict(&refused), "Failure", "{refused:#}");
    assert!(
        operator
            .metric("kmm_preflight_jobs_refused_total")
            .is_some_and(|count| count >= 1.0)
    );
    assert_eq!(kubelet.names(), Vec::<String>::new());
    stage.kubectl(["delete", "quota", "none", "-n", "a"]);
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
}
