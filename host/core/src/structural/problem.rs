//! Problems of values and errors of schemas, and how names and values of plugins and people are shown in them: short, quoted,
//! without control characters.

use std::fmt;

use serde_json::Value;

/// The most letters that are shown of one name or value.
const MAX_SHOWN: usize = 80;

/// The most names or values that are listed in one message.
const MAX_LISTED: usize = 12;

/// The longest name that is compared with others. The comparison is quadratic.
const MAX_COMPARED: usize = 64;

/// What is wrong with a value, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as an RFC 6901 pointer. Names of more than 80 letters are cut, so that it may lead to nothing.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    /// The place with dots, as people write it, then the message.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.at.strip_prefix('/').unwrap_or_default().replace('/', ".");
        write_placed(out, &place, &self.message)
    }
}

/// Why a schema is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// Where in the schema, as an RFC 6901 pointer.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_placed(out, &self.at, &self.message)
    }
}

impl std::error::Error for SchemaError {}

fn write_placed(out: &mut fmt::Formatter<'_>, place: &str, message: &str) -> fmt::Result {
    match place {
        "" => out.write_str(message),
        place => write!(out, "{}: {message}", place.escape_debug()),
    }
}

/// The beginning of a text, with a mark where it is cut.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A name between double quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("{:?}", shortened(name))
}

/// A value: texts between single quotes, numbers and the like as they are, lists and objects by their kind.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let text = shortened(text).escape_debug().to_string().replace("\\\"", "\"");
            format!("'{text}'")
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        scalar => scalar.to_string(),
    }
}

/// Joins names or values by commas; of many, the first ones and the number of the others.
pub(super) fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let others = names.len().saturating_sub(MAX_LISTED);
    let mut list = names.take(MAX_LISTED).collect::<Vec<_>>().join(", ");
    if others > 0 {
        list += &format!(" and {others} more");
    }
    list
}

/// The known name that a mistyped one most likely meant.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if typed.len() > MAX_COMPARED {
        return None;
    }
    let comparable =
        known.filter(|name| name.len() <= MAX_COMPARED && name.len().abs_diff(typed.len()) <= 17);
    trocar_sdk::names::nearest(typed, comparable)
}
