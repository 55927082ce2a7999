//! One preflight and what is known around it → what is to be decided: every Module resolved, with the fingerprint of
//! what its verdict rests on. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::examples::Question;
use super::ledger::Ledger;
use super::memory::{Inquiry, Known, Memory};
use crate::api::{ModuleStatus, PreflightStatus, PreflightValidationOCP, VerificationStatus};
use crate::kernel::{Architecture, KernelVersion};
use crate::kmod::load::SignaturePolicy;
use crate::plan::work::{
    self, ATTEMPTS, Ended, Errand, LookBy, Next, Order, Owner, Push, Request, Work, Works, Workshop, fingerprint,
    job_name,
};
use crate::plan::{
    self, Answer, Evidence, KnownSecret, Look, NO_PRECEDENTS, Node, ObjectName, Pods, Subject, Supplies, Surroundings,
    Target, Unreadable, Verdict, World,
};

/// How long what is to be pushed waits until it is known what nodes have loaded, and what their images of today tell: it is judged by
/// that once, and what has not come by then may never come.
const NODES_PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// Everything that one preflight's decisions rest on, apart from its images.
pub(super) struct Gathered {
    /// The target kernel.
    pub(super) kernel: KernelVersion,
    /// Its driver toolkit: the preflight's own, else the one that the administrator named for the kernel.
    pub(super) toolkit_image: Option<String>,
    /// The Modules, resolved.
    pub(super) cases: Vec<Case>,
    push_built_image: bool,
    supplies: Supplies,
    /// The cluster as it was known.
    pub(super) around: Arc<Surroundings>,
    owner: Owner,
    workshop: Option<Arc<Workshop>>,
}

/// One Module of a preflight.
pub(super) struct Case {
    /// Its namespace and name.
    pub(super) name: ObjectName,
    /// What it comes to.
    pub(super) subject: Subject,
    /// The architecture of the nodes that it selects, where all of them agree.
    pub(super) architecture: Option<Architecture>,
    /// The fingerprint of what its verdict rests on, where it has a target.
    pub(super) inputs: Option<String>,
    /// The fingerprint of the Secrets that it is built with and signed by, where it has a target and they are known.
    pub(super) secrets: Option<String>,
    /// The fingerprint of its work in pods, where it has a target, something runs in pods, and its Secrets are known.
    pub(super) work: Option<String>,
}

impl Gathered {
    /// Resolves every Module for a preflight's kernel.
    pub(super) fn new(
        preflight: &PreflightValidationOCP,
        kernel: KernelVersion,
        around: &Arc<Surroundings>,
        secrets: &BTreeMap<ObjectName, KnownSecret>,
        workshop: Option<Arc<Workshop>>,
    ) -> Self {
        let spec = &preflight.spec;
        let toolkit_image = spec
            .dtk_image
            .clone()
            .or_else(|| around.toolkit(&kernel).map(str::to_owned));
        let nodes = around.nodes.as_deref().unwrap_or_default();
        let modules = around.modules.as_deref().unwrap_or_default();
        let mut gathered = Self {
            toolkit_image,
            push_built_image: spec.push_built_image.unwrap_or_default(),
            cases: modules
                .iter()
                .map(|module| {
                    let selected = selected(nodes, &module.spec.selector);
                    Case::new(Subject::resolve_among(module, &kernel, &selected), &selected)
                })
                .collect(),
            kernel,
            supplies: Supplies {
                secrets: secrets.clone(),
                ..around.supplies.clone()
            },
            around: Arc::clone(around),
            owner: owner(preflight),
            workshop,
        };
        gathered.cases.sort_by(|a, b| a.name.cmp(&b.name));
        gathered.take_fingerprints();
        gathered
    }

