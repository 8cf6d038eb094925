//! Why an object cannot be put into normal form.

use std::fmt;

use super::place::{Place, cut};

/// An object that has no normal form: what is wrong with it, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where, as an RFC 6901 pointer. Names of more than 80 letters are cut.
    pub place: String,
    /// What is wrong.
    pub fact: Fact,
}

/// What is wrong with an object. Texts come from the object, and are cut to 80 letters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// A field that Kubernetes does not know, and that the target does not have with the same value at the same place.
    UnknownField {
        /// The type that has no such field.
        of: &'static str,
        /// The field.
        field: String,
        /// The field that was most likely meant.
        nearest: Option<&'static str>,
    },
    /// A value of another type than the API's.
    WrongType {
        /// What the API wants there, with its article.
        wanted: &'static str,
        /// What is there, with its article.
        found: &'static str,
    },
    /// A required field that is absent or empty.
    Missing {
        /// The type that requires it.
        of: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A name that must be unique, used a second time.
    Duplicate {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A directive of a patch language.
    Directive,
    /// More levels of objects and lists than are read.
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More values than are read.
    TooManyNodes {
        /// The limit.
        limit: usize,
    },
    /// Another kind of object than a v1 Pod.
    NotAPod,
    /// The annotation that marks the API server's copy of a static pod.
    MirrorPod,
    /// An owner reference that gives the pod to a controller.
    Controller,
}

impl Fact {
    pub(super) fn at(self, place: &Place<'_>) -> Refused {
        let place = place.pointer();
        Refused { place, fact: self }
    }

    pub(super) fn duplicate(what: &'static str, name: &str) -> Self {
        let name = cut(name);
        Self::Duplicate { what, name }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(out, "{}: ", self.place)?;
        }
        self.fact.fmt(out)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField { of, field, nearest } => {
                write!(out, "{of} has no field {field:?}")?;
                match nearest {
                    Some(nearest) => write!(out, "; did you mean {nearest:?}?"),
                    None => Ok(()),
                }
            }
            Self::WrongType { wanted, found } => write!(out, "expected {wanted}, found {found}"),
            Self::Missing { of, field } => write!(out, "{of} needs the field {field:?}"),
            Self::Duplicate { what, name } => write!(out, "a second {what} is named {name:?}"),
            Self::Directive => out.write_str("a patch directive is not part of an object"),
            Self::TooDeep { limit } => write!(out, "more than {limit} levels deep"),
            Self::TooManyNodes { limit } => write!(out, "the object has more than {limit} values"),
            Self::NotAPod => out.write_str("only a v1 Pod may be created"),
            Self::MirrorPod => out.write_str("a plan may not make a mirror pod"),
            Self::Controller => out.write_str("a plan may not give a pod to a controller"),
        }
    }
}

impl std::error::Error for Refused {}
