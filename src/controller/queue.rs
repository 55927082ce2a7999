//! Whose Job is begun next: so many at once over all preflights, each preflight in its turn, and in that each namespace. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::plan::ObjectName;

/// How long a place is kept for a Job that was begun and is not seen yet: a creation's deadline, and time for a watch to tell
/// of it. After that it counts only if it is seen.
const PLACE: SignedDuration = SignedDuration::from_secs(30);

/// What preflights wait for, and what has been begun for them.
#[derive(Debug)]
pub(super) struct Queue {
    at_once: usize,
    /// The preflights that wait, by their UIDs, the next one first.
    turns: VecDeque<(String, Waiting)>,
    /// What was begun and is not seen yet, and since when.
    begun: BTreeMap<ObjectName, Timestamp>,
}

/// What one preflight waits for.
#[derive(Debug, Default)]
struct Waiting {
    /// The namespaces of its Jobs, the one whose turn it is first.
    namespaces: VecDeque<String>,
    /// Its Jobs, in the order in which they will be begun.
    jobs: VecDeque<ObjectName>,
}

impl Waiting {
    /// It waits for these Jobs: the first of each namespace, the second of each, and so on. A namespace keeps its turn.
    fn want(&mut self, jobs: impl IntoIterator<Item = ObjectName>) {
        let mut of: BTreeMap<String, VecDeque<ObjectName>> = BTreeMap::new();
        for job in jobs {
            of.entry(job.0.clone()).or_default().push_back(job);
        }
        self.namespaces.retain(|namespace| of.contains_key(namespace));
        let new = of.keys().filter(|namespace| !self.namespaces.contains(namespace));
        let new: Vec<String> = new.cloned().collect();
        self.namespaces.extend(new);
        self.jobs.clear();
        while !of.is_empty() {
            for namespace in &self.namespaces {
                self.jobs.extend(of.get_mut(namespace).and_then(VecDeque::pop_front));
            }
            of.retain(|_, jobs| !jobs.is_empty());
        }
    }

    /// The first Job is begun: the other namespaces have their turns first.
    fn served(&mut self) {
        let Some((namespace, _)) = self.jobs.pop_front() else {
            return;
        };
        self.namespaces.retain(|waiting| *waiting != namespace);
        if self.jobs.iter().any(|(waiting, _)| *waiting == namespace) {
            self.namespaces.push_back(namespace);
        }
    }
}

