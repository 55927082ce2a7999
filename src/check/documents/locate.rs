//! Where a field stands in a document: reads the document again, down to that field alone.

use std::fmt;
use std::ops::Range;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::text::{bytes_of, options};

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Of a mapping.
    Key(String),
    /// Of a sequence.
    Index(usize),
}

/// The bytes of a document at which the value of a path stands, or the nearest value above it.
pub(super) fn locate(document: &str, path: &[Step]) -> Option<Range<usize>> {
    (0..=path.len()).rev().find_map(|length| {
        let path = path.get(..length)?;
        let found = serde_saphyr::with_deserializer_from_str_with_options(document, options(), |deserializer| {
            Down(path).deserialize(deserializer)
        });
        found.ok().map(|location| bytes_of(document, &location))
    })
}

/// Walks down a path.
struct Down<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Down<'_> {
    type Value = Location;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Location, D::Error> {
        match self.0 {
            [] => <Spanned<IgnoredAny> as serde::Deserialize>::deserialize(deserializer).map(|value| value.referenced),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Down<'_> {
    type Value = Location;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the path names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Location, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            match self.0.split_first() {
                Some((Step::Key(step), rest)) if *step == key => found = Some(map.next_value_seed(Down(rest))?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        found.ok_or_else(|| Error::custom("no such key"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Location, A::Error> {
        let Some((Step::Index(index), rest)) = self.0.split_first() else {
            return Err(Error::custom("not a mapping"));
        };
        for _ in 0..*index {
            sequence.next_element::<IgnoredAny>()?;
        }
        let found = sequence.next_element_seed(Down(rest))?;
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        found.ok_or_else(|| Error::custom("no such item"))
    }
}
