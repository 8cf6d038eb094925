//! The outline of a large object, without the lists that make it large.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

use crate::pod::{ContainerKind, Object};

/// A pod or node of which only `kind` and `spec` are parsed, the latter without containers.
///
/// ```
/// use trocar_sdk::{Target, policy::{Document, Outline}};
/// let text = r#"{"kind": "Pod", "spec": {"hostPID": true, "containers": [{"name": "app"}]}, "status": {"phase": "Running"}}"#;
/// let outline: Outline = Document::<Target>::new("target", text).read()?;
/// assert_eq!(serde_json::Value::Object(outline.0), serde_json::json!({"kind": "Pod", "spec": {"hostPID": true}}));
/// # Ok::<(), trocar_sdk::Failure>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline(pub Object);

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Place::Top.deserialize(deserializer).map(Self)
    }
}

#[derive(Clone, Copy)]
enum Place {
    Top,
    Spec,
}

impl Place {
    fn wants(self, field: &str) -> bool {
        match self {
            Self::Top => field == "kind" || field == "spec",
            Self::Spec => ContainerKind::ALL.iter().all(|kind| kind.field() != field),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = Object;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    /// Null means absent.
    fn visit_unit<E: Error>(self) -> Result<Object, E> {
        Ok(Object::new())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object, M::Error> {
        let mut read = Object::new();
        while let Some(field) = map.next_key::<String>()? {
            if !self.wants(&field) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = match (self, field.as_str()) {
                (Self::Top, "spec") => Value::Object(map.next_value_seed(Self::Spec)?),
                _ => map.next_value()?,
            };
            read.insert(field, value);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_of_the_spec_is_there_but_its_containers() {
        let spec = json!({"hostPID": true, "volumes": [{"name": "a"}], "unheard": {"containers": [1]}});
        let mut whole = spec.clone();
        for kind in ContainerKind::ALL {
            whole[kind.field()] = json!([{"name": "x"}]);
        }
        let pod = json!({"kind": "Pod", "metadata": {"name": "web"}, "spec": whole, "status": {}});
        let outline: Outline = serde_json::from_value(pod).unwrap();
        assert_eq!(Value::Object(outline.0), json!({"kind": "Pod", "spec": spec}));
    }

    #[test]
    fn no_spec_is_an_empty_one_and_text_is_none() {
        let outline = |pod: Value| serde_json::from_value::<Outline>(pod);
        let empty = outline(json!({"spec": null})).unwrap();
        assert_eq!(Value::Object(empty.0), json!({"spec": {}}));
        assert_eq!(outline(json!({})).unwrap(), Outline::default());
        assert!(outline(json!({"spec": "text"})).is_err());
        assert!(outline(json!("text")).is_err());
    }
}
