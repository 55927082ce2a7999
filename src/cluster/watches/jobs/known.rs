//! The Jobs and pods that are known, and how they belong together. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

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
        let jobs = self.ordered().map(|job| self.whole(job, None));
        let builds = self.ordered_builds();
        let builds = builds.map(|build| self.whole(&build.job, Some(&build.build)));
        jobs.chain(builds).filter(|own| own.preflight == preflight).collect()
    }

    /// The names of the Jobs that are at work, or will be, of those that were made since then: of each Module and kind the last one,
    /// for whoever may make Jobs in a namespace can give them whatever labels he likes.
    pub(super) fn unfinished(&self, since: Timestamp) -> BTreeSet<ObjectName> {
        let at_work = self.ordered().filter(|job| job.end.is_none() && !job.going);
        let builds = self.ordered_builds().filter(|build| build.keeps_a_place());
        let builds = builds
            .map(|build| &build.job)
            .filter(|build| !self.is_there(&build.name));
        let mut last = BTreeMap::new();
        for job in at_work.chain(builds).filter(|job| job.created >= since) {
            let place = last.entry(job.place()).or_insert(job);
            if place.created < job.created {
                *place = job;
            }
        }
        last.into_values().map(|job| job.name.clone()).collect()
    }

    /// Whom the Jobs work for.
    pub(super) fn preflights(&self) -> BTreeSet<String> {
        let builds = self.ordered_builds().map(|build| &build.job);
        let jobs = self.ordered().chain(builds);
        jobs.map(|job| job.preflight().to_owned()).collect()
    }

    fn ordered(&self) -> impl Iterator<Item = &SeenJob> {
        self.jobs.known.values().filter(|job| job.is_ordered)
    }

    fn ordered_builds(&self) -> impl Iterator<Item = &SeenBuild> {
        self.builds.known.values().filter(|build| build.job.is_ordered)
    }

    fn is_there(&self, job: &ObjectName) -> bool {
        self.jobs.known.get(job).is_some_and(|job| job.is_ordered)
    }

    fn whole(&self, job: &SeenJob, build: Option<&BuildSeen>) -> OwnJob {
        OwnJob {
            is_followed: build.is_some() && self.is_there(&job.name),
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
                pod: self.last_pod(job).cloned(),
                refused: self.last_refusal(job),
            },
        }
    }

    /// The youngest pod of a Job: one that was evicted may have been replaced. Pods elsewhere are none of its.
    fn last_pod<'a>(&'a self, job: &'a SeenJob) -> Option<&'a PodSeen> {
        let pods = its(&self.pods, job);
        let last = pods.max_by_key(|pod| pod.created);
        last.map(|pod| &pod.pod)
    }

    /// The last reason for which a Job was refused its pod.
    fn last_refusal(&self, job: &SeenJob) -> Option<String> {
        its(&self.refusals, job)
            .max_by_key(|refusal| refusal.last)
            .map(|refusal| refusal.why.clone())
    }
}

