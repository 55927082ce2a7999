//! The containers of a Job, one for each step.

use k8s_openapi::api::core::v1::{Container, EnvVar, ResourceRequirements, SecurityContext};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::places::PROGRAM;
use super::{args, rights, volumes};
use crate::plan::work::{Amount, Errand, Order, Step, Workshop};

impl Order {
    /// The steps of its Job.
    pub(super) fn steps(&self, workshop: &Workshop) -> Vec<Step> {
        let takes = |step: &Step| match step {
            Step::Place => self.needs_program(workshop) || self.is_trusting(workshop),
            Step::Toolkit => self.toolkit_image.is_some(),
            Step::Build => self.builds_itself(workshop),
            Step::Sign => self.errand.makes() && self.target.sign.is_some(),
            Step::Judge => true,
        };
        Step::ALL.into_iter().filter(takes).collect()
    }

    /// Whether a step runs a foreign image, in which this program has to be put.
    pub(super) fn is_foreign(&self, step: Step) -> bool {
        match step {
            Step::Toolkit | Step::Build => true,
            Step::Judge => self.errand == Errand::Look,
            Step::Place | Step::Sign => false,
        }
    }

    fn needs_program(&self, workshop: &Workshop) -> bool {
        self.errand == Errand::Look || self.toolkit_image.is_some() || self.builds_itself(workshop)
    }

    /// Whether its steps talk to registries, and trust more than their images do. A look has its image pulled by the node.
    pub(super) fn is_trusting(&self, workshop: &Workshop) -> bool {
        self.errand.makes() && !workshop.trusted.is_empty()
    }

    /// Whether the cluster chooses its user. A constraint that lets a builder be root chooses none, and the users that OpenShift
    /// has for a namespace are none of those that its user namespaces have.
    pub(super) fn is_assigned_a_user(&self, workshop: &Workshop) -> bool {
        workshop.assigned_users && !self.builds_itself(workshop) && !self.has_user_namespace(workshop)
    }

    /// Whether its pod has a user namespace of its own.
    pub(super) fn has_user_namespace(&self, workshop: &Workshop) -> bool {
        workshop.user_namespaces && self.errand.makes()
    }

    /// Whether the Job builds, and not somebody else before it.
    pub(super) fn builds_itself(&self, workshop: &Workshop) -> bool {
        self.errand.makes() && self.target.build.is_some() && self.temporary_image(workshop).is_none()
    }
}

/// The containers that run first, one after the other, and the last one.
pub(super) fn of(order: &Order, workshop: &Workshop) -> (Vec<Container>, Container) {
    let steps = order.steps(workshop);
    let before = steps.into_iter().filter(|step| *step != Step::Judge);
    (
        before.map(|step| container(order, workshop, step)).collect(),
        container(order, workshop, Step::Judge),
    )
}

fn container(order: &Order, workshop: &Workshop, step: Step) -> Container {
    Container {
        name: step.name().to_owned(),
        image: Some(image(order, workshop, step)),
        image_pull_policy: pull_policy(order, workshop, step),
        command: order.is_foreign(step).then(|| vec![PROGRAM.to_owned()]),
        args: Some(args::verbatim(arguments(order, workshop, step))),
        env: Some(environment(workshop)),
        volume_mounts: Some(volumes::mounts(order, workshop, step)),
        resources: Some(resources(workshop, step)),
        security_context: Some(security(order, workshop, step)),
        // Where a step cannot testify, its last words are better than nothing. A key's holder has no last words.
        termination_message_policy: (step != Step::Sign).then(|| "FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

/// A node is asked as KMM will ask it.
fn pull_policy(order: &Order, workshop: &Workshop, step: Step) -> Option<String> {
    match (step, &order.errand) {
        (Step::Toolkit, _) => None,
        (Step::Judge, Errand::Look) => order.target.pull_policy.clone(),
        _ => Some(workshop.pull_policy.clone()),
    }
}

fn image(order: &Order, workshop: &Workshop, step: Step) -> String {
    match (step, &order.errand, &order.toolkit_image) {
        (Step::Build, ..) => workshop.builder_image.clone(),
        (Step::Toolkit, _, Some(toolkit)) => toolkit.clone(),
        (Step::Judge, Errand::Look, _) => order.target.image_text.clone(),
        _ => workshop.image.clone(),
    }
}

fn arguments(order: &Order, workshop: &Workshop, step: Step) -> Vec<String> {
    match (step, &order.errand) {
        (Step::Place, _) => args::place(order, workshop),
        (Step::Toolkit, _) => args::toolkit(order, workshop, order.toolkit_image.as_deref().unwrap_or_default()),
        (Step::Build, _) => args::build(order, workshop),
        (Step::Sign, _) => order
            .target
            .sign
            .as_ref()
            .map(|sign| args::sign(order, workshop, sign))
            .unwrap_or_default(),
        (Step::Judge, Errand::Make { .. }) => args::judge_made(order, workshop),
        (Step::Judge, Errand::Look) => args::judge_root(order, workshop),
    }
}

fn environment(workshop: &Workshop) -> Vec<EnvVar> {
    let variable = |(name, value): &(String, String)| EnvVar {
        name: name.clone(),
        value: Some(value.replace('$', "$$")),
        value_from: None,
    };
    workshop.environment.iter().map(variable).collect()
}

fn security(order: &Order, workshop: &Workshop, step: Step) -> SecurityContext {
    let user = (!order.is_assigned_a_user(workshop)).then_some(rights::USER);
    match step {
        Step::Build => rights::builder(workshop.privileged),
        Step::Place | Step::Toolkit | Step::Sign | Step::Judge => rights::restricted(user),
    }
}

fn resources(workshop: &Workshop, step: Step) -> ResourceRequirements {
    let room = match step {
        Step::Build => &workshop.room.build,
        Step::Place | Step::Toolkit | Step::Sign | Step::Judge => &workshop.room.other,
    };
    let amounts = |amount: &Amount| {
        let quantity = |name: &str, text: &Option<String>| Some((name.to_owned(), Quantity(text.clone()?)));
        [quantity("cpu", &amount.cpu), quantity("memory", &amount.memory)]
            .into_iter()
            .flatten()
            .collect()
    };
    ResourceRequirements {
        requests: Some(amounts(&room.requested)),
        limits: Some(amounts(&room.limit)),
        claims: None,
    }
}
