//! What a Job and its pod look like → what is known of the work.

use super::make;
use crate::api::{Finding, Rule};
use crate::image::{Digest, LookFailureKind};
use crate::plan::tests::now;
use crate::plan::work::{
    ContainerSeen, ContainerState, Ended, Errand, JobEnd, PodSeen, Push, Step, TEMPORARY_IMAGE, Testimony, Work,
    WorkSeen, progress,
};
use LookFailureKind::{Denied, NoPlatform, NotFound, OffLimits, Unreachable};

fn seen(errand: &str, end: Option<(bool, &str)>, pod: Option<PodSeen>) -> WorkSeen {
    let label = |name: &str, value: &str| (format!("preflight.kmm.sigs.x-k8s.io/{name}"), value.to_owned());
    WorkSeen {
        job: ("ns1".to_owned(), "job".to_owned()),
        labels: [label("errand", errand), label("attempt", "2")].into(),
        annotations: [].into(),
        created: now(),
        going: false,
        end: end.map(|(complete, reason)| JobEnd {
            complete,
            reason: reason.to_owned(),
            message: "the Job says so".to_owned(),
            at: now(),
        }),
        pod,
        refused: None,
    }
}

fn container(name: &str, state: ContainerState) -> ContainerSeen {
    ContainerSeen {
        name: name.to_owned(),
        state,
        image_id: String::new(),
    }
}

fn pod(phase: &str, containers: Vec<ContainerSeen>) -> PodSeen {
    PodSeen {
        name: "pod".to_owned(),
        phase: phase.to_owned(),
        containers,
        ..PodSeen::default()
    }
}

fn waits(name: &str, reason: &str, message: &str) -> ContainerSeen {
    let (reason, message) = (reason.to_owned(), message.to_owned());
    container(name, ContainerState::Waiting { reason, message })
}

fn ended(name: &str, exit_code: i32, reason: &str, message: &str) -> ContainerSeen {
    let (reason, message) = (reason.to_owned(), message.to_owned());
    container(
        name,
        ContainerState::Ended {
            exit_code,
            reason,
            message,
        },
    )
}

fn placed() -> ContainerSeen {
    ended("place", 0, "Completed", "")
}

fn digest() -> Digest {
    Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap()
}

const NOT_FOUND: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"r/m:1\": failed to resolve \
                         reference \"r/m:1\": r/m:1: not found";

/// The step and the hindrance of a Job that is at work.
fn at_work(work: &Work) -> (Option<Step>, Option<&str>) {
    match work {
        Work::Underway { step, hindrance, .. } => (*step, hindrance.as_deref()),
        work => panic!("not at work: {work:?}"),
    }
}

fn what_came(work: &Work) -> &Ended {
    match work {
        Work::Ended { ended, .. } => ended,
        work => panic!("not at an end: {work:?}"),
    }
}

// Rows "pp-4" to "pp-8": "pp-4", "pp-5", "pp-6", "pp-7", "pp-8", and "is-115".
#[test]
fn a_job_is_at_work_until_it_ends() {
    let judge = |state| Some(pod("Pending", vec![placed(), container("judge", state)]));
    let waiting = |reason: &str| ContainerState::Waiting {
        reason: reason.to_owned(),
        message: String::new(),
    };
    for (row, pod, step) in [
        ("no pod yet", None, None),
        ("pp-4: it runs", judge(ContainerState::Running), Some(Step::Judge)),
        (
            "pp-5: nothing is said of its containers",
            Some(pod("Pending", vec![])),
            None,
        ),
        (
            "pp-6: nothing is said of one",
            judge(ContainerState::Unknown),
            Some(Step::Judge),
        ),
        (
            "pp-7: the ones before it run",
            judge(waiting("PodInitializing")),
            Some(Step::Judge),
        ),
        (
            "pp-8: ContainerCreating is no end",
            judge(waiting("ContainerCreating")),
            Some(Step::Judge),
        ),
    ] {
        assert_eq!(at_work(&progress(&seen("look", None, pod))), (step, None), "{row}");
    }
}

