//! The Jobs and pods that are known, and how they belong together. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::OwnJob;
use super::seen::{SeenBuild, SeenJob, SeenPod, SeenRefusal};
use crate::cluster::watches::known::Change;
use crate::plan::ObjectName;
use crate::plan::work::{BuildSeen, PodSeen, WorkSeen};

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct KnownJobs {
    pub(super) jobs: Parts<SeenJob>,
    pub(super) pods: Parts<SeenPod>,
    pub(super) builds: Parts<SeenBuild>,
    pub(super) refusals: Parts<SeenRefusal>,
    /// Whether OpenShift's Builds are not to be had.
    pub(super) builds_unserved: bool,
}

/// A kind of which several are known.
pub(super) trait Part: PartialEq {
    /// What it is known by.
    type Key: Ord;

    fn key(&self) -> Self::Key;
}

/// Those that are known of one kind.
#[derive(Debug)]
pub(super) struct Parts<T: Part> {
    known: BTreeMap<T::Key, T>,
    listed: bool,
}

impl<T: Part> Default for Parts<T> {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            listed: false,
        }
    }
}

impl<T: Part> Parts<T> {
    /// Something was seen; whether that is news.
    pub(super) fn change(&mut self, change: Change<T>) -> bool {
        match change {
            Change::Put(part) => {
                let key = part.key();
                let is_news = self.known.get(&key) != Some(&part);
                self.known.insert(key, part);
                is_news
            }
            Change::Gone(part) => self.known.remove(&part.key()).is_some(),
            Change::All(parts) => {
                let all = parts.into_iter().map(|part| (part.key(), part)).collect();
                let is_news = !self.listed || self.known != all;
                (self.known, self.listed) = (all, true);
                is_news
            }
        }
    }
}

impl Part for SeenJob {
    type Key = ObjectName;

    fn key(&self) -> ObjectName {
        self.name.clone()
    }
}

impl Part for SeenPod {
    /// The UID of its Job first, so that the pods of a Job stand together.
    type Key = (String, ObjectName);

    fn key(&self) -> Self::Key {
        (self.job.clone(), self.name.clone())
    }
}

impl Part for SeenBuild {
    type Key = ObjectName;

    fn key(&self) -> ObjectName {
        self.job.name.clone()
    }
}

impl Part for SeenRefusal {
    /// The UID of its Job first.
    type Key = (String, ObjectName);

    fn key(&self) -> Self::Key {
        (self.job.clone(), self.name.clone())
    }
}

impl KnownJobs {
    /// Whether everything was listed once.
    pub(super) fn is_synced(&self) -> bool {
        self.jobs.listed && self.pods.listed && (self.builds.listed || self.builds_unserved)
    }

    /// The Jobs of a preflight.
    pub(super) fn of(&self, preflight: &str) -> Vec<OwnJob> {
        let jobs = self.jobs.known.values().map(|job| self.whole(job, None));
        let builds = self.builds.known.values();
        let builds = builds.map(|build| self.whole(&build.job, Some(&build.build)));
        jobs.chain(builds).filter(|own| own.preflight == preflight).collect()
    }

    /// The names of the Jobs that are at work, or will be.
    pub(super) fn unfinished(&self) -> BTreeSet<ObjectName> {
        let jobs = self.jobs.known.values();
        let at_work = jobs.filter(|job| job.end.is_none() && !job.going);
        let builds = self.builds.known.values().filter(|build| build.keeps_a_place());
        let builds = builds
            .map(|build| &build.job)
            .filter(|build| !self.jobs.known.contains_key(&build.name));
        at_work.chain(builds).map(|job| job.name.clone()).collect()
    }

    /// Whom the Jobs work for.
    pub(super) fn preflights(&self) -> BTreeSet<String> {
        let builds = self.builds.known.values().map(|build| &build.job);
        let jobs = self.jobs.known.values().chain(builds);
        jobs.map(|job| job.preflight().to_owned()).collect()
    }

    fn whole(&self, job: &SeenJob, build: Option<&BuildSeen>) -> OwnJob {
        OwnJob {
            is_followed: build.is_some() && self.jobs.known.contains_key(&job.name),
            build: build.cloned(),
            uid: job.uid.clone(),
            preflight: job.preflight().to_owned(),
            work: WorkSeen {
                job: job.name.clone(),
                labels: job.labels.clone(),
                annotations: job.annotations.clone(),
                created: job.created,
                going: job.going,
                end: job.end.clone(),
                pod: self.last_pod(&job.uid).cloned(),
                refused: self.last_refusal(&job.uid),
            },
        }
    }

    /// The youngest pod of a Job: one that was evicted may have been replaced.
    fn last_pod(&self, job: &str) -> Option<&PodSeen> {
        let first = (job.to_owned(), ObjectName::default());
        let pods = self
            .pods
            .known
            .range(first..)
            .take_while(|((owner, _), _)| owner == job);
        let last = pods.map(|(_, pod)| pod).max_by_key(|pod| pod.created);
        last.map(|pod| &pod.pod)
    }