    fn take_fingerprints(&mut self) {
        let mut cases = std::mem::take(&mut self.cases);
        for case in &mut cases {
            let target = case.subject.target();
            case.inputs = target.map(|target| plan::inputs(target, &self.world(), case.architecture));
            case.secrets = target.and_then(|target| plan::secret_versions(target, &self.supplies));
            let with_pods = target.filter(|target| self.workshop.is_some() && self.is_read(target));
            case.work = with_pods.and_then(|target| fingerprint(&self.world(), target, &self.owner, case.architecture));
        }
        self.cases = cases;
    }

    /// Whether its Dockerfile is known, if it has one. One that could not be read is no other Dockerfile.
    fn is_read(&self, target: &Target) -> bool {
        let map = target.build.as_ref().map(|build| &build.dockerfile_config_map.name);
        let name = map.map(|map| (target.namespace.clone(), map.clone()));
        name.is_none_or(|name| !self.supplies.unread.contains(&name))
    }

    fn world(&self) -> World<'_> {
        World {
            subjects: &[],
            supplies: &self.supplies,
            toolkit_image: self.toolkit_image.as_deref(),
            push_built_image: self.push_built_image,
            pods: self.workshop.as_deref().map_or(Pods::Forbidden, Pods::Run),
        }
    }

    /// What is asked of the targets.
    pub(super) fn inquiries(&self) -> impl Iterator<Item = Inquiry<'_>> {
        self.cases.iter().filter_map(|case| {
            Some(Inquiry {
                name: case.name.clone(),
                inputs: case.inputs.as_deref()?,
                needs_secrets: !plan::making_secrets(case.target()?).is_empty(),
                secrets: case.secrets.as_deref(),
            })
        })
    }

    /// The Secrets that the targets name for building and signing.
    pub(super) fn secrets(&self) -> BTreeSet<ObjectName> {
        let targets = self.cases.iter().filter_map(Case::target);
        let of = |target: &Target| -> Vec<ObjectName> {
            let names = work::secrets(target).into_iter();
            names.map(|name| (target.namespace.clone(), name.to_owned())).collect()
        };
        targets.flat_map(of).collect()
    }

    /// How many rows the status has.
    pub(super) fn rows(&self) -> usize {
        self.cases.len() + self.around.unreadable.len()
    }

    /// The case of that Module.
    pub(super) fn case(&self, name: &ObjectName) -> Option<&Case> {
        let at = self.cases.binary_search_by(|case| case.name.cmp(name)).ok()?;
        self.cases.get(at)
    }

    /// Whether the answer on a Module stands for good with what was just seen of it: until an input changes. What nodes
    /// have loaded is none, so what rests on that is looked at again.
    pub(super) fn is_final(&self, name: &ObjectName, look: &Look, works: &Works, now: Timestamp) -> bool {
        let is_success = |case: &Case| {
            let verdict = plan::verdict(&self.world(), &case.subject, look, works, now);
            verdict.status == VerificationStatus::Success
        };
        !plan::wants_evidence(look, works) && self.case(name).is_some_and(is_success)
    }

    fn verdict_on(&self, case: &Case, memory: &Memory, seen: (&Look, &Works), now: Timestamp) -> Verdict {
        match self.evidence_wanted(case, memory, seen) {
            Some(evidence) => evidence.verdict(&self.world(), &case.subject, seen, now),
            None => plan::verdict(&self.world(), &case.subject, seen.0, seen.1, now),
        }
    }

    /// What is known of the modules that the nodes of a case have loaded, where its answer depends on that.
    fn evidence_wanted<'a>(&'a self, case: &Case, memory: &'a Memory, seen: (&Look, &Works)) -> Option<Evidence<'a>> {
        let wanted = plan::wants_evidence(seen.0, seen.1);
        wanted.then(|| self.evidence(case, memory)).flatten()
    }

    fn evidence<'a>(&'a self, case: &Case, memory: &'a Memory) -> Option<Evidence<'a>> {
        let precedents = match Question::of(self, case) {
            Some(question) => memory.examples.of(&case.name, &question),
            None => Some(NO_PRECEDENTS),
        };
        Some(Evidence::of_cluster(&self.around, case.target()?, precedents))
    }

    /// The Modules whose answer rests on what they load today, with what is to be asked of that.
    pub(super) fn examples_wanted(&self, memory: &Memory, now: Timestamp) -> Vec<(ObjectName, Question)> {
        let would_push = |case: &Case| self.push_built_image && self.next_if_known(case, memory, now).pushes();
        let wanted = self
            .cases
            .iter()
            .filter(|case| memory.wants_evidence(&case.name) || would_push(case));
        wanted
            .filter_map(|case| Some((case.name.clone(), Question::of(self, case)?)))
            .collect()
    }

    /// Whether the answer on any Module depends on what its nodes have loaded, or may once it was made and is to be pushed.
    pub(super) fn wants_evidence(&self, memory: &Memory) -> bool {
        let wants = |case: &Case| memory.wants_evidence(&case.name) || self.may_push(case, memory);
        self.cases.iter().any(wants)
    }

    /// Whether an image may still be made for a case and pushed: it would be judged by what nodes have loaded then.
    fn may_push(&self, case: &Case, memory: &Memory) -> bool {
        let is_made = || match memory.ledger(&case.name).map(|ledger| ledger.works().make) {
            Some(Work::Ended { errand, ended, .. }) => errand.pushes() && !matches!(ended, Ended::Interrupted { .. }),
            Some(Work::Remembered(_)) => true,
            _ => false,
        };
        let can_be = self.push_built_image && case.target().is_some_and(Target::can_be_made);
        can_be && !memory.is_final(&case.name) && !is_made()
    }

    /// The answer for a case, by all that is known of it.
    pub(super) fn answer(&self, case: &Case, memory: &Memory, now: Timestamp) -> Verdict {
        match memory.known(&case.name) {
            Known::Look(look) => self.verdict_on(case, memory, (&look, &memory.told(&case.name)), now),
            Known::Row(row) => Verdict::of_row(&row),
        }
    }

    /// What is to be started for a case in a pod. What is pushed is judged by what was known when it was begun: that waits for it, but
    /// not for ever. `held`: since when it waits.
    pub(super) fn next(&self, case: &Case, memory: &Memory, held: Option<Timestamp>, now: Timestamp) -> Next {
        let next = self.next_if_known(case, memory, now);
        let until = held.unwrap_or(now) + NODES_PATIENCE;
        if now < until && next.pushes() && self.is_awaited(case, memory) {
            Next::Later(until)
        } else {
            next
        }
    }

    /// Whether what is to be pushed for a case waits until it is known what nodes have loaded.
    pub(super) fn is_held(&self, case: &Case, memory: &Memory, now: Timestamp) -> bool {
        self.push_built_image && self.next_if_known(case, memory, now).pushes() && self.is_awaited(case, memory)
    }

    fn is_awaited(&self, case: &Case, memory: &Memory) -> bool {
        let evidence = self.evidence(case, memory);
        evidence.is_some_and(|evidence| evidence.is_awaited())
    }

    fn next_if_known(&self, case: &Case, memory: &Memory, now: Timestamp) -> Next {
        let works = memory.ledger(&case.name).map(Ledger::works).unwrap_or_default();
        let Known::Look(look) = memory.known(&case.name) else {
            return Next::Nothing;
        };
        match self.evidence_wanted(case, memory, (&look, &works)) {
            Some(evidence) => evidence.next(&self.world(), &case.subject, (&look, &works), now),
            None => plan::next(&self.world(), &case.subject, &look, &works, now),
        }
    }

    /// How the image of a case is looked at.
    pub(super) fn look_by(&self, case: &Case) -> LookBy {
        let world = self.world();
        case.target().map_or(LookBy::Registry, |target| world.look_by(target))
    }

    /// Writes out what is to be done for a case.
    ///
    /// # Errors
    /// What is missing for it, each as a sentence.
    pub(super) fn order(
        &self,
        case: &Case,
        memory: &Memory,
        (errand, attempt): (Errand, u32),
        signatures: SignaturePolicy,
    ) -> Result<Order, Vec<String>> {
        // Whatever is not pushed is weighed once it was judged.
        let evidence = self.evidence(case, memory).filter(|_| errand.pushes());
        let request = Request {
            owner: &self.owner,
            target: case.target().ok_or_else(Vec::new)?,
            errand,
            attempt,
            architecture: case.architecture,
            signatures,
            loaded: evidence
                .map(|evidence| evidence.loaded_everywhere())
                .unwrap_or_default(),
        };
        work::order(&self.world(), request)
    }

    /// The status that says what is known: a row for every Module, in order.
    pub(super) fn status(
        &self,
        memory: &Memory,
        previous: Option<&PreflightStatus>,
        generation: Option<i64>,
        now: Timestamp,
    ) -> PreflightStatus {
        let mut answers: Vec<Answer> = self
            .cases
            .iter()
            .map(|case| Answer {
                namespace: case.name.0.clone(),
                name: case.name.1.clone(),
                verdict: self.answer(case, memory, now),
                // What rests on evidence is no answer for good: another process is to look for itself.
                inputs: memory.inputs(&case.name).filter(|_| !memory.wants_evidence(&case.name)),
            })
            .chain(self.around.unreadable.iter().map(unreadable))
            .collect();
        answers.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        plan::fit(plan::status(previous, generation, answers, now), plan::STATUS_LIMIT)
    }
}

