//! Judges an image where it is: the root of this container, a layout of the Job, or a registry.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Failure, evidence};
use crate::api::Finding;
use crate::image::{Digest, Reference};
use crate::inspect::cache::Cache;
use crate::inspect::layer::{Limits as ReadLimits, ScanError};
use crate::inspect::root::{View, look};
use crate::inspect::tree::MergedTree;
use crate::inspect::{ImageRequest, Inspector, Limits, StageRequest};
use crate::kmod::judge as judge_staged;
use crate::kmod::staged::StagedFolder;
use crate::kmod::toolkit::ToolkitEvidence;
use crate::plan::work::Brief;
use crate::registry::{Access, Layout, Location, Settings, Sources};

/// What is to be judged, and by what.
#[derive(Clone, Debug)]
pub struct Judging {
    /// What the judge has to know of the Module.
    pub brief: Brief,
    /// The file with the driver toolkit's facts, where there is one.
    pub toolkit: Option<PathBuf>,
    /// What is judged.
    pub subject: Subject,
    /// When it has to be done.
    pub deadline: Option<Instant>,
}

/// What is judged.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The file system at this root, which is the image's own.
    Root(PathBuf),
    /// An image somewhere else.
    Image {
        /// Where it is.
        location: Location,
        /// Whom to be at its registry.
        access: Access,
        /// How registries are talked to.
        settings: Box<Settings>,
    },
}

/// What the rules found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The image's digest; a container does not know that of its own.
    pub digest: Option<Digest>,
    /// What they found, the deciding findings first, each group in a node's order.
    pub findings: Vec<Finding>,
}

/// Judges.
///
/// # Errors
///
/// Where the image, or the toolkit's facts, cannot be read.
pub async fn judge(judging: &Judging) -> Result<Judged, Failure> {
    let evidence = judging.toolkit.as_deref().map(evidence::read).transpose()?;
    let evidence = evidence.unwrap_or(ToolkitEvidence::NotGiven);
    let (digest, tree) = match &judging.subject {
        Subject::Root(root) => (None, root_tree(root, judging)?),
        Subject::Image {
            location,
            access,
            settings,
        } => {
            let (digest, tree) = image_tree(location, access, settings, &judging.brief).await?;
            (Some(digest), tree)
        }
    };
    Ok(Judged {
        digest,
        findings: findings(&tree, &judging.brief, &evidence)?,
    })
}

fn findings(tree: &MergedTree, brief: &Brief, evidence: &ToolkitEvidence) -> Result<Vec<Finding>, Failure> {
    let staged = tree.stage(&StageRequest {
        dir_name: brief.load.dir_name.clone(),
        kernel_folder: brief.load.copied_kernel().to_owned(),
        firmware_path: brief.firmware_path.clone(),
    });
    // Nothing at all could be judged: neither an all-clear nor a failure would be true.
    if let StagedFolder::Unread(why) = &staged.folder {
        let (image, folder) = (&brief.image, brief.load.image_folder());
        return Err(Failure::lasting(format!(
            "{folder} of {image} could not be looked into, so nothing was judged: {why}; let everybody read it \
             (chmod -R a+rX), or let the registry be asked instead"
        )));
    }
    let mut findings = judge_staged(&staged, &brief.load, evidence);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(findings)
}

fn root_tree(root: &Path, judging: &Judging) -> Result<MergedTree, Failure> {
    let view = View::ModuleImage {
        kernel_folder: judging.brief.load.copied_kernel().to_owned(),
    };
    let limits = ReadLimits {
        deadline: judging.deadline,
        ..ReadLimits::default()
    };
    look(root, &view, limits).map_err(|error| {
        let message = format!("{} could not be looked at: {error}", judging.brief.image);
        match error {
            ScanError::Source(_) => Failure::passing(message),
            ScanError::Damaged(_) | ScanError::TooLarge(_) => Failure::lasting(message),
        }
    })
}

async fn image_tree(
    location: &Location,
    access: &Access,
    settings: &Settings,
    brief: &Brief,
) -> Result<(Digest, MergedTree), Failure> {
    let (layouts, reference) = match location {
        Location::Layout { folder, name } => {
            let layout = Layout::open(folder).map_err(|error| Failure::lasting(error.to_string()))?;
            let digest = layout.named(name.as_deref()).map_err(Failure::lasting)?;
            (vec![layout], under_its_final_name(brief, &digest)?)
        }
        Location::Registry(reference) => (Vec::new(), reference.clone()),
    };
    let sources = Sources::new(layouts, settings.clone()).map_err(|error| Failure::lasting(error.to_string()))?;
    let inspector = Inspector::new(sources, Cache::in_memory(), Limits::default());
    let request = ImageRequest {
        reference,
        access: access.clone(),
        architecture: brief.load.architecture,
    };
    let image = inspector.image(&request).await?;
    Ok((image.digest, image.tree))
}

/// An image of a layout, by its digest and under the name that it is to have: messages speak of that.
fn under_its_final_name(brief: &Brief, digest: &Digest) -> Result<Reference, Failure> {
    let image = brief.image.split('@').next().unwrap_or_default();
    Reference::parse(&format!("{image}@{digest}"))
        .map_err(|error| Failure::lasting(format!("the brief's image `{}` cannot be read: {error}", brief.image)))
}
