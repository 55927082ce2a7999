//! What is known of the Jobs of one target: those that are there, and what those came to that are gone. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::api::ModuleStatus;
use crate::cluster::OwnJob;
use crate::plan::ObjectName;
use crate::plan::work::{Ended, Errand, Work, Works, progress};

/// How long a Job that was begun is taken to be there before a watch tells of it.
const UNSEEN: SignedDuration = SignedDuration::from_secs(30);
/// How long a pod that is there may take to be seen to have ended after its Job has. The two are watched apart, and an API server
/// with much to do tells of one long after the other; what the pod says is the answer, and without it the work is done again.
const LAST_WORDS: SignedDuration = SignedDuration::from_secs(60);
/// The same where no pod is seen: it is gone, most likely, and says nothing any more.
const NO_WORDS: SignedDuration = SignedDuration::from_secs(10);
/// How long what the API server refused is left alone.
const REFUSED: SignedDuration = SignedDuration::from_secs(30);
/// How long it is left alone where it gave no answer, or still deletes a Job of that name.
const UNANSWERED: SignedDuration = SignedDuration::from_secs(3);

/// What is known of a target's work.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The fingerprint of the work, once its Secrets are known.
    fingerprint: Option<String>,
    pages: Pages,
    /// The Jobs that have ended while their pods are not seen to have, and since when.
    speechless: BTreeMap<ObjectName, Timestamp>,
}

/// What is known of making and of looking. Of most targets it is nothing, and then it takes no room: a thousand of them
/// have 3 MiB otherwise.
#[derive(Debug, Default)]
struct Pages(Option<Box<[Page; 2]>>);

/// What is known of one kind of work.
#[derive(Debug, Default)]
struct Page {
    /// What the last Job came to, or why there is none.
    last: Work,
    /// The Job that is at work.
    underway: Option<Work>,
    /// The same, where it was begun and is not seen yet, and when it was begun.
    begun: Option<(Work, Timestamp)>,
    /// What waits for its turn.
    queued: Option<Work>,
    /// Nothing is begun before this moment.
    not_before: Option<Timestamp>,
    /// The Jobs that are there and whose end is known.
    read: BTreeSet<ObjectName>,
}

/// What came of beginning a Job.
#[derive(Clone, Debug)]
pub(super) enum Begun {
    /// It is there.
    Yes,
    /// The API server refuses it, in its own words.
    Refused(String),
    /// Nobody knows.
    Unknown,
}

impl Ledger {
    /// What another process knew and wrote into a row: what its Job came to.
    pub(super) fn remembering(row: &ModuleStatus) -> Self {
        let mut ledger = Self::default();
        ledger.pages.of(true).last = Work::Remembered(Box::new(row.clone()));
        ledger
    }

    /// Learns which work this is. Other work is begun anew: what was known is of no more use. Whether it is other work.
    pub(super) fn learn(&mut self, fingerprint: Option<&str>, is_of: impl Fn(&ModuleStatus) -> bool) -> bool {
        let Some(fingerprint) = fingerprint.filter(|new| self.fingerprint.as_deref() != Some(*new)) else {
            return false;
        };
        let was_known = self.fingerprint.replace(fingerprint.to_owned()).is_some();
        let another = |page: &Page| matches!(&page.last, Work::Remembered(row) if !is_of(row));
        if was_known || self.pages.get(true).is_some_and(another) {
            self.pages = Pages::default();
        }
        was_known
    }

