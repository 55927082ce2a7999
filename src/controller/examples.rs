//! What the images of today tell of targets whose answer may rest on them: asked for while it matters, whoever saw the target's own
//! image. Pure.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::gathered::{Case, Gathered};
use crate::plan::work::LookBy;
use crate::plan::{ObjectName, Precedents, kernels_today};

/// When they are asked for again: an image may have been pushed anew, or its registry be back.
const AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Examples(HashMap<ObjectName, Example>);

#[derive(Debug)]
struct Example {
    question: Question,
    known: Option<Precedents>,
    /// When they are asked for; `None` while they are.
    due: Option<Timestamp>,
}

/// What is asked of a target's Module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The fingerprint of what the target's verdict rests on.
    inputs: String,
    /// The kernels that its nodes run today.
    kernels: BTreeSet<String>,
}

/// An answer to that.
#[derive(Clone)]
pub(super) struct Today {
    /// The Module.
    pub(super) name: ObjectName,
    /// What was asked.
    pub(super) question: Question,
    /// How its images of today come by what they need, of those that could be read.
    pub(super) precedents: Precedents,
}

impl Question {
    /// What is to be asked for a case; nothing where no image of today could tell, or where only nodes may look at its images.
    pub(super) fn of(gathered: &Gathered, case: &Case) -> Option<Self> {
        let (target, inputs) = (case.target()?, case.inputs.clone()?);
        if gathered.look_by(case) == LookBy::Runtime {
            return None;
        }
        let kernels = kernels_today(&gathered.around, target);
        let kernels: BTreeSet<String> = kernels.into_iter().map(str::to_owned).collect();
        (!kernels.is_empty()).then_some(Self { inputs, kernels })
    }
}

impl Examples {
    /// What is known of a target's Module, if that is the answer to this question.
    pub(super) fn of(&self, name: &ObjectName, question: &Question) -> Option<&Precedents> {
        let example = self.0.get(name).filter(|example| example.question == *question)?;
        example.known.as_ref()
    }

    /// Takes note of what is asked for now, forgets all else, and returns what nobody is asking for yet.
    pub(super) fn ask(&mut self, wanted: Vec<(ObjectName, Question)>, now: Timestamp) -> Vec<(ObjectName, Question)> {
        let mut before = std::mem::take(&mut self.0);
        let mut due = Vec::new();
        for (name, question) in wanted {
            let known = before.remove(&name).filter(|example| example.question == question);
            let mut example = known.unwrap_or_else(|| Example::new(question.clone(), now));
            if example.due.is_some_and(|moment| moment <= now) {
                example.due = None;
                due.push((name.clone(), question));
            }
            self.0.insert(name, example);
        }
        due
    }

    /// An answer came; one to another question is dropped.
    pub(super) fn record(&mut self, today: Today, now: Timestamp) {
        let example = self.0.get_mut(&today.name);
        if let Some(example) = example.filter(|example| example.question == today.question) {
            example.known = Some(today.precedents);
            example.due = Some(now + AGAIN);
        }
    }

    /// Nobody asks for these any more; what brought no answer is due again after a while.
    pub(super) fn ended(&mut self, asked: &[(ObjectName, Question)], now: Timestamp) {
        for (name, question) in asked {
            if let Some(example) = self.0.get_mut(name).filter(|example| example.question == *question) {
                example.due.get_or_insert(now + AGAIN);
            }
        }
    }

    /// When the next is due, if any is.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.0.values().filter_map(|example| example.due).min()
    }
}