impl Queue {
    /// Nobody waits. At least one Job is let in at a time.
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            at_once: at_once.max(1),
            turns: VecDeque::new(),
            begun: BTreeMap::new(),
        }
    }

    /// A preflight wants these Jobs, those of each namespace in this order, and none of those that it wanted before. It keeps its turn.
    pub(super) fn want(&mut self, preflight: &str, jobs: impl IntoIterator<Item = ObjectName>) {
        if !self.turns.iter().any(|(waiting, _)| waiting == preflight) {
            self.turns.push_back((preflight.to_owned(), Waiting::default()));
        }
        if let Some((_, waiting)) = self.turns.iter_mut().find(|(waiting, _)| waiting == preflight) {
            waiting.want(jobs);
        }
        self.turns.retain(|(_, waiting)| !waiting.jobs.is_empty());
    }

    /// Takes the Jobs that this preflight may begin now; `unfinished` are those that are seen at work, whosever they are. A free
    /// place is taken by the preflight whose turn it is, which then has its next turn after all others.
    pub(super) fn take(
        &mut self,
        preflight: &str,
        unfinished: &BTreeSet<ObjectName>,
        now: Timestamp,
    ) -> Vec<ObjectName> {
        self.begun
            .retain(|job, since| !unfinished.contains(job) && now.duration_since(*since) < PLACE);
        let free = self.at_once.saturating_sub(unfinished.len() + self.begun.len());
        let mine = self.line().take(free).filter(|(whose, _)| *whose == preflight);
        let mine: Vec<ObjectName> = mine.map(|(_, job)| job.clone()).collect();
        for job in &mine {
            self.begun.insert(job.clone(), now);
            self.served(preflight);
        }
        mine
    }

    /// What was begun came to nothing: its place is free.
    pub(super) fn give_back(&mut self, job: &ObjectName) {
        self.begun.remove(job);
    }

    /// How many Jobs are begun before each that this preflight waits for, as far as is known now.
    pub(super) fn ahead(&self, preflight: &str) -> BTreeMap<ObjectName, usize> {
        let line = self.line().enumerate().filter(|(_, (whose, _))| *whose == preflight);
        line.map(|(ahead, (_, job))| (job.clone(), ahead)).collect()
    }

    /// How many Jobs wait.
    pub(super) fn len(&self) -> usize {
        self.turns.iter().map(|(_, waiting)| waiting.jobs.len()).sum()
    }

    /// The first Job of that preflight is begun: the others have their turns first.
    fn served(&mut self, preflight: &str) {
        let Some(at) = self.turns.iter().position(|(waiting, _)| waiting == preflight) else {
            return;
        };
        if let Some((preflight, mut waiting)) = self.turns.remove(at) {
            waiting.served();
            if !waiting.jobs.is_empty() {
                self.turns.push_back((preflight, waiting));
            }
        }
    }

    /// Everything that waits, in the order in which it will be begun: the first of each preflight, the second of each, and so on.
    fn line(&self) -> impl Iterator<Item = (&str, &ObjectName)> {
        let lengths = self.turns.iter().map(|(_, waiting)| waiting.jobs.len());
        (0..lengths.max().unwrap_or_default()).flat_map(|round| {
            let turns = self.turns.iter();
            turns.filter_map(move |(preflight, waiting)| Some((preflight.as_str(), waiting.jobs.get(round)?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> ObjectName {
        ("a".to_owned(), name.to_owned())
    }

    fn jobs(names: &str) -> Vec<ObjectName> {
        names.split_whitespace().map(job).collect()
    }

    fn names(jobs: impl IntoIterator<Item = ObjectName>) -> String {
        jobs.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" ")
    }

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).unwrap()
    }

    /// Lets every preflight take what it may, again and again, where each Job ends as soon as all that could begin has; returns
    /// what was begun, one group after the other.
    fn groups(queue: &mut Queue, preflights: &[&str]) -> Vec<String> {
        let mut groups = Vec::new();
        for _ in 0..queue.len() {
            if queue.len() == 0 {
                break;
            }
            let mut at_work = BTreeSet::new();
            for preflight in preflights.iter().cycle().take(preflights.len() * 8) {
                at_work.extend(queue.take(preflight, &at_work, second(0)));
            }
            groups.push(names(at_work));
        }
        groups
    }

    #[test]
    fn no_more_are_at_work_than_may_be() {
        for (at_once, expected) in [
            (1, vec!["1", "2", "3", "4", "5", "6"]),
            (2, vec!["1 2", "3 4", "5 6"]),
            (4, vec!["1 2 3 4", "5 6"]),
            (9, vec!["1 2 3 4 5 6"]),
            (0, vec!["1", "2", "3", "4", "5", "6"]),
        ] {
            let mut queue = Queue::new(at_once);
            queue.want("p", jobs("1 2 3 4 5 6"));
            assert_eq!(groups(&mut queue, &["p"]), expected, "{at_once} at once");
        }
    }

    #[test]
    fn each_preflight_has_its_turn_however_many_jobs_another_has() {
        for asked_first in [["p", "q"], ["q", "p"]] {
            let mut queue = Queue::new(2);
            queue.want("p", jobs("p1 p2 p3 p4 p5 p6"));
            queue.want("q", jobs("q1 q2"));
            assert_eq!(groups(&mut queue, &asked_first), ["p1 q1", "p2 q2", "p3 p4", "p5 p6"]);
        }
    }

    /// Jobs like `ns/name`.
    fn jobs_of(names: &str) -> Vec<ObjectName> {
        let named = |name: &str| {
            name.split_once('/')
                .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        };
        names.split_whitespace().filter_map(named).collect()
    }

    #[test]
    fn each_namespace_has_its_turn_however_many_jobs_another_has() {
        for (case, at_once, p, q, expected) in [
            (
                "one preflight",
                1,
                "a/1 a/2 a/3 a/4 b/5",
                "",
                vec!["1", "5", "2", "3", "4"],
            ),
            (
                "its names do not matter",
                1,
                "a/1 b/2 b/3 b/4",
                "",
                vec!["1", "2", "3", "4"],
            ),
            ("three", 3, "a/1 a/2 a/3 b/4 b/5 c/6", "", vec!["1 4 6", "2 3 5"]),
            (
                "two preflights",
                1,
                "a/1 a/2 b/3",
                "a/4 b/5",
                vec!["1", "4", "3", "5", "2"],
            ),
        ] {
            let mut queue = Queue::new(at_once);
            queue.want("p", jobs_of(p));
            queue.want("q", jobs_of(q));
            assert_eq!(groups(&mut queue, &["p", "q"]), expected, "{case}");
        }
    }

    #[test]
    fn a_namespace_keeps_its_turn_when_its_preflight_asks_again() {
        let mut queue = Queue::new(1);
        let none = BTreeSet::new();
        queue.want("p", jobs_of("a/1 a/2 a/3 b/4 b/5"));
        for (left, expected) in [
            ("a/1 a/2 a/3 b/4 b/5", "1"),
            ("a/2 a/3 b/4 b/5", "4"),
            ("a/2 a/3 b/5 c/6", "2"),
            ("a/3 b/5 c/6", "5"),
            ("a/3 c/6", "6"),
            ("a/3", "3"),
        ] {
            queue.want("p", jobs_of(left));
            let begun = queue.take("p", &none, second(0));
            for job in &begun {
                queue.give_back(job);
            }
            assert_eq!(names(begun), expected, "of {left}");
        }
    }

    #[test]
    fn who_comes_later_has_its_turn_next() {
        let mut queue = Queue::new(1);
        queue.want("p", jobs("p1 p2 p3"));
        assert_eq!(names(queue.take("p", &BTreeSet::new(), second(0))), "p1");
        queue.want("p", jobs("p2 p3"));
        queue.want("q", jobs("q1"));
        queue.want("r", jobs("r1"));
        queue.give_back(&job("p1"));
        let after_p1 = groups(&mut queue, &["p", "q", "r"]);
        assert_eq!(
            after_p1,
            ["p2", "q1", "r1", "p3"],
            "whoever waited before those came is first"
        );
    }

    #[test]
    fn the_jobs_that_are_seen_count_whoever_began_them() {
        let mut queue = Queue::new(3);
        queue.want("p", jobs("1 2 3"));
        let found_after_a_restart = jobs("x y").into_iter().collect();
        assert_eq!(names(queue.take("p", &found_after_a_restart, second(0))), "1");
        let all = jobs("x y 1").into_iter().collect();
        assert_eq!(names(queue.take("p", &all, second(1))), "");
        let more_than_may_be = jobs("x y 1 z").into_iter().collect();
        assert_eq!(names(queue.take("p", &more_than_may_be, second(1))), "");
    }

    #[test]
    fn a_job_that_was_begun_counts_before_it_is_seen_but_not_for_ever() {
        let mut queue = Queue::new(1);
        queue.want("p", jobs("1 2"));
        let none = BTreeSet::new();
        assert_eq!(names(queue.take("p", &none, second(0))), "1");
        assert_eq!(names(queue.take("p", &none, second(29))), "");
        assert_eq!(
            names(queue.take("p", &none, second(30))),
            "2",
            "somebody deleted it at once"
        );
    }

    #[test]
    fn a_place_that_came_to_nothing_is_free_at_once() {
        let mut queue = Queue::new(1);
        queue.want("p", jobs("1"));
        queue.want("q", jobs("2"));
        let none = BTreeSet::new();
        assert_eq!(names(queue.take("p", &none, second(0))), "1");
        queue.give_back(&job("1"));
        assert_eq!(names(queue.take("q", &none, second(0))), "2");
    }

    #[test]
    fn a_free_place_waits_for_whose_turn_it_is() {
        let mut queue = Queue::new(1);
        queue.want("p", jobs("1"));
        queue.want("q", jobs("2"));
        let none = BTreeSet::new();
        assert_eq!(names(queue.take("q", &none, second(0))), "");
        queue.want("p", []);
        assert_eq!(names(queue.take("q", &none, second(0))), "2");
    }

    #[test]
    fn who_waits_knows_how_many_are_before() {
        let mut queue = Queue::new(1);
        queue.want("p", jobs("p1 p2 p3"));
        queue.want("q", jobs("q1 q2"));
        let ahead = |queue: &Queue, preflight| queue.ahead(preflight).into_values().collect::<Vec<_>>();
        assert_eq!(ahead(&queue, "p"), [0, 2, 4]);
        assert_eq!(ahead(&queue, "q"), [1, 3]);
        queue.take("p", &BTreeSet::new(), second(0));
        assert_eq!(ahead(&queue, "q"), [0, 2]);
        assert_eq!(ahead(&queue, "p"), [1, 3]);
        queue.want("q", []);
        assert_eq!((ahead(&queue, "p"), queue.len()), (vec![0, 1], 2));
    }
}