impl Case {
    fn new(subject: Subject, nodes: &[&Node]) -> Self {
        let name = (subject.namespace.clone(), subject.name.clone());
        let mut architectures = nodes.iter().map(|node| node.architecture);
        let first = architectures.next().flatten();
        Self {
            name,
            subject,
            architecture: first.filter(|_| architectures.all(|other| other == first)),
            inputs: None,
            secrets: None,
            work: None,
        }
    }

    /// The Job that does this for it; not known before its Secrets are.
    pub(super) fn job(&self, errand: &Errand, attempt: u32) -> Option<ObjectName> {
        Some(job_name(self.target()?, self.work.as_deref()?, errand, attempt))
    }

    /// Whether a row rests on a Job that made an image for it, from what is known now.
    pub(super) fn is_made_by(&self, row: &ModuleStatus) -> bool {
        let errands = [Push::Never, Push::IfFree].map(|push| Errand::Make { push });
        let jobs = errands
            .iter()
            .flat_map(|errand| (1..=ATTEMPTS).filter_map(|attempt| self.job(errand, attempt)));
        let mut names = jobs.map(|(namespace, name)| format!("{namespace}/{name}"));
        names.any(|name| row.job.as_ref() == Some(&name))
    }

    /// Its target, where it has one.
    pub(super) fn target(&self) -> Option<&Target> {
        self.subject.target()
    }
}

