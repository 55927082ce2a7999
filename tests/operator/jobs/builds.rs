//! OpenShift builds where that is wanted, its API is served, and the result is to be pushed. A definition of ours stands in for its own.

use serde_json::{Value, json};

use super::{Fate, judged, reason, verdict};
use crate::kubelet::{Kubelet, Play, moment, name_of};
use crate::stage::{KERNEL, Stage, eventually};

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: builds.build.openshift.io, annotations: {api-approved.kubernetes.io: unapproved}}
spec:
  group: build.openshift.io
  scope: Namespaced
  names: {kind: Build, plural: builds, singular: build, listKind: BuildList}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
/// Where the Builds of namespace `a` are.
const BUILDS: &str = "/apis/build.openshift.io/v1/namespaces/a/builds";

impl Stage {
    fn with_builds(fate: &Fate) -> Option<(Self, Kubelet)> {
        let (stage, kubelet) = Self::with_kubelet(fate)?;
        let file = stage.plane.folder().join("builds.yaml");
        std::fs::write(&file, DEFINITION).expect("a file");
        stage.plane.define(&file).expect("a definition");
        Some((stage, kubelet))
    }

    /// The Builds that are there.
    fn builds(&self) -> Vec<Value> {
        self.list(BUILDS)
    }

    #[track_caller]
    fn wait_for_build(&self) -> Value {
        assert!(eventually(|| !self.builds().is_empty()), "no Build");
        self.builds().remove(0)
    }

    fn build_is(&self, build: &Value, status: &Value) {
        self.patch_status(&format!("{BUILDS}/{}", name_of(build)), status);
    }
}

#[test]
fn a_build_comes_before_its_job_and_goes_when_the_job_is_there() {
    let fate = Fate::new(Play::Runs("judge"));
    let Some((stage, kubelet)) = Stage::with_builds(&fate) else {
        return;
    };
    stage.buildable(&["quicknic"]);
    let operator = stage.operator_with_jobs(&["--build-with", "openshift"]);
    stage.pushing_preflight("upgrade", KERNEL);
    let build = stage.wait_for_build();
    stage.wait_for_row("upgrade", "quicknic", |row| reason(row).contains("step build"));
    assert_eq!(build["spec"]["strategy"]["type"], "Docker", "{build:#}");
    let output = build["spec"]["output"]["to"]["name"].as_str().expect("an output");
    assert_ne!(output, stage.quicknic("missing-quicknic"), "never the final tag");
    assert_eq!(kubelet.names(), Vec::<String>::new());
    // Killed between the two, it goes on with the Job.
    operator.kill();
    stage.forget_the_leader();
    stage.build_is(&build, &json!({"phase": "Complete"}));
    let _operator = stage.operator_with_jobs(&["--build-with", "openshift"]);
    let job = kubelet.wait_for_jobs(1).remove(0);
    assert_eq!(name_of(&job), name_of(&build));
    assert!(
        job.to_string().contains(output),
        "the Job reads what the Build left: {job:#}"
    );
    assert!(eventually(|| stage.builds().is_empty()), "{:#?}", stage.builds());
    Stage::copy_image(&stage.quicknic(KERNEL), &stage.quicknic("missing-quicknic"));
    fate.is(judged(true));
    stage.wait_for_row("upgrade", "quicknic", |row| verdict(row) == "Success");
    stage.wait_until_nothing_is_left();
}

#[test]
fn a_build_that_fails_is_an_answer_and_without_a_push_a_job_builds() {
    let Some((stage, kubelet)) = Stage::with_builds(&Fate::new(judged(false))) else {
        return;
    };
    stage.buildable(&["nic"]);
    let _operator = stage.operator_with_jobs(&["--build-with", "openshift", "--keep-failed-jobs", "10s"]);
    stage.pushing_preflight("upgrade", KERNEL);
    let build = stage.wait_for_build();
    let failed = json!({
        "phase": "Failed", "reason": "DockerBuildFailed", "message": "the docker build failed",
        "logSnippet": "cc: no such file", "completionTimestamp": moment(),
    });
    stage.build_is(&build, &failed);
    let failed = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Failure");
    assert!(reason(&failed).contains("cc: no such file"), "{failed:#}");
    assert_eq!(stage.builds().len(), 1, "it is kept for a person to look at");
    assert!(eventually(|| stage.builds().is_empty()), "{:#?}", stage.builds());
    assert_eq!(kubelet.names(), Vec::<String>::new());
    stage.preflight("unpushed", KERNEL);
    stage.wait_for_row("unpushed", "nic", |row| verdict(row) == "Success");
    assert_eq!(kubelet.names().len(), 1);
    assert!(stage.builds().is_empty(), "{:#?}", stage.builds());
}

#[test]
fn a_build_that_is_given_up_leaves_a_tag_of_which_an_event_tells() {
    // "D12"
    let Some((stage, kubelet)) = Stage::with_builds(&Fate::new(Play::Runs("judge"))) else {
        return;
    };
    stage.buildable(&["nic"]);
    let _operator = stage.operator_with_jobs(&["--build-with", "openshift"]);
    stage.pushing_preflight("upgrade", KERNEL);
    let build = stage.wait_for_build();
    stage.build_is(&build, &json!({"phase": "Complete"}));
    kubelet.wait_for_jobs(1);
    // Its Job is at work, and is of no more use.
    stage.dockerfile("FROM scratch\\nLABEL a=b");
    let tag = build["spec"]["output"]["to"]["name"].as_str().expect("an output");
    let events = || stage.events();
    let is_told = || {
        events()
            .lines()
            .any(|line| line.contains("TemporaryTagLeft") && line.contains(tag))
    };
    assert!(eventually(is_told), "{tag}: {}", events());
}

#[test]
fn a_signature_that_fails_after_a_build_tells_of_the_tag_that_is_left() {
    let said = json!({"outcome": "failed", "message": "the key does not match the certificate"});
    let Some((stage, _kubelet)) = Stage::with_builds(&Fate::new(Play::Fails("sign", said))) else {
        return;
    };
    stage.secrets(&["key", "cert"]);
    let sign = "sign: {keySecret: {name: key}, certSecret: {name: cert}, filesToSign: [/opt/a.ko]}, build: ";
    stage.apply(&super::buildable("nic", &stage.quicknic("missing-nic")).replace("build: ", sign));
    let _operator = stage.operator_with_jobs(&["--build-with", "openshift"]);
    stage.pushing_preflight("upgrade", KERNEL);
    let build = stage.wait_for_build();
    stage.build_is(&build, &json!({"phase": "Complete"}));
    let failed = stage.wait_for_row("upgrade", "nic", |row| verdict(row) == "Failure");
    let tag = build["spec"]["output"]["to"]["name"].as_str().expect("an output");
    let left = format!("the temporary tag {tag} is left in its registry");
    assert!(reason(&failed).contains(&left), "{failed:#}");
}
