//! Reading an image's layers: from the top down until it is known which files are meant, and those once more for the
//! files themselves. Nothing is unpacked to disk; memory holds one file at a time.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::document::ImageDocument;
use super::layer::{Finished, LayerWriter};
use super::selection::{Selection, View};
use super::trouble::AmendFailure;
use super::{Job, Signer, Step};
use crate::image::{LookFailure, LookFailureKind};
use crate::inspect::failure::in_layer;
use crate::inspect::layer::{Limits, ScanError, Survey, Taken, take_out};
use crate::registry::{BlobReader, Descriptor, PublishFailure};

/// The files of one layer that are to be signed: by member of its tar the paths at which they will stand, and how often
/// each is signed.
type Wanted = BTreeMap<u64, Vec<(String, usize)>>;

/// What ends the reading of a layer early.
enum Halt {
    Layer(ScanError),
    Signing { path: String, problem: String },
    Writing(io::Error),
}

impl From<ScanError> for Halt {
    fn from(error: ScanError) -> Self {
        Self::Layer(error)
    }
}

impl Job<'_> {
    /// Which files are meant, and the surveys of the layers that had to be read for it: the topmost ones.
    pub(super) async fn select(&self, layers: &[Descriptor]) -> Result<(Vec<Survey>, Selection), AmendFailure> {
        let mut surveys = VecDeque::new();
        let problem = |problem| AmendFailure::Selection {
            image: self.origin.name().to_owned(),
            problem,
        };
        for (at, layer) in layers.iter().enumerate().rev() {
            (self.amendment.on_step)(&Step::Reading(at + 1, layers.len()));
            surveys.push_front(self.survey(layer).await?);
            let view = View::of(surveys.make_contiguous(), at == 0);
            let selection = view.select(&self.amendment.files, &self.amendment.dir_name);
            if let Some(selection) = selection.map_err(problem)? {
                return Ok((surveys.into(), selection));
            }
        }
        let view = View::of(&[], true);
        let selection = view.select(&self.amendment.files, &self.amendment.dir_name);
        Ok((Vec::new(), selection.map_err(problem)?.unwrap_or_default()))
    }

    async fn survey(&self, layer: &Descriptor) -> Result<Survey, AmendFailure> {
        let limits = self.limits();
        let reading = move |reader: &mut BlobReader| Survey::of(reader, limits).map_err(Halt::Layer);
        self.read(layer, reading).await
    }

    /// Signs what was selected, into a new layer. `surveys` are those of the topmost layers.
    pub(super) async fn sign(
        &self,
        document: &ImageDocument,
        layers: &[Descriptor],
        surveys: Vec<Survey>,
        selection: &Selection,
    ) -> Result<Finished, AmendFailure> {
        let blob = self.destination.new_blob()?;
        let writer = LayerWriter::new(blob, document.packing()).map_err(|error| cannot_write(&error))?;
        let skipped = layers.len().saturating_sub(surveys.len());
        let mut bench = Bench {
            writer,
            surveys,
            signer: self.amendment.signer.clone(),
            on_step: self.amendment.on_step.clone(),
        };
        for (at, layer) in layers.iter().skip(skipped).enumerate() {
            let wanted = wanted(selection, at);
            if !wanted.is_empty() {
                let limits = self.limits();
                bench = self
                    .read(layer, move |reader| bench.work_on(reader, limits, &wanted))
                    .await?;
            }
        }
        bench.writer.finish().map_err(|error| cannot_write(&error))
    }

    /// Reads a layer on a thread of its own, and believes it only once its digest is right.
    async fn read<T: Send + 'static>(
        &self,
        layer: &Descriptor,
        work: impl FnOnce(&mut BlobReader) -> Result<T, Halt> + Send + 'static,
    ) -> Result<T, AmendFailure> {
        let blob = self.origin.blob(layer).await?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut reader = blob.reader();
            match work(&mut reader) {
                Ok(done) => reader.finish().map(|()| Ok(done)),
                // It may be another layer than the one that was asked for: then that is what is reported.
                Err(halt @ Halt::Layer(ScanError::Damaged(_))) => reader.finish().map(|()| Err(halt)),
                Err(halt) => Ok(Err(halt)),
            }
        });
        let done = reading.await.map_err(|_aborted| {
            let ending = LookFailure::new(LookFailureKind::Unreachable, "the program is ending, or has a fault");
            self.about(ending)
        })?;
        done?.map_err(|halt| self.halted(layer, halt))
    }

    fn halted(&self, layer: &Descriptor, halt: Halt) -> AmendFailure {
        let image = self.origin.reference();
        match halt {
            Halt::Layer(error) => AmendFailure::Read(in_layer(image, &layer.digest, error)),
            Halt::Writing(error) => cannot_write(&error),
            Halt::Signing { path, problem } => AmendFailure::Signing {
                image: self.origin.name().to_owned(),
                path,
                problem,
            },
        }
    }
}

/// What is needed to sign files out of a layer.
struct Bench {
    writer: LayerWriter,
    surveys: Vec<Survey>,
    signer: Signer,
    on_step: Arc<dyn Fn(&Step<'_>) + Send + Sync>,
}

impl Bench {
    /// Signs what is wanted of one layer.
    fn work_on(mut self, reader: &mut BlobReader, limits: Limits, wanted: &Wanted) -> Result<Self, Halt> {
        take_out(
            reader,
            limits,
            |member| wanted.contains_key(&member),
            |taken| {
                let places = wanted.get(&taken.member).into_iter().flatten();
                places.into_iter().try_for_each(|place| self.sign(place, &taken))
            },
        )?;
        Ok(self)
    }

    fn sign(&mut self, (path, times): &(String, usize), taken: &Taken) -> Result<(), Halt> {
        (self.on_step)(&Step::Signing(path));
        let mut signed = Cow::Borrowed(taken.bytes.as_slice());
        for _ in 0..*times {
            signed = (self.signer)(path, &signed)
                .map(Cow::Owned)
                .map_err(|problem| Halt::Signing {
                    path: format!("/{path}"),
                    problem,
                })?;
        }
        self.writer
            .add(path, taken, &signed, &self.surveys)
            .map_err(Halt::Writing)
    }
}

/// What of a selection is in one layer.
fn wanted(selection: &Selection, layer: usize) -> Wanted {
    let mut wanted = Wanted::new();
    for (path, chosen) in selection.iter().filter(|(_, chosen)| chosen.layer == layer) {
        let places = wanted.entry(chosen.stored.member).or_default();
        places.push((path.clone(), chosen.times));
    }
    wanted
}

fn cannot_write(error: &io::Error) -> AmendFailure {
    AmendFailure::Publish(PublishFailure::disk(Path::new("the new layer"), error))
}
