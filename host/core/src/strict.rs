//! Reading documents that a person wrote: an unknown field is an error that names the nearest known one,
//! and every error says where. A thin wrapper around serde over a JSON value.

use std::{cell::RefCell, fmt, rc::Rc};

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor, value::StrDeserializer,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value};
use trocar_sdk::{diagnostic::pointer, names};

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrictError {
    /// Where, as an RFC 6901 pointer.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for StrictError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() {
            return out.write_str(&self.message);
        }
        let place = self.at.trim_start_matches('/').replace('/', ".");
        write!(out, "{place}: {}", self.message)
    }
}

impl std::error::Error for StrictError {}

/// Reads a value as a type and refuses every field that the type does not know.
///
/// # Errors
/// Fails at the first field that is unknown, missing or of the wrong type.
pub fn from_value<T: for<'de> Deserialize<'de>>(value: &Value) -> Result<T, StrictError> {
    read(value, &Path::default())
}

/// Checks a value against a type as [`from_value`] does, but takes numbers and booleans where the type wants text. Gives the
/// places where they stand, and their texts.
///
/// # Errors
/// Fails at the first field that is unknown, missing or of the wrong type.
pub fn scalars_for_text<T: for<'de> Deserialize<'de>>(
    value: &Value,
) -> Result<Vec<(String, String)>, StrictError> {
    let path = Path {
        scalars: Some(Rc::default()),
        ..Path::default()
    };
    read::<T>(value, &path)?;
    Ok(path.scalars.map(|scalars| scalars.take()).unwrap_or_default())
}

fn read<T: for<'de> Deserialize<'de>>(value: &Value, path: &Path) -> Result<T, StrictError> {
    let reader = Reader {
        value,
        path: path.clone(),
    };
    T::deserialize(reader).map_err(|error| StrictError {
        at: pointer(path.parts.borrow().iter()),
        message: error.0,
    })
}

/// Places and texts.
type Scalars = Rc<RefCell<Vec<(String, String)>>>;

/// Where the reader is.
#[derive(Clone, Default)]
struct Path {
    /// The parts from the document to the reader's place; left as they are when an error comes up.
    parts: Rc<RefCell<Vec<String>>>,
    /// The scalars that were taken for text, where that may be: their places and texts.
    scalars: Option<Scalars>,
}

struct Reader<'a> {
    value: &'a Value,
    path: Path,
}

impl Reader<'_> {
    /// The text of a number or boolean that is taken for one, which is noted. None where that may not be.
    fn scalar_as_text(&self) -> Option<String> {
        let is_scalar = matches!(self.value, Value::Number(_) | Value::Bool(_));
        let scalars = self.path.scalars.as_ref().filter(|_| is_scalar)?;
        let text = self.value.to_string();
        let at = pointer(self.path.parts.borrow().iter());
        scalars.borrow_mut().push((at, text.clone()));
        Some(text)
    }
}

