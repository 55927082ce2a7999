//! An order → the Job that carries it out.
//!
//! Who sees what: a key and its certificate are mounted in `sign` alone, which runs our own image and no foreign code; what a
//! foreign image may write (`build`, `toolkit`) is read-only for everybody after it.

mod args;
mod containers;
mod places;
mod rights;
mod volumes;

pub(super) use volumes::build_secrets;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{LocalObjectReference, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;

use super::{Errand, Order, Owner, Workshop};
use crate::api::PreflightValidationOCP;

/// The label by which nodes tell their architecture.
const ARCHITECTURE: &str = "kubernetes.io/arch";

/// The annotation by which a pod says which of OpenShift's security context constraints it wants, whatever others its account may
/// use (`github.com/openshift/api security/v1: RequiredSCCAnnotation`).
const REQUIRED_CONSTRAINT: &str = "openshift.io/required-scc";
/// The one that every account may use; it gives a pod without a user one of the namespace's own.
const ASSIGNS_USERS: &str = "restricted-v2";

/// How long a look may take: a pull, and reading some megabytes.
const LOOK_DEADLINE: SignedDuration = SignedDuration::from_mins(15);

impl Order {
    /// The Job that carries it out.
    pub fn job(&self, workshop: &Workshop) -> Job {
        let mut annotations = self.annotations(workshop);
        if self.is_assigned_a_user(workshop) {
            annotations.insert(REQUIRED_CONSTRAINT.to_owned(), ASSIGNS_USERS.to_owned());
        }
        let metadata = ObjectMeta {
            labels: Some(self.labels()),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        };
        Job {
            metadata: self.metadata(workshop),
            spec: Some(JobSpec {
                backoff_limit: Some(0),
                active_deadline_seconds: Some(self.deadline(workshop).as_secs()),
                template: PodTemplateSpec {
                    metadata: Some(metadata),
                    spec: Some(self.pod(workshop)),
                },
                ..JobSpec::default()
            }),
            status: None,
        }
    }

    /// The metadata of an object that carries it out.
    pub(super) fn metadata(&self, workshop: &Workshop) -> ObjectMeta {
        ObjectMeta {
            namespace: Some(self.job.0.clone()),
            name: Some(self.job.1.clone()),
            labels: Some(self.labels()),
            annotations: Some(self.annotations(workshop)),
            owner_references: Some(vec![self.owner.reference()]),
            ..ObjectMeta::default()
        }
    }

    /// How long it may take.
    fn deadline(&self, workshop: &Workshop) -> SignedDuration {
        match self.errand {
            Errand::Make { .. } => workshop.deadline,
            Errand::Look => workshop.deadline.min(LOOK_DEADLINE),
        }
    }

    fn pod(&self, workshop: &Workshop) -> PodSpec {
        let (before, last) = containers::of(self, workshop);
        PodSpec {
            init_containers: Some(before),
            containers: vec![last],
            volumes: Some(volumes::of(self, workshop)),
            restart_policy: Some("Never".to_owned()),
            node_selector: Some(self.node_selector()),
            tolerations: Some(self.target.tolerations.clone()),
            image_pull_secrets: self
                .target
                .pull_secret
                .iter()
                .map(|name| Some(vec![named(name)]))
                .next()
                .flatten(),
            service_account_name: self.service_account(workshop),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            host_users: self.has_user_namespace(workshop).then_some(false),
            ..PodSpec::default()
        }
    }

    /// A look pulls as KMM's own pods will; what builds may need rights of its own.
    fn service_account(&self, workshop: &Workshop) -> Option<String> {
        match self.errand {
            Errand::Make { .. } => workshop.service_account.clone(),
            Errand::Look => self.target.service_account.clone(),
        }
    }

    /// The nodes that may do it: those that its build section names, else the Module's, and of these those of the
    /// kernel's architecture, unless a selector names another.
    pub(super) fn node_selector(&self) -> BTreeMap<String, String> {
        let of_build = self.target.build.as_ref().and_then(|build| build.selector.as_ref());
        let of_build = of_build.filter(|selector| self.errand.makes() && !selector.is_empty());
        let mut selector = of_build.unwrap_or(&self.target.selector).clone();
        if let Some(architecture) = self.architecture {
            selector
                .entry(ARCHITECTURE.to_owned())
                .or_insert_with(|| architecture.go_name().to_owned());
        }
        selector
    }
}

impl Owner {
    /// Makes an object go when the preflight goes.
    fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: PreflightValidationOCP::api_version(&()).into_owned(),
            kind: PreflightValidationOCP::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }
}

fn named(name: &str) -> LocalObjectReference {
    LocalObjectReference { name: name.to_owned() }
}
