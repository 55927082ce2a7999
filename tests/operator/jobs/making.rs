//! Images that are missing are built and signed in Jobs, once for the same inputs.

use serde_json::{Value, json};

use super::{DIGEST, Fate, failed, judged, reason, verdict};
use crate::kubelet::{Play, label, name_of};
use crate::stage::{KERNEL, PREFLIGHTS, Stage, condition, eventually, row};

#[test]
fn a_missing_image_is_built_and_judged_and_its_job_is_forgotten() {
    // "D13"
    let fate = Fate::new(Play::Runs("build"));
    let Some((stage, kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    stage.buildable(&["nic"]);
    let operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let open = stage.wait_for_row("upgrade", "nic", |row| reason(row).contains("step build"));
    let job = kubelet.names().pop().expect("a Job");
    assert_eq!(open["job"], format!("a/{job}"), "{open:#}");
    fate.is(judged(false));
    let status = stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    assert_eq!(row(&status, "nic")["digest"], DIGEST, "{status:#}");
    stage.wait_until_nothing_is_left();
    assert_eq!(kubelet.names(), [job], "made once");
    let judged = "kmm_preflight_jobs_ended_total{errand=\"make\",outcome=\"judged\"}";
    assert_eq!(operator.metric(judged), Some(1.0));
    let told = || stage.events();
    let is_told = || told().contains("JobStarted") && told().contains("JobSucceeded");
    assert!(eventually(is_told), "{}", told());
}

#[test]
fn a_job_is_the_modules_own_for_the_kernels_architecture() {
    // "D07", "D19"
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(Play::Runs("place"))) else {
        return;
    };
    stage.buildable(&["nic"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let job = kubelet.wait_for_jobs(1).remove(0);
    let preflight = stage.object(PREFLIGHTS, "upgrade");
    assert_eq!(job["metadata"]["namespace"], "a");
    assert_eq!(
        job["metadata"]["ownerReferences"][0]["uid"],
        preflight["metadata"]["uid"]
    );
    assert_eq!(label(&job, "uid"), preflight["metadata"]["uid"]);
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["nodeSelector"]["kubernetes.io/arch"], "amd64", "{job:#}");
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(job["spec"]["backoffLimit"], 0);
    assert!(job.to_string().contains("MOD_NAME=nic"), "{job:#}");
}

#[test]
fn a_build_that_fails_is_an_answer_and_is_not_made_again() {
    // "D04"
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(failed())) else {
        return;
    };
    stage.buildable(&["nic"]);
    let operator = stage.operator_with_jobs(&["--keep-failed-jobs", "20s"]);
    stage.preflight("upgrade", KERNEL);
    let failed = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Failure");
    assert!(
        reason(&failed).contains("build failed: step 4 of 7 failed") && reason(&failed).contains("no such file"),
        "{failed:#}"
    );
    assert!(
        stage.objects().contains("job.batch/"),
        "it is kept for a person to look at"
    );
    assert_eq!(failed["job"], format!("a/{}", kubelet.names()[0]));
    // Another process knows it by the row.
    operator.kill();
    stage.forget_the_leader();
    let _operator = stage.operator_with_jobs(&["--keep-failed-jobs", "20s"]);
    stage.wait_until_nothing_is_left();
    let after = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Failure");
    assert_eq!(reason(&after), reason(&failed));
    assert_eq!(kubelet.names().len(), 1, "{:?}", kubelet.names());
}

#[test]
fn a_signature_that_fails_is_an_answer_and_is_not_made_again() {
    // "D02", "D20"
    let said = json!({"outcome": "failed", "message": "the key does not match the certificate"});
    let Some((stage, kubelet)) = Stage::with_kubelet(&Fate::new(Play::Fails("sign", said))) else {
        return;
    };
    let image = stage.quicknic("missing-nic");
    let sign = format!(
        "sign: {{unsignedImage: '{}', keySecret: {{name: key}}, certSecret: {{name: cert}}, filesToSign: [/opt/a.ko]}}, containerImage: ",
        stage.quicknic(KERNEL)
    );
    stage.apply(&crate::stage::module("a", "nic", &image).replace("containerImage: ", &sign));
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let lacks = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Failure");
    assert!(reason(&lacks).contains("the Secret a/key does not exist"), "{lacks:#}");
    assert_eq!(kubelet.names(), Vec::<String>::new());
    stage.secrets(&["key", "cert"]);
    let failed = stage.wait_for_row("upgrade", "nic", |row| reason(row).contains("does not match"));
    assert!(reason(&failed).contains("sign failed"), "{failed:#}");
    assert_eq!(kubelet.names().len(), 1);
}

#[test]
fn what_was_pushed_is_looked_at_again() {
    // "D12": nothing but the container that judges is told the final tag.
    let fate = Fate::new(Play::Runs("judge"));
    let Some((stage, kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    stage.buildable(&["quicknic"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.pushing_preflight("upgrade", KERNEL);
    let job = kubelet.wait_for_jobs(1).remove(0);
    let tag = stage.quicknic("missing-quicknic");
    let pod = &job["spec"]["template"]["spec"];
    for container in pod["initContainers"].as_array().into_iter().flatten() {
        assert!(!container["args"].to_string().contains(&tag), "{container:#}");
    }
    assert!(pod["containers"][0]["args"].to_string().contains(&tag), "{pod:#}");
    Stage::copy_image(&stage.quicknic(KERNEL), &tag);
    fate.is(judged(true));
    let good = stage.wait_for_row("upgrade", "quicknic", |row| verdict(row) == "Success");
    assert_ne!(good["digest"], DIGEST, "the registry's word counts: {good:#}");
    assert!(reason(&good).contains("verified image exists"), "{good:#}");
    stage.wait_until_nothing_is_left();
    assert_eq!(kubelet.names().len(), 1);
}

#[test]
fn a_build_that_was_evicted_is_made_again_under_another_name() {
    let fate = Fate::new(Play::Evicted);
    let Some((stage, kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    stage.buildable(&["nic"]);
    let _operator = stage.operator_with_jobs(&["--keep-failed-jobs", "0s"]);
    stage.preflight("upgrade", KERNEL);
    let open = stage.wait_for_row("upgrade", "nic", |row| reason(row).contains("attempt 1"));
    assert_eq!(verdict(&open), "InProgress", "{open:#}");
    fate.is(judged(false));
    stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Success");
    let names: Vec<String> = kubelet.jobs().iter().map(name_of).collect();
    assert!(names.len() == 2 && names[0] != names[1], "{names:?}");
    stage.wait_until_nothing_is_left();
}

#[test]
fn what_keeps_a_job_from_starting_is_told_while_it_waits() {
    let waits = |reason, message| Play::Waits {
        container: "build",
        reason,
        message,
    };
    let fate = Fate::new(Play::Unschedulable("0/3 nodes are available: 3 Insufficient memory."));
    let Some((stage, _kubelet)) = Stage::with_kubelet(&fate) else {
        return;
    };
    stage.buildable(&["nic"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let told = |words: &'static str| move |row: &Value| reason(row).contains(words);
    let open = stage.wait_for_row("upgrade", "nic", told("Insufficient memory"));
    assert_eq!(verdict(&open), "InProgress");
    fate.is(waits(
        "ImagePullBackOff",
        "Back-off pulling image \"registry.example.com/buildah:1\"",
    ));
    stage.wait_for_row("upgrade", "nic", told("ImagePullBackOff"));
    fate.is(Play::TooLong);
    let failed = stage.wait_for_row("upgrade", "nic", told("deadline"));
    assert!(reason(&failed).contains("Job a/kmm-preflight-nic-"), "{failed:#}");
}
