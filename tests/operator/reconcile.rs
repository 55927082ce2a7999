//! From `kubectl apply` to verdicts, and what happens when the world changes.

use serde_json::{Value, json};

use crate::stage::{KERNEL, PREFLIGHTS, Stage, condition, eventually, is_complete, module, row};

/// Names and verdicts of all rows.
fn verdicts(status: &Value) -> Vec<(&str, &str)> {
    let rows = status["modules"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .map(|row| {
            (
                row["name"].as_str().unwrap_or_default(),
                row["verificationStatus"].as_str().unwrap_or_default(),
            )
        })
        .collect()
}

fn reason(row: &Value) -> &str {
    row["statusReason"].as_str().unwrap_or_default()
}

fn is_looked_at(status: &Value) -> bool {
    !verdicts(status).is_empty() && !status["modules"].to_string().contains("has not been looked at")
}

#[test]
fn the_example_gets_the_verdicts_that_check_gives() {
    let Some(stage) = Stage::set() else { return };
    stage.apply_the_example();
    let _operator = stage.operator(&["--plain-toolkit-registry", &stage.registry.host()]);
    stage.preflight_with_toolkit("upgrade", KERNEL);
    let status = stage.wait_for_status("upgrade", is_looked_at);
    let verified = verdicts(&status)
        .into_iter()
        .filter(|(_, verdict)| *verdict == "Success");
    let verified: Vec<&str> = verified.map(|(name, _)| name).collect();
    // As `kmm-preflight check -f examples/upgrade`, but for vectra: its certificate is in no Secret here.
    assert_eq!(
        verified,
        ["gpio-plugin", "vectra", "quicknic", "fastblk", "raidmesh"],
        "{status:#}"
    );
    assert_eq!(status["summary"], "5/17");
    assert!(
        reason(&row(&status, "cachepin")).contains("[crc-mismatch]"),
        "{status:#}"
    );
    // D20: the Dockerfile is known, and what the build lacks is said.
    assert!(
        reason(&row(&status, "i2cbridge")).contains("would be built"),
        "{status:#}"
    );
}

#[test]
fn one_broken_module_stops_nobody() {
    // "D08", "D09", "st-13": a Module that only brings a device plugin, and one with a broken template.
    let Some(stage) = Stage::set() else { return };
    let good = stage.quicknic(KERNEL);
    stage.apply(&module("a", "quicknic", &good));
    stage.apply(&module("a", "template", &format!("{good}${{")));
    stage.apply(
        "apiVersion: kmm.sigs.x-k8s.io/v1beta1\nkind: Module\nmetadata: {namespace: a, name: plugin}\n\
         spec: {selector: {}, devicePlugin: {container: {image: x}}}\n",
    );
    let _operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    let status = stage.wait_for_status("upgrade", is_complete);
    assert_eq!(
        verdicts(&status),
        [("plugin", "Success"), ("quicknic", "Success"), ("template", "Failure")],
        "{status:#}"
    );
    assert_eq!(condition(&status, "Verified"), "False");
}

#[test]
fn a_missing_image_fails_and_is_looked_for_again_when_the_module_changes() {
    // "D01", "D05"
    let Some(stage) = Stage::set() else { return };
    stage.apply(&module("a", "quicknic", &stage.quicknic("no-such-tag")));
    let _operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    let status = stage.wait_for_status("upgrade", is_complete);
    let failed = row(&status, "quicknic");
    assert!(
        reason(&failed).starts_with("verified image does not exist"),
        "{failed:#}"
    );
    stage.apply(&module("a", "quicknic", &stage.quicknic(KERNEL)));
    let status = stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    assert_eq!(verdicts(&status), [("quicknic", "Success")]);
    assert_eq!(status["summary"], "1/1");
}

#[test]
fn rows_live_and_die_with_their_modules_and_nothing_else_is_written() {
    // "D17", "D18", "D21"
    let Some(stage) = Stage::set() else { return };
    let good = stage.quicknic(KERNEL);
    // D18: upstream's objects for `quicknic` are named `quicknic-preflight`.
    for name in ["quicknic", "quicknic-preflight"] {
        stage.apply(&module("a", name, &good).replace(&format!("moduleName: {name}"), "moduleName: quicknic"));
    }
    let _operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    let version = stage.object(PREFLIGHTS, "upgrade")["metadata"]["resourceVersion"].clone();
    let version = version.as_str().expect("a version");
    stage.kubectl(["annotate", "module", "-n", "a", "quicknic", "example.com/touched=yes"]);
    stage.kubectl(["label", "namespace", "a", "touched=yes"]);
    stage.kubectl(["delete", "module", "-n", "a", "quicknic-preflight"]);
    let status = stage.wait_for_status("upgrade", |status| verdicts(status).len() == 1);
    assert_eq!(verdicts(&status), [("quicknic", "Success")]);
    let since = format!(
        "/apis/kmm.sigs.x-k8s.io/v1beta2/preflightvalidationsocp?watch=1&timeoutSeconds=1&resourceVersion={version}"
    );
    let changes = stage.kubectl(["get", "--raw", &since]);
    assert_eq!(changes.lines().count(), 1, "one change, one write: {changes}");
}

#[test]
fn several_preflights_for_several_kernels_stand_side_by_side() {
    // "D06", "D10", "D14"
    let Some(stage) = Stage::set() else { return };
    let fixed = stage.quicknic(KERNEL);
    stage.apply(&module("a", "quicknic", &fixed));
    let _operator = stage.operator(&["--plain-toolkit-registry", &stage.registry.host()]);
    stage.preflight_with_toolkit("now", KERNEL);
    stage.preflight("next", "6.1.0-99-cloud-amd64");
    let now = stage.wait_for_status("now", is_complete);
    let next = stage.wait_for_status("next", is_complete);
    assert_eq!(verdicts(&now), [("quicknic", "Success")], "{now:#}");
    assert!(
        !now.to_string().contains("toolkit-missing"),
        "the toolkit is this preflight's: {now:#}"
    );
    let failed = row(&next, "quicknic");
    assert!(
        reason(&failed).contains("has modules for 6.1.0-50-cloud-amd64"),
        "{failed:#}"
    );
}

#[test]
fn another_kernel_is_another_question() {
    // "D23", "wp-9"
    let Some(stage) = Stage::set() else { return };
    let image = stage.quicknic("${KERNEL_FULL_VERSION}");
    stage.apply(&module("a", "quicknic", &image));
    let _operator = stage.operator(&[]);
    stage.preflight("upgrade", "6.1.0-99-cloud-amd64");
    let status = stage.wait_for_status("upgrade", is_complete);
    assert_eq!(verdicts(&status), [("quicknic", "Failure")]);
    stage.preflight("upgrade", KERNEL);
    let status = stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    assert_eq!(status["observedGeneration"], 2);
    assert_eq!(
        row(&status, "quicknic")["image"],
        image.replace("${KERNEL_FULL_VERSION}", KERNEL)
    );
}

#[test]
fn a_restart_asks_nothing_again_that_is_verified() {
    let Some(stage) = Stage::set() else { return };
    let good = stage.quicknic(KERNEL);
    stage.apply(&module("a", "quicknic", &good));
    let first = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    let before = stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    let log = first.end();
    assert!(log.contains("ended in order"), "{log}");
    let second = stage.operator(&[]);
    assert!(eventually(|| second
        .metric("kmm_preflight_verdicts{preflight=\"upgrade\",status=\"Success\"}")
        == Some(1.0)));
    assert_eq!(
        second.metric("kmm_preflight_inspections_total"),
        None,
        "{}",
        second.metrics()
    );
    assert_eq!(stage.status("upgrade"), before);
}

#[test]
fn who_was_killed_is_followed_by_another_that_goes_on() {
    let Some(stage) = Stage::set() else { return };
    let good = stage.quicknic(KERNEL);
    let leader = stage.operator(&["--pod-name", "first"]);
    assert!(eventually(|| leader.metric("kmm_preflight_leader ") == Some(1.0)));
    let second = stage.operator(&["--pod-name", "second"]);
    stage.apply(&module("a", "quicknic", &good));
    stage.preflight("upgrade", KERNEL);
    stage.wait_for_status("upgrade", is_complete);
    assert_eq!(second.metric("kmm_preflight_leader "), Some(0.0), "two lead");
    leader.kill();
    stage.kubectl(["delete", "module", "-n", "a", "quicknic"]);
    let status = stage.wait_for_status("upgrade", |status| status["summary"] == "0/0");
    assert_eq!(status["modules"], json!([]));
}

#[test]
fn an_api_server_that_restarts_is_waited_for() {
    let Some(mut stage) = Stage::set() else { return };
    let good = stage.quicknic(KERNEL);
    let _operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    stage.wait_for_status("upgrade", is_complete);
    stage.plane.stop_api_server();
    stage.plane.start_api_server().expect("the API server");
    stage.apply(&module("a", "quicknic", &good));
    let status = stage.wait_for_status("upgrade", |status| verdicts(status).len() == 1 && is_complete(status));
    assert_eq!(verdicts(&status), [("quicknic", "Success")]);
}

#[test]
fn a_preflight_that_admission_never_saw_says_what_is_wrong_with_it() {
    let Some(stage) = Stage::with_definition("tests/compat/crds/preflightvalidationsocp.yaml") else {
        return;
    };
    stage.preflight("upgrade", "not a kernel");
    let operator = stage.operator(&[]);
    // KMM's schema has no room for conditions: no row is invented either.
    assert!(eventually(|| operator.metric("kmm_preflight_leader ") == Some(1.0)));
    assert_eq!(stage.status("upgrade")["modules"].as_array().map_or(0, Vec::len), 0);
}

#[test]
fn the_schema_of_kmm_gets_the_rows_that_it_has_room_for() {
    let Some(stage) = Stage::with_definition("tests/compat/crds/preflightvalidationsocp.yaml") else {
        return;
    };
    let good = stage.quicknic(KERNEL);
    stage.apply(&module("a", "quicknic", &good));
    let _operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    let status = stage.wait_for_status("upgrade", |status| {
        row(status, "quicknic")["verificationStatus"] == "Success"
    });
    let row = row(&status, "quicknic");
    assert!(
        ["digest", "findings", "inputs"]
            .iter()
            .all(|field| row[field].is_null()),
        "{row:#}"
    );
    stage.kubectl([
        "wait",
        "--for=jsonpath={.status.modules[0].verificationStatus}=Success",
        "preflightvalidationocp/upgrade",
        "--timeout=10s",
    ]);
}

#[test]
fn somebody_else_who_writes_the_status_is_told_of_and_written_over() {
    let Some(stage) = Stage::set() else { return };
    let operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    stage.wait_for_status("upgrade", is_complete);
    stage.kubectl([
        "patch",
        "preflightvalidationocp",
        "upgrade",
        "--subresource=status",
        "--type=merge",
        "--field-manager=manager",
        "-p",
        r#"{"status":{"summary":"9/9"}}"#,
    ]);
    stage.wait_for_status("upgrade", |status| {
        status["summary"] == "0/0" && condition(status, "Contested") == "True"
    });
    assert_eq!(operator.metric("kmm_preflight_foreign_status_writes_total"), Some(1.0));
    assert!(eventually(|| stage
        .kubectl(["get", "events", "-A"])
        .contains("ForeignStatus")));
}

#[test]
fn a_preflight_has_its_answer_wherever_it_is_made_and_is_left_alone_when_it_goes() {
    // "D22": nothing here depends on what the cluster is; "st-10", "st-45", "st-50".
    let Some(stage) = Stage::set() else { return };
    let good = stage.quicknic(KERNEL);
    let held = |yaml: String| yaml.replace("metadata: {", "metadata: {finalizers: [example.com/hold], ");
    stage.apply(&held(module("a", "quicknic", &good)));
    let _operator = stage.operator(&[]);
    stage.apply(&held(crate::stage::preflight("upgrade", KERNEL)));
    stage.wait_for_status("upgrade", |status| status["summary"] == "1/1");
    stage.kubectl(["delete", "module", "-n", "a", "quicknic", "--wait=false"]);
    let status = stage.wait_for_status("upgrade", |status| status["summary"] == "0/0");
    assert_eq!(condition(&status, "Complete"), "True");
    stage.kubectl(["delete", "preflightvalidationocp", "upgrade", "--wait=false"]);
    let going = stage.object(PREFLIGHTS, "upgrade")["metadata"]["resourceVersion"].clone();
    stage.apply(&module("a", "fastblk", &good));
    stage.preflight("another", KERNEL);
    stage.wait_for_status("another", |status| {
        status["modules"].as_array().is_some_and(|rows| rows.len() == 1)
    });
    let now = stage.object(PREFLIGHTS, "upgrade")["metadata"]["resourceVersion"].clone();
    assert_eq!(going, now, "a preflight that is going was written to");
}
