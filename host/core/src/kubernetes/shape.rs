//! Makes an object what the API's types say: names, types and required fields are checked, nulls and meaningless zero
//! values are dropped.
//!
//! A null is what Go makes of it: an absent field, and the zero value in a list or a map. A zero value is dropped only where
//! the API's field is a plain one, in which Go cannot tell it from an absent field.

use std::{collections::HashMap, sync::LazyLock};

use serde_json::{Number, Value};
use trocar_sdk::Object;

use super::{
    Field, Kind, Presence, Type, nearest,
    place::{Place, cut},
    quantity,
    refused::{Fact, Refused},
};

/// Whose object is given its shape.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A plan's: fields that are unknown or missing are refused.
    Plan,
    /// The API server's answer: a newer server's fields are kept.
    Server,
}

/// Gives an object the shape of a type. `target` is the object at the same place in the target of the debug.
///
/// # Errors
/// Fails at the first value that the API would not take.
pub(super) fn shape(
    kind: &'static Type,
    object: &mut Object,
    target: Option<&Object>,
    origin: Origin,
) -> Result<(), Refused> {
    let shape = Shape { origin };
    shape.object(kind, object, target, &Place::Root)
}

struct Shape {
    origin: Origin,
}

impl Shape {
    fn object(
        &self,
        kind: &'static Type,
        object: &mut Object,
        target: Option<&Object>,
        at: &Place<'_>,
    ) -> Result<(), Refused> {
        let mut result = Ok(());
        object.retain(|name, value| {
            if result.is_err() {
                return true;
            }
            let kept = match kind.field(name) {
                Some(field) => self.field(field, value, target, at),
                None => self.unknown(kind, name, value, target, at),
            };
            kept.unwrap_or_else(|refused| {
                result = Err(refused);
                true
            })
        });
        result?;
        let mut required = kind
            .fields
            .iter()
            .filter(|field| field.presence == Presence::Required);
        match required.find(|field| !object.contains_key(field.name)) {
            Some(field) if self.origin == Origin::Plan => {
                let (of, field) = (kind.name, field.name);
                Err(Fact::Missing { of, field }.at(at))
            }
            _ => Ok(()),
        }
    }

    /// Gives a field its shape. Returns false if it is the same as an absent one.
    fn field(
        &self,
        field: &'static Field,
        value: &mut Value,
        target: Option<&Object>,
        at: &Place<'_>,
    ) -> Result<bool, Refused> {
        if value.is_null() {
            return Ok(false);
        }
        let target = target.and_then(|target| target.get(field.name));
        self.value(&field.kind, value, target, &at.field(field.name))?;
        // `allowPrivilegeEscalation: false` and `runAsUser: 0` are pointers in Go: there the zero value means something.
        Ok(field.presence != Presence::Plain || !is_zero(&field.kind, value))
    }

    /// Keeps an unknown field if the target has the same one, since a newer server may have put it there.
    fn unknown(
        &self,
        kind: &'static Type,
        name: &str,
        value: &Value,
        target: Option<&Object>,
        at: &Place<'_>,
    ) -> Result<bool, Refused> {
        let is_targets = target.and_then(|target| target.get(name)) == Some(value);
        if is_targets || self.origin == Origin::Server {
            return Ok(true);
        }
        let fact = Fact::UnknownField {
            of: kind.name,
            field: cut(name),
            nearest: nearest(kind, name),
        };
        Err(fact.at(&at.field(name)))
    }

    fn value(
        &self,
        kind: &'static Kind,
        value: &mut Value,
        target: Option<&Value>,
        at: &Place<'_>,
    ) -> Result<(), Refused> {
        match (kind, &mut *value) {
            (Kind::Object(kind), Value::Object(object)) => {
                self.object(kind, object, target.and_then(Value::as_object), at)
            }
            (Kind::List { item, keys }, Value::Array(items)) => {
                let targets = target.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                self.items(item, items, &mut Matches::new(targets, keys), at)
            }
            (Kind::Map(kind), Value::Object(entries)) => {
                let mut entries = entries.iter_mut();
                entries.try_for_each(|(name, entry)| self.entry(kind, entry, None, &at.field(name)))
            }
            _ => scalar(kind, value).map_err(|fact| fact.at(at)),
        }
    }

    fn items(
        &self,
        kind: &'static Kind,
        items: &mut [Value],
        targets: &mut Matches<'_>,
        at: &Place<'_>,
    ) -> Result<(), Refused> {
        for (index, item) in items.iter_mut().enumerate() {
            let target = targets.find(index, item);
            self.entry(kind, item, target, &at.item(index))?;
        }
        Ok(())
    }