/// What belongs to a Job: by its UID, and in its namespace, for anybody may write any UID in his own.
fn its<'a, T>(parts: &'a Parts<T>, job: &'a SeenJob) -> impl Iterator<Item = &'a T>
where
    T: Part<Key = (String, ObjectName)>,
{
    let (uid, namespace) = (&job.uid, &job.name.0);
    let first = (uid.clone(), (namespace.clone(), String::new()));
    let all = parts.known.range(first..);
    let its = all.take_while(move |((of, (within, _)), _)| of == uid && within == namespace);
    its.map(|(_, part)| part)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::work::{ATTEMPT, ERRAND, FINGERPRINT, MANAGED_BY, MANAGER, MODULE, PREFLIGHT_UID, job_of};

    /// The Job for the Module `a/NAME`.
    fn job(name: &str, preflight: &str, status: &Value) -> SeenJob {
        seen(&object(("a", name), preflight, "look", status))
    }

    fn seen(object: &Value) -> SeenJob {
        SeenJob::new(serde_json::from_value(object.clone()).expect("a Job"))
    }

    fn object(module: (&str, &str), preflight: &str, errand: &str, status: &Value) -> Value {
        let labels = [
            (MANAGED_BY, MANAGER),
            (PREFLIGHT_UID, preflight),
            (FINGERPRINT, "f"),
            (ERRAND, errand),
            (ATTEMPT, "1"),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let annotations = [(MODULE.to_owned(), format!("{}/{}", module.0, module.1))].into();
        let (namespace, name) = job_of(&labels, &annotations).expect("an order");
        json!({
            "metadata": {"name": name, "namespace": namespace, "uid": uid_of(module.1), "creationTimestamp": "2026-01-01T00:00:00Z",
                         "labels": labels, "annotations": annotations},
            "status": status,
        })
    }

    fn uid_of(name: &str) -> String {
        format!("uid-of-{name}")
    }

    fn module_of(job: &ObjectName) -> String {
        let name = job
            .1
            .strip_prefix("kmm-preflight-")
            .and_then(|name| name.rsplit_once('-'));
        name.map_or_else(String::new, |(module, _)| module.to_owned())
    }

    const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

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
        let mut pods: Vec<_> = known
            .of("p")
            .into_iter()
            .map(|job| (module_of(&job.work.job), job.work.pod.map(|pod| pod.name)))
            .collect();
        pods.sort();
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
            let own = known.of("p").into_iter().find(|own| module_of(&own.work.job) == name);
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
        let mut names = unfinished(&known, LONG_AGO);
        names.sort();
        assert_eq!(names, ["one", "other"]);
        let mut going = job("other", "q", &json!({}));
        going.going = true;
        assert!(known.jobs.change(Change::Put(going)));
        assert_eq!(unfinished(&known, LONG_AGO), ["one"]);
    }

    fn unfinished(known: &KnownJobs, since: Timestamp) -> Vec<String> {
        known.unfinished(since).iter().map(module_of).collect()
    }

    #[test]
    fn what_stands_where_it_was_not_ordered_is_not_there() {
        let real = object(("a", "one"), "p", "make", &json!({}));
        let moved = |key: &str, value: &str| {
            let mut copy = real.clone();
            copy["metadata"][key] = value.into();
            copy
        };
        let mut later = real.clone();
        later["metadata"]["labels"][ATTEMPT] = "2".into();
        let mut another = real.clone();
        another["metadata"]["annotations"][MODULE] = "a/two".into();
        let mut unnamed = real.clone();
        unnamed["metadata"]["annotations"] = json!({});
        for (case, forged) in [
            ("in another namespace", moved("namespace", "b")),
            ("under another name", moved("name", "copy")),
            ("for another attempt", later),
            ("for another Module", another),
            ("for no Module", unnamed),
        ] {
            let mut known = KnownJobs::default();
            assert!(known.jobs.change(Change::All(vec![seen(&forged)])));
            assert!(known.of("p").is_empty(), "{case}");
            assert!(known.unfinished(LONG_AGO).is_empty(), "{case}");
            assert!(known.preflights().is_empty(), "{case}");
        }
        let mut known = KnownJobs::default();
        assert!(known.jobs.change(Change::All(vec![seen(&real)])));
        assert_eq!(known.of("p").len(), 1);
    }

    #[test]
    fn a_module_has_a_place_for_each_kind_of_work_and_none_for_what_has_no_end() {
        let mut later = object(("a", "one"), "p", "make-and-push", &json!({}));
        later["metadata"]["creationTimestamp"] = "2026-01-01T02:00:00Z".into();
        let jobs = [
            object(("a", "one"), "p", "make", &json!({})),
            later,
            object(("a", "one"), "p", "look", &json!({})),
        ];
        let mut known = KnownJobs::default();
        known.jobs.change(Change::All(jobs.iter().map(seen).collect()));
        assert_eq!(
            known.unfinished(LONG_AGO).len(),
            2,
            "one made, one looked at: {known:?}"
        );
        let since = "2026-01-01T01:00:00Z".parse().expect("a time");
        assert_eq!(known.unfinished(since).len(), 1);
    }

    #[test]
    fn pods_and_events_of_other_namespaces_are_none_of_its() {
        let mut known = known();
        let mut elsewhere = pod("one-z", "one", 9);
        elsewhere.name.0 = "b".to_owned();
        assert!(known.pods.change(Change::Put(elsewhere)));
        let refusal = SeenRefusal {
            name: ("b".to_owned(), "e".to_owned()),
            job: uid_of("other"),
            last: None,
            why: "somebody says so".to_owned(),
        };
        assert!(known.refusals.change(Change::Put(refusal)));
        let one = known.of("p").into_iter().find(|own| own.uid == uid_of("one"));
        let pod = one.and_then(|own| own.work.pod).map(|pod| pod.name);
        assert_eq!(pod.as_deref(), Some("one-a"));
        assert_eq!(known.of("q")[0].work.refused, None);
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
