//! Where the files of a layer lie in its tar, and what its folders are like: what one needs to take files out of an
//! image and put others in their place.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::sync::Arc;

use super::attributes::Attributes;
use super::lens::{MAX_MODULE, all};
use super::paths::File;
use super::tarball::{Member, MemberKind, Tarball};
use super::{Keep, LayerFacts, Limits, ScanError, walk};
use crate::kmod::staged::Program;

/// How much memory the attributes of one layer's folders may take, in bytes: a desktop system's take 20 MB.
const MAX_ATTRIBUTES: usize = 64 << 20;

/// What a survey of one layer found.
#[derive(Clone, Debug)]
pub struct Survey {
    facts: Arc<LayerFacts>,
    files: Vec<Stored>,
    folders: BTreeMap<String, Attributes>,
}

/// Where a file lies in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which member of the tar has its bytes, from 1.
    pub member: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Whether its holes are left out: then its bytes are not all there.
    pub is_sparse: bool,
}

impl Survey {
    /// Reads one layer to its end.
    ///
    /// # Errors
    ///
    /// As for [`super::scan`].
    pub fn of<R: Read>(reader: R, limits: Limits) -> Result<Self, ScanError> {
        let (paths, places) = walk(reader, limits, Places::default())?;
        Ok(Self {
            facts: Arc::new(LayerFacts {
                paths,
                contents: Vec::new(),
            }),
            files: places.files,
            folders: places.folders,
        })
    }

    /// The layer's paths.
    pub const fn facts(&self) -> &Arc<LayerFacts> {
        &self.facts
    }

    /// Where a file of this layer lies.
    pub fn stored(&self, file: File) -> Option<Stored> {
        self.files.get(usize::try_from(file.content?).ok()?).copied()
    }

    /// What a folder is like, where the layer says so.
    pub fn folder(&self, path: &str) -> Option<&Attributes> {
        self.folders.get(path)
    }
}

/// A file that was taken out of a layer.
#[derive(Debug)]
pub struct Taken {
    /// Which member it was.
    pub member: u64,
    /// What it is like.
    pub attributes: Attributes,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Reads one layer again, to its end, and hands on the members that are wanted, in their order.
///
/// # Errors
///
/// As for [`super::scan`], and what `take` fails with. A wanted member beyond the largest size of a module is too large.
pub fn take_out<R: Read, E: From<ScanError>>(
    reader: R,
    limits: Limits,
    is_wanted: impl Fn(u64) -> bool,
    mut take: impl FnMut(Taken) -> Result<(), E>,
) -> Result<(), E> {
    let open = super::unpack::open(reader, limits).map_err(ScanError::from)?;
    let mut tarball = Tarball::new(open);
    while let Some(member) = tarball.next()? {
        if is_wanted(tarball.number()) {
            take(taken(&member, &mut tarball)?)?;
        }
    }
    Ok(tarball.drain()?)
}

fn taken<R: BufRead>(member: &Member, tarball: &mut Tarball<R>) -> Result<Taken, ScanError> {
    if member.size > MAX_MODULE {
        let (name, size) = (super::names::shortened(&member.name), member.size >> 20);
        return Err(ScanError::TooLarge(format!(
            "{name} has {size} MiB, more than any kernel module"
        )));
    }
    Ok(Taken {
        member: tarball.number(),
        attributes: tarball.attributes(),
        bytes: all(member.size, &mut tarball.body())?,
    })
}

/// Keeps where files lie.
#[derive(Default)]
struct Places {
    files: Vec<Stored>,
    folders: BTreeMap<String, Attributes>,
    weight: usize,
}

impl Keep for Places {
    fn file<R: BufRead>(&mut self, _path: &str, member: &Member, tarball: &mut Tarball<R>) -> Result<File, ScanError> {
        let at = u32::try_from(self.files.len()).ok();
        self.files.push(Stored {
            member: tarball.number(),
            size: member.size,
            is_sparse: member.kind == MemberKind::Sparse,
        });
        Ok(File {
            program: Program::Unknown,
            content: at,
        })
    }

    fn folder<R: BufRead>(&mut self, path: &str, tarball: &Tarball<R>) -> Result<(), ScanError> {
        let attributes = tarball.attributes();
        self.weight += path.len() + attributes.weight();
        if self.weight > MAX_ATTRIBUTES {
            let message = "its folders have more attributes than this program keeps in memory".to_owned();
            return Err(ScanError::TooLarge(message));
        }
        self.folders.insert(path.to_owned(), attributes);
        Ok(())
    }
}