    /// Looks at the Jobs that are there for this work, the oldest first. Returns those that have ended since the last time.
    pub(super) fn see<'a>(&mut self, jobs: impl IntoIterator<Item = &'a OwnJob>, now: Timestamp) -> Vec<Work> {
        let mut ended = Vec::new();
        let mut there = BTreeSet::new();
        self.pages.each().for_each(|page| page.underway = None);
        for own in jobs.into_iter().filter(|own| !own.is_followed) {
            let (seen, work) = (&own.work, self.progress(own, now));
            there.insert(seen.job.clone());
            let makes = work.errand().map(Errand::makes);
            ended.extend(makes.and_then(|makes| self.pages.of(makes).see(&seen.job, work)));
        }
        self.speechless.retain(|job, _| there.contains(job));
        for page in self.pages.each() {
            page.read.retain(|job| there.contains(job));
            page.forget_unseen(now);
        }
        ended
    }

    /// What a Job is at. One that has ended is still at work until its pod, which tells what came of it, is seen to have ended too.
    fn progress(&mut self, own: &OwnJob, now: Timestamp) -> Work {
        let seen = &own.work;
        let phase = seen.pod.as_ref().map(|pod| pod.phase.as_str());
        if seen.end.is_none() || matches!(phase, Some("Succeeded" | "Failed")) {
            return own.progress();
        }
        let patience = if phase.is_some() { LAST_WORDS } else { NO_WORDS };
        let since = *self.speechless.entry(seen.job.clone()).or_insert(now);
        if now.duration_since(since) >= patience {
            return own.progress();
        }
        let mut at_work = seen.clone();
        at_work.end = None;
        progress(&at_work)
    }

    /// Whether what a Job came to is known.
    pub(super) fn has_read(&self, job: &ObjectName) -> bool {
        self.pages.all().any(|page| page.read.contains(job))
    }

    /// When something is known that is not known now, though nothing changes: none of these is later than needed.
    pub(super) fn wakes(&self) -> impl Iterator<Item = Timestamp> {
        let unseen = self
            .pages
            .all()
            .filter_map(|page| Some(page.begun.as_ref()?.1 + UNSEEN));
        let speechless = self.speechless.values();
        unseen.chain(speechless.flat_map(|since| [*since + NO_WORDS, *since + LAST_WORDS]))
    }

    /// What decisions rest on.
    pub(super) fn works(&self) -> Works {
        Works {
            make: self.pages.get(true).map(Page::known).unwrap_or_default(),
            look: self.pages.get(false).map(Page::known_look).unwrap_or_default(),
        }
    }

    /// The same, with what waits for its turn.
    pub(super) fn told(&self) -> Works {
        let mut works = self.works();
        works.make = self.pages.queued(true).unwrap_or(works.make);
        // A look that is made again has its answer meanwhile.
        if !matches!(works.look, Work::Ended { .. }) {
            works.look = self.pages.queued(false).unwrap_or(works.look);
        }
        works
    }

    /// When the next Job may be begun.
    pub(super) fn not_before(&self, errand: &Errand) -> Option<Timestamp> {
        self.pages.get(errand.makes())?.not_before
    }

    /// Nothing waits for its turn, until [`Self::wait`] says so.
    pub(super) fn wait_no_more(&mut self) {
        self.pages.each().for_each(|page| page.queued = None);
    }

    /// So many Jobs are begun before this one.
    pub(super) fn wait(&mut self, errand: Errand, attempt: u32, ahead: usize) {
        let page = self.pages.of(errand.makes());
        page.queued = Some(Work::Queued { errand, attempt, ahead });
    }

    /// A Job was begun, or was not.
    pub(super) fn begin(&mut self, job: ObjectName, (errand, attempt): (Errand, u32), begun: Begun, now: Timestamp) {
        let page = self.pages.of(errand.makes());
        page.queued = None;
        page.not_before = None;
        match begun {
            Begun::Yes => {
                let work = Work::Underway {
                    job,
                    errand,
                    step: None,
                    since: now,
                    hindrance: None,
                };
                page.begun = Some((work, now));
            }
            Begun::Refused(why) => {
                page.not_before = Some(now + REFUSED);
                if errand.makes() || !matches!(page.last, Work::Ended { .. }) {
                    page.last = Work::Refused {
                        errand,
                        attempt,
                        why,
                        at: now,
                    };
                }
            }
            Begun::Unknown => page.not_before = Some(now + UNANSWERED),
        }
    }
}

