//! Types and equality of values, as JSON Schema defines them: 1 and 1.0 are the same number, and integers.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashSet},
    fmt::Write as _,
};

use serde_json::{Number, Value};

/// A type of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    Null,
}

impl Type {
    pub(super) const ALL: [Self; 7] = [
        Self::Object,
        Self::Array,
        Self::String,
        Self::Integer,
        Self::Number,
        Self::Boolean,
        Self::Null,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Null => "null",
        }
    }

    /// The type of a value. Every number is one, integers too.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Object(_) => Self::Object,
            Value::Array(_) => Self::Array,
            Value::String(_) => Self::String,
            Value::Number(_) => Self::Number,
            Value::Bool(_) => Self::Boolean,
            Value::Null => Self::Null,
        }
    }

    pub(super) fn includes(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Integer, Value::Number(number)) => is_integer(number),
            _ => self == Self::of(value),
        }
    }
}

fn is_integer(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// The integer that a number is in any spelling, exactly. None for fractions and what is beyond all other integers.
fn whole(number: &Number) -> Option<i128> {
    number.as_i128().or_else(|| {
        let float = number.as_f64()?;
        (is_integer(number) && float.abs() < 1e30).then_some(float as i128)
    })
}

/// The values of an `enum`.
#[derive(Clone, Debug)]
pub(super) struct AllowedValues {
    /// In their order, for messages.
    pub(super) all: Vec<Value>,
    texts: BTreeSet<String>,
    others: Vec<Value>,
}

impl AllowedValues {
    pub(super) fn new(all: &[Value]) -> Self {
        let texts = all.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let others = all.iter().filter(|value| !value.is_string()).cloned().collect();
        Self {
            all: all.to_vec(),
            texts,
            others,
        }
    }

    pub(super) fn includes(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.texts.contains(text),
            value => self.others.iter().any(|other| are_equal(other, value)),
        }
    }
}

/// Whether two values are equal. The work and the recursion are bounded by the smaller one.
pub(super) fn are_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare(one, other) == Ordering::Equal,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| are_equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, one)| other.get(name).is_some_and(|other| are_equal(one, other)))
        }
        (one, other) => one == other,
    }
}

/// Compares two numbers: integers exactly, others as doubles.
pub(super) fn compare(one: &Number, other: &Number) -> Ordering {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        // JSON has no number that is outside of the order of doubles.
        _ => one
            .as_f64()
            .partial_cmp(&other.as_f64())
            .unwrap_or(Ordering::Equal),
    }
}

/// The index of the first item that equals one before it. An error where an item nests deeper than `depth`, for which it
/// was not looked at.
pub(super) fn first_repeated(items: &[Value], depth: usize) -> Result<Option<usize>, usize> {
    // By one text for each item: comparing each with each is quadratic.
    let mut seen = HashSet::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let mut text = String::new();
        write_canonical(item, depth, &mut text).ok_or(index)?;
        if !seen.insert(text) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Writes a text that two values share when they are equal.
fn write_canonical(value: &Value, depth: usize, text: &mut String) -> Option<()> {
    match value {
        Value::Array(items) => {
            let depth = depth.checked_sub(1)?;
            text.push('[');
            for item in items {
                write_canonical(item, depth, text)?;
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            let depth = depth.checked_sub(1)?;
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, member) in members {
                write!(text, "{name:?}:").expect("a String takes all text");
                write_canonical(member, depth, text)?;
                text.push(',');
            }
            text.push('}');
        }
        Value::Number(number) => match whole(number) {
            Some(whole) => write!(text, "{whole}").expect("a String takes all text"),
            None => write!(text, "{number}").expect("a String takes all text"),
        },
        scalar => write!(text, "{scalar}").expect("a String takes all text"),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_equal_in_every_spelling_and_integers_exact() {
        assert!(are_equal(&json!([1, {"a": 2.0}]), &json!([1.0, {"a": 2}])));
        assert!(!are_equal(&json!(u64::MAX), &json!(u64::MAX - 1)));
        assert!(!are_equal(&json!(u64::MAX), &json!(18_446_744_073_709_551_616.0)));
        assert!(!are_equal(&json!("1"), &json!(1)));
        assert!(!are_equal(&json!({"a": 1}), &json!({"b": 1})));
        let order = |one: Value, other: Value| match (one, other) {
            (Value::Number(one), Value::Number(other)) => compare(&one, &other),
            _ => unreachable!("only numbers are compared here"),
        };
        assert_eq!(order(json!(-1), json!(u64::MAX)), Ordering::Less);
        assert_eq!(order(json!(2.5), json!(2)), Ordering::Greater);
    }

    #[test]
    fn a_repeated_item_is_found_in_every_spelling() {
        for (items, wanted) in [
            (json!([1, 2, 1.0]), Ok(Some(2))),
            (json!([1, "1", [1], {"a": 1}, true, null]), Ok(None)),
            (json!([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}]), Ok(Some(1))),
            (json!([["a", "b"], ["a,b"], ["a\",\"b"]]), Ok(None)),
            (json!([u64::MAX, u64::MAX - 1]), Ok(None)),
            (json!([0.5, 0.25, 0.5]), Ok(Some(2))),
            (json!([1, [[[1]]]]), Err(1)),
        ] {
            let Value::Array(items) = items else {
                unreachable!("all cases are lists")
            };
            assert_eq!(first_repeated(&items, 2), wanted, "{items:?}");
        }
    }
}
