//! A status is written as far as the installed schema has room for it, and only to the preflight it is for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kmm_preflight::api::{
    Finding, ModuleStatus, PreflightStatus, PreflightValidationOCP, Rule, VerificationStage, VerificationStatus,
};
use kmm_preflight::cluster::{
    CallError, Fitting, InstalledSchema, Schemas, WriteOutcome, fit, foreign_managers, write_status,
};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::ground::{KMM_PREFLIGHTS, OUR_PREFLIGHTS, PREFLIGHTS, apply, cluster, delete};

fn now() -> Time {
    Time("2026-01-01T00:00:00Z".parse().expect("a time"))
}

fn row(name: &str) -> ModuleStatus {
    ModuleStatus {
        name: name.to_owned(),
        namespace: "ns".to_owned(),
        verification_stage: VerificationStage::Done,
        verification_status: VerificationStatus::Failure,
        status_reason: Some("would not load".to_owned()),
        last_transition_time: now(),
        image: Some("quay.io/a:1".to_owned()),
        digest: Some("sha256:00".to_owned()),
        findings: vec![Finding::decides(Rule::CrcMismatch, "crc")],
        inputs: None,
        job: None,
    }
}

fn status() -> PreflightStatus {
    PreflightStatus {
        phase: Some("Failed".to_owned()),
        summary: Some("0/2".to_owned()),
        observed_generation: Some(1),
        conditions: vec![Condition {
            type_: "Complete".to_owned(),
            status: "True".to_owned(),
            reason: "Done".to_owned(),
            message: String::new(),
            last_transition_time: now(),
            observed_generation: None,
        }],
        modules: vec![row("a"), row("b")],
    }
}

async fn made(preflights: &Api<PreflightValidationOCP>) -> PreflightValidationOCP {
    let preflight = serde_json::from_value(json!({
        "metadata": {"name": "p"}, "spec": {"kernelVersion": "6.1.0"},
    }));
    let preflight = preflight.expect("a preflight");
    preflights
        .create(&PostParams::default(), &preflight)
        .await
        .expect("made")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_kmms_own_schema_is_written_and_all_of_it_once_ours_is_installed() {
    let Some((cluster, client)) = cluster(&[KMM_PREFLIGHTS]).await else {
        return;
    };
    let preflights: Api<PreflightValidationOCP> = Api::all(client.clone());
    let schemas = Schemas::new(client.clone());
    let preflight = made(&preflights).await;

    let kmms = schemas.current().await.expect("a schema");
    assert!(
        !kmms.has_conditions() && !kmms.rows_are_atomic() && !kmms.row_has("digest") && kmms.row_has("statusReason")
    );
    what_fits_is_written(&preflights, &preflight, &kmms).await;

    apply(&cluster, OUR_PREFLIGHTS);
    schemas.doubt();
    let ours = schemas.current().await.expect("a schema");
    assert!(ours.has_conditions() && ours.rows_are_atomic() && ours.row_has("digest"));
    all_is_written_in_place_of_others(&preflights, &preflight, &ours).await;
}

/// KMM's own schema has rows without digests, and no conditions.
async fn what_fits_is_written(
    preflights: &Api<PreflightValidationOCP>,
    preflight: &PreflightValidationOCP,
    kmms: &InstalledSchema,
) {
    let client = preflights.clone().into_client();
    for status in [
        status(),
        PreflightStatus {
            modules: vec![row("a")],
            ..status()
        },
    ] {
        let written = write_status(&client, preflight, &fit(&status, kmms), kmms).await;
        assert!(matches!(written, Ok(WriteOutcome::Written { .. })), "{written:?}");
        let stored = preflights.get("p").await.expect("read").status.expect("a status");
        assert_eq!(stored.modules.len(), status.modules.len());
        assert_eq!(stored.modules[0].status_reason.as_deref(), Some("would not load"));
        assert_eq!((stored.modules[0].digest.as_ref(), stored.phase), (None, None));
    }
}

/// What KMM wrote is taken over, and what is not said any more goes.
async fn all_is_written_in_place_of_others(
    preflights: &Api<PreflightValidationOCP>,
    preflight: &PreflightValidationOCP,
    ours: &InstalledSchema,
) {
    let client = preflights.clone().into_client();
    assert_eq!(
        fit(&status(), ours),
        Fitting::Whole(&status()),
        "there is room for all of it"
    );
    let somebody = json!({"status": {"modules": [row("theirs")]}});
    let kmm = PatchParams {
        field_manager: Some("kmm".to_owned()),
        ..PatchParams::default()
    };
    let theirs = preflights
        .patch_status("p", &kmm, &Patch::Merge(&somebody))
        .await
        .expect("written");
    assert_eq!(foreign_managers(&theirs.metadata), ["kmm".to_owned()].into());

    let written = write_status(&client, preflight, &fit(&status(), ours), ours).await;
    let stored = preflights.get("p").await.expect("read");
    assert_eq!(stored.status, Some(status()));
    assert_eq!(foreign_managers(&stored.metadata), [].into());
    let resource_version = stored.metadata.resource_version.expect("a version");
    assert_eq!(written, Ok(WriteOutcome::Written { resource_version }));

    let empty = PreflightStatus::default();
    write_status(&client, preflight, &fit(&empty, ours), ours)
        .await
        .expect("written");
    assert_eq!(
        preflights.get("p").await.expect("read").status,
        Some(empty),
        "what is not said any more goes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_that_was_deleted_or_made_anew_is_not_written() {
    let Some((cluster, client)) = cluster(&[OUR_PREFLIGHTS]).await else {
        return;
    };
    let preflights: Api<PreflightValidationOCP> = Api::all(client.clone());
    let schemas = Schemas::new(client.clone());
    for crd in [OUR_PREFLIGHTS, KMM_PREFLIGHTS] {
        apply(&cluster, crd);
        schemas.doubt();
        let schema = schemas.current().await.expect("a schema");
        let answered = status();
        let status = fit(&answered, &schema);
        let old = made(&preflights).await;
        delete(&cluster, &format!("{PREFLIGHTS}/p"));
        let outcome = write_status(&client, &old, &status, &schema).await;
        assert_eq!(outcome, Ok(WriteOutcome::Gone));
        let new = made(&preflights).await;
        let outcome = write_status(&client, &old, &status, &schema).await;
        assert_eq!(outcome, Ok(WriteOutcome::Gone));
        assert_eq!(preflights.get("p").await.expect("read").status, None);
        let outcome = write_status(&client, &new, &status, &schema).await;
        assert!(matches!(outcome, Ok(WriteOutcome::Written { .. })), "{outcome:?}");
        delete(&cluster, &format!("{PREFLIGHTS}/p"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_does_not_fit_any_more_is_refused_as_such() {
    let Some((cluster, client)) = cluster(&[OUR_PREFLIGHTS]).await else {
        return;
    };
    let preflights: Api<PreflightValidationOCP> = Api::all(client.clone());
    let preflight = made(&preflights).await;
    let ours = Schemas::new(client.clone()).current().await.expect("a schema");
    apply(&cluster, KMM_PREFLIGHTS);
    let refused = write_status(&client, &preflight, &fit(&status(), &ours), &ours).await;
    assert!(matches!(refused, Err(CallError::Invalid(_))), "{refused:?}");
}