// Rows "pp-9", "pp-10", "pp-11", "D03" and "D11".
#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn a_node_that_cannot_get_at_the_module_image_says_why() {
    let denied = "failed to resolve reference \"r/m:1\": pull access denied, repository does not exist or may require \
                  authorization: server message: insufficient_scope: authorization failed";
    let crio = "reading manifest 1 in r/m: manifest unknown";
    let back_off = format!("Back-off pulling image \"r/m:1\": ErrImagePull: {NOT_FOUND}");
    let platform = "failed to resolve reference: no match for platform in manifest: not found";
    let timeout = "failed to do request: Head \"https://r/v2/\": dial tcp 10.0.0.1:443: i/o timeout";
    let no_host = "dial tcp: lookup r: no such host";
    for (row, reason, message, expected) in [
        ("pp-10", "ErrImagePull", NOT_FOUND, Some(NotFound)),
        ("pp-9", "ImagePullBackOff", back_off.as_str(), Some(NotFound)),
        ("CRI-O", "ErrImagePull", crio, Some(NotFound)),
        ("denied (D11)", "ErrImagePull", denied, Some(Denied)),
        (
            "denied",
            "ErrImagePull",
            "unexpected status from HEAD request: 403 Forbidden",
            Some(Denied),
        ),
        ("platform", "ErrImagePull", platform, Some(NoPlatform)),
        ("may still come", "ErrImagePull", timeout, None),
        ("out of reach (D11)", "ImagePullBackOff", timeout, Some(Unreachable)),
        ("out of reach (D11)", "ImagePullBackOff", no_host, Some(Unreachable)),
        (
            "pp-11",
            "InvalidImageName",
            "couldn't parse image name",
            Some(OffLimits),
        ),
        (
            "pp-11",
            "ErrImageNeverPull",
            "Container image is not present with pull policy of Never",
            Some(Unreachable),
        ),
        (
            "pp-11",
            "ImageInspectError",
            "Failed to inspect image",
            Some(Unreachable),
        ),
        (
            "pp-11",
            "RegistryUnavailable",
            "registry is unavailable",
            Some(Unreachable),
        ),
        (
            "pp-11",
            "SignatureValidationFailed",
            "image signature is invalid",
            Some(OffLimits),
        ),
        (
            "pp-11: it was pulled",
            "CreateContainerError",
            "context deadline exceeded",
            None,
        ),
        (
            "pp-11: it was pulled",
            "CreateContainerConfigError",
            "secret \"x\" not found",
            None,
        ),
    ] {
        let work = progress(&seen(
            "look",
            None,
            Some(pod("Pending", vec![placed(), waits("judge", reason, message)])),
        ));
        match (expected, &work) {
            (
                Some(kind),
                Work::Ended {
                    ended: Ended::Unseen(failure),
                    attempt: 2,
                    ..
                },
            ) => {
                assert_eq!(failure.kind, kind, "{row}: {failure}");
                assert!(failure.message.contains(reason), "{row}: {failure}");
            }
            (None, work) => assert!(at_work(work).1.is_some(), "{row}: {work:?}"),
            _ => panic!("{row}: {work:?}"),
        }
    }
}

#[test]
fn what_keeps_our_own_images_from_running_is_told_to_who_can_mend_it() {
    let hindrance = |errand, name, reason, message| {
        let pod = pod("Pending", vec![waits(name, reason, message)]);
        at_work(&progress(&seen(errand, None, Some(pod))))
            .1
            .map(str::to_owned)
            .unwrap()
    };
    for (name, reason, words) in [
        (
            "place",
            "ErrImagePull",
            "the image of kmm-preflight itself cannot be pulled (ErrImagePull)",
        ),
        (
            "sign",
            "ImagePullBackOff",
            "The operator's administrator sets it, and lets the namespace pull it",
        ),
        ("build", "InvalidImageName", "the builder image cannot be pulled"),
        ("toolkit", "ImagePullBackOff", "Correct spec.dtkImage"),
        ("judge", "ImagePullBackOff", "its image cannot be pulled"),
        ("build", "CreateContainerConfigError", "names something that is missing"),
        ("build", "CreateContainerError", "its image was pulled, but"),
        ("build", "RunContainerError", "does not start (RunContainerError)"),
    ] {
        let said = hindrance("make", name, reason, NOT_FOUND);
        assert!(
            said.contains(words) && said.contains("not found"),
            "{name} {reason}: {said}"
        );
    }
}

#[test]
fn a_pod_without_a_node_or_with_a_silent_one_says_so() {
    let unscheduled = PodSeen {
        unscheduled: Some((
            "Unschedulable".to_owned(),
            "0/3 nodes are available: 3 Insufficient memory.".to_owned(),
        )),
        ..pod("Pending", vec![])
    };
    let work = progress(&seen("make", None, Some(unscheduled)));
    assert_eq!(
        at_work(&work).1,
        Some("no node takes its pod: 0/3 nodes are available: 3 Insufficient memory.")
    );
    let silent = progress(&seen("make", None, Some(pod("Unknown", vec![placed()]))));
    assert_eq!(
        at_work(&silent).1,
        Some("the node of its pod pod does not answer"),
        "pp-3"
    );
}

