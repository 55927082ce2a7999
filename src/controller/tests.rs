//! Jobs as the watches tell of them, for the tests of what is made of that.

use jiff::Timestamp;

use crate::cluster::OwnJob;
use crate::plan::ObjectName;
use crate::plan::work::{
    ATTEMPT, BuildSeen, ContainerSeen, ContainerState, ERRAND, FINGERPRINT, JobEnd, MODULE, PodSeen, TEMPORARY_IMAGE,
    WorkSeen,
};

/// A Job's name.
pub(super) fn named(name: &str) -> ObjectName {
    ("a".to_owned(), name.to_owned())
}

/// A Job that is at work, made at the beginning of time.
pub(super) fn job_at_work(name: &str, errand: &str) -> OwnJob {
    let labels = [(ERRAND, errand), (ATTEMPT, "1"), (FINGERPRINT, "fingerprint")];
    let work = WorkSeen {
        job: named(name),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        annotations: [(MODULE.to_owned(), "a/nic".to_owned())].into(),
        created: Timestamp::UNIX_EPOCH,
        going: false,
        end: None,
        pod: Some(PodSeen {
            phase: "Running".to_owned(),
            ..PodSeen::default()
        }),
        refused: None,
    };
    OwnJob {
        uid: format!("uid-of-{name}"),
        preflight: "preflight".to_owned(),
        work,
        build: None,
        is_followed: false,
    }
}

/// An OpenShift Build in that phase, made and perhaps ended at the beginning of time.
pub(super) fn build_in(phase: &str) -> OwnJob {
    let mut own = job_at_work("j", "make-and-push");
    let tag = (
        TEMPORARY_IMAGE.to_owned(),
        "r.example.com/nic:kmm-preflight-1".to_owned(),
    );
    own.work.annotations.extend([tag]);
    own.work.pod = None;
    own.build = Some(BuildSeen {
        name: own.work.job.clone(),
        labels: own.work.labels.clone(),
        created: Timestamp::UNIX_EPOCH,
        ended: None,
        phase: phase.to_owned(),
        reason: String::new(),
        message: String::new(),
        log: String::new(),
    });
    own
}

/// One that has ended, at the beginning of time: well, with the image judged good, or not, for good.
pub(super) fn ended_job(name: &str, errand: &str, well: bool) -> OwnJob {
    let (phase, message) = if well {
        ("Succeeded", r#"{"outcome":"judged","findings":[]}"#)
    } else {
        ("Failed", r#"{"outcome":"failed","message":"it does not compile"}"#)
    };
    let judge = ContainerSeen {
        name: "judge".to_owned(),
        state: ContainerState::Ended {
            exit_code: i32::from(!well),
            reason: "Completed".to_owned(),
            message: message.to_owned(),
        },
        image_id: String::new(),
    };
    let mut own = job_at_work(name, errand);
    own.work = WorkSeen {
        end: Some(JobEnd {
            complete: well,
            reason: "BackoffLimitExceeded".to_owned(),
            message: String::new(),
            at: Timestamp::UNIX_EPOCH,
        }),
        pod: Some(PodSeen {
            phase: phase.to_owned(),
            containers: vec![judge],
            ..PodSeen::default()
        }),
        ..own.work
    };
    own
}
