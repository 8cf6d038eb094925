//! Structural schemas of settings: a subset of JSON Schema in which what is known of a value is known of its place alone, as in
//! Kubernetes' CRDs. There are no combinations (`anyOf`), references or conditions, so that a value is checked in one walk,
//! and every problem has one place and one reason.
//!
//! A schema is an object of these keywords; any other is refused with its place:
//!
//! - `type`: `object`, `array`, `string`, `integer`, `number`, `boolean` or `null`, or a list of these. 1.0 is an integer.
//! - `properties`, `required`, `additionalProperties` (a boolean or a schema), `minProperties`, `maxProperties`
//! - `items`, `minItems`, `maxItems`, `uniqueItems`
//! - `enum`, `const`
//! - `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`
//! - `minLength`, `maxLength` (in Unicode code points), `pattern` (a regular expression of the crate `regex-lite`, found anywhere
//!   in the text; there are no look-arounds and back references)
//! - `default`: must fit its schema. It is documentation: the plugin fills it in, the host does not.
//! - `title`, `description`, `examples`, and `$schema` at the root: documentation
//!
//! A schema comes from a plugin and is bounded in all its parts. Checking a value is linear in the value, by a factor that the
//! schema's limits bound.

mod check;
mod parse;
mod patterns;
mod problem;
#[cfg(test)]
mod tests;
mod values;

pub use check::MAX_PROBLEMS;
pub use problem::{Problem, SchemaError};

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use patterns::{MAX_WORK, Pattern};
use values::{AllowedValues, Type};

/// The most schemas within a schema, itself included.
pub const MAX_SCHEMAS: usize = 1000;

/// The deepest that schemas lie in one another.
pub const MAX_DEPTH: usize = 32;

/// The most values in all of a schema's `enum`, `const` and `default` together, what lies in lists and objects included.
pub const MAX_VALUES: usize = 10_000;

/// The most values in one `enum` that are not texts. Texts are looked up; others are compared one by one.
pub const MAX_ENUM_NOT_TEXT: usize = 100;

/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 1000;

/// The most patterns in a schema.
pub const MAX_PATTERNS: usize = 100;

/// A settings schema that was read and found to be structural.
#[derive(Clone, Debug)]
pub struct Schema {
    root: Node,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// Fails at the first keyword that is unknown, malformed or beyond a limit, and at a default that does not fit.
    pub fn parse(schema: &Value) -> Result<Self, SchemaError> {
        parse::parse(schema).map(|root| Self { root })
    }

    /// Checks a value. Returns the first [`MAX_PROBLEMS`] problems, in the order of the value; none when it fits.
    pub fn check(&self, value: &Value) -> Vec<Problem> {
        let mut work_left = MAX_WORK;
        check::check(&self.root, value, &mut work_left)
    }
}

/// What is known of one place.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Any of these; empty for all.
    types: Vec<Type>,
    properties: BTreeMap<String, Self>,
    required: Vec<String>,
    additional_properties: Additional,
    items: Option<Box<Self>>,
    unique_items: bool,
    /// `enum`.
    one_of: Option<AllowedValues>,
    /// `const`.
    constant: Option<Value>,
    pattern: Option<Pattern>,
    length: Range<u64>,
    item_count: Range<u64>,
    property_count: Range<u64>,
    number: Range<Number>,
    exclusive: Range<Number>,
}

/// The members of an object that are not among its properties.
#[derive(Clone, Debug, Default)]
enum Additional {
    #[default]
    Any,
    Refused,
    Schema(Box<Node>),
}

#[derive(Clone, Debug)]
struct Range<T> {
    min: Option<T>,
    max: Option<T>,
}

impl<T> Default for Range<T> {
    fn default() -> Self {
        Self { min: None, max: None }
    }
}
