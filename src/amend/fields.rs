//! A JSON object whose fields keep their order and their bytes: what is not changed is written as it was read.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// How many fields an object may have; configurations have some dozens.
const FIELDS_CAP: usize = 10_000;

/// The fields of a JSON object, each as it stands.
#[derive(Clone, Debug)]
pub(super) struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    /// Reads an object; one that names a field twice means different things to different readers, and is refused.
    pub(super) fn parse(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    /// A field's value, where it is of that form.
    pub(super) fn get<T: for<'a> Deserialize<'a>>(&self, name: &str) -> serde_json::Result<Option<T>> {
        match self.raw(name) {
            Some(value) => serde_json::from_str(value.get()).map(Some),
            None => Ok(None),
        }
    }

    /// Sets a field, in its old place where it had one.
    pub(super) fn set(&mut self, name: &str, value: &impl Serialize) -> serde_json::Result<()> {
        let value = to_raw_value(value)?;
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// The object as JSON.
    pub(super) fn bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    fn raw(&self, name: &str) -> Option<&RawValue> {
        let (_, value) = self.0.iter().find(|(own, _)| own == name)?;
        (value.get() != "null").then_some(value)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if fields.iter().any(|(own, _)| *own == name) {
                return Err(A::Error::custom(format!("the field {name:?} stands there twice")));
            }
            if fields.len() >= FIELDS_CAP {
                return Err(A::Error::custom("it has too many fields"));
            }
            fields.push((name, value));
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_changed_stays_byte_for_byte() {
        let text = br#"{"z":1.0,"a":  {"n": 123456789012345678901234567890},"u":"\u00e9\/","n":null,"last":[]}"#;
        let mut fields = Fields::parse(text).expect("an object");
        fields.set("a2", &1).expect("a number");
        fields.set("last", &[1]).expect("a list");
        let written = String::from_utf8(fields.bytes().expect("JSON")).expect("UTF-8");
        assert_eq!(
            written,
            r#"{"z":1.0,"a":{"n": 123456789012345678901234567890},"u":"\u00e9\/","n":null,"last":[1],"a2":1}"#
        );
        assert_eq!(fields.get::<String>("n").expect("null"), None);
    }

    #[test]
    fn an_object_with_two_meanings_is_refused() {
        for text in [r#"{"a":1,"a":2}"#, "[]", "{", r#"{"a":1}x"#] {
            assert!(Fields::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
