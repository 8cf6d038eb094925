//! Reading YAML and JSON that a person or a tool wrote: several documents, lists flattened, mistakes with line and column.
//! What the documents mean is not known here.
//!
//! YAML is read as Kubernetes reads it, which is version 1.1: `0644` is octal and `yes` a boolean.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Options, Spanned};

use crate::text::is_hidden;

/// The largest text that is read, in bytes: some hundred times the largest object that a cluster stores.
pub const LARGEST: u64 = 16 << 20;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// The column, from 1, where it is known.
    pub column: Option<u64>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(out, "line {line}, column {column}: {}", self.message),
            _ => out.write_str(&self.message),
        }
    }
}

impl std::error::Error for DocumentError {}

impl DocumentError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            line: None,
            column: None,
            message: message.into(),
        }
    }
}

/// Reads all documents of a text: JSON when it starts with a brace, else YAML. Empty documents are left out.
///
/// # Errors
/// Fails on the first mistake: syntax, a key that stands twice, text that is not UTF-8.
pub fn read(text: &[u8]) -> Result<Vec<Value>, DocumentError> {
    if text.len() as u64 > LARGEST {
        return Err(DocumentError::new(format!(
            "the text is {} bytes long; at most {LARGEST} are read",
            text.len()
        )));
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        DocumentError::new(format!("the text is not UTF-8 (at byte {})", error.valid_up_to()))
    })?;
    let documents = if text.trim_start().starts_with('{') {
        read_json(text)?
    } else {
        read_yaml(text)?
    };
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// The same JSON, with every letter escaped that would drive a terminal, turn the text around or not be seen.
pub fn harmless_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        // A line end is never inside of a string.
        if is_hidden(letter) && letter != '\n' {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                text += &format!("\\u{unit:04x}");
            }
        } else {
            text.push(letter);
        }
    }
    text
}

/// Writes a document as indented JSON with a line end, fit for a terminal.
pub fn to_json(document: &Value) -> String {
    harmless_json(&format!("{document:#}")) + "\n"
}

/// Puts the items of `List`, `PodList` and the like where the list was.
pub fn flatten(documents: Vec<Value>) -> Vec<Value> {
    let mut flat = Vec::with_capacity(documents.len());
    for document in documents {
        flatten_into(document, &mut flat);
    }
    flat
}

fn flatten_into(document: Value, flat: &mut Vec<Value>) {
    let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some(item_kind) = kind.strip_suffix("List").map(str::to_owned) else {
        return flat.push(document);
    };
    let api_version = document.get("apiVersion").cloned();
    let Value::Object(mut list) = document else {
        return;
    };
    match list.remove("items") {
        Some(Value::Array(items)) => {
            for mut item in items {
                // The items of a typed list need not say what they are.
                if let (Some(item), false) = (item.as_object_mut(), item_kind.is_empty()) {
                    item.entry("kind").or_insert_with(|| item_kind.clone().into());
                    item.entry("apiVersion")
                        .or_insert_with(|| api_version.clone().unwrap_or_default());
                }
                flatten_into(item, flat);
            }
        }
        _ => flat.push(Value::Object(list)),
    }
}

fn read_json(text: &str) -> Result<Vec<Value>, DocumentError> {
    let mut documents = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<UniqueKeys>();
    loop {
        match stream.next() {
            None => return Ok(documents),
            Some(Ok(document)) => documents.push(document.0),
            Some(Err(error)) => {
                let message = error.to_string();
                let place = format!(" at line {} column {}", error.line(), error.column());
                // Where a document of several ends is known to the stream alone, so the line is within that document.
                return Err(DocumentError {
                    line: Some(error.line() as u64).filter(|line| *line > 0),
                    column: Some(error.column() as u64),
                    message: message.trim_end_matches(&place).to_owned(),
                });
            }
        }
    }
}

fn yaml_options() -> Options {
    let mut options = Options::default();
    // Readers differ in which of two equal keys they take.
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    // As in Kubernetes: `defaultMode: 0644` is 420.
    options.legacy_octal_numbers = true;
    options.with_snippet = false;
    // JSON has no such numbers.
    options.non_finite_float_policy = NonFiniteFloatPolicy::Reject;
    options
}

fn read_yaml(text: &str) -> Result<Vec<Value>, DocumentError> {
    serde_saphyr::from_multiple_with_options(text, yaml_options()).map_err(|error| yaml_error(&error))
}

