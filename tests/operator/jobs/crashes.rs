//! Killed at any moment, the operator comes to the same end, does nothing twice and leaves nothing behind.

use std::time::Duration;

use super::{Fate, buildable, failed, judged, reason, unlinked, verdict};
use crate::kubelet::{Kubelet, Play};
use crate::stage::{KERNEL, Operator, Stage, eventually};

/// Moments after an operator's start at which it is killed: before it leads, while it looks, while it begins a Job, after that.
const MOMENTS: [Duration; 5] = [
    Duration::from_millis(150),
    Duration::from_millis(400),
    Duration::from_millis(600),
    Duration::from_millis(900),
    Duration::from_millis(1500),
];

/// KMM's own definition of preflights, whose rows have no room for a Job nor for inputs.
const KMMS: &str = "tests/compat/crds/preflightvalidationsocp.yaml";

impl Stage {
    /// Has these Modules asked for.
    fn asked(&self, names: &[&str]) {
        self.buildable(names);
        self.preflight("upgrade", KERNEL);
    }

    /// Kills an operator and lets another one take its place.
    fn lose(&self, operator: Operator) {
        operator.kill();
        self.forget_the_leader();
    }

    /// An operator that was lost when the only Job had come.
    fn lost_while_building(&self, kubelet: &Kubelet) {
        self.asked(&["nic"]);
        let operator = self.operator_with_jobs(&[]);
        kubelet.wait_for_jobs(1);
        self.lose(operator);
    }
}

#[test]
fn killed_before_while_and_after_a_job_is_begun_it_is_begun_once() {
    let fate = Fate::new(Play::Runs("build"));
    let Some((stage, kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    let names = ["one", "two", "three"];
    stage.asked(&names);
    for moment in MOMENTS {
        let operator = stage.operator_with_jobs(&[]);
        std::thread::park_timeout(moment);
        stage.lose(operator);
    }
    let _operator = stage.operator_with_jobs(&[]);
    kubelet.wait_for_jobs(3);
    fate.is(judged(false));
    for name in names {
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
    stage.lost_while_building(&kubelet);
    fate.is(judged(false));
    assert!(eventually(|| stage.has_complete_job("a")), "{}", stage.objects());
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
    stage.lost_while_building(&kubelet);
    stage.kubectl(["delete", "preflightvalidationocp", "upgrade"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.wait_until_nothing_is_left();
}

#[test]
fn what_kmms_definition_has_no_room_for_its_job_remembers() {
    for (play, expected) in [(judged(false), "Success"), (failed(), "Failure")] {
        let fate = Fate::new(play);
        let Some((stage, kubelet)) = Stage::with_kubelet_and(KMMS, &fate) else {
            return;
        };
        stage.asked(&["nic"]);
        let words = ["--keep-failed-jobs", "0s"];
        let operator = stage.operator_with_jobs(&words);
        let answer = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == expected);
        assert_eq!(answer.get("job"), None, "{answer:#}");
        stage.lose(operator);
        let operator = stage.operator_with_jobs(&words);
        // Another Module's answer, after which this one's was looked at again.
        fate.is(judged(false));
        stage.buildable(&["later"]);
        stage.wait_for_row("upgrade", "later", |row| verdict(row) == "Success");
        let after = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == expected);
        assert_eq!(reason(&after), reason(&answer));
        let of_nic = |name: &&String| name.contains("-nic-");
        assert_eq!(
            kubelet.names().iter().filter(of_nic).count(),
            1,
            "{:?}",
            kubelet.names()
        );
        assert!(stage.objects().contains("-nic-"), "{}", stage.objects());
        // Other inputs: its memory is of no more use.
        stage.dockerfile("FROM scratch\\nLABEL a=b");
        kubelet.wait_for_jobs(4);
        stage.kubectl(["delete", "preflightvalidationocp", "upgrade"]);
        stage.wait_until_nothing_is_left();
        drop(operator);
    }
}

#[test]
fn an_answer_that_rests_on_what_nodes_have_loaded_is_not_built_again_by_the_next_one() {
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(unlinked())) else {
        return;
    };
    stage.asked(&["nic"]);
    let words = ["--keep-failed-jobs", "0s"];
    let mut operator = stage.operator_with_jobs(&words);
    let answer = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Failure");
    assert_eq!(answer.get("inputs"), None, "no row remembers it: {answer:#}");
    for (number, other) in ["second", "third"].into_iter().enumerate() {
        stage.lose(operator);
        operator = stage.operator_with_jobs(&words);
        // Another Module's answer, before which this one's was looked for again.
        stage.buildable(&[other]);
        stage.wait_for_row("upgrade", other, |row| verdict(row) == "Failure");
        let after = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Failure");
        assert_eq!(reason(&after), reason(&answer));
        assert_eq!(kubelet.names().len(), number + 2, "{:?}", kubelet.names());
    }
    stage.kubectl(["delete", "preflightvalidationocp", "upgrade"]);
    stage.wait_until_nothing_is_left();
}

#[test]
fn a_secret_that_changed_while_nobody_watched_is_another_question_though_the_answer_was_success() {
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(judged(false))) else {
        return;
    };
    stage.secrets(&["token"]);
    let module = buildable("nic", &stage.quicknic("missing-nic"));
    let named = "dockerfileConfigMap: {name: dockerfile}";
    stage.apply(&module.replace(named, &format!("{named}, secrets: [{{name: token}}]")));
    stage.preflight("upgrade", KERNEL);
    let operator = stage.operator_with_jobs(&[]);
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
    stage.lose(operator);
    // As it was, it changes nothing.
    let operator = stage.operator_with_jobs(&[]);
    stage.buildable(&["later"]);
    stage.wait_for_row("upgrade", "later", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
    assert_eq!(kubelet.names().len(), 2, "{:?}", kubelet.names());
    stage.lose(operator);
    stage.kubectl([
        "patch",
        "secret",
        "token",
        "-n",
        "a",
        "-p",
        r#"{"stringData":{"token":"y"}}"#,
    ]);
    let _operator = stage.operator_with_jobs(&[]);
    let jobs = kubelet.wait_for_jobs(3);
    assert!(
        crate::kubelet::name_of(&jobs[2]).contains("-nic-"),
        "{:?}",
        kubelet.names()
    );
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
}
