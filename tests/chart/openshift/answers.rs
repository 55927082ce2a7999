//! What OpenShift's admission plugin has answered, and about what.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::Value;

use super::questions::ASKED;

/// The constraint for builds that the documentation gives.
pub(super) const OURS: &str = include_str!("../../../examples/openshift/build-constraint.yaml");
/// Its name.
pub(super) const FOR_BUILDS: &str = "kmm-preflight-build";
/// The answers as they were written.
const ANSWERED: &str = include_str!("../../fixtures/openshift_scc/table.json");

/// All answers, and about what.
#[derive(Deserialize)]
pub(super) struct Answers {
    pub(super) about: String,
    pub(super) undecided: BTreeMap<String, Vec<String>>,
    pub(super) pods: BTreeMap<String, Verdicts>,
}

/// About one pod: what each constraint makes of it, and which it gets where its account may use that one and `restricted-v2`.
#[derive(Deserialize)]
pub(super) struct Verdicts {
    pub(super) of: BTreeMap<String, Verdict>,
    pub(super) chosen: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct Verdict {
    pub(super) admitted: bool,
    #[serde(default)]
    pub(super) because: String,
    #[serde(default)]
    pub(super) adds: BTreeMap<String, Value>,
}

pub(super) static ANSWERS: LazyLock<Answers> = LazyLock::new(|| serde_json::from_str(ANSWERED).expect("the answers"));

pub(super) fn about(pod: &str) -> &'static Verdicts {
    ANSWERS
        .pods
        .get(pod)
        .unwrap_or_else(|| panic!("OpenShift was not asked about {pod:?}"))
}

/// The constraints that admit a pod.
pub(super) fn admitting(pod: &str) -> Vec<&'static str> {
    let of = &about(pod).of;
    of.iter()
        .filter(|(_, verdict)| verdict.admitted)
        .map(|(name, _)| name.as_str())
        .collect()
}

/// What the program says that it was asked about.
pub(super) fn fingerprint() -> String {
    let asked = [ASKED, OURS].concat();
    let mut text = String::new();
    for byte in digest(&SHA256, asked.as_bytes()).as_ref() {
        write!(text, "{byte:02x}").expect("text takes all");
    }
    text
}