fn yaml_error(error: &serde_saphyr::Error) -> DocumentError {
    let location = error.location();
    // The advice is for who calls the library, not for who wrote the text.
    let advice = ", set DuplicateKeyPolicy in Options if acceptable";
    let message = error.without_snippet().to_string().replace(advice, "");
    let message = match &location {
        Some(at) => message
            .trim_end_matches(&format!(" at line {}, column {}", at.line(), at.column()))
            .to_owned(),
        None => message,
    };
    DocumentError {
        line: location.map(|at| at.line()),
        column: location.map(|at| at.column()),
        message,
    }
}

/// The places of all values of a document.
#[derive(Debug)]
pub struct Places(Spanned<Spans>);

impl Places {
    /// Reads the places of a text of one document. None where it is not one.
    pub fn read(text: &str) -> Option<Self> {
        serde_saphyr::from_str_with_options(text, yaml_options())
            .ok()
            .map(Self)
    }

    /// Finds the line and column of a pointer; of the nearest part that exists.
    pub fn find(&self, at: &str) -> (u64, u64) {
        let mut here = &self.0;
        let mut found = (here.referenced.line(), here.referenced.column());
        for part in at.split('/').skip(1) {
            let next = match &here.value {
                Spans::Map(fields) => {
                    let name = part.replace("~1", "/").replace("~0", "~");
                    let field = fields.iter().find(|(key, _)| key.value == name);
                    field.map(|(key, value)| (&key.referenced, value))
                }
                Spans::List(items) => {
                    let item = part.parse::<usize>().ok().and_then(|index| items.get(index));
                    item.map(|item| (&item.referenced, item))
                }
                Spans::Scalar => None,
            };
            let Some((place, value)) = next else { break };
            found = (place.line(), place.column());
            here = value;
        }
        found
    }
}

/// Finds the line and column of a pointer in a text of one document; of the nearest part that exists.
pub fn locate(text: &str, at: &str) -> Option<(u64, u64)> {
    Places::read(text).map(|places| places.find(at))
}

/// A document of which only the places are of interest.
#[derive(Debug)]
enum Spans {
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
    List(Vec<Spanned<Self>>),
    Scalar,
}

