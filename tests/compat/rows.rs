//! The rows of `upstream_cases.yaml` by their ids.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

/// Every row that has an id.
pub(crate) static ROWS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let cases: Value = serde_saphyr::from_str(include_str!("upstream_cases.yaml")).expect("the rows are YAML");
    let mut rows = BTreeMap::new();
    collect(&cases, &mut rows);
    rows
});

fn collect(value: &Value, rows: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            if let Some(id) = fields.get("id").and_then(Value::as_str) {
                let twice = rows.insert(id.to_owned(), value.clone());
                assert!(twice.is_none(), "two rows have the id {id}");
            }
            fields.values().for_each(|field| collect(field, rows));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, rows)),
        _ => {}
    }
}

/// The row with that id.
pub(crate) fn row(id: &str) -> &'static Value {
    ROWS.get(id).unwrap_or_else(|| panic!("no row has the id {id}"))
}

/// A field of a row that is text.
pub(crate) fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field]
        .as_str()
        .unwrap_or_else(|| panic!("`{field}` is no text in {row}"))
}

/// The fields of an object whose values are text.
pub(crate) fn pairs(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    let fields = object.as_object().unwrap_or_else(|| panic!("{object} has no fields"));
    fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().expect("a value is text")))
}
