//! Where fields stand in a document: reads the document again, once for all fields that are asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::text::{bytes_of, options};

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Of a mapping.
    Key(String),
    /// Of a sequence.
    Index(usize),
}

/// What is still to be walked to reach a field, and the field's number.
type Wanted<'p> = Vec<(&'p [Step], usize)>;

/// The bytes of a document at which the value of each path stands, or the nearest value above it.
pub(super) fn locate(document: &str, paths: &[Vec<Step>]) -> Vec<Range<usize>> {
    let mut found = vec![None; paths.len()];
    let mut wanted: Wanted<'_> = paths.iter().map(Vec::as_slice).zip(0..).collect();
    while !wanted.is_empty() {
        let down = Down {
            document,
            wanted: wanted.clone(),
            found: &mut found,
        };
        // A document that cannot be read to its end has its first places all the same.
        let _ =
            serde_saphyr::with_deserializer_from_str_with_options(document, options(), |yaml| down.deserialize(yaml));
        wanted.retain(|(_, number)| found.get(*number).is_some_and(Option::is_none));
        wanted = wanted
            .into_iter()
            .filter_map(|(path, number)| Some((path.split_last()?.1, number)))
            .collect();
    }
    found.into_iter().map(|place| place.unwrap_or(0..1)).collect()
}

/// Walks down every path at once.
struct Down<'p, 'f> {
    document: &'p str,
    wanted: Wanted<'p>,
    found: &'f mut [Option<Range<usize>>],
}

impl<'p> Down<'p, '_> {
    /// The paths by their first step.
    fn by_step(&self) -> BTreeMap<&'p Step, Wanted<'p>> {
        let mut steps: BTreeMap<_, Wanted<'_>> = BTreeMap::new();
        for (path, number) in &self.wanted {
            if let Some((step, rest)) = path.split_first() {
                steps.entry(step).or_default().push((rest, *number));
            }
        }
        steps
    }

    /// The walk below one step.
    fn below(&mut self, wanted: Wanted<'p>) -> Down<'p, '_> {
        Down {
            document: self.document,
            wanted,
            found: self.found,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Down<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let arrived: Vec<_> = self
            .wanted
            .iter()
            .filter(|(rest, _)| rest.is_empty())
            .map(|(_, at)| *at)
            .collect();
        if arrived.is_empty() {
            return deserializer.deserialize_any(self);
        }
        let place = Spanned::<IgnoredAny>::deserialize(deserializer)?.referenced;
        for number in arrived {
            if let Some(found) = self.found.get_mut(number) {
                *found = Some(bytes_of(self.document, &place));
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Down<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a sequence")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut steps = self.by_step();
        while let Some(key) = map.next_key::<String>()? {
            match steps.remove(&Step::Key(key)) {
                Some(wanted) => map.next_value_seed(self.below(wanted))?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        let mut steps = self.by_step();
        for index in 0.. {
            let more = match steps.remove(&Step::Index(index)) {
                Some(wanted) => sequence.next_element_seed(self.below(wanted))?.is_some(),
                None => sequence.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}
