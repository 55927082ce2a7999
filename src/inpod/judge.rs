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
use crate::registry::{Access, Layout, Settings, Sources};

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
        place: ImagePlace,
        /// How registries are talked to.
        settings: Settings,
    },
}

/// Where an image is.
#[derive(Clone, Debug)]
pub enum ImagePlace {
    /// In an OCI image layout.
    Layout {
        /// Its folder.
        folder: PathBuf,
        /// The image's name in it; without one, it is the only one.
        name: Option<String>,
    },
    /// In a registry.
    Registry {
        /// The image.
        reference: Reference,
        /// Whom to be there.
        access: Access,
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
        Subject::Image { place, settings } => {
            let (digest, tree) = image_tree(place, settings, &judging.brief).await?;
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

async fn image_tree(place: &ImagePlace, settings: &Settings, brief: &Brief) -> Result<(Digest, MergedTree), Failure> {
    let (layouts, reference, access) = match place {
        ImagePlace::Layout { folder, name } => {
            let layout = Layout::open(folder).map_err(|error| Failure::lasting(error.to_string()))?;
            let reference = in_layout(&layout, name.as_deref(), brief)?;
            (vec![layout], reference, Access::anonymous())
        }
        ImagePlace::Registry { reference, access } => (Vec::new(), reference.clone(), access.clone()),
    };
    let sources = Sources::new(layouts, settings.clone()).map_err(|error| Failure::lasting(error.to_string()))?;
    let inspector = Inspector::new(sources, Cache::in_memory(), Limits::default());
    let request = ImageRequest {
        reference,
        access,
        architecture: brief.load.architecture,
    };
    let image = inspector.image(&request).await?;
    Ok((image.digest, image.tree))
}

/// The image of a layout, by its digest and under the name that it is to have.
fn in_layout(layout: &Layout, name: Option<&str>, brief: &Brief) -> Result<Reference, Failure> {
    let folder = layout.folder().display();
    let mut names = layout.references();
    let name_in_it = match name {
        Some(name) => Some(name),
        None => names.next().filter(|_| names.next().is_none()),
    };
    let digest = name_in_it.and_then(|name| layout.find(&Reference::parse(name).ok()?));
    let digest = digest.ok_or_else(|| match name {
        Some(name) => Failure::lasting(format!("the layout {folder} has no image `{name}`")),
        None => Failure::lasting(format!(
            "the layout {folder} has not exactly one image: name it, as in oci:{folder}:NAME"
        )),
    })?;
    let image = brief.image.split('@').next().unwrap_or_default();
    Reference::parse(&format!("{image}@{digest}"))
        .map_err(|error| Failure::lasting(format!("the brief's image `{}` cannot be read: {error}", brief.image)))
}