impl<'de> serde::Deserialize<'de> for Spans {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Places;
        impl<'de> Visitor<'de> for Places {
            type Value = Spans;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("any value")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Spans, E> {
                Ok(Spans::Scalar)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Spans, E> {
                Ok(Spans::Scalar)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Spans, E> {
                Ok(Spans::Scalar)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Spans, E> {
                Ok(Spans::Scalar)
            }
            fn visit_str<E>(self, _: &str) -> Result<Spans, E> {
                Ok(Spans::Scalar)
            }
            fn visit_unit<E>(self) -> Result<Spans, E> {
                Ok(Spans::Scalar)
            }
            fn visit_none<E>(self) -> Result<Spans, E> {
                Ok(Spans::Scalar)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Spans, A::Error> {
                let mut places = Vec::new();
                while let Some(item) = items.next_element()? {
                    places.push(item);
                }
                Ok(Spans::List(places))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Spans, A::Error> {
                let mut places = Vec::new();
                while let Some(field) = fields.next_entry()? {
                    places.push(field);
                }
                Ok(Spans::Map(places))
            }
        }
        deserializer.deserialize_any(Places)
    }
}

/// A JSON value of which no object has the same key twice.
struct UniqueKeys(Value);

impl<'de> serde::Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        UniqueKeysSeed.deserialize(deserializer).map(Self)
    }
}

#[derive(Clone, Copy)]
struct UniqueKeysSeed;

impl<'de> DeserializeSeed<'de> for UniqueKeysSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeysSeed {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate key {key:?}")));
            }
            object.insert(key, fields.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

/// Writes documents as YAML that every Kubernetes tool reads the same, fields in alphabetical order as kubectl does.
///
/// A document with letters that are not shown as they are is written as JSON, which is YAML as well, with these escaped.
pub fn to_yaml(documents: &[Value]) -> String {
    let texts: Vec<String> = documents
        .iter()
        .map(|document| {
            if holds_hidden(document) {
                return to_json(document);
            }
            let mut options = serde_saphyr::SerializerOptions::default();
            options.prefer_block_scalars = false;
            serde_saphyr::to_string_with_options(document, options)
                .expect("a JSON value can always be written")
        })
        .collect();
    // What begins as JSON is read as JSON, in which there is no such mark between documents.
    let is_json_first = texts.len() > 1 && texts[0].starts_with('{');
    let start = if is_json_first { "---\n" } else { "" };
    start.to_owned() + &texts.join("---\n")
}

fn holds_hidden(value: &Value) -> bool {
    // Line ends and tabs are escaped where they are not plain lines of a block.
    let is_hidden = |text: &str| {
        text.chars()
            .any(|letter| is_hidden(letter) && !matches!(letter, '\n' | '\t'))
    };
    match value {
        Value::String(text) => is_hidden(text),
        Value::Array(items) => items.iter().any(holds_hidden),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| is_hidden(name) || holds_hidden(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_is_read_as_kubernetes_reads_it() {
        let documents =
            read(b"a: 0644\nb: yes\nc: \"yes\"\nd: 1.5\n---\n---\n- x: &a {k: 1}\n  y: *a\n").unwrap();
        assert_eq!(
            documents,
            [
                json!({"a": 420, "b": true, "c": "yes", "d": 1.5}),
                json!([{"x": {"k": 1}, "y": {"k": 1}}])
            ]
        );
    }

    #[test]
    fn documents_of_which_the_first_is_written_as_json_are_read_as_the_same_again() {
        for documents in [
            vec![json!({}), json!(4)],
            vec![json!({"a": "\u{202e}\u{1b}"}), json!({"b": 1})],
            vec![json!({"a": "\u{e0041}"}), json!({})],
        ] {
            let written = to_yaml(&documents);
            assert_eq!(read(written.as_bytes()).ok(), Some(documents), "{written}");
        }
    }

    #[test]
    fn mistakes_say_where() {
        for (text, line, column, wanted) in [
            ("a: 1\nb: [\n", 2, 4, "unclosed bracket"),
            ("a: 1\na: 2\n", 2, 1, "uplicate"),
            ("{\"a\": 1,\n \"a\": 2}", 2, 4, "duplicate key \"a\""),
            ("{\"a\": 1,\n}", 2, 1, "trailing comma"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert_eq!(
                (error.line, error.column),
                (Some(line), Some(column)),
                "{text:?}: {error}"
            );
            assert!(error.message.contains(wanted), "{text:?}: {error}");
            assert!(!error.message.contains("line"), "{text:?}: {error}");
        }
    }

    #[test]
    fn bombs_and_bad_bytes_are_refused() {
        assert!(read(b"\xff\xfe").unwrap_err().message.contains("UTF-8"));
        assert!(
            read(&vec![b' '; 17 << 20])
                .unwrap_err()
                .message
                .contains("bytes long")
        );
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let before = format!("*a{}", level - 1);
            laughs += &format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", "));
        }
        assert!(read(laughs.as_bytes()).is_err());
    }

    #[test]
    fn lists_are_flattened() {
        let documents = read(b"kind: List\napiVersion: v1\nitems:\n- {kind: Pod, n: 1}\n- kind: PodList\n  apiVersion: v1\n  items: [{n: 2}]\n").unwrap();
        assert_eq!(
            flatten(documents),
            [
                json!({"kind": "Pod", "n": 1}),
                json!({"kind": "Pod", "apiVersion": "v1", "n": 2})
            ]
        );
    }

    #[test]
    fn a_pointer_is_found_in_the_text() {
        let text = "a:\n  b/c:\n  - x\n  - y: 1\n";
        for (at, wanted) in [
            ("", (1, 1)),
            ("/a/b~1c", (2, 3)),
            ("/a/b~1c/1/y", (4, 5)),
            ("/a/none", (1, 1)),
        ] {
            assert_eq!(locate(text, at), Some(wanted), "{at}");
        }
    }

    #[test]
    fn text_that_older_readers_would_take_for_something_else_is_quoted() {
        let yaml =
            to_yaml(&[json!({"v": ["yes", "0644", "1e3", "null", "12:30:00", "a: b", "line\nbreak"]})]);
        assert_eq!(read(yaml.as_bytes()).unwrap()[0]["v"][0], "yes");
        for plain in ["- yes", "- 0644", "- 1e3", "- null", "- 12:30:00"] {
            assert!(!yaml.contains(&format!("{plain}\n")), "{yaml}");
        }
    }

    #[test]
    fn letters_that_are_not_seen_are_escaped_and_read_back_the_same() {
        let document = json!({"path": "/\u{1b}[1A\u{202e}x\u{200b}", "tag": "\u{e0041}"});
        let written = to_yaml(std::slice::from_ref(&document));
        assert!(
            !written.chars().any(|letter| is_hidden(letter) && letter != '\n'),
            "{written:?}"
        );
        assert_eq!(read(written.as_bytes()).unwrap(), [document]);
    }
}