// Rows "pp-1" and "is-113".
#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn a_job_that_ended_well_came_to_what_its_judge_testified() {
    let finding = Finding::warns(Rule::ModuleInTree, "is in-tree");
    let judged = |digest| Testimony::Judged {
        digest,
        findings: vec![finding.clone()],
        left_out: 3,
        pushed: true,
        warnings: vec!["a tag is left".to_owned()],
    };
    let signed = Testimony::Signed {
        digest: digest(),
        files: 1,
        warnings: vec!["expires soon".to_owned()],
    };
    let containers = vec![
        placed(),
        ended(
            "build",
            0,
            "Completed",
            &Testimony::Built { digest: digest() }.to_message(),
        ),
        ended("sign", 0, "Completed", &signed.to_message()),
        ended("judge", 0, "Completed", &judged(Some(digest())).to_message()),
    ];
    let work = progress(&seen(
        "make-and-push",
        Some((true, "Completed")),
        Some(pod("Succeeded", containers)),
    ));
    let expected = Ended::Judged {
        digest: Some(digest()),
        findings: vec![finding.clone()],
        left_out: 3,
        pushed: true,
        warnings: vec!["expires soon".to_owned(), "a tag is left".to_owned()],
    };
    assert_eq!(what_came(&work), &expected);
    assert_eq!(work.errand(), Some(&make(Push::IfFree)));
    let pulled = ContainerSeen {
        image_id: format!("r.example.com/kmod@{}", digest()),
        ..ended("judge", 0, "Completed", &judged(None).to_message())
    };
    let look = progress(&seen(
        "look",
        Some((true, "Completed")),
        Some(pod("Succeeded", vec![placed(), pulled])),
    ));
    let Ended::Judged { digest: found, .. } = what_came(&look) else {
        panic!("{look:?}")
    };
    assert_eq!(
        found,
        &Some(digest()),
        "a container does not know its own image's digest; its node does"
    );
    let mute = progress(&seen(
        "look",
        Some((true, "Completed")),
        Some(pod("Succeeded", vec![placed()])),
    ));
    assert!(
        matches!(what_came(&mute), Ended::Failed { why, .. } if why.contains("of one version")),
        "{mute:?}"
    );
}

// Rows "pp-2", "D03" and "is-114".
#[test]
fn a_pod_that_failed_says_why_and_whether_that_may_pass() {
    let failed = |message: &str, again| {
        let log = vec!["make: *** [all] Error 2".to_owned()];
        Testimony::Failed {
            message: message.to_owned(),
            log,
            again,
        }
        .to_message()
    };
    let stops = Some(Step::Build);
    for (row, container, expected) in [
        (
            "a testimony",
            ended("build", 1, "Error", &failed("build failed at step 4/7.", false)),
            Some((stops, "step 4/7: make: ***")),
        ),
        (
            "one that may pass",
            ended("build", 1, "Error", &failed("the registry is gone", true)),
            None,
        ),
        (
            "pp-2: no testimony",
            ended("build", 3, "Error", "panic: no room\n"),
            Some((stops, "exit code 3 (Error): panic: no room")),
        ),
        (
            "D03: no program",
            ended("judge", 128, "StartError", "exec format error"),
            Some((Some(Step::Judge), "exec format error")),
        ),
        (
            "out of memory",
            ended("build", 137, "OOMKilled", ""),
            Some((stops, "out of memory (OOMKilled)")),
        ),
        ("killed", ended("build", 137, "Error", ""), None),
        ("ended by its node", ended("build", 143, "Error", ""), None),
        (
            "its node is lost",
            ended("build", 137, "ContainerStatusUnknown", "could not be located"),
            None,
        ),
    ] {
        let pod = pod("Failed", vec![placed(), container]);
        let work = progress(&seen("make", Some((false, "BackoffLimitExceeded")), Some(pod)));
        match (expected, what_came(&work)) {
            (Some((step, words)), Ended::Failed { step: found, why }) => {
                assert_eq!(*found, step, "{row}: {why}");
                assert!(why.contains(words), "{row}: {why}");
            }
            (None, Ended::Interrupted { .. }) => {}
            (_, ended) => panic!("{row}: {ended:?}"),
        }
    }
}

