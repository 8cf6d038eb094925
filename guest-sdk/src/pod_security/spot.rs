//! Places in a pod, and their values. Independent of the controls.

use serde_json::Value;

use super::message::Shown;
use crate::{diagnostic::pointer, pod::Object};

/// A place in the pod and its value. An absent field has a place as well: where it would be.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) value: Option<&'a Value>,
    part: Part<'a>,
    parent: Option<&'a Self>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Field(&'a str),
    Index(usize),
}

impl<'a> Spot<'a> {
    fn new(value: Option<&'a Value>, part: Part<'a>, parent: Option<&'a Self>) -> Self {
        Self {
            value: value.filter(|value| !value.is_null()),
            part,
            parent,
        }
    }

    pub(super) fn top(document: &'a Object, name: &'a str) -> Self {
        Self::new(document.get(name), Part::Field(name), None)
    }

    pub(super) fn field<'s>(&'s self, name: &'s str) -> Spot<'s> {
        let value = self.value.and_then(|value| value.get(name));
        Spot::new(value, Part::Field(name), Some(self))
    }

    pub(super) fn fields<'s>(&'s self) -> impl Iterator<Item = (&'s str, Spot<'s>)> {
        let fields = self.value.and_then(Value::as_object).into_iter().flatten();
        fields.map(|(name, value)| {
            (
                name.as_str(),
                Spot::new(Some(value), Part::Field(name), Some(self)),
            )
        })
    }

    pub(super) fn items<'s>(&'s self) -> impl Iterator<Item = Spot<'s>> {
        let items = self.value.and_then(Value::as_array).into_iter().flatten();
        items
            .enumerate()
            .map(|(index, value)| Spot::new(Some(value), Part::Index(index), Some(self)))
    }

    /// The place behind the last item of a list, with an item that is not in it yet.
    pub(super) fn next_item<'s>(&'s self, item: &'s Value) -> Spot<'s> {
        let count = self.value.and_then(Value::as_array).map_or(0, Vec::len);
        Spot::new(Some(item), Part::Index(count), Some(self))
    }

    pub(super) fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    pub(super) fn is(&self, wanted: &Value) -> bool {
        self.value == Some(wanted)
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.and_then(Value::as_str)
    }

    /// The string at the place: empty if absent, as for the API server; none for another type.
    pub(super) fn text_or_empty(&self) -> Option<&'a str> {
        if self.is_absent() { Some("") } else { self.text() }
    }

    pub(super) fn is_text_or_absent(&self) -> bool {
        self.text_or_empty().is_some()
    }

    pub(super) fn shown(&self) -> Shown<'a> {
        Shown(self.value.unwrap_or(&Value::Null))
    }

    pub(super) fn is_one_of(&self, allowed: &[&str]) -> bool {
        self.text().is_some_and(|text| allowed.contains(&text))
    }

    pub(super) fn number(&self) -> Option<i64> {
        self.value.and_then(Value::as_i64)
    }

    pub(super) fn pointer(&self) -> String {
        let mut parts = Vec::new();
        let mut next = Some(self);
        while let Some(spot) = next {
            parts.push(match spot.part {
                Part::Field(name) => name.to_owned(),
                Part::Index(index) => index.to_string(),
            });
            next = spot.parent;
        }
        pointer(parts.iter().rev())
    }
}
