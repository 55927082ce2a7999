//! An order: what is to be done for one target, by one Job.

use serde::{Deserialize, Serialize};

use crate::kmod::load::Load;
use crate::plan::{ObjectName, Target};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Build the image, sign it, or both; judge the result; push it where that is wanted and it was judged good.
    Make {
        /// Whether the result goes to the final tag.
        push: bool,
    },
    /// Look at the image by the container runtime of a node.
    Look,
}

/// The preflight for which an order is carried out; it owns what is made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Which one of that name.
    pub uid: String,
}

/// One order.
#[derive(Clone, Debug)]
pub struct Order {
    /// The Job's namespace (the Module's own) and its name, which holds a hash of the preflight's UID, the Module, the errand and all
    /// inputs (`plan::inputs` and the versions of its Secrets): the same order is never carried out twice.
    pub job: ObjectName,
    /// Who ordered it.
    pub owner: Owner,
    /// What for.
    pub errand: Errand,
    /// The target.
    pub target: Target,
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