#[derive(Debug)]
struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let known = expected.iter().copied();
        Self(match names::nearest(variant, known.clone()) {
            Some(meant) => format!("{variant:?} is unknown; did you mean {meant:?}?"),
            None => format!("{variant:?} is unknown; known are {}", names::list(known)),
        })
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (_, Some(value)) => visitor.visit_i64(value),
                _ => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items {
                items: items.iter().enumerate(),
                path: self.path,
            }),
            Value::Object(fields) => visitor.visit_map(Fields::new(fields, self.path)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == "Quantity" && self.value.is_number() {
            // Its type reads numbers as well, but the API writes it as text.
            drop(self.scalar_as_text());
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // Types that skip unknown fields still list here the fields that they know.
        if let Value::Object(fields) = self.value
            && let Some(unknown) = fields.keys().find(|field| !known.contains(&field.as_str()))
        {
            return Err(unknown_field(unknown, known, &self.path));
        }
        if self.value.is_array() {
            // serde would take its items for the fields, in their order.
            return Err(Error("invalid type: sequence, expected a map".into()));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar_as_text() {
            Some(text) => visitor.visit_string(text),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::String(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            _ => visitor.visit_enum(TaggedVariant(self)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// How many letters of an unknown field's name are shown.
const MAX_SHOWN_CHARS: usize = 80;

fn unknown_field(field: &str, known: &[&str], path: &Path) -> Error {
    // A name may be as long as its document; who reads the message needs its beginning.
    path.parts
        .borrow_mut()
        .push(field.chars().take(MAX_SHOWN_CHARS).collect());
    Error(match names::nearest(field, known.iter().copied()) {
        Some(meant) => format!("unknown field; did you mean {meant:?}?"),
        None => format!("unknown field; known are {}", known.join(", ")),
    })
}

struct Fields<'a> {
    fields: serde_json::map::Iter<'a>,
    value: Option<&'a Value>,
    path: Path,
}

impl<'a> Fields<'a> {
    fn new(fields: &'a Map<String, Value>, path: Path) -> Self {
        Self {
            fields: fields.iter(),
            value: None,
            path,
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((field, value)) = self.fields.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        self.path.parts.borrow_mut().push(field.clone());
        let key: StrDeserializer<'_, Error> = field.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.value.take().expect("serde asks for a key before its value");
        let read = seed.deserialize(Reader {
            value,
            path: self.path.clone(),
        })?;
        self.path.parts.borrow_mut().pop();
        Ok(read)
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
    path: Path,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, value)) = self.items.next() else {
            return Ok(None);
        };
        self.path.parts.borrow_mut().push(index.to_string());
        let read = seed.deserialize(Reader {
            value,
            path: self.path.clone(),
        })?;
        self.path.parts.borrow_mut().pop();
        Ok(Some(read))
    }
}

/// An enum that is written as something else than its name: serde's own message says what was wanted.
struct TaggedVariant<'a>(Reader<'a>);

impl<'de> EnumAccess<'de> for TaggedVariant<'_> {
    type Error = Error;
    type Variant = NoContent;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, NoContent), Error> {
        Ok((seed.deserialize(self.0)?, NoContent))
    }
}

struct NoContent;

impl<'de> VariantAccess<'de> for NoContent {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        Err(de::Error::custom("expected a name"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("expected a name"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("expected a name"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trocar_sdk::{DebugOptions, Profile};

    use super::*;

    #[test]
    fn a_list_is_no_object() {
        let error = from_value::<DebugOptions>(&json!({"keep": [true, true]})).unwrap_err();
        assert_eq!(error.to_string(), "keep: invalid type: sequence, expected a map");
    }

    #[test]
    fn an_unknown_field_names_the_nearest_known_one_and_its_place() {
        let error = from_value::<DebugOptions>(&json!({"keep": {"lables": true}})).unwrap_err();
        assert_eq!(error.at, "/keep/lables");
        assert_eq!(
            error.to_string(),
            r#"keep.lables: unknown field; did you mean "labels"?"#
        );
    }

    #[test]
    fn scalars_are_taken_for_text_only_on_request() {
        let value = json!({"env": [{"name": "A", "value": 3}], "image": true});
        let scalars = scalars_for_text::<DebugOptions>(&value).unwrap();
        let wanted = [("/env/0/value", "3"), ("/image", "true")];
        assert_eq!(scalars, wanted.map(|(at, text)| (at.to_owned(), text.to_owned())));
        assert!(from_value::<DebugOptions>(&value).is_err());
        assert!(scalars_for_text::<DebugOptions>(&json!({"stdin": "true"})).is_err());
    }

    #[test]
    fn a_wrong_type_says_where() {
        let error = from_value::<DebugOptions>(&json!({"env": [{"name": "A", "value": 3}]})).unwrap_err();
        assert_eq!(error.at, "/env/0/value");
        assert!(error.message.contains("expected a string"), "{error}");
    }

    #[test]
    fn an_unknown_name_is_told_the_nearest() {
        let error = from_value::<DebugOptions>(&json!({"profile": "genaral"})).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"profile: "genaral" is unknown; did you mean "general"?"#
        );
        let read: DebugOptions = from_value(&json!({"profile": "netadmin"})).unwrap();
        assert_eq!(read.profile, Profile::Netadmin);
    }
}
