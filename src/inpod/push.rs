//! Puts an image that was judged good under its final tag, and removes the temporary one.

use super::{Failure, Judged};
use crate::image::{Digest, Reference};
use crate::plan::decides;
use crate::registry::{Access, Location, Settings, Sources};
use crate::registry::{Cleaned, PublishFailure, copy};

/// What is pushed, and where to.
#[derive(Clone, Debug)]
pub struct Pushing {
    /// Where the judged image is.
    pub from: Location,
    /// Whom to be there.
    pub access: Access,
    /// Where it goes.
    pub to: Reference,
    /// Whom to be there.
    pub push_access: Access,
    /// The image that may be replaced, since it would not load.
    pub replaces: Option<Digest>,
    /// How registries are talked to.
    pub settings: Settings,
}

/// Pushes what was judged, unless a finding decides; says whether it stands under its final tag now.
///
/// Registries know no "only if nobody else was faster": between the look at the tag and the push is a moment in which
/// another image may come to stand there.
///
/// # Errors
///
/// Where it cannot be pushed, and where an image has come to stand there that nobody here has judged.
pub async fn push(pushing: &Pushing, judged: &Judged) -> Result<bool, Failure> {
    let Some(digest) = judged.digest.as_ref().filter(|_| !decides(&judged.findings)) else {
        return Ok(false);
    };
    let settings = pushing.settings.clone();
    let sources = Sources::new(Vec::new(), settings).map_err(|error| Failure::lasting(error.to_string()))?;
    let destination = sources.destination(&Location::Registry(pushing.to.clone()), &pushing.push_access)?;
    match destination.digest().await? {
        Some(there) if there == *digest => return Ok(true),
        Some(there) if pushing.replaces.as_ref() != Some(&there) => return Err(taken(pushing, &there)),
        _ => {}
    }
    let origin = sources.origin(&exactly(&pushing.from, digest)?, &pushing.access)?;
    let copied = copy(&origin, &destination).await?;
    if copied == *digest {
        return Ok(true);
    }
    Err(Failure::passing(format!(
        "{} changed between its judgement and its push: {copied} was pushed, {digest} was judged",
        pushing.to
    )))
}

/// Removes the temporary tag of a registry that an image was brought by. Where the registry does not let it, what is
/// left is said.
///
/// # Errors
///
/// Where the registry cannot be reached, or refuses us.
pub async fn remove(tag: &Reference, access: &Access, settings: &Settings) -> Result<Option<String>, Failure> {
    let settings = settings.clone();
    let sources = Sources::new(Vec::new(), settings).map_err(|error| Failure::lasting(error.to_string()))?;
    let destination = sources.destination(&Location::Registry(tag.clone()), access)?;
    Ok(match destination.clean().await? {
        Cleaned::Gone => None,
        Cleaned::Left {
            reference,
            is_empty,
            why,
        } => {
            let empty = if is_empty { ", and empty" } else { "" };
            Some(format!("the temporary tag {reference} is left{empty}: {why}"))
        }
    })
}

/// The image that was judged and no other, whatever its tag names by now.
fn exactly(from: &Location, digest: &Digest) -> Result<Location, Failure> {
    let Location::Registry(reference) = from else {
        return Ok(from.clone());
    };
    let exact = Reference::parse(&format!("{}@{digest}", reference.name()));
    exact
        .map(Location::Registry)
        .map_err(|error| Failure::lasting(format!("{reference} cannot be named by its digest: {error}")))
}

fn taken(pushing: &Pushing, there: &Digest) -> Failure {
    let to = &pushing.to;
    Failure::passing(match &pushing.replaces {
        None => {
            format!("{to} has come into being meanwhile ({there}) and is not overwritten; it is looked at as it is")
        }
        Some(replaces) => format!(
            "{to} has changed meanwhile: {there} stands there now, and only {replaces} was to be replaced; it is looked at \
             as it is"
        ),
    })
}

impl From<PublishFailure> for Failure {
    fn from(failure: PublishFailure) -> Self {
        Self {
            again: failure.may_pass(),
            ..Self::lasting(failure.message)
        }
    }
}