impl Pages {
    /// What is known of making, or of looking, where anything is.
    fn get(&self, makes: bool) -> Option<&Page> {
        let [make, look] = self.0.as_deref()?;
        Some(if makes { make } else { look })
    }

    /// The same, to be written on.
    fn of(&mut self, makes: bool) -> &mut Page {
        let [make, look] = &mut **self.0.get_or_insert_default();
        if makes { make } else { look }
    }

    fn queued(&self, makes: bool) -> Option<Work> {
        self.get(makes)?.queued.clone()
    }

    fn all(&self) -> impl Iterator<Item = &Page> {
        self.0.iter().flat_map(|pages| pages.iter())
    }

    fn each(&mut self) -> impl Iterator<Item = &mut Page> {
        self.0.iter_mut().flat_map(|pages| pages.iter_mut())
    }
}

impl Page {
    /// A Job is there; if it has ended, and nobody knew, it comes back.
    fn see(&mut self, job: &ObjectName, work: Work) -> Option<Work> {
        let is_this = |begun: &Work| matches!(begun, Work::Underway { job: begun, .. } if begun == job);
        self.begun = self.begun.take().filter(|(begun, _)| !is_this(begun));
        match &work {
            Work::Underway { .. } => self.underway = Some(work),
            Work::Ended { .. } if self.read.insert(job.clone()) => {
                self.last = work.clone();
                return Some(work);
            }
            _ => {}
        }
        None
    }

    fn forget_unseen(&mut self, now: Timestamp) {
        self.begun = self.begun.take().filter(|(_, at)| now.duration_since(*at) < UNSEEN);
    }

    fn known(&self) -> Work {
        let begun = self.begun.as_ref().map(|(work, _)| work);
        self.underway.as_ref().or(begun).unwrap_or(&self.last).clone()
    }

    /// What is known of looks: while one is made again, what the one before came to.
    fn known_look(&self) -> Work {
        match &self.last {
            Work::Ended { .. } => self.last.clone(),
            _ => self.known(),
        }
    }
}

