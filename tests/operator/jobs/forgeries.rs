//! What somebody makes who may make Jobs in a namespace of his own, with the labels of ours: it counts for nobody.

use serde_json::{Value, json};

use super::{Fate, buildable, failed, judged, reason, verdict};
use crate::kubelet::{Kubelet, Play, name_of};
use crate::stage::{KERNEL, Stage, eventually};

/// A copy of a Job, in that namespace under that name.
fn copy(job: &Value, namespace: &str, name: &str) -> String {
    let is_ours = |label: &String| !label.contains("controller-uid") && !label.contains("job-name");
    let kept = |labels: &Value| -> Value {
        let labels = labels.as_object().cloned().unwrap_or_default();
        labels.into_iter().filter(|(label, _)| is_ours(label)).collect()
    };
    let mut copy = json!({
        "apiVersion": "batch/v1", "kind": "Job", "spec": job["spec"],
        "metadata": {"namespace": namespace, "name": name, "labels": kept(&job["metadata"]["labels"]),
                     "annotations": job["metadata"]["annotations"], "ownerReferences": job["metadata"]["ownerReferences"]},
    });
    copy["spec"]["template"]["metadata"]["labels"] = kept(&job["spec"]["template"]["metadata"]["labels"]);
    if let Some(spec) = copy["spec"].as_object_mut() {
        spec.remove("selector");
        spec.insert("suspend".to_owned(), Value::Bool(true));
    }
    copy.to_string()
}

/// A cluster with two namespaces, in each of which these are the fates of Jobs.
fn two_namespaces(a: &Fate, b: &Fate) -> Option<(Stage, Kubelet)> {
    let stage = Stage::set()?;
    stage.namespaces(&["b"]);
    for namespace in ["a", "b"] {
        stage.apply(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: {namespace}, name: dockerfile}}\ndata: {{dockerfile: FROM scratch}}\n"
        ));
    }
    let (a, b) = (a.clone(), b.clone());
    let kubelet = Kubelet::start(&stage, move |job| {
        let is_b = job["metadata"]["namespace"] == "b";
        if is_b { b.get() } else { a.get() }
    });
    Some((stage, kubelet))
}

#[test]
fn a_copy_of_a_job_in_another_namespace_has_no_word_in_its_verdict() {
    let ours = Fate::new(Play::Runs("build"));
    let Some((stage, kubelet)) = two_namespaces(&ours, &Fate::new(judged(false))) else {
        return;
    };
    stage.buildable(&["nic"]);
    let _operator = stage.operator_with_jobs(&[]);
    stage.preflight("upgrade", KERNEL);
    let job = kubelet.wait_for_jobs(1).remove(0);
    stage.apply(&copy(&job, "b", &name_of(&job)));
    assert!(eventually(|| stage.has_complete_job("b")), "{}", stage.objects());
    ours.is(failed());
    let row = stage.wait_for_row("upgrade", "nic", |row| verdict(row) != "InProgress");
    assert_eq!(verdict(&row), "Failure", "{row:#}");
    assert!(reason(&row).contains("no such file"), "{row:#}");
    assert!(stage.objects().contains("job.batch/"), "nobody else's Job is deleted");
}

#[test]
fn copies_that_never_end_take_no_place_from_anybody() {
    let forever = || Fate::new(Play::Runs("build"));
    let Some((stage, kubelet)) = two_namespaces(&forever(), &forever()) else {
        return;
    };
    stage.apply(&buildable("own", &stage.quicknic("missing-own")).replace("namespace: a", "namespace: b"));
    let _operator = stage.operator_with_jobs(&["--jobs-at-once", "2"]);
    stage.preflight("upgrade", KERNEL);
    let job = kubelet.wait_for_jobs(1).remove(0);
    for number in 0..4 {
        stage.apply(&copy(&job, "b", &format!("copy-{number}")));
    }
    kubelet.wait_for_jobs(5);
    stage.buildable(&["nic"]);
    let is_begun = || kubelet.names().iter().any(|name| name.contains("-nic-"));
    assert!(
        eventually(is_begun),
        "{:?}: {:#}",
        kubelet.names(),
        stage.status("upgrade")
    );
}