    /// Gives an item of a list or an entry of a map its shape.
    fn entry(
        &self,
        kind: &'static Kind,
        value: &mut Value,
        target: Option<&Value>,
        at: &Place<'_>,
    ) -> Result<(), Refused> {
        if value.is_null() {
            *value = zero(kind);
        }
        self.value(kind, value, target, at)
    }
}

/// Checks a value that holds no others. Quantities become text without blanks, as the API server makes them.
fn scalar(kind: &Kind, value: &mut Value) -> Result<(), Fact> {
    let is_right = match (kind, &mut *value) {
        (Kind::Any, _)
        | (Kind::String | Kind::Time | Kind::IntOrString, Value::String(_))
        | (Kind::Bool, Value::Bool(_)) => true,
        (Kind::Int32 | Kind::IntOrString, Value::Number(number)) => is_int32(number),
        (Kind::Int64, Value::Number(number)) => number.is_i64(),
        (Kind::Quantity, Value::Number(number)) => {
            let text = number.to_string();
            let is_right = quantity::milli(&text).is_some();
            *value = Value::String(text);
            is_right
        }
        (Kind::Quantity, Value::String(text)) => {
            if text.trim().len() < text.len() {
                *text = text.trim().to_owned();
            }
            quantity::milli(text).is_some()
        }
        _ => false,
    };
    if is_right {
        return Ok(());
    }
    let (wanted, found) = (wanted(kind), found(value));
    Err(Fact::WrongType { wanted, found })
}

fn is_int32(number: &Number) -> bool {
    number
        .as_i64()
        .is_some_and(|number| i32::try_from(number).is_ok())
}

fn wanted(kind: &Kind) -> &'static str {
    match kind {
        Kind::String => "a string",
        Kind::Bool => "true or false",
        Kind::Int32 => "a whole number of 32 bits",
        Kind::Int64 => "a whole number of 64 bits",
        Kind::Quantity => "a quantity such as 100m or 1Gi",
        Kind::IntOrString => "a whole number of 32 bits or a string",
        Kind::Time => "a time",
        Kind::Any => "any value",
        Kind::List { .. } => "a list",
        Kind::Map(_) | Kind::Object(_) => "an object",
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction or an exponent",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What Go makes of a null in a list or a map.
fn zero(kind: &Kind) -> Value {
    match kind {
        Kind::String | Kind::Time => "".into(),
        Kind::Bool => false.into(),
        Kind::Int32 | Kind::Int64 | Kind::IntOrString => 0.into(),
        Kind::Quantity => "0".into(),
        Kind::Any => Value::Null,
        Kind::List { .. } => Value::Array(Vec::new()),
        Kind::Map(_) | Kind::Object(_) => Value::Object(Object::new()),
    }
}

fn is_zero(kind: &Kind, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) if matches!(kind, Kind::Quantity) => quantity::milli(text) == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Finds the items of a target's list that stand at the same places: those with the same keys, or the same index.
///
/// An item most often has the index that it has in the target; only where one does not is an index by keys made, once.
struct Matches<'a> {
    targets: &'a [Value],
    keys: &'static [&'static str],
    by_keys: Option<HashMap<String, &'a Value>>,
}

impl<'a> Matches<'a> {
    fn new(targets: &'a [Value], keys: &'static [&'static str]) -> Self {
        Self {
            targets,
            keys,
            by_keys: None,
        }
    }

    fn find(&mut self, index: usize, item: &Value) -> Option<&'a Value> {
        if self.targets.is_empty() {
            return None;
        }
        let beside = self.targets.get(index);
        let is_same = |target: &&Value| {
            self.keys
                .iter()
                .all(|key| key_of(item, key) == key_of(target, key))
        };
        if self.keys.is_empty() || beside.as_ref().is_some_and(is_same) {
            return beside;
        }
        let targets = self.targets;
        let by_keys = self.by_keys.get_or_insert_with(|| {
            // Reversed, so that of several items with the same keys the first one stays in the map.
            let keyed = targets.iter().rev();
            keyed
                .map(|target| (identity(target, self.keys), target))
                .collect()
        });
        by_keys.get(&identity(item, self.keys)).copied()
    }
}

/// A key of an item. The protocol of a port is the one key that has a default.
fn key_of<'a>(item: &'a Value, key: &str) -> &'a Value {
    static TCP: LazyLock<Value> = LazyLock::new(|| "TCP".into());
    match item.get(key) {
        Some(value) => value,
        None if key == "protocol" => &TCP,
        None => &Value::Null,
    }
}

/// What identifies an item of a list with keys.
pub(super) fn identity(item: &Value, keys: &[&str]) -> String {
    let mut identity = String::new();
    for key in keys {
        identity.push_str(&key_of(item, key).to_string());
        identity.push('\n');
    }
    identity
}