impl Example {
    const fn new(question: Question, now: Timestamp) -> Self {
        Self {
            question,
            known: None,
            due: Some(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::api::PreflightValidationOCP;
    use crate::controller::memory::{Memory, Sight};
    use crate::examine::Seen;
    use crate::image::{LookFailure, LookFailureKind};
    use crate::kernel::{Architecture, KernelVersion};
    use crate::kmod::Ways;
    use crate::kmod::load::{LoadedModules, SignaturePolicy};
    use crate::plan::work::{Next, Workshop};
    use crate::plan::{Loaders, Node, Surroundings};

    const TODAY: &str = "6.1.0";

    fn nic() -> ObjectName {
        ("drivers".to_owned(), "nic".to_owned())
    }

    fn question(kernel: &str) -> Question {
        Question {
            inputs: "one".to_owned(),
            kernels: [kernel.to_owned()].into(),
        }
    }

    fn answer(kernel: &str) -> Today {
        Today {
            name: nic(),
            question: question(kernel),
            precedents: Precedents::new(),
        }
    }

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).unwrap()
    }

    fn ask(examples: &mut Examples, kernel: &str, at: i64) -> usize {
        examples.ask(vec![(nic(), question(kernel))], second(at)).len()
    }

    #[test]
    fn they_are_asked_for_once_and_again_after_a_while() {
        let mut examples = Examples::default();
        assert_eq!(ask(&mut examples, TODAY, 0), 1);
        assert_eq!(
            (ask(&mut examples, TODAY, 9), examples.next_due()),
            (0, None),
            "on its way"
        );
        assert!(examples.of(&nic(), &question(TODAY)).is_none());
        examples.record(answer(TODAY), second(10));
        assert!(examples.of(&nic(), &question(TODAY)).is_some());
        assert_eq!(ask(&mut examples, TODAY, 11), 0);
        let again = examples.next_due().expect("another time");
        assert!(again > second(11));
        assert_eq!(ask(&mut examples, TODAY, again.as_second()), 1);
        assert!(
            examples.of(&nic(), &question(TODAY)).is_some(),
            "until the new answer comes"
        );
    }

    #[test]
    fn another_kernel_on_the_nodes_is_another_question() {
        let mut examples = Examples::default();
        ask(&mut examples, TODAY, 0);
        examples.record(answer(TODAY), second(1));
        assert_eq!(ask(&mut examples, "6.2.0", 2), 1);
        examples.record(answer(TODAY), second(3));
        assert!(
            examples.of(&nic(), &question("6.2.0")).is_none(),
            "an answer to the one before"
        );
        assert!(examples.of(&nic(), &question(TODAY)).is_none());
    }

    #[test]
    fn what_brought_no_answer_is_asked_for_again() {
        let mut examples = Examples::default();
        ask(&mut examples, TODAY, 0);
        examples.ended(&[(nic(), question(TODAY))], second(5));
        let again = examples.next_due().expect("another time");
        assert!(again > second(5));
        assert_eq!(ask(&mut examples, TODAY, again.as_second()), 1);
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_forgotten() {
        let mut examples = Examples::default();
        ask(&mut examples, TODAY, 0);
        examples.ask(Vec::new(), second(1));
        examples.record(answer(TODAY), second(2));
        assert!(examples.of(&nic(), &question(TODAY)).is_none());
        assert_eq!(examples.next_due(), None);
    }

    fn read<T: serde::de::DeserializeOwned>(object: Value) -> T {
        serde_json::from_value(object).expect("read")
    }

    fn workshop() -> Arc<Workshop> {
        Arc::new(Workshop {
            look_by: LookBy::Registry,
            ..crate::plan::tests::workshop()
        })
    }

    /// The Module `drivers/nic`, which is built, on one node, which has `ring` and `sunrpc` loaded today.
    fn to_be_pushed() -> Gathered {
        let build = json!({"dockerfileConfigMap": {"name": "df"}});
        let container = json!({
            "modprobe": {"moduleName": "nic"},
            "kernelMappings": [{"regexp": ".", "containerImage": "r.example.com/nic:1", "build": build}],
        });
        let module = json!({
            "apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "metadata": {"name": "nic", "namespace": "drivers"},
            "spec": {"selector": {}, "moduleLoader": {"container": container}},
        });
        let preflight: PreflightValidationOCP = read(json!({
            "apiVersion": "kmm.sigs.x-k8s.io/v1beta2", "kind": "PreflightValidationOCP", "metadata": {"name": "p", "uid": "1"},
            "spec": {"kernelVersion": "6.9.0", "pushBuiltImage": true},
        }));
        let mut around = Surroundings {
            modules: Some(vec![Arc::new(read(module))]),
            nodes: Some(vec![Node {
                name: "n1".to_owned(),
                kernel: TODAY.to_owned(),
                os_image: String::new(),
                architecture: Architecture::from_name("amd64"),
                labels: [].into(),
            }]),
            loaded: Some([("n1".to_owned(), LoadedModules::of(["ring", "sunrpc"]))].into()),
            loaders: Some(
                [(
                    nic(),
                    Loaders {
                        available: 1,
                        desired: 1,
                    },
                )]
                .into(),
            ),
            ..Surroundings::default()
        };
        let dockerfile = ("drivers".to_owned(), "df".to_owned());
        around
            .supplies
            .dockerfiles
            .insert(dockerfile, Some("FROM scratch".to_owned()));
        around.supplies.dockerfiles_complete = true;
        let kernel = KernelVersion::parse("6.9.0").expect("a kernel");
        Gathered::new(&preflight, kernel, &Arc::new(around), &[].into(), Some(workshop()))
    }

    #[test]
    fn what_is_pushed_waits_for_them_and_is_not_told_that_nodes_have_what_they_load() {
        let (gathered, mut memory) = (to_be_pushed(), Memory::default());
        let case = gathered.case(&nic()).expect("a case");
        memory.learn(gathered.inquiries(), None, second(0));
        assert_eq!(
            gathered.examples_wanted(&memory, second(0)),
            [],
            "nothing is to be made yet"
        );
        let missing = Sight {
            name: nic(),
            inputs: case.inputs.clone().expect("inputs"),
            seen: Seen::Failed(LookFailure::new(LookFailureKind::NotFound, "none")),
        };
        memory.record(missing, second(1), |_, _| false);
        let next = gathered.next(case, &memory, None, second(2));
        assert!(matches!(next, Next::Later(_)), "they are not known: {next:?}");
        let wanted = gathered.examples_wanted(&memory, second(2));
        let asked = memory.examples.ask(wanted, second(2));
        let [(name, question)] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        let ways = Ways {
            itself: ["nic".to_owned(), "ring".to_owned()].into(),
            others: [].into(),
        };
        let today = Today {
            name: name.clone(),
            question: question.clone(),
            precedents: [(TODAY.to_owned(), ways)].into(),
        };
        memory.examples.record(today, second(3));
        let Next::Start { errand, attempt } = gathered.next(case, &memory, None, second(4)) else {
            panic!("nothing is begun");
        };
        let order = gathered.order(case, &memory, (errand, attempt), SignaturePolicy::default());
        let loaded = order.expect("an order").brief.load.loaded;
        assert_eq!(loaded.names().collect::<Vec<_>>(), ["sunrpc"]);
    }
}
