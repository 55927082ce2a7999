//! An order: what is to be done for one target, by one Job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fingerprint::{fingerprint, job_name};
use super::{
    ATTEMPT, BuildWith, ERRAND, Errand, FINGERPRINT, MANAGED_BY, MANAGER, MODULE, PREFLIGHT_UID, Push, REPLACES,
    TEMPORARY_IMAGE, Workshop,
};
use crate::kernel::Architecture;
use crate::kmod::load::{Load, LoadedModules, SignaturePolicy};
use crate::plan::{ObjectName, Target, World};

/// The preflight for which an order is carried out; it owns what is made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Which one of that name.
    pub uid: String,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The preflight.
    pub owner: &'a Owner,
    /// The target.
    pub target: &'a Target,
    /// What is to be done for it.
    pub errand: Errand,
    /// For which time, from 1.
    pub attempt: u32,
    /// The architecture of its nodes, where the target itself does not tell.
    pub architecture: Option<Architecture>,
    /// What is known of signatures where it loads.
    pub signatures: SignaturePolicy,
    /// The modules that its nodes are known to have loaded.
    pub loaded: LoadedModules,
}

/// How the tags begin that a build leaves for the Job that judges it.
const TEMPORARY: &str = "kmm-preflight-";

/// One order.
#[derive(Clone, Debug)]
pub struct Order {
    /// The Job's namespace (the Module's own) and its name, which holds a hash of the [`fingerprint()`], the errand and the attempt:
    /// the same order is never carried out twice.
    pub job: ObjectName,
    /// What it is done for.
    pub fingerprint: String,
    /// Who ordered it.
    pub owner: Owner,
    /// What for.
    pub errand: Errand,
    /// For which time, from 1.
    pub attempt: u32,
    /// The target.
    pub target: Target,
    /// The architecture of the nodes that it runs on, where it is known.
    pub architecture: Option<Architecture>,
    /// The driver toolkit, where one is known.
    pub toolkit_image: Option<String>,
    /// The Dockerfile, where something is built.
    pub dockerfile: Option<String>,
    /// What the judge has to know.
    pub brief: Brief,
}

/// What the container that judges has to know; handed to it as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Brief {
    /// How the node will load from the image.
    pub load: Load,
    /// The image's final name, for messages.
    pub image: String,
    /// The folder of the image that holds firmware, if it has one.
    pub firmware_path: Option<String>,
}

/// Writes an order out.
///
/// # Errors
/// What is missing for it or not known yet, each as a sentence.
pub fn order(world: &World<'_>, request: Request<'_>) -> Result<Order, Vec<String>> {
    let target = request.target;
    let lacks = match request.errand {
        Errand::Make { .. } => world.supplies.lacks(target, world.toolkit_image),
        Errand::Look => Vec::new(),
    };
    if !lacks.is_empty() {
        return Err(lacks);
    }
    let fingerprint = fingerprint(world, target, request.owner, request.architecture)
        .ok_or_else(|| vec!["its Secrets have not been looked for yet".to_owned()])?;
    let dockerfile = match (&request.errand, &target.build) {
        (Errand::Make { .. }, Some(build)) => Some(dockerfile(world, target, &build.dockerfile_config_map.name)?),
        _ => None,
    };
    let architecture = target.architecture.or(request.architecture);
    Ok(Order {
        job: job_name(target, &fingerprint, &request.errand, request.attempt),
        fingerprint,
        owner: request.owner.clone(),
        errand: request.errand,
        attempt: request.attempt,
        target: target.clone(),
        architecture,
        toolkit_image: world.toolkit_image.map(str::to_owned),
        dockerfile,
        brief: Brief::of(target, architecture, request.signatures, request.loaded),
    })
}

fn dockerfile(world: &World<'_>, target: &Target, map: &str) -> Result<String, Vec<String>> {
    let name = (target.namespace.clone(), map.to_owned());
    let known = world.supplies.dockerfiles.get(&name).cloned().flatten();
    known.ok_or_else(|| {
        vec![format!(
            "the ConfigMap {}/{map} could not be read yet",
            target.namespace
        )]
    })
}

impl Order {
    /// The labels of its objects.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let labels = [
            (MANAGED_BY, MANAGER.to_owned()),
            (PREFLIGHT_UID, self.owner.uid.clone()),
            (FINGERPRINT, self.fingerprint.clone()),
            (ERRAND, self.errand.name().to_owned()),
            (ATTEMPT, self.attempt.to_string()),
        ];
        labels.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// The image under which an OpenShift Build leaves what it made, where one builds: a Build without an output throws it
    /// away, and to the final tag goes only what was judged.
    pub fn temporary_image(&self, workshop: &Workshop) -> Option<String> {
        let builds = workshop.build_with == BuildWith::OpenShift && self.errand.pushes() && self.target.build.is_some();
        builds.then(|| format!("{}:{TEMPORARY}{}", self.target.image.name(), self.fingerprint))
    }

    /// The annotations of its objects.
    pub fn annotations(&self, workshop: &Workshop) -> BTreeMap<String, String> {
        let module = format!("{}/{}", self.target.namespace, self.target.name);
        let temporary = self.temporary_image(workshop);
        let replaces = match &self.errand {
            Errand::Make {
                push: Push::Over(digest),
            } => Some((REPLACES.to_owned(), digest.to_string())),
            _ => None,
        };
        let temporary = temporary.map(|image| (TEMPORARY_IMAGE.to_owned(), image));
        let module = (MODULE.to_owned(), module);
        [module].into_iter().chain(replaces).chain(temporary).collect()
    }
}

impl Brief {
    fn of(
        target: &Target,
        architecture: Option<Architecture>,
        signatures: SignaturePolicy,
        loaded: LoadedModules,
    ) -> Self {
        let mut load = target.load(signatures);
        load.architecture = architecture;
        load.loaded = loaded;
        Self {
            load,
            image: target.image_text.clone(),
            firmware_path: target.modprobe.firmware_path.clone(),
        }
    }

    /// For the command line of the container that judges.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("invariant: a brief is made of texts, lists and maps with text keys")
    }

    /// The same, read again.
    ///
    /// # Errors
    /// The text is no brief.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}