fn owner(preflight: &PreflightValidationOCP) -> Owner {
    Owner {
        name: preflight.metadata.name.clone().unwrap_or_default(),
        uid: preflight.metadata.uid.clone().unwrap_or_default(),
    }
}

fn selected<'a>(nodes: &'a [Node], selector: &BTreeMap<String, String>) -> Vec<&'a Node> {
    nodes.iter().filter(|node| node.is_selected_by(selector)).collect()
}

fn unreadable(module: &Unreadable) -> Answer {
    Answer {
        namespace: module.namespace.clone(),
        name: module.name.clone(),
        verdict: Verdict::unreadable(&module.why),
        inputs: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Module;
    use crate::controller::memory::Sight;
    use crate::examine::Seen;
    use crate::image::{Digest, LookFailure, LookFailureKind};
    use crate::kmod::load::LoadedModules;

    const KERNEL: &str = "6.1.0-50-amd64";

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).unwrap()
    }

    fn workshop() -> Workshop {
        Workshop {
            look_by: LookBy::Registry,
            ..plan::tests::workshop()
        }
    }

    fn buildable() -> Module {
        let container = json!({
            "modprobe": {"moduleName": "nic"},
            "kernelMappings": [{"regexp": ".", "containerImage": "r/nic:1", "build": {"dockerfileConfigMap": {"name": "df"}}}],
        });
        let module = json!({
            "apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "metadata": {"namespace": "a", "name": "nic"},
            "spec": {"selector": {}, "moduleLoader": {"container": container}},
        });
        serde_json::from_value(module).unwrap()
    }

    /// A preflight, in a cluster with one Module whose image can be built.
    fn gathered(pushes: bool, loaded: Option<BTreeMap<String, LoadedModules>>) -> Gathered {
        let preflight = json!({
            "apiVersion": "kmm.sigs.x-k8s.io/v1beta2", "kind": "PreflightValidationOCP", "metadata": {"name": "p", "uid": "u"},
            "spec": {"kernelVersion": KERNEL, "pushBuiltImage": pushes},
        });
        let around = Surroundings {
            modules: Some(vec![Arc::new(buildable())]),
            supplies: Supplies {
                dockerfiles: [(("a".to_owned(), "df".to_owned()), Some("FROM scratch".to_owned()))].into(),
                ..Supplies::default()
            },
            loaded,
            loaders: Some(BTreeMap::new()),
            ..Surroundings::default()
        };
        let preflight = serde_json::from_value(preflight).unwrap();
        let kernel = KernelVersion::parse(KERNEL).unwrap();
        let workshop = Some(Arc::new(workshop()));
        Gathered::new(&preflight, kernel, &Arc::new(around), &BTreeMap::new(), workshop)
    }

    /// What is known when looking at the Module's image came to this.
    fn knowing(gathered: &Gathered, seen: Seen) -> Memory {
        let mut memory = Memory::default();
        memory.learn(gathered.inquiries(), None, second(0));
        let case = &gathered.cases[0];
        let sight = Sight {
            name: case.name.clone(),
            inputs: case.inputs.clone().unwrap(),
            seen,
        };
        let works = Works::default();
        memory.record(sight, second(0), |name, look| {
            gathered.is_final(name, look, &works, second(0))
        });
        memory
    }

    fn missing() -> Seen {
        Seen::Failed(LookFailure::new(LookFailureKind::NotFound, "there is none"))
    }

    #[test]
    fn what_is_to_be_pushed_waits_for_what_nodes_have_loaded_but_not_for_ever() {
        let known = || Some(BTreeMap::new());
        let until = second(10) + NODES_PATIENCE;
        for (case, pushes, loaded, held, now, waits) in [
            ("nodes are asked", true, None, Some(second(10)), second(11), true),
            ("and never answer", true, None, Some(second(10)), until, false),
            ("they are asked from now on", true, None, None, second(10), true),
            ("they have answered", true, known(), None, second(11), false),
            ("nothing is pushed", false, None, None, second(11), false),
        ] {
            let is_known = loaded.is_some();
            let gathered = gathered(pushes, loaded);
            let memory = knowing(&gathered, missing());
            let nic = &gathered.cases[0];
            assert_eq!(gathered.is_held(nic, &memory, now), pushes && !is_known, "{case}");
            match gathered.next(nic, &memory, held, now) {
                Next::Later(moment) => assert!(waits && moment == until, "{case}"),
                Next::Start { errand, .. } => assert!(!waits && errand.pushes() == pushes, "{case}"),
                Next::Nothing => panic!("{case}"),
            }
        }
    }

    #[test]
    fn nodes_are_asked_only_while_something_may_be_pushed() {
        let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap();
        let good = || Seen::Judged {
            digest: digest.clone(),
            findings: Vec::new(),
        };
        for (case, pushes, seen, wanted) in [
            ("the image is missing", true, missing(), true),
            ("it is there, and good", true, good(), false),
            ("nothing is pushed", false, missing(), false),
        ] {
            let gathered = gathered(pushes, None);
            let memory = knowing(&gathered, seen);
            assert_eq!(gathered.wants_evidence(&memory), wanted, "{case}");
        }
    }
}