// Row "D03": a pod that its node put out.
#[test]
fn an_eviction_may_pass_unless_the_pod_used_too_much_itself() {
    let evicted = |message: &str| {
        let pod = PodSeen {
            reason: "Evicted".to_owned(),
            message: message.to_owned(),
            ..pod(
                "Failed",
                vec![placed(), ended("build", 137, "ContainerStatusUnknown", "")],
            )
        };
        progress(&seen("make", Some((false, "BackoffLimitExceeded")), Some(pod)))
    };
    let work = evicted("The node was low on resource: memory.");
    assert!(
        matches!(what_came(&work), Ended::Interrupted { why } if why.contains("low on resource")),
        "{work:?}"
    );
    for message in [
        "Usage of EmptyDir volume \"built\" exceeds the limit \"20Gi\". ",
        "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
        "Container build exceeded its local ephemeral storage limit \"1Gi\". ",
    ] {
        let work = evicted(message);
        let expected = |why: &str| why.starts_with("out of disk: its pod was evicted: ");
        assert!(
            matches!(what_came(&work), Ended::Failed { step: Some(Step::Build), why } if expected(why)),
            "{work:?}"
        );
    }
}

#[test]
fn a_job_that_was_stopped_tells_what_it_waited_for() {
    let late = |pod| progress(&seen("make", Some((false, "DeadlineExceeded")), pod));
    let running = pod("Running", vec![placed(), container("build", ContainerState::Running)]);
    let work = late(Some(running));
    assert!(
        matches!(what_came(&work), Ended::Failed { step: Some(Step::Build), why } if why.contains("longer than a Job may")),
        "{work:?}"
    );
    let pulls = pod("Pending", vec![placed(), waits("build", "ImagePullBackOff", NOT_FOUND)]);
    let work = late(Some(pulls));
    assert!(
        matches!(what_came(&work), Ended::Interrupted { why } if why.contains("the builder image cannot be pulled")),
        "{work:?}"
    );
    let creates = pod("Pending", vec![waits("place", "ContainerCreating", "")]);
    let work = late(Some(creates));
    assert!(
        matches!(what_came(&work), Ended::Interrupted { why } if why.contains("kubectl describe")),
        "{work:?}"
    );
    let lost = late(None);
    assert!(
        matches!(what_came(&lost), Ended::Interrupted { why } if why.contains("DeadlineExceeded")),
        "{lost:?}"
    );
}

#[test]
fn who_refuses_a_job_its_pod_is_quoted_while_it_waits_and_at_its_end() {
    let quota = "exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1";
    let refused = |end| WorkSeen {
        refused: Some(quota.to_owned()),
        ..seen("make", end, None)
    };
    let Work::Underway { hindrance, .. } = progress(&refused(None)) else {
        panic!("it waits");
    };
    assert_eq!(hindrance, Some(format!("the cluster refuses its pod: {quota}")));
    let late = progress(&refused(Some((false, "DeadlineExceeded"))));
    assert!(
        matches!(what_came(&late), Ended::Interrupted { why } if why.contains(quota)),
        "{late:?}"
    );
}

#[test]
fn what_others_delete_or_never_made_is_told_apart() {
    let gone = progress(&seen("make", Some((false, "BackoffLimitExceeded")), None));
    assert!(
        matches!(what_came(&gone), Ended::Interrupted { why } if why.contains("its pod is gone")),
        "{gone:?}"
    );
    let going = WorkSeen {
        going: true,
        ..seen("make", None, None)
    };
    assert!(matches!(what_came(&progress(&going)), Ended::Interrupted { .. }));
    assert!(matches!(progress(&seen("dance", None, None)), Work::None));
}

#[test]
fn a_job_remembers_which_image_it_may_replace() {
    let mut job = seen("make-and-push", None, None);
    job.annotations = [("preflight.kmm.sigs.x-k8s.io/replaces".to_owned(), digest().to_string())].into();
    assert_eq!(progress(&job).errand(), Some(&make(Push::Over(digest()))));
    assert_eq!(progress(&seen("look", None, None)).errand(), Some(&Errand::Look));
}

// Row "D12": what OpenShift built stands under a tag of its own, until the step that judges has removed it.
#[test]
fn a_temporary_tag_that_nobody_has_removed_is_named() {
    let tag = "r.example.com/kmod:kmm-preflight-1";
    let failed = Testimony::Failed {
        message: "the key does not match the certificate.".to_owned(),
        log: Vec::new(),
        again: false,
    };
    let why = |step: &str| {
        let container = ended(step, 1, "Error", &failed.to_message());
        let mut seen = seen(
            "make-and-push",
            Some((false, "BackoffLimitExceeded")),
            Some(pod("Failed", vec![container])),
        );
        seen.annotations.insert(TEMPORARY_IMAGE.to_owned(), tag.to_owned());
        match what_came(&progress(&seen)) {
            Ended::Failed { why, .. } => why.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        why("sign"),
        format!("the key does not match the certificate; the temporary tag {tag} is left in its registry")
    );
    assert!(!why("judge").contains(tag), "it says itself what it could not remove");
}
