//! Documents of a review, parsed at their first use: most policies need few of them, and only parts of those.

use std::{cell::OnceCell, fmt, ops::Deref};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Failure, request::parse};

/// A document of the contract, which dereferences to its value.
///
/// ```
/// use trocar_sdk::{Actor, policy::Document};
/// let actor = Document::from(Actor { user: "jane".into(), ..Actor::default() });
/// assert_eq!(actor.user, "jane");
/// ```
#[derive(Clone, Default)]
pub struct Document<T> {
    what: &'static str,
    /// The text; none for a document that was created from a value.
    text: Option<String>,
    value: OnceCell<T>,
    malformed: OnceCell<Failure>,
}

impl<T> Document<T> {
    /// Creates a document from its text. `what` is its name in errors.
    pub fn new(what: &'static str, text: impl Into<String>) -> Self {
        Self {
            what,
            text: Some(text.into()),
            value: OnceCell::new(),
            malformed: OnceCell::new(),
        }
    }

    /// The error of parsing the document, if it was used and is malformed. That is the host's fault.
    ///
    /// A malformed document reads as the default of its type, so an answer that is based on it is meaningless:
    /// `policy!` discards it.
    pub fn malformed(&self) -> Option<&Failure> {
        self.malformed.get()
    }
}

impl<T: Serialize> Document<T> {
    /// Parses the document as another type. One with few fields is much faster for a large document.
    ///
    /// # Errors
    /// Fails when the document is not of that type.
    pub fn read<P: DeserializeOwned>(&self) -> Result<P, Failure> {
        match (&self.text, self.value.get()) {
            (Some(text), _) => parse(self.what, text),
            (None, Some(value)) => parse(self.what, &serde_json::to_string(value).unwrap_or_default()),
            (None, None) => parse(self.what, "{}"),
        }
    }
}

impl<T> From<T> for Document<T> {
    fn from(value: T) -> Self {
        Self {
            what: "document",
            text: None,
            value: value.into(),
            malformed: OnceCell::new(),
        }
    }
}

impl<T: DeserializeOwned + Default> Deref for Document<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.get_or_init(|| {
            let Some(text) = &self.text else {
                return T::default();
            };
            parse(self.what, text).unwrap_or_else(|failure| {
                // Set once, together with the value.
                self.malformed.get_or_init(|| failure);
                T::default()
            })
        })
    }
}

impl<T: DeserializeOwned + Default + fmt::Debug> fmt::Debug for Document<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{FailureKind, request::Target};

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Kind {
        kind: String,
    }

    #[test]
    fn a_document_is_the_same_as_a_whole_and_in_part_whether_it_came_as_text_or_as_a_value() {
        let text = r#"{"kind": "Pod", "spec": {"containers": []}}"#;
        let of_text = Document::<Target>::new("target", text);
        let of_value = Document::from(Target::clone(&of_text));
        for target in [of_text, of_value] {
            let kind: Kind = target.read().unwrap();
            assert_eq!(kind.kind, "Pod");
            assert_eq!(target.kind(), "Pod");
            assert!(target.0["spec"]["containers"].is_array());
            assert_eq!(target.malformed(), None);
        }
    }

    #[test]
    fn what_is_wrong_with_a_document_is_known_once_it_was_looked_at() {
        let target = Document::<Target>::new("target", "7");
        assert_eq!(target.malformed(), None);
        assert_eq!(target.kind(), "");
        let failure = target.malformed().unwrap();
        assert_eq!(failure.kind, FailureKind::Internal);
        assert!(failure.message.contains("malformed target"), "{failure}");
        assert!(target.read::<Kind>().is_err());
    }

    #[test]
    fn a_document_that_is_missing_is_the_default() {
        let target = Document::<Target>::default();
        assert_eq!(target.kind(), "");
        assert_eq!(target.read::<Kind>().unwrap(), Kind::default());
    }
}
