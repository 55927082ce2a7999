//! One preflight and what is known around it → what is to be decided: every Module resolved, with the fingerprint of
//! what its verdict rests on. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::examples::Question;
use super::ledger::Ledger;
use super::memory::{Known, Memory};
use crate::api::{ModuleStatus, PreflightStatus, PreflightValidationOCP, VerificationStatus};
use crate::kernel::{Architecture, KernelVersion};
use crate::kmod::load::SignaturePolicy;
use crate::plan::work::{
    self, ATTEMPTS, Errand, LookBy, Next, Order, Owner, Push, Request, Works, Workshop, fingerprint, job_name,
};
use crate::plan::{
    self, Answer, Evidence, KnownSecret, Look, NO_PRECEDENTS, Node, ObjectName, Pods, Subject, Supplies, Surroundings,
    Target, Unreadable, Verdict, World,
};

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

    /// The targets and their fingerprints.
    pub(super) fn targets(&self) -> impl Iterator<Item = (ObjectName, &str)> {
        self.cases
            .iter()
            .filter_map(|case| Some((case.name.clone(), case.inputs.as_deref()?)))
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
        let may_push = |case: &Case| self.push_built_image && case.target().is_some_and(Target::can_be_made);
        let wants = |case: &Case| memory.wants_evidence(&case.name) || may_push(case);
        self.cases.iter().any(wants)
    }

    /// The answer for a case, by all that is known of it.
    pub(super) fn answer(&self, case: &Case, memory: &Memory, now: Timestamp) -> Verdict {
        match memory.known(&case.name) {
            Known::Look(look) => self.verdict_on(case, memory, (&look, &memory.told(&case.name)), now),
            Known::Row(row) => Verdict::of_row(&row),
        }
    }

    /// What is to be started for a case in a pod. What is pushed is judged by what was known when it was begun: that waits for it.
    pub(super) fn next(&self, case: &Case, memory: &Memory, now: Timestamp) -> Next {
        let next = self.next_if_known(case, memory, now);
        let is_awaited = || {
            self.evidence(case, memory)
                .is_some_and(|evidence| evidence.is_awaited())
        };
        if next.pushes() && is_awaited() {
            Next::Nothing
        } else {
            next
        }
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
                inputs: case.inputs.clone().filter(|_| !memory.wants_evidence(&case.name)),
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
