//! Wires the engine: registries, cache and credentials as the settings say.

use std::path::PathBuf;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::settings::CheckSettings;
use crate::api::{ModuleStatus, PreflightStatus, PreflightValidationOCP, VerificationStage, VerificationStatus};
use crate::check::{Progress, ProgressEvent, Question};
use crate::kmod::signature::Certificate;

/// The certificates of files.
pub(super) fn certificates(_files: &[PathBuf]) -> anyhow::Result<Vec<Certificate>> {
    Ok(Vec::new())
}

/// Answers every question, side by side.
pub(super) async fn all(
    questions: &[Question],
    _settings: &CheckSettings,
    progress: Progress,
    now: Timestamp,
) -> anyhow::Result<Vec<PreflightValidationOCP>> {
    Ok(questions.iter().map(|question| unanswered(question, &progress, now)).collect())
}

fn unanswered(question: &Question, progress: &Progress, now: Timestamp) -> PreflightValidationOCP {
    progress.tell(ProgressEvent::Total(question.modules.len()));
    let row = |module: &crate::api::Module| ModuleStatus {
        name: module.name_any(),
        namespace: module.namespace().unwrap_or_default(),
        verification_stage: VerificationStage::Image,
        verification_status: VerificationStatus::InProgress,
        status_reason: Some("not looked at".to_owned()),
        last_transition_time: Time(now),
        image: None,
        digest: None,
        findings: Vec::new(),
    };
    let modules = question.modules.iter().map(row).collect();
    PreflightValidationOCP {
        status: Some(PreflightStatus { modules, ..PreflightStatus::default() }),
        ..question.preflight.clone()
    }
}
