//! The API reference, `docs/api.md`: every field of a definition, in the words that the cluster's own schema has.

use serde_json::Value;

/// The reference of a CustomResourceDefinition, as Markdown: a section for each version, a table for each object in it.
/// What the definition does not say is left out; it never fails.
pub fn markdown(definition: &Value) -> String {
    let spec = &definition["spec"];
    let mut page = format!(
        "# API reference\n\n`kubectl explain {}` tells the same in a cluster. This file is generated from the definition.\n",
        text(&spec["names"]["singular"])
    );
    for version in list(&spec["versions"]) {
        page.push_str(&version_section(spec, version));
    }
    page
}

fn version_section(spec: &Value, version: &Value) -> String {
    let names = &spec["names"];
    let schema = &version["schema"]["openAPIV3Schema"];
    let short_names: Vec<_> = list(&names["shortNames"]).iter().map(text).collect();
    let columns: Vec<_> = list(&version["additionalPrinterColumns"])
        .iter()
        .map(|column| format!("| {} | `{}` |\n", text(&column["name"]), text(&column["jsonPath"])))
        .collect();
    let mut section = format!(
        "\n## {kind} ({group}/{version})\n\n{description}\n\n- Scope: {scope}\n- For kubectl: `{plural}`, `{singular}`, `{short}`\n\n\
         | column of `kubectl get` | field |\n|---|---|\n{columns}",
        kind = text(&names["kind"]),
        group = text(&spec["group"]),
        version = text(&version["name"]),
        description = sentence(&schema["description"]),
        scope = text(&spec["scope"]),
        plural = text(&names["plural"]),
        singular = text(&names["singular"]),
        short = short_names.join("`, `"),
        columns = columns.concat(),
    );
    for (name, field) in fields(schema) {
        push_object(&mut section, name, field);
    }
    section
}

/// The table of the object at `path`, and those of the objects in it.
fn push_object(page: &mut String, path: &str, schema: &Value) {
    for text in [
        "\n### `",
        path,
        "`\n\n",
        &sentence(&schema["description"]),
        "\n\n| field | type | | meaning |\n|---|---|---|---|\n",
    ] {
        page.push_str(text);
    }
    for (name, field) in fields(schema) {
        let required = list(&schema["required"]).iter().any(|required| text(required) == name);
        page.push_str(&row(name, field, required));
    }
    for (name, field) in fields(schema) {
        let (path, object) = match field.get("items") {
            Some(items) => (format!("{path}.{name}[]"), items),
            None => (format!("{path}.{name}"), field),
        };
        if object["properties"].is_object() {
            push_object(page, &path, object);
        }
    }
}

fn row(name: &str, field: &Value, required: bool) -> String {
    let mut meaning = vec![sentence(&field["description"])];
    let words: Vec<_> = list(&field["enum"]).iter().map(text).collect();
    if !words.is_empty() {
        meaning.push(format!("One of `{}`.", words.join("`, `")));
    }
    meaning.extend(
        list(&field["x-kubernetes-validations"])
            .iter()
            .map(|rule| format!("It {}.", sentence(&rule["message"]))),
    );
    let required = if required { "required" } else { "" };
    format!("| `{name}` | {} | {required} | {} |\n", kind(field), meaning.join(" "))
}

/// The type of a field, in words.
fn kind(field: &Value) -> String {
    match (text(&field["type"]), text(&field["format"])) {
        ("array", _) => format!("list of {}s", kind(&field["items"])),
        (_, "date-time") => "time".to_owned(),
        (kind, "") => kind.to_owned(),
        (kind, format) => format!("{kind} ({format})"),
    }
}

/// A text on one line that cannot end a table's cell.
fn sentence(value: &Value) -> String {
    let words: Vec<_> = text(value).split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

fn fields(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(schema: &Value) -> String {
        markdown(&json!({
            "spec": {
                "group": "example.com",
                "names": {"kind": "Question", "plural": "questions", "singular": "question", "shortNames": ["q"]},
                "scope": "Cluster",
                "versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"properties": {"spec": schema}}}}],
            }
        }))
    }

    #[test]
    fn a_field_is_told_with_its_type_its_words_and_its_rules() {
        let page = page(&json!({
            "required": ["stage"],
            "properties": {
                "stage": {"type": "string", "enum": ["A", "B"], "description": "Where\nit | stands."},
                "kernel": {"type": "string", "x-kubernetes-validations": [{"message": "must be a kernel"}]},
                "since": {"type": "string", "format": "date-time"},
                "count": {"type": "integer", "format": "int64"},
            }
        }));
        for row in [
            "| `stage` | string | required | Where it \\| stands. One of `A`, `B`. |\n",
            "| `kernel` | string |  |  It must be a kernel. |\n",
            "| `since` | time |  |  |\n",
            "| `count` | integer (int64) |  |  |\n",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
    }

    #[test]
    fn objects_in_objects_and_in_lists_have_tables_of_their_own() {
        let page = page(&json!({
            "properties": {
                "one": {"type": "object", "properties": {"in": {"type": "boolean"}}},
                "many": {"type": "array", "items": {"type": "object", "properties": {"in": {"type": "string"}}}},
                "words": {"type": "array", "items": {"type": "string"}},
            }
        }));
        let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        assert_eq!(headings, ["`spec`", "`spec.many[]`", "`spec.one`"]);
        assert!(page.contains("| `words` | list of strings |"), "{page}");
    }

    #[test]
    fn what_is_no_definition_makes_an_empty_reference() {
        assert!(!markdown(&Value::Null).contains("##"));
    }
}
