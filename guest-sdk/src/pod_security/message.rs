//! Messages of violations: whose field it is, its value, and what would be allowed.

use std::fmt;

use serde_json::Value;

use crate::{names, pod::ContainerKind};

/// The owner of a field, in messages.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    Pod,
    Container(ContainerKind, &'a str),
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Pod => return out.write_str("the pod"),
            Self::Container(ContainerKind::Init, name) => ("init container", name),
            Self::Container(ContainerKind::Regular, name) => ("container", name),
            Self::Container(ContainerKind::Ephemeral, name) => ("ephemeral container", name),
        };
        write!(out, "{kind} {}", Quoted(name))
    }
}

/// A string of the pod in a message: quoted, without control characters, and cut.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: usize = 80;
        match self.0.char_indices().nth(LETTERS) {
            Some((end, _)) => write!(out, "{:?}…", &self.0[..end]),
            None => write!(out, "{:?}", self.0),
        }
    }
}

/// A value of the pod in a message.
pub(super) struct Shown<'a>(pub(super) &'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => Quoted(text).fmt(out),
            Value::Array(_) => out.write_str("a list"),
            Value::Object(_) => out.write_str("an object"),
            plain => plain.fmt(out),
        }
    }
}

/// `only "a" is allowed`, `only "a" and "b" are allowed`.
pub(super) fn only(allowed: &[&str]) -> String {
    let verb = if allowed.len() == 1 { "is" } else { "are" };
    format!("only {} {verb} allowed", names::list(allowed.iter().copied()))
}