    /// The last reason for which a Job was refused its pod.
    fn last_refusal(&self, job: &str) -> Option<String> {
        let first = (job.to_owned(), ObjectName::default());
        let refusals = self.refusals.known.range(first..);
        let its = refusals.take_while(|((refused, _), _)| refused == job);
        its.map(|(_, refusal)| refusal)
            .max_by_key(|refusal| refusal.last)
            .map(|refusal| refusal.why.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::work::{MANAGED_BY, MANAGER, PREFLIGHT_UID};

    fn job(name: &str, preflight: &str, status: &Value) -> SeenJob {
        let object = json!({
            "metadata": {"name": name, "namespace": "a", "uid": format!("uid-of-{name}"), "creationTimestamp": "2026-01-01T00:00:00Z",
                         "labels": {MANAGED_BY: MANAGER, PREFLIGHT_UID: preflight}},
            "status": status,
        });
        SeenJob::new(serde_json::from_value(object).expect("a Job"))
    }

    fn pod(name: &str, job: &str, minute: u8) -> SeenPod {
        let object = json!({
            "metadata": {"name": name, "namespace": "a", "creationTimestamp": format!("2026-01-01T00:{minute:02}:00Z"),
                         "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": format!("uid-of-{job}"), "controller": true}]},
            "status": {"phase": "Running"},
        });
        SeenPod::new(serde_json::from_value(object).expect("a pod"))
    }

    fn known() -> KnownJobs {
        let mut known = KnownJobs {
            builds_unserved: true,
            ..KnownJobs::default()
        };
        let done = json!({"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:05:00Z"}]});
        let jobs = vec![
            job("one", "p", &json!({})),
            job("two", "p", &done),
            job("other", "q", &json!({})),
        ];
        assert!(known.jobs.change(Change::All(jobs)));
        assert!(!known.is_synced(), "the pods are not known yet");
        assert!(known.pods.change(Change::All(vec![
            pod("one-b", "one", 3),
            pod("one-a", "one", 7),
            pod("two-a", "two", 1),
        ])));
        known
    }

    #[test]
    fn a_job_comes_with_the_youngest_of_its_pods() {
        let known = known();
        assert!(known.is_synced());
        let pods: Vec<_> = known
            .of("p")
            .into_iter()
            .map(|job| (job.work.job.1, job.work.pod.map(|pod| pod.name)))
            .collect();
        assert_eq!(
            pods,
            [
                ("one".to_owned(), Some("one-a".to_owned())),
                ("two".to_owned(), Some("two-a".to_owned()))
            ]
        );
        assert_eq!(known.of("q")[0].work.pod, None);
        assert_eq!(known.preflights(), ["p".to_owned(), "q".to_owned()].into());
    }

    #[test]
    fn a_job_comes_with_the_last_reason_for_which_it_has_no_pod() {
        let mut known = known();
        for (name, minute, said) in [
            (
                "first",
                1,
                "Error creating: pods \"one-x2v\" is forbidden: exceeded quota: few, used: pods=1",
            ),
            (
                "last",
                2,
                "Error creating: pods \"one-9k4\" is forbidden: violates PodSecurity \"restricted:latest\"",
            ),
        ] {
            let event = json!({
                "metadata": {"name": name, "namespace": "a"}, "reason": "FailedCreate", "message": said,
                "involvedObject": {"kind": "Job", "name": "one", "namespace": "a", "uid": "uid-of-one"},
                "lastTimestamp": format!("2026-01-01T00:{minute:02}:00Z"),
            });
            let refusal = SeenRefusal::new(serde_json::from_value(event).expect("an Event"));
            assert!(known.refusals.change(Change::Put(refusal)));
        }
        let refused = |name: &str| {
            let own = known.of("p").into_iter().find(|own| own.work.job.1 == name);
            own.expect("the Job").work.refused
        };
        // The name of the pod that never came is left out: another is made up for every try.
        assert_eq!(
            refused("one").as_deref(),
            Some("violates PodSecurity \"restricted:latest\"")
        );
        assert_eq!(refused("two"), None);
    }

    #[test]
    fn who_has_ended_or_goes_is_not_unfinished() {
        let mut known = known();
        let names = |known: &KnownJobs| known.unfinished().into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(names(&known), ["one", "other"]);
        let mut going = job("other", "q", &json!({}));
        going.going = true;
        assert!(known.jobs.change(Change::Put(going)));
        assert_eq!(names(&known), ["one"]);
    }

    #[test]
    fn what_was_known_is_no_news() {
        let mut known = known();
        assert!(!known.jobs.change(Change::Put(job("one", "p", &json!({})))));
        assert!(!known.pods.change(Change::Put(pod("two-a", "two", 1))));
        assert!(known.pods.change(Change::Gone(pod("two-a", "two", 1))));
        assert!(!known.pods.change(Change::Gone(pod("two-a", "two", 1))));
        let same = vec![pod("one-b", "one", 3), pod("one-a", "one", 7)];
        assert!(!known.pods.change(Change::All(same)));
    }
}