/// What a Job came to, as one word for metrics and Events.
pub(super) fn outcome(ended: &Ended) -> &'static str {
    match ended {
        Ended::Judged { .. } => "judged",
        Ended::Unseen(_) => "unseen",
        Ended::Failed { .. } => "failed",
        Ended::Interrupted { .. } => "interrupted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::tests::{ended_job, job_at_work, named};
    use crate::plan::work::Push;

    const MAKE: Errand = Errand::Make { push: Push::Never };

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).unwrap()
    }

    /// What is known, as one word.
    fn word(work: &Work) -> &'static str {
        match work {
            Work::None => "none",
            Work::Queued { .. } => "queued",
            Work::Refused { .. } => "refused",
            Work::Underway { .. } => "underway",
            Work::Ended { ended, .. } => outcome(ended),
            Work::Remembered(_) => "remembered",
        }
    }

    fn made(ledger: &Ledger) -> &'static str {
        word(&ledger.works().make)
    }

    #[test]
    fn a_job_is_at_work_from_its_beginning_and_what_it_came_to_outlives_it() {
        let mut ledger = Ledger::default();
        ledger.begin(named("j"), (MAKE, 1), Begun::Yes, second(0));
        assert_eq!(made(&ledger), "underway", "though no watch has told of it");
        assert!(ledger.see([&job_at_work("j", "make")], second(1)).is_empty());
        assert_eq!(made(&ledger), "underway");
        let ended = ended_job("j", "make", true);
        assert_eq!(
            ledger.see([&ended], second(2)).iter().map(word).collect::<Vec<_>>(),
            ["judged"]
        );
        assert!(ledger.see([&ended], second(3)).is_empty(), "told once");
        assert!(ledger.has_read(&named("j")));
        assert!(ledger.see([], second(4)).is_empty());
        assert_eq!(made(&ledger), "judged");
    }

    #[test]
    fn a_job_that_is_never_seen_is_forgotten_and_one_that_was_deleted_too() {
        let mut ledger = Ledger::default();
        ledger.begin(named("j"), (MAKE, 1), Begun::Yes, second(0));
        ledger.see([], second(29));
        assert_eq!(made(&ledger), "underway");
        ledger.see([], second(30));
        assert_eq!(made(&ledger), "none");
        ledger.see([&job_at_work("j", "make")], second(31));
        ledger.see([], second(32));
        assert_eq!(made(&ledger), "none", "somebody deleted it");
    }

    #[test]
    fn of_several_jobs_the_last_one_counts_and_each_is_told_once() {
        // "is-136": upstream gives up where there are two.
        let mut ledger = Ledger::default();
        let (first, second_job) = (ended_job("1", "make", false), ended_job("2", "make", true));
        let told = ledger.see([&first, &second_job], second(0));
        assert_eq!(told.iter().map(word).collect::<Vec<_>>(), ["failed", "judged"]);
        assert!(ledger.see([&first, &second_job], second(1)).is_empty());
        assert!(ledger.see([&first], second(2)).is_empty());
        assert_eq!(made(&ledger), "judged");
    }

    #[test]
    fn a_job_that_has_ended_is_read_when_its_pod_has_had_its_last_words() {
        let mut ledger = Ledger::default();
        let mut ended = ended_job("j", "make", true);
        if let Some(pod) = &mut ended.work.pod {
            pod.phase = "Running".to_owned();
        }
        assert!(ledger.see([&ended], second(0)).is_empty());
        assert_eq!(made(&ledger), "underway");
        assert!(ledger.wakes().any(|moment| moment == second(60)));
        assert!(ledger.see([&ended], second(59)).is_empty(), "an API server may be slow");
        assert_eq!(ledger.see([&ended], second(60)).len(), 1, "not for ever");
    }

    #[test]
    fn a_job_whose_pod_is_gone_is_not_waited_for_as_long() {
        let mut ledger = Ledger::default();
        let mut ended = ended_job("j", "make", true);
        ended.work.pod = None;
        assert!(ledger.see([&ended], second(0)).is_empty());
        assert!(ledger.wakes().any(|moment| moment == second(10)));
        assert_eq!(ledger.see([&ended], second(10)).len(), 1);
    }

    #[test]
    fn what_is_refused_is_left_alone_for_a_while() {
        let mut ledger = Ledger::default();
        ledger.begin(named("j"), (MAKE, 1), Begun::Refused("quota".to_owned()), second(0));
        assert_eq!((made(&ledger), ledger.not_before(&MAKE)), ("refused", Some(second(30))));
        ledger.begin(named("j"), (MAKE, 1), Begun::Unknown, second(30));
        assert_eq!(ledger.not_before(&MAKE), Some(second(33)));
        ledger.begin(named("j"), (MAKE, 1), Begun::Yes, second(33));
        assert_eq!((made(&ledger), ledger.not_before(&MAKE)), ("underway", None));
    }

    #[test]
    fn a_look_that_is_made_again_keeps_its_answer_meanwhile() {
        let mut ledger = Ledger::default();
        ledger.see([&ended_job("1", "look", true)], second(0));
        ledger.wait(Errand::Look, 2, 3);
        assert_eq!(word(&ledger.told().look), "judged");
        ledger.see([&job_at_work("2", "look")], second(1));
        assert_eq!(word(&ledger.told().look), "judged");
        ledger.wait(MAKE, 1, 3);
        assert_eq!(word(&ledger.told().make), "queued");
        assert_eq!(made(&ledger), "none", "decisions rest on what is there");
    }

    #[test]
    fn other_work_is_begun_anew() {
        let mut ledger = Ledger::default();
        assert!(!ledger.learn(Some("one"), |_| true));
        ledger.see([&ended_job("1", "make", false)], second(0));
        for (fingerprint, is_other) in [(None, false), (Some("one"), false), (Some("two"), true)] {
            assert_eq!(ledger.learn(fingerprint, |_| true), is_other, "{fingerprint:?}");
            assert_eq!(made(&ledger), if is_other { "none" } else { "failed" });
        }
    }
}
